//! What holds for every stream: it may be cut anywhere, it is read as the standard reads it, and what was encoded
//! comes back.

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_wire::{Decoder, EventType, Frame, HEARTBEAT, Id, Item, Retry, encode_comment, encode_retry};

use super::{AMPLE, event, feed};

/// Bytes that are all but a stream: its words and line ends, broken characters, and anything.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\r",
        b":",
        b" ",
        b": ",
        b"data",
        b"data:",
        b"data: x\n",
        b"event",
        b"event:t",
        b"id",
        b"id:1",
        b"id:\0",
        b"retry",
        b"retry:1",
        b"7",
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"\xe2\x82\xac",
        b"\xf0\x9f",
        b"\x98\x80",
        b"\xff",
        b"\0",
    ];
    let word = prop::sample::select(words).prop_map(<[u8]>::to_vec);
    vec(prop_oneof![8 => word, 1 => vec(any::<u8>(), 0..4)], 0..60).prop_map(|words| words.concat())
}

/// `bytes` in the pieces that `cuts` make: any places, each counted from the start.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    vec(any::<prop::sample::Index>(), 0..12)
}

/// The standard, read literally and without haste: the whole stream is decoded, then cut into lines, then read. Chromium's
/// one deviation (the character behind the BOM ends no line) is in it.
fn as_the_standard_says(bytes: &[u8]) -> (Vec<Item>, String) {
    let text = String::from_utf8_lossy(bytes);
    let (mut items, mut data, mut event_type) = (Vec::new(), None::<String>, String::new());
    let (mut id, mut last_event_id) = (String::new(), String::new());
    for line in complete_lines(&text) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" if line.is_empty() => {
                last_event_id.clone_from(&id);
                let event_type = std::mem::take(&mut event_type);
                let event_type = if event_type.is_empty() { "message" } else { &event_type };
                items.extend(data.take().map(|data: String| event(event_type, &data, &last_event_id)));
            }
            "" => items.push(Item::Comment(value.to_owned())),
            "data" => data = Some(data.map_or(value.to_owned(), |data| format!("{data}\n{value}"))),
            "event" => value.clone_into(&mut event_type),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if value.is_empty() => items.push(Item::Retry(Retry::DEFAULT)),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let millis = value.parse::<u64>().ok().map(|millis| u32::try_from(millis).unwrap_or(u32::MAX));
                items.extend(millis.map(|millis| Item::Retry(Retry::from_millis(millis))));
            }
            _ => {}
        }
    }
    (items, last_event_id)
}

fn complete_lines(text: &str) -> Vec<&str> {
    let (mut rest, mut searched) = match text.strip_prefix('\u{feff}') {
        Some(rest) => (rest, rest.chars().next().map_or(0, char::len_utf8)),
        None => (text, 0),
    };
    let mut lines = Vec::new();
    while let Some(end) = rest[searched..].find(['\r', '\n']).map(|at| searched + at) {
        lines.push(&rest[..end]);
        rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
        searched = 0;
    }
    lines
}

/// An event as a publisher may have it: any text at all as data.
#[derive(Debug, Clone)]
struct Published {
    event_type: Option<EventType>,
    id: Option<Id>,
    data: String,
}

fn published() -> impl Strategy<Value = Published> {
    let text = || {
        prop_oneof![
            ".*",
            vec(prop::sample::select(vec!["\r", "\n", " ", ":", "data", "\u{feff}", "é", "\0"]), 0..12)
                .prop_map(|words| words.concat())
        ]
    };
    let line = || text().prop_map(|text| text.replace(['\r', '\n', '\0'], ""));
    let event_type = prop::option::of(line().prop_filter_map("empty", |text| EventType::new(&text).ok()));
    let id = prop::option::of(line().prop_map(|text| Id::new(&text).expect("what an id cannot hold was taken out")));
    (event_type, id, text()).prop_map(|(event_type, id, data)| Published { event_type, id, data })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_stream_may_be_cut_anywhere(bytes in stream(), cuts in cuts(), limit in prop_oneof![Just(AMPLE), 0_usize..40]) {
        let (mut whole, mut cut) = (Decoder::new(limit), Decoder::new(limit));
        prop_assert_eq!(feed(&mut whole, [&bytes[..]]), feed(&mut cut, pieces(&bytes, &cuts)));
        prop_assert_eq!(whole.last_event_id(), cut.last_event_id());
    }

    #[test]
    fn a_stream_is_read_as_the_standard_reads_it(bytes in stream()) {
        let (items, last_event_id) = as_the_standard_says(&bytes);
        let mut decoder = Decoder::new(AMPLE);
        prop_assert_eq!(feed(&mut decoder, [&bytes[..]]), items);
        prop_assert_eq!(decoder.last_event_id(), last_event_id);
    }

    #[test]
    fn an_id_can_always_be_sent_back(bytes in stream()) {
        let mut decoder = Decoder::new(AMPLE);
        feed(&mut decoder, [&bytes[..]]);
        prop_assert!(Id::new(decoder.last_event_id()).is_ok());
    }

    #[test]
    fn what_was_encoded_comes_back(events in vec(published(), 0..8), cuts in cuts()) {
        let (mut stream, mut expect, mut last_event_id) = (Vec::new(), Vec::new(), String::new());
        for Published { event_type, id, data } in &events {
            let frame = Frame { event: event_type.as_ref(), id: id.as_ref(), data };
            let before = stream.len();
            frame.encode(&mut stream);
            prop_assert_eq!(stream.len() - before, frame.encoded_len());
            if let Some(id) = id {
                last_event_id = id.to_string();
            }
            let event_type = event_type.as_ref().map_or("message", EventType::as_str);
            expect.push(event(event_type, &data.replace("\r\n", "\n").replace('\r', "\n"), &last_event_id));
        }
        prop_assert_eq!(feed(&mut Decoder::new(AMPLE), pieces(&stream, &cuts)), expect);
    }

    #[test]
    fn comments_and_retries_come_back_and_fire_nothing(text in ".*", millis: u32, cuts in cuts()) {
        let mut stream = Vec::new();
        encode_retry(Retry::from_millis(millis), &mut stream);
        encode_comment(&text, &mut stream);
        stream.extend_from_slice(HEARTBEAT);
        let mut expect = vec![Item::Retry(Retry::from_millis(millis))];
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        expect.extend(lines.split('\n').chain([""]).map(|line| Item::Comment(line.to_owned())));
        prop_assert_eq!(feed(&mut Decoder::new(AMPLE), pieces(&stream, &cuts)), expect);
    }
}
