//! Fields into events: what the lines up to a blank one amount to (HTML 9.2.6, "interpreting an event stream").

use crate::decoder::{Event, Item};
use crate::event_type::MESSAGE;
use crate::retry::Retry;
use crate::utf8::into_text;

/// The block that is being read, and the id that the blocks before it left behind.
///
/// Values are kept as bytes: each is decoded once, when it is handed out, and a value that a later field replaces
/// never is.
#[derive(Debug)]
pub(crate) struct Block {
    event_bytes_max: usize,
    /// The values of the `data` fields, an LF after each.
    data: Vec<u8>,
    event_type: Vec<u8>,
    /// The id that this block set; `None` as long as it has none.
    id: Option<Vec<u8>>,
    last_event_id: String,
    /// The block was larger than the limit: nothing counts any more up to its blank line.
    dropped: bool,
}

impl Block {
    pub(crate) fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max,
            data: Vec::new(),
            event_type: Vec::new(),
            id: None,
            last_event_id: String::new(),
            dropped: false,
        }
    }

    pub(crate) fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    pub(crate) fn set_last_event_id(&mut self, id: String) {
        self.last_event_id = id;
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped
    }

    /// Takes a complete line, without its end.
    pub(crate) fn handle_line(&mut self, line: &[u8]) -> Option<Item> {
        if line.is_empty() {
            return self.handle_blank();
        }
        if let Some(item) = self.handle_partial(line.len()) {
            return Some(item);
        }
        if self.dropped {
            return None;
        }
        let (name, value) = split_field(line);
        match name {
            b"" => return Some(Item::Comment(into_text(value.to_vec()))),
            b"data" => {
                // At once, so that the one line most events have is one allocation of the right size.
                self.data.reserve(value.len() + 1);
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => {
                self.event_type.clear();
                self.event_type.extend_from_slice(value);
            }
            // With a NUL the field counts as absent: an id set before it in this block stands.
            b"id" if memchr::memchr(0, value).is_none() => self.id = Some(value.to_vec()),
            // Not kept for the blank line: a client that is cut inside this block already waits the new time.
            b"retry" => return Retry::from_field(value).map(Item::Retry),
            _ => {}
        }
        None
    }

    /// Counts `line_len` bytes of a line, ended or not: with them the block may be too large.
    pub(crate) fn handle_partial(&mut self, line_len: usize) -> Option<Item> {
        let kept = self.data.len() + self.event_type.len() + self.id.as_ref().map_or(0, Vec::len);
        if self.dropped || kept + line_len <= self.event_bytes_max {
            return None;
        }
        self.clear();
        self.dropped = true;
        Some(Item::TooLarge { limit: self.event_bytes_max })
    }

    /// Drops the unfinished block, with its id: the connection is over.
    pub(crate) fn handle_eof(&mut self) {
        self.clear();
        self.dropped = false;
    }

    /// A blank line: the id is committed, and there is an event if there was data.
    fn handle_blank(&mut self) -> Option<Item> {
        self.dropped = false;
        // Even when no data came: so says the standard, so does Chromium (Firefox and WebKit do not, hence the encoder
        // always writes data).
        if let Some(id) = self.id.take() {
            self.last_event_id = into_text(id);
        }
        let mut data = std::mem::take(&mut self.data);
        let event_type = std::mem::take(&mut self.event_type);
        data.pop()?;
        let event_type = if event_type.is_empty() { MESSAGE.to_owned() } else { into_text(event_type) };
        Some(Item::Event(Event { event_type, data: into_text(data), last_event_id: self.last_event_id.clone() }))
    }

    /// What is allocated for the block, in bytes.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.data.capacity() + self.event_type.capacity() + self.id.as_ref().map_or(0, Vec::capacity)
    }

    /// Gives the memory back too: what a dropped block held may be as large as the limit.
    fn clear(&mut self) {
        self.data = Vec::new();
        self.event_type = Vec::new();
        self.id = None;
    }
}

/// Name and value of a line: the value begins after the first colon and one space; without a colon it is empty.
fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `lines` make, in a block that may hold 64 bytes.
    fn items(lines: &[&str]) -> Vec<Item> {
        let mut block = Block::new(64);
        lines.iter().filter_map(|line| block.handle_line(line.as_bytes())).collect()
    }

    fn event(event_type: &str, data: &str, last_event_id: &str) -> Item {
        let (event_type, data, last_event_id) = (event_type.into(), data.into(), last_event_id.into());
        Item::Event(Event { event_type, data, last_event_id })
    }

    #[test]
    fn the_value_begins_behind_one_colon_and_one_space() {
        for (line, name, value) in [
            ("data", "data", ""),
            ("data:", "data", ""),
            ("data: ", "data", ""),
            ("data:a", "data", "a"),
            ("data:  a ", "data", " a "),
            ("data:\ta", "data", "\ta"),
            ("data : a", "data ", "a"),
            ("a:b:c", "a", "b:c"),
            (": x", "", "x"),
        ] {
            assert_eq!(split_field(line.as_bytes()), (name.as_bytes(), value.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn a_block_becomes_an_event_at_its_blank_line() {
        assert_eq!(items(&["event: t", "id: 1", "data: a", "data: b"]), []);
        assert_eq!(items(&["event: t", "id: 1", "data: a", "data: b", ""]), [event("t", "a\nb", "1")]);
    }

    #[test]
    fn the_id_stays_and_the_type_does_not() {
        let lines = ["event: t", "id: 1", "data: a", "", "data: b", "", "id", "", "data: c", ""];
        assert_eq!(items(&lines), [event("t", "a", "1"), event("message", "b", "1"), event("message", "c", "")]);
    }

    #[test]
    fn comments_and_retries_do_not_wait_for_the_blank_line() {
        let lines = ["data: a", ": still here", "retry: 1500", ":"];
        let expect =
            [Item::Comment("still here".into()), Item::Retry(Retry::from_millis(1_500)), Item::Comment(String::new())];
        assert_eq!(items(&lines), expect);
    }

    #[test]
    fn a_block_too_large_is_named_once_and_dropped_whole() {
        let long = format!("data: {}", "x".repeat(64));
        let lines = ["id: 1", "data: a", &long, "id: 2", "retry: 1", ": c", &long, "", "data: b", ""];
        assert_eq!(items(&lines), [Item::TooLarge { limit: 64 }, event("message", "b", "")]);
    }

    #[test]
    fn the_limit_counts_what_is_kept_and_the_line_that_is_read() {
        // 30 bytes and an LF are kept, then a line of 33 is the 64th byte, and one of 34 too many.
        let first = format!("data:{}", "x".repeat(30));
        assert_eq!(items(&[&first, &"y".repeat(33)]), []);
        assert_eq!(items(&[&first, &"y".repeat(34)]), [Item::TooLarge { limit: 64 }]);
        // A type and an id count with it; a line that left nothing behind does not.
        assert_eq!(items(&["event:ab", "id:c", &first, &"y".repeat(30)]), []);
        assert_eq!(items(&["event:ab", "id:c", &first, &"y".repeat(31)]), [Item::TooLarge { limit: 64 }]);
    }
}
