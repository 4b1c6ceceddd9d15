//! The fear: a stream without end, or without blank lines, that fills the memory; and a reader that is lost behind it.

use tidings_wire::{Decoder, Item, Retry};

use super::{event, feed};

const LIMIT: usize = 20;

/// What a decoder with a limit of 20 bytes makes of `stream`, however it is cut.
fn check(stream: &str, expect: &[Item]) {
    let bytes = stream.as_bytes();
    assert_eq!(feed(&mut Decoder::new(LIMIT), [bytes]), expect, "{stream:?}");
    assert_eq!(feed(&mut Decoder::new(LIMIT), bytes.chunks(1)), expect, "{stream:?} byte by byte");
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(feed(&mut Decoder::new(LIMIT), [first, second]), expect, "{stream:?} cut at {at}");
    }
}

const TOO_LARGE: Item = Item::TooLarge { limit: LIMIT };

#[test]
fn a_line_may_be_as_long_as_the_limit() {
    check("data:123456789012345\n\n", &[event("message", "123456789012345", "")]);
    check("data:1234567890123456\n\ndata:a\n\n", &[TOO_LARGE, event("message", "a", "")]);
}

#[test]
fn many_lines_count_together() {
    check("data:123\ndata:456\ndata:789\n\n", &[event("message", "123\n456\n789", "")]);
    check(
        "data:123\ndata:456\ndata:789\ndata:012\ndata:345\ndata:6\n\ndata:a\n\n",
        &[TOO_LARGE, event("message", "a", "")],
    );
    check("id:12345\nevent:12345\ndata:123456\n\ndata:a\n\n", &[TOO_LARGE, event("message", "a", "")]);
}

#[test]
fn every_block_has_the_whole_limit() {
    let event_of = |id| event("message", "1234567", id);
    check("id:1234567890\ndata:1234\n\n", &[event("message", "1234", "1234567890")]);
    // The id that an earlier block left behind does not count.
    check("id:1234567890\n\ndata:1234567\n\ndata:1234567\n\n", &[event_of("1234567890"), event_of("1234567890")]);
}

#[test]
fn comments_and_unknown_lines_count_while_they_are_read() {
    check(":34567890123456789012\ndata:a\n\n", &[TOO_LARGE]);
    check(":34567890\n:34567890\n:34567890\nfoo:567890123456789\ndata:a\n\n", &{
        let comment = || Item::Comment("34567890".into());
        [comment(), comment(), comment(), event("message", "a", "")]
    });
}

#[test]
fn nothing_of_a_dropped_block_counts_behind_the_limit() {
    check(
        "id:1\ndata:a\n\nid:2\ndata:1234567890123456\nid:3\nretry:5\n:c\nevent:t\ndata:b\n\ndata:c\n\n",
        &[event("message", "a", "1"), TOO_LARGE, event("message", "c", "1")],
    );
}

#[test]
fn what_came_before_the_limit_was_reached_has_been_said() {
    check(
        "retry:5\n:c\ndata:1234567890123456\n\n",
        &[Item::Retry(Retry::from_millis(5)), Item::Comment("c".into()), TOO_LARGE],
    );
}

#[test]
fn each_block_too_large_is_told_once() {
    let long = "data:1234567890123456789012345678901234567890\n";
    check(&format!("{long}{long}{long}\n{long}\r\n\rdata:a\r\r"), &[TOO_LARGE, TOO_LARGE, event("message", "a", "")]);
}

#[test]
fn the_limit_speaks_before_the_line_ends() {
    let mut decoder = Decoder::new(LIMIT);
    assert_eq!(feed(&mut decoder, ["data:1234567890123456".as_bytes()]), [TOO_LARGE]);
    assert_eq!(feed(&mut decoder, ["more", "and more"].map(str::as_bytes)), []);
    assert_eq!(feed(&mut decoder, ["\n", "\n", "data:a\n", "\n"].map(str::as_bytes)), [event("message", "a", "")]);
}

#[test]
fn the_bom_does_not_count() {
    check("\u{feff}data:123456789012345\n\n", &[event("message", "123456789012345", "")]);
    let mut none = Decoder::new(0);
    assert_eq!(feed(&mut none, ["\u{feff}".as_bytes()]), []);
}

#[test]
fn the_end_of_the_connection_ends_a_dropped_block() {
    let mut decoder = Decoder::new(LIMIT);
    assert_eq!(feed(&mut decoder, ["id:1\n\ndata:1234567890123456".as_bytes()]), [TOO_LARGE]);
    decoder.handle_eof();
    assert_eq!(feed(&mut decoder, [&b"data:a\n\n"[..]]), [event("message", "a", "1")]);
}
