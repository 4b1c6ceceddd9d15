//! Lines into batches: what `tidings publish` reads from standard input, as the NDJSON that `POST /events` takes.
//!
//! No I/O: [`Lines`] cuts a byte stream into lines, [`Batch`] gathers them up to what the server takes in one request.

use serde::Serialize;

/// The server reads a batch whole and takes at most 8 MiB of it (DESIGN.md 6).
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// … and at most 10,000 lines.
const BATCH_LINES_MAX: usize = 10_000;

/// The longest line of input. No event of it would fit a batch; without a bound, a file without line breaks would fill the
/// memory.
const LINE_BYTES_MAX: usize = BATCH_BYTES_MAX;

/// Cuts bytes that come in any pieces into lines. The last line needs no line break.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    unfinished: Vec<u8>,
}

/// A line of input, without its LF or CRLF.
pub(crate) type Line = Vec<u8>;

/// A line is longer than [`LINE_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of more than {LINE_BYTES_MAX} bytes is no event: use --file for bytes")]
pub(crate) struct LineTooLong;

impl Lines {
    /// Takes the next bytes, and returns the lines that they complete.
    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Vec<Line>, LineTooLong> {
        let mut complete = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.unfinished.extend_from_slice(piece);
            if self.unfinished.len() > LINE_BYTES_MAX {
                return Err(LineTooLong);
            }
            if piece.ends_with(b"\n") {
                complete.extend(self.handle_eof());
            }
        }
        Ok(complete)
    }

    /// The input is over: the line that had no line break.
    pub(crate) fn handle_eof(&mut self) -> Option<Line> {
        let mut line = std::mem::take(&mut self.unfinished);
        if line.is_empty() {
            return None;
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        Some(line)
    }
}

/// The body of one `POST /events`.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    body: Vec<u8>,
    /// The numbers of its lines in the input, from 1.
    numbers: Vec<u64>,
}

/// Why a line does not go into a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    /// It fits the next one.
    Full,
    /// It fits none.
    TooLarge,
}

/// What makes the lines of one run events.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) topic: String,
    pub(crate) event_type: Option<String>,
    /// Names this run. With a line's number it is the line's idempotency key: a batch that is sent again, because its
    /// answer was lost, publishes nothing twice.
    pub(crate) run: String,
}

#[derive(Serialize)]
struct Entry<'a> {
    topic: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    idempotency_key: &'a str,
    data: &'a str,
}

impl Batch {
    /// Adds a line as an event; on an error the batch is as before.
    pub(crate) fn push(&mut self, template: &Template, number: u64, data: &str) -> Result<(), PushError> {
        if self.numbers.len() == BATCH_LINES_MAX {
            return Err(PushError::Full);
        }
        let before = self.body.len();
        let entry = Entry {
            topic: &template.topic,
            event_type: template.event_type.as_deref(),
            idempotency_key: &format!("{}-{number}", template.run),
            data,
        };
        serde_json::to_writer(&mut self.body, &entry).expect("text has a JSON form, and a Vec takes every byte");
        self.body.push(b'\n');
        if self.body.len() <= BATCH_BYTES_MAX {
            self.numbers.push(number);
            return Ok(());
        }
        self.body.truncate(before);
        Err(if before == 0 { PushError::TooLarge } else { PushError::Full })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The body, and the line numbers to which the lines of the answer belong.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<u64>) {
        (self.body, self.numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template { topic: "news".into(), event_type: None, run: "r".into() }
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let input = b"a\r\n\nbc\n\xc3\xbc\rd\nlast";
        let expect: Vec<Line> = ["a", "", "bc", "ü\rd", "last"].map(|line| line.as_bytes().to_vec()).into();
        for size in 1..=input.len() {
            let mut lines = Lines::default();
            let mut seen: Vec<Line> = input.chunks(size).flat_map(|piece| lines.handle_bytes(piece).unwrap()).collect();
            seen.extend(lines.handle_eof());
            assert_eq!(seen, expect, "in pieces of {size}");
        }
    }

    #[test]
    fn input_that_ends_with_a_line_break_has_no_further_line() {
        let mut lines = Lines::default();
        assert_eq!(lines.handle_bytes(b"a\n").unwrap().len(), 1);
        assert_eq!(lines.handle_eof(), None);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        lines.handle_bytes(&vec![b'x'; LINE_BYTES_MAX]).unwrap();
        assert_eq!(lines.handle_bytes(b"x"), Err(LineTooLong));
    }

    #[test]
    fn a_line_becomes_an_event_with_a_key_of_its_own() {
        let mut batch = Batch::default();
        let typed = Template { event_type: Some("up".into()), ..template() };
        batch.push(&template(), 1, "x\"y").unwrap();
        batch.push(&typed, 2, "").unwrap();
        let (body, numbers) = batch.into_parts();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "{\"topic\":\"news\",\"idempotency_key\":\"r-1\",\"data\":\"x\\\"y\"}\n\
             {\"topic\":\"news\",\"type\":\"up\",\"idempotency_key\":\"r-2\",\"data\":\"\"}\n"
        );
        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn a_batch_is_bounded_in_lines() {
        let mut batch = Batch::default();
        for number in 1..=BATCH_LINES_MAX as u64 {
            batch.push(&template(), number, "").unwrap();
        }
        assert_eq!(batch.push(&template(), 0, ""), Err(PushError::Full));
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_as_they_are_sent() {
        let mut batch = Batch::default();
        // A quotation mark takes two bytes in JSON.
        let half = "\"".repeat(BATCH_BYTES_MAX / 4);
        batch.push(&template(), 1, &half).unwrap();
        assert_eq!(batch.push(&template(), 2, &half), Err(PushError::Full));
        batch.push(&template(), 2, "small").unwrap();
        assert_eq!(Batch::default().push(&template(), 1, &"\"".repeat(BATCH_BYTES_MAX / 2)), Err(PushError::TooLarge));
        let (body, numbers) = batch.into_parts();
        assert!(body.len() <= BATCH_BYTES_MAX && body.ends_with(b"\n") && numbers == [1, 2]);
    }
}
