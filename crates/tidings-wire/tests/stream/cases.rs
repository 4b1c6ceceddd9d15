//! The rules of the format, case by case: `vectors.json` (which many libraries were measured with) and `cases.json`
//! (every other rule and every failure seen in them), each whole, byte by byte, and cut at every place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tidings_wire::{Decoder, Item};

use super::{AMPLE, event, feed};

/// One stream, and what comes of it. Chromium is held to the same files by `tests/e2e/wire.test.mjs`.
#[derive(Deserialize)]
struct Case {
    name: String,
    b64: String,
    /// Type, data and last event id of each event, all of them fired before the connection ends.
    expect: Vec<(String, String, String)>,
    /// The reconnection times that the stream sets, in order; absent in the file that does not look at them.
    retry: Option<Vec<u32>>,
    /// What the client reconnects with when the connection ends behind the last byte; absent likewise.
    last_event_id: Option<String>,
}

/// What comes of the case when its bytes arrive in `pieces`, and of the connection that follows it.
fn check<'a>(case: &Case, pieces: impl IntoIterator<Item = &'a [u8]>, how: &str) {
    let name = &case.name;
    let mut decoder = Decoder::new(AMPLE);
    let items = feed(&mut decoder, pieces);

    let events: Vec<_> = items.iter().filter(|item| matches!(item, Item::Event(_))).cloned().collect();
    let expect: Vec<_> = case.expect.iter().map(|(event_type, data, id)| event(event_type, data, id)).collect();
    assert_eq!(events, expect, "{name}, {how}");

    if let Some(expect) = &case.retry {
        let times = items.iter().filter_map(|item| match item {
            Item::Retry(retry) => Some(retry.millis()),
            _ => None,
        });
        assert_eq!(times.collect::<Vec<_>>(), *expect, "{name}, {how}");
    }

    decoder.handle_eof();
    assert_eq!(decoder.poll_item(), None, "{name}, {how}: nothing comes of the end");
    if let Some(id) = &case.last_event_id {
        assert_eq!(decoder.last_event_id(), id, "{name}, {how}");
        // The next connection begins anew, with a BOM of its own, and keeps only the id.
        let again = feed(&mut decoder, ["\u{feff}data:again\n\n".as_bytes()]);
        assert_eq!(again, [event("message", "again", id)], "{name}, {how}");
    }
}

fn check_all(json: &str) {
    let cases: Vec<Case> = serde_json::from_str(json).expect("the file has the form of a list of cases");
    assert!(!cases.is_empty());
    for case in cases {
        let bytes = STANDARD.decode(&case.b64).expect("the bytes are base64");
        check(&case, [&bytes[..]], "whole");
        check(&case, bytes.chunks(1), "byte by byte");
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            check(&case, [first, second], &format!("cut at {at}"));
        }
    }
}

#[test]
fn the_shared_vectors() {
    check_all(include_str!("../vectors.json"));
}

#[test]
fn the_other_rules_and_the_known_failures() {
    check_all(include_str!("../cases.json"));
}

#[test]
fn a_megabyte_in_one_line() {
    let long = "x".repeat(1 << 20);
    let stream = format!("data:{long}\n\n:{long}\ndata:{long}\r\ndata\r\n\r\n");
    let expect = [event("message", &long, ""), Item::Comment(long.clone()), event("message", &format!("{long}\n"), "")];
    assert_eq!(feed(&mut Decoder::new(AMPLE), [stream.as_bytes()]), expect);
    assert_eq!(feed(&mut Decoder::new(AMPLE), stream.as_bytes().chunks(1)), expect);
}
