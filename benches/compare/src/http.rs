//! A client for one request at a time on a kept connection: as little as publishing and loading need.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// A server that does not answer for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The longest answer read: that of a batch of 1,000 events is about 60 KB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of it the last answer takes.
    have: usize,
}

impl Client {
    /// # Errors
    /// The server takes no connection.
    pub(crate) fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, buffer: vec![0; ANSWER_BYTES_MAX], have: 0 })
    }

    /// Sends a whole request, reads the whole answer, and tells its status.
    ///
    /// # Errors
    /// The connection broke or was silent, or the answer is not one.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request)?;
        self.have = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[self.have..])?;
            ensure!(read > 0, "the connection was closed, or the answer is longer than {ANSWER_BYTES_MAX} bytes");
            self.have += read;
            if let Some(status) = whole_answer(&self.buffer[..self.have])? {
                return Ok(status);
            }
        }
    }

    /// The last answer, head and body.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.buffer[..self.have]
    }
}

/// A whole request, with a body of plain text or of JSON lines.
pub(crate) fn request(method: &str, addr: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The status, once the answer has come whole.
fn whole_answer(have: &[u8]) -> Result<Option<u16>> {
    let Some(end) = have.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&have[..end]).context("an answer's head is text")?;
    let body = &have[end + 4..];
    let status: u16 = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    let is_whole = if let Some(length) = header(head, "content-length") {
        body.len() >= length.parse::<usize>().context("content-length is a number")?
    } else if header(head, "transfer-encoding").is_some() {
        chunks_are_whole(body)?
    } else if status == 204 {
        true
    } else {
        bail!("the answer does not say how long it is");
    };
    Ok(is_whole.then_some(status))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Whether the last chunk is there; trailers are not looked for, as no server here sends any.
fn chunks_are_whole(mut body: &[u8]) -> Result<bool> {
    loop {
        let Some(end) = body.windows(2).position(|two| two == b"\r\n") else { return Ok(false) };
        let size = std::str::from_utf8(&body[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.context("a chunk's size is a hexadecimal number")?;
        let rest = end + 2 + size + 2;
        if body.len() < rest {
            return Ok(false);
        }
        if size == 0 {
            return Ok(true);
        }
        body = &body[rest..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer is whole with its last byte, and not before.
    #[track_caller]
    fn check(answer: &str, status: u16) {
        for end in 0..answer.len() {
            assert_eq!(whole_answer(&answer.as_bytes()[..end]).expect("a good answer"), None, "{end} of {answer:?}");
        }
        assert_eq!(whole_answer(answer.as_bytes()).expect("a good answer"), Some(status));
    }

    #[test]
    fn answers_are_read_to_their_end() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200);
        check("HTTP/1.1 503 x\r\ncontent-length:0\r\n\r\n", 503);
        check("HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", 204);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n", 200);
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for bad in [
            "HTTP/1.1 200 OK\r\n\r\nabc",
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        ] {
            assert!(whole_answer(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_request_has_its_length() {
        let request = request("PUT", SocketAddr::from(([127, 0, 0, 1], 80)), "/t0", "text/plain", b"abc");
        let expect =
            "PUT /t0 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(String::from_utf8_lossy(&request), expect);
    }
}
