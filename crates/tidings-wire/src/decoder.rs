//! The decoder's face: bytes in, items out.

use std::collections::VecDeque;

use crate::block::Block;
use crate::id::Id;
use crate::line::Lines;
use crate::retry::Retry;

/// Decodes an event stream that comes in any pieces, as Chromium does.
///
/// A machine without I/O. The world tells it what happened ([`handle_bytes`](Self::handle_bytes),
/// [`handle_eof`](Self::handle_eof)), then it is asked for items until it has none
/// ([`poll_item`](Self::poll_item)). It reads on only as it is asked: as long as the caller polls it empty between
/// two pieces, it holds at most `event_bytes_max` bytes of an unfinished block, the last event id, and the piece.
///
/// One decoder serves an event source for life: after `handle_eof` the next bytes are those of the next connection,
/// and the last event id stays.
#[derive(Debug)]
pub struct Decoder {
    lines: Lines,
    block: Block,
    /// Items that nobody had asked for when their connection ended; otherwise empty.
    left: VecDeque<Item>,
}

impl Decoder {
    /// A decoder for a stream whose events are at most `event_bytes_max` bytes.
    ///
    /// What counts are the bytes of a block that must be kept: its data so far (with an LF for each line), its type,
    /// its id, and the line that is being read. A larger block becomes one [`Item::TooLarge`].
    pub fn new(event_bytes_max: usize) -> Self {
        Self { lines: Lines::new(), block: Block::new(event_bytes_max), left: VecDeque::new() }
    }

    /// Begins with an id from an earlier time, as an `EventSource` does on its second connection.
    #[must_use]
    pub fn with_last_event_id(mut self, id: Id) -> Self {
        self.block.set_last_event_id(id.into());
        self
    }

    /// Takes the next bytes of the stream: any number, cut anywhere.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.lines.handle_bytes(bytes);
    }

    /// The connection is over: its unfinished block is dropped, and its id with it.
    pub fn handle_eof(&mut self) {
        // Complete lines that nobody has asked for yet still belong to this connection.
        while let Some(item) = self.next_item() {
            self.left.push_back(item);
        }
        self.lines = Lines::new();
        self.block.handle_eof();
    }

    /// The next item, or `None` until more bytes come.
    pub fn poll_item(&mut self) -> Option<Item> {
        self.left.pop_front().or_else(|| self.next_item())
    }

    /// The id to reconnect with, as of the last polled item; empty when there is none (then send no `Last-Event-ID`).
    ///
    /// It never holds CR, LF or NUL. Read it when `poll_item` has returned `None`: a block without data commits its
    /// id without an item.
    pub fn last_event_id(&self) -> &str {
        self.block.last_event_id()
    }

    fn next_item(&mut self) -> Option<Item> {
        while let Some(line) = self.lines.next_line() {
            if let Some(item) = self.block.handle_line(line) {
                return Some(item);
            }
        }
        let item = self.block.handle_partial(self.lines.partial_len());
        if self.block.is_dropped() {
            self.lines.drop_partial();
        }
        item
    }
}

/// What a stream holds, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A block with data ended: an event fires.
    Event(Event),
    /// A `retry:` field came: from now on, wait this long before reconnecting. It counts at once, not at the end of
    /// its block, even when the connection breaks inside it.
    Retry(Retry),
    /// A comment line, without its colon and one space. Clients show it to nobody, but it proves the server alive.
    Comment(String),
    /// A block was larger than the limit. It is dropped whole, its id is not committed, and the stream goes on
    /// behind its blank line.
    TooLarge {
        /// The limit, in bytes: what the decoder was made with.
        limit: usize,
    },
}

/// An event as a browser would fire it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The type, `message` unless the block named another. Never empty.
    pub event_type: String,
    /// The data, its lines joined by LF. May be empty.
    pub data: String,
    /// The last id that the stream had set when this event fired, by this block or an earlier one.
    pub last_event_id: String,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 300;

    /// Streams whose lines and blocks are far larger than the limit as often as not.
    fn large_stream() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let long = (0_u8..=255, 1_usize..1_000).prop_map(|(byte, len)| vec![byte; len]);
        let short = prop::sample::select(vec!["\n", "\r", "\n\n", "data:", "id:", "event:", ":", "retry:", "\u{feff}"]);
        vec(prop_oneof![long, short.prop_map(|text| text.as_bytes().to_vec())], 0..200)
    }

    proptest! {
        #[test]
        fn memory_is_bounded_by_the_limit_and_the_piece(pieces in large_stream()) {
            let mut decoder = Decoder::new(LIMIT);
            for piece in &pieces {
                decoder.handle_bytes(piece);
                while let Some(item) = decoder.poll_item() {
                    if let Item::Event(event) = item {
                        // A byte that is no UTF-8 becomes three.
                        prop_assert!(event.event_type.len() + event.data.len() <= 3 * LIMIT);
                        prop_assert!(event.last_event_id.len() <= 3 * LIMIT);
                    }
                }
                // Twice, because a vector that grows doubles. A piece is below 1,000 bytes.
                prop_assert!(decoder.lines.capacity() <= 2 * (LIMIT + 1_000));
                prop_assert!(decoder.block.capacity() <= 2 * LIMIT);
                prop_assert!(decoder.lines.partial_len() <= LIMIT);
            }
        }
    }
}
