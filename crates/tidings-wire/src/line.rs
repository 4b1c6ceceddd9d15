//! Lines out of bytes that come in any pieces.
//!
//! Bytes are kept as they came until a line end is among them, and each byte is looked at once, however the stream
//! was cut. A CR ends its line at once: the LF that may follow is dropped when it comes.

/// The mark that may open a stream. One is dropped; a second one is text.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// An emptied buffer above this size is given back, so that one burst does not stay with a quiet connection for ever.
/// 64 KiB: a socket read of usual size passes through without a new allocation each time.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The bytes that have come and are not yet taken as lines.
#[derive(Debug)]
pub(crate) struct Lines {
    input: Vec<u8>,
    /// Where the current line begins in `input`.
    start: usize,
    /// Up to where no line end was found: a long line in small pieces is not searched again for each of them.
    scanned: usize,
    /// The last line ended in CR: an LF right after it belongs to that end.
    after_cr: bool,
    /// Nothing was taken yet: a BOM may stand here.
    at_stream_start: bool,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { input: Vec::new(), start: 0, scanned: 0, after_cr: false, at_stream_start: true }
    }

    pub(crate) fn handle_bytes(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next complete line, without its end.
    pub(crate) fn next_line(&mut self) -> Option<&[u8]> {
        let Some(end) = self.find_end() else {
            self.give_back();
            return None;
        };
        let line = self.start..end;
        self.after_cr = self.input[end] == b'\r';
        self.start = end + 1;
        self.scanned = self.start;
        Some(&self.input[line])
    }

    /// How many bytes have come of a line whose end has not.
    pub(crate) fn partial_len(&self) -> usize {
        // What may yet be a BOM is no line: the same stream must not meet the size limit in one cut and not in another.
        if self.at_stream_start { 0 } else { self.input.len() - self.start }
    }

    /// Drops the bytes of the current line, except one: at its end the line must not look blank.
    pub(crate) fn drop_partial(&mut self) {
        self.input.truncate(self.start + 1);
        self.scanned = self.input.len();
        self.give_back();
    }

    /// Where the current line ends, if its end has come.
    fn find_end(&mut self) -> Option<usize> {
        if !self.skip_prefix() {
            return None;
        }
        let end = memchr::memchr2(b'\r', b'\n', &self.input[self.scanned..]).map(|at| self.scanned + at);
        self.scanned = end.unwrap_or(self.input.len());
        end
    }

    /// Skips what belongs to no line: the BOM, and the LF of a CRLF. False while too little has come to tell.
    fn skip_prefix(&mut self) -> bool {
        let rest = &self.input[self.start..];
        if self.at_stream_start {
            if BOM.starts_with(rest) {
                return false;
            }
            self.at_stream_start = false;
            if rest.starts_with(BOM) {
                self.start += BOM.len();
                // Chromium does not look at the byte behind the BOM: a CR or LF there becomes part of the first line, whose
                // field is then unknown. The standard would see a blank line. We give what Chromium gives, and
                // tests/cases.json ("bom-before-…") holds both to it.
                self.scanned = self.start + 1;
            }
        } else if self.after_cr {
            let Some(&next) = rest.first() else { return false };
            self.after_cr = false;
            if next == b'\n' {
                self.start += 1;
                self.scanned = self.start;
            }
        }
        true
    }

    /// Forgets the lines that were taken, and the memory of a burst.
    fn give_back(&mut self) {
        self.input.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        if self.input.capacity() > KEPT_BYTES_MAX && self.input.len() < KEPT_BYTES_MAX / 2 {
            self.input.shrink_to(KEPT_BYTES_MAX);
        }
    }

    /// What is allocated, in bytes.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.input.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that have ended, and how many bytes of another have come, after `pieces`.
    fn check(pieces: &[&str], expect: &[&str], partial_len: usize) {
        let mut lines = Lines::new();
        let mut got = Vec::new();
        for piece in pieces {
            lines.handle_bytes(piece.as_bytes());
            while let Some(line) = lines.next_line() {
                got.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        assert_eq!(got, expect, "{pieces:?}");
        assert_eq!(lines.partial_len(), partial_len, "{pieces:?}");
    }

    #[test]
    fn every_line_end_ends_one_line() {
        check(&["a\nb\rc\r\nd"], &["a", "b", "c"], 1);
        check(&["\n\r\r\n\n"], &["", "", "", ""], 0);
        check(&["\r\r\r\n"], &["", "", ""], 0);
    }

    #[test]
    fn a_cr_ends_its_line_before_the_next_byte_comes() {
        check(&["a\r"], &["a"], 0);
        check(&["a\r", "\n"], &["a"], 0);
        check(&["a\r", "\n", "\n"], &["a", ""], 0);
        check(&["a\r", "", "\nb\n"], &["a", "b"], 0);
        check(&["a\r", "\r", "\n", "b"], &["a", ""], 1);
    }

    #[test]
    fn one_bom_at_the_start_is_dropped_however_it_is_cut() {
        check(&["\u{feff}a\n"], &["a"], 0);
        check(&["\u{feff}", "a\n"], &["a"], 0);
        check(&["\u{feff}\u{feff}a\n"], &["\u{feff}a"], 0);
        check(&["a\n\u{feff}b\n"], &["a", "\u{feff}b"], 0);
        check(&["\n\u{feff}b\n"], &["", "\u{feff}b"], 0);

        let mut lines = Lines::new();
        for byte in "\u{feff}a".bytes() {
            lines.handle_bytes(&[byte]);
            assert_eq!(lines.next_line(), None);
        }
        assert_eq!(lines.partial_len(), 1);
    }

    #[test]
    fn the_byte_behind_the_bom_ends_no_line() {
        check(&["\u{feff}\na\n"], &["\na"], 0);
        check(&["\u{feff}", "\n", "a\n"], &["\na"], 0);
        check(&["\u{feff}\r\na\n"], &["\r", "a"], 0);
    }

    #[test]
    fn a_dropped_line_is_not_blank_at_its_end() {
        let mut lines = Lines::new();
        lines.handle_bytes(b"long");
        assert_eq!(lines.next_line(), None);
        lines.drop_partial();
        lines.handle_bytes(b"er\n\n");
        assert_ne!(lines.next_line(), Some(&b""[..]));
        assert_eq!(lines.next_line(), Some(&b""[..]));
        assert_eq!(lines.next_line(), None);
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let mut lines = Lines::new();
        lines.handle_bytes(&vec![b'\n'; 16 * KEPT_BYTES_MAX]);
        while lines.next_line().is_some() {}
        assert!(lines.capacity() <= KEPT_BYTES_MAX, "{} bytes", lines.capacity());
    }

    #[test]
    fn lines_that_end_in_cr_do_not_pile_up() {
        let mut lines = Lines::new();
        for _ in 0..10_000 {
            lines.handle_bytes(b"data:a\r\r");
            assert_eq!(lines.next_line(), Some(&b"data:a"[..]));
            assert_eq!(lines.next_line(), Some(&b""[..]));
            assert_eq!(lines.next_line(), None);
        }
        assert!(lines.capacity() < 100, "{} bytes", lines.capacity());
    }
}
