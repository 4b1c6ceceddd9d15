//! Any bytes, cut anywhere, under any limit: the decoder never panics, hears the same however they are cut, stays within
//! its bound, and what it heard can be encoded and heard again.
//!
//! Run it on stable Rust, from the repository's root, with the seeds beside the corpus it keeps:
//!
//! ```text
//! cargo +stable fuzz run decoder --sanitizer none -- -max_total_time=60 fuzz/seeds/decoder
//! ```
//!
//! An input is the stream and six bytes behind it, three little-endian numbers: the limit (0: none) and two places to cut
//! at. They stand behind so that a seed is a stream that one can read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_wire::{Decoder, EventType, Frame, Id, Item, encode_comment, encode_retry};

/// More than libFuzzer ever makes.
const AMPLE: usize = 1 << 24;

fuzz_target!(|input: &[u8]| {
    let Some((stream, [limit, first, second])) = split_input(input) else { return };
    let limit = if limit == 0 { AMPLE } else { limit };
    let cut = [first, second].map(|place| place % (stream.len() + 1));
    let (low, high) = (cut[0].min(cut[1]), cut[0].max(cut[1]));

    let whole = hear(limit, [stream]);
    assert_eq!(whole, hear(limit, [&stream[..low], &stream[low..high], &stream[high..]]), "cut at {low} and {high}");
    assert_eq!(whole, hear(limit, stream.chunks(1)), "byte by byte");

    check_bound(limit, &whole.items);
    check_again(&whole.items);
});

/// What a decoder says about a stream.
#[derive(Debug, PartialEq)]
struct Heard {
    items: Vec<Item>,
    last_event_id: String,
}

fn split_input(input: &[u8]) -> Option<(&[u8], [usize; 3])> {
    let (stream, numbers) = input.split_last_chunk::<6>()?;
    let number = |at: usize| usize::from(u16::from_le_bytes([numbers[at], numbers[at + 1]]));
    Some((stream, [number(0), number(2), number(4)]))
}

fn hear<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    let mut decoder = Decoder::new(limit);
    let mut items = Vec::new();
    for piece in pieces {
        decoder.handle_bytes(piece);
        items.extend(std::iter::from_fn(|| decoder.poll_item()));
    }
    decoder.handle_eof();
    assert_eq!(decoder.poll_item(), None, "the end says nothing");
    let last_event_id = decoder.last_event_id().to_owned();
    assert!(Id::new(&last_event_id).is_ok(), "the id can be sent back");
    Heard { items, last_event_id }
}

/// No text is larger than the limit allows: a byte that is no UTF-8 becomes the three bytes of U+FFFD.
fn check_bound(limit: usize, items: &[Item]) {
    for item in items {
        let len = match item {
            Item::Event(event) => event.event_type.len().max(event.data.len()).max(event.last_event_id.len()),
            Item::Comment(text) => text.len(),
            Item::Retry(_) => 0,
            Item::TooLarge { limit: named } => {
                assert_eq!(*named, limit);
                0
            }
        };
        // The default type is the decoder's own word.
        assert!(len <= (3 * limit).max("message".len()), "{len} bytes under a limit of {limit}");
    }
}

/// What was heard, encoded and heard again, is the same. What cannot be encoded is left out: a type with NUL (legal to
/// hear, not to say), and the news that a block was too large.
fn check_again(items: &[Item]) {
    let (mut stream, mut expect) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Event(event) => {
                let Ok(event_type) = EventType::new(&event.event_type) else {
                    assert!(event.event_type.contains('\0'), "{:?}", event.event_type);
                    continue;
                };
                let id = Id::new(&event.last_event_id).expect("an id that was heard can be said");
                let frame = Frame { event: Some(&event_type), id: Some(&id), data: &event.data };
                let before = stream.len();
                frame.encode(&mut stream);
                assert_eq!(stream.len() - before, frame.encoded_len());
            }
            Item::Comment(text) => encode_comment(text, &mut stream),
            Item::Retry(retry) => encode_retry(*retry, &mut stream),
            Item::TooLarge { .. } => continue,
        }
        expect.push(item.clone());
    }
    assert_eq!(hear(AMPLE, [&stream[..]]).items, expect);
}
