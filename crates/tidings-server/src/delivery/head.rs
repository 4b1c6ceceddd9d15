//! The head of a stream that goes out on a socket which hyper has given back.

use http::{HeaderName, Version, response};
use std::time::SystemTime;
use tidings_hub::{Framing, GapReason};

/// The header that says what is missing where a stream starts.
pub(crate) const TIDINGS_GAP: HeaderName = HeaderName::from_static("tidings-gap");

/// A response's status line and headers, still open: what is missing may be added (RFC 9112, 2.1).
#[derive(Debug)]
pub(crate) struct Head {
    text: Vec<u8>,
    framing: Framing,
}

impl Head {
    /// For a client of this version. One of HTTP/1.0 knows no chunks: its body ends with the connection.
    pub(crate) fn new(version: Version, parts: &response::Parts) -> Self {
        // Twelve or thirteen headers of some thirty bytes.
        let mut text = Vec::with_capacity(512);
        let framing = if version == Version::HTTP_10 { Framing::Bare } else { Framing::Chunked };
        let line: &[u8] = if framing == Framing::Bare { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
        text.extend_from_slice(line);
        text.extend_from_slice(parts.status.as_str().as_bytes());
        text.push(b' ');
        text.extend_from_slice(parts.status.canonical_reason().unwrap_or_default().as_bytes());
        text.extend_from_slice(b"\r\n");
        let mut head = Head { text, framing };
        parts.headers.iter().for_each(|(name, value)| head.push(name.as_str(), value.as_bytes()));
        head.push("date", httpdate::fmt_http_date(SystemTime::now()).as_bytes());
        if framing == Framing::Chunked {
            head.push("transfer-encoding", b"chunked");
        }
        head
    }

    /// How the body behind it is framed.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// The whole head, with what is missing.
    pub(super) fn finish(mut self, gap: Option<GapReason>) -> Vec<u8> {
        if let Some(gap) = gap {
            self.push(TIDINGS_GAP.as_str(), gap.as_str().as_bytes());
        }
        self.text.extend_from_slice(b"\r\n");
        self.text
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    fn check(version: Version, gap: Option<GapReason>, expect: &str) {
        let (parts, ()) = Response::builder().header("x-a", "1").body(()).unwrap().into_parts();
        let text = String::from_utf8(Head::new(version, &parts).finish(gap)).unwrap();
        let (before, date) = text.split_once("date: ").unwrap();
        let (date, after) = date.split_once("\r\n").unwrap();
        assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
        assert_eq!(format!("{before}{after}"), expect);
    }

    #[test]
    fn a_head_is_what_http_says_it_is() {
        let chunked = "HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n";
        check(Version::HTTP_11, None, &format!("{chunked}\r\n"));
        check(Version::HTTP_11, Some(GapReason::Expired), &format!("{chunked}tidings-gap: expired\r\n\r\n"));
        check(Version::HTTP_10, None, "HTTP/1.0 200 OK\r\nx-a: 1\r\n\r\n");
    }
}
