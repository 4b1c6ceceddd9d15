//! A source over several connections: what each leaves to the next, and what nobody had polled when it ended.

use tidings_wire::{Decoder, Frame, HEARTBEAT, Id, Item, Retry, encode_comment, encode_retry};

use super::{AMPLE, event, feed};

#[test]
fn an_id_from_an_earlier_time_holds_until_the_stream_sets_another() {
    let mut decoder = Decoder::new(AMPLE).with_last_event_id(Id::new("…").unwrap());
    assert_eq!(decoder.last_event_id(), "…");
    let items = feed(&mut decoder, [&b"data:a\n\nid:2\ndata:b\n\nid\ndata:c\n\n"[..]]);
    assert_eq!(items, [event("message", "a", "…"), event("message", "b", "2"), event("message", "c", "")]);
    assert_eq!(decoder.last_event_id(), "");
}

#[test]
fn every_connection_drops_its_unfinished_block_and_keeps_the_id() {
    let mut decoder = Decoder::new(AMPLE);
    for stream in ["id:1\ndata:a\n\nid:2\nevent:t\ndata:b", "\u{feff}data:c\r", "\n\ndata:d"] {
        let items = feed(&mut decoder, [stream.as_bytes()]);
        assert!(items.iter().all(|item| *item == event("message", "a", "1")), "{items:?}");
        decoder.handle_eof();
        assert_eq!(decoder.last_event_id(), "1");
    }
    assert_eq!(feed(&mut decoder, [&b"data:e\n\n"[..]]), [event("message", "e", "1")]);
}

#[test]
fn the_last_id_is_that_of_the_last_polled_item() {
    let mut decoder = Decoder::new(AMPLE);
    decoder.handle_bytes(b"id:1\ndata:a\n\nid:2\ndata:b\n\nid:3\n\n");
    assert_eq!(decoder.last_event_id(), "");
    assert_eq!(decoder.poll_item(), Some(event("message", "a", "1")));
    assert_eq!(decoder.last_event_id(), "1");
    assert_eq!(decoder.poll_item(), Some(event("message", "b", "2")));
    assert_eq!(decoder.last_event_id(), "2");
    assert_eq!(decoder.poll_item(), None);
    assert_eq!(decoder.last_event_id(), "3");
}

#[test]
fn what_was_not_polled_before_the_end_is_not_lost() {
    let mut decoder = Decoder::new(AMPLE);
    decoder.handle_bytes(b"data:a\n\nid:1\ndata:b\n\nretry:7\ndata:c");
    decoder.handle_eof();
    decoder.handle_bytes(b"data:d\n\n");
    let items: Vec<_> = std::iter::from_fn(|| decoder.poll_item()).collect();
    let retry = Item::Retry(Retry::from_millis(7));
    assert_eq!(items, [event("message", "a", ""), event("message", "b", "1"), retry, event("message", "d", "1")]);
}

#[test]
fn a_stream_as_a_server_opens_it() {
    let mut stream = Vec::new();
    encode_retry(Retry::from_millis(2_000), &mut stream);
    encode_comment("ok", &mut stream);
    Frame { event: None, id: Some(&Id::new("k.1").unwrap()), data: "a\r\nb" }.encode(&mut stream);
    stream.extend_from_slice(HEARTBEAT);
    let items = feed(&mut Decoder::new(AMPLE), [&stream[..]]);
    let comment = |text: &str| Item::Comment(text.into());
    let expect = [Item::Retry(Retry::from_millis(2_000)), comment("ok"), event("message", "a\nb", "k.1"), comment("")];
    assert_eq!(items, expect);
}
