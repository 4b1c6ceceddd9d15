//! The encoder: an event becomes the bytes of one block.
//!
//! It encodes into a buffer of the caller, so that the frame stands where it will be sent from (the hub writes a
//! chunk header before it and a CRLF behind it, in one allocation). The values that come from outside are types that
//! cannot break out of their line; data can hold anything, because its newlines become lines of their own.

use crate::event_type::MESSAGE;
use crate::{EventType, Id, Retry};

/// A comment without text: the shortest block that keeps a connection alive.
///
/// It ends with a blank line because some clients hold back everything until they see one. A blank line outside a
/// block fires nothing.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// An event, ready to be encoded as one block of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type; `None` is `message`.
    pub event: Option<&'a EventType>,
    /// The id that clients return with; `None` leaves the one they have.
    pub id: Option<&'a Id>,
    /// The data, of any length. CRLF, CR and LF in it all arrive as LF: the format cannot tell them apart.
    pub data: &'a str,
}

impl Frame<'_> {
    /// How many bytes [`encode`](Self::encode) appends.
    pub fn encoded_len(&self) -> usize {
        let mut len = Length(0);
        self.write(&mut len);
        len.0
    }

    /// Appends the block: `event:` unless it is `message`, `id:` if there is one, `data:` for each line, a blank line.
    ///
    /// There is always a `data:` line, even for empty data: a block without one fires nothing, and Firefox and WebKit
    /// then ignore its id as well.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        self.write(out);
    }

    fn write(&self, out: &mut impl Sink) {
        if let Some(event) = self.event.filter(|event| event.as_str() != MESSAGE) {
            write_line("event: ", event.as_str(), out);
        }
        if let Some(id) = self.id {
            write_line("id: ", id.as_str(), out);
        }
        write_lines("data: ", self.data, out);
        out.put("\n");
    }
}

/// Appends a comment, which clients ignore: a line for each line of `text`, and a blank line.
///
/// The blank line ends the block, so a comment stands between events, not inside one.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    write_lines(": ", text, out);
    out.put("\n");
}

/// Appends a `retry:` line. It opens a block or stands in one; clients apply it at once.
///
/// It has no blank line of its own: whatever block follows closes it, a comment or [`HEARTBEAT`] too.
pub fn encode_retry(retry: Retry, out: &mut Vec<u8>) {
    write_line("retry: ", &retry.millis().to_string(), out);
}

/// Where encoded text goes: into a buffer, or only into a sum.
///
/// Length and bytes come from the same walk, so they cannot disagree.
trait Sink {
    fn put(&mut self, text: &str);
}

impl Sink for Vec<u8> {
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

struct Length(usize);

impl Sink for Length {
    fn put(&mut self, text: &str) {
        self.0 += text.len();
    }
}

fn write_line(field: &str, value: &str, out: &mut impl Sink) {
    out.put(field);
    out.put(value);
    out.put("\n");
}

/// One line for each line of `text`, at least one. A newline at its end opens a last, empty line: it is part of it.
fn write_lines(field: &str, text: &str, out: &mut impl Sink) {
    let mut rest = text;
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) {
        write_line(field, &rest[..end], out);
        let newline_len = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + newline_len..];
    }
    write_line(field, rest, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: Option<&str>, id: Option<&str>, data: &str, expect: &str) {
        let event = event.map(|event| EventType::new(event).unwrap());
        let id = id.map(|id| Id::new(id).unwrap());
        let frame = Frame { event: event.as_ref(), id: id.as_ref(), data };
        let mut out = b"before".to_vec();
        frame.encode(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before{expect}"));
        assert_eq!(frame.encoded_len(), expect.len());
    }

    #[test]
    fn a_block_has_its_fields_and_a_blank_line() {
        check(Some("price"), Some("k7.42"), "17", "event: price\nid: k7.42\ndata: 17\n\n");
        check(None, None, "17", "data: 17\n\n");
    }

    #[test]
    fn the_default_type_is_not_written() {
        check(Some("message"), None, "a", "data: a\n\n");
        check(Some("messages"), None, "a", "event: messages\ndata: a\n\n");
    }

    #[test]
    fn there_is_always_a_data_line() {
        check(None, Some(""), "", "id: \ndata: \n\n");
    }

    #[test]
    fn each_line_of_data_is_a_line_of_the_block() {
        check(None, None, "a\nb\rc\r\nd", "data: a\ndata: b\ndata: c\ndata: d\n\n");
        check(None, None, "\n", "data: \ndata: \n\n");
        check(None, None, "a\n\r\n\r", "data: a\ndata: \ndata: \ndata: \n\n");
        check(None, None, "id: 7\n\nevent: x", "data: id: 7\ndata: \ndata: event: x\n\n");
    }

    #[test]
    fn values_that_begin_with_a_space_keep_it() {
        check(Some(" t"), Some(" i "), "  d", "event:  t\nid:  i \ndata:   d\n\n");
    }

    #[test]
    fn comments_stay_comments_over_every_newline() {
        let mut out = Vec::new();
        encode_comment("a\ndata: b\r\n\rc", &mut out);
        assert_eq!(out, b": a\n: data: b\n: \n: c\n\n");
        out.clear();
        encode_comment("", &mut out);
        assert_eq!(out, b": \n\n");
    }

    #[test]
    fn a_retry_belongs_to_the_block_that_follows() {
        let mut out = Vec::new();
        encode_retry(Retry::from_millis(2_500), &mut out);
        Frame { event: None, id: None, data: "a" }.encode(&mut out);
        assert_eq!(out, b"retry: 2500\ndata: a\n\n");
    }
}
