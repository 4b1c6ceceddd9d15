//! HTTP/1.1 byte by byte over a socket: sends what it is given, reads an answer as it comes, stops reading, goes away by FIN or reset.
//! Every wait has a deadline: a server that says nothing fails a test, and does not hang it.

use crate::Dechunker;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The largest head of an answer: what ours sends is a tenth of it.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// What is asked of the socket at once.
const READ_MAX: usize = 64 << 10;

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes of the body as they stand on the wire.
    Bytes(Vec<u8>),
    /// Nothing within the time.
    Nothing,
    /// The server closed its side.
    Fin,
    /// The server reset the connection.
    Reset,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its body, without framing.
    pub body: Vec<u8>,
}

/// How the body of an answer is framed (RFC 9112, 6.3).
#[derive(Debug)]
enum BodyFrame {
    Chunked(Dechunker),
    /// So many bytes are still to come.
    Length(u64),
    /// It ends with the connection.
    Close,
}

/// See the module's text.
#[derive(Debug)]
pub struct Probe {
    stream: TcpStream,
    deadline: Duration,
    head: String,
    status: u16,
    frame: BodyFrame,
    /// What came behind the head, and was not asked for yet.
    ahead: Vec<u8>,
    /// The body so far, without framing; kept by [`Probe::answer`] alone.
    body: Vec<u8>,
    is_closed: bool,
}

impl Probe {
    /// Connects. `receive_bytes` is the socket's receive buffer, where it matters how much disappears in it: set before connecting,
    /// for the window is agreed on then. `deadline` bounds every wait that has no bound of its own.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn connect(addr: SocketAddr, receive_bytes: Option<usize>, deadline: Duration) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect_timeout(&SockAddr::from(addr), deadline)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(deadline))?;
        Ok(Probe {
            stream,
            deadline,
            head: String::new(),
            status: 0,
            frame: BodyFrame::Close,
            ahead: Vec::new(),
            body: Vec::new(),
            is_closed: false,
        })
    }

    /// Sends bytes as they are: a head, a body, or nonsense.
    ///
    /// # Errors
    /// The server has gone, or takes nothing within the deadline.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the head of the answer, and answers its status.
    ///
    /// # Errors
    /// What came instead, in words.
    pub fn read_head(&mut self) -> Result<u16, String> {
        let until = Instant::now() + self.deadline;
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.receive(READ_MAX, left) {
                Received::Bytes(more) if bytes.len() + more.len() <= HEAD_BYTES_MAX + READ_MAX => bytes.extend(more),
                other => return Err(format!("{other:?} in a head: {:?}", String::from_utf8_lossy(&bytes))),
            }
        };
        self.ahead = bytes.split_off(end);
        self.head = String::from_utf8(bytes).map_err(|error| format!("a head that is no text: {error}"))?;
        let line = self.head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        self.status = line.and_then(|code| code.parse().ok()).ok_or_else(|| format!("no status in {}", self.head))?;
        self.frame = match (self.header("transfer-encoding"), self.header("content-length")) {
            (Some("chunked"), None) => BodyFrame::Chunked(Dechunker::default()),
            (None, Some(length)) => BodyFrame::Length(length.parse().map_err(|_| format!("length {length}"))?),
            (None, None) => BodyFrame::Close,
            both => return Err(format!("a body framed as {both:?}")),
        };
        Ok(self.status)
    }

    /// A header's value; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Reads a part of the body as it stands on the wire, at most `max` bytes, waiting at most `patience`. Panics where its framing
    /// is not what RFC 9112 says.
    pub fn read(&mut self, max: usize, patience: Duration) -> Received {
        let received = if self.ahead.is_empty() {
            self.receive(max, patience)
        } else {
            let len = self.ahead.len().min(max);
            Received::Bytes(self.ahead.drain(..len).collect())
        };
        match (&received, &mut self.frame) {
            (Received::Bytes(bytes), BodyFrame::Chunked(dechunker)) => {
                dechunker.handle_bytes(bytes, &mut self.body).unwrap_or_else(|wrong| panic!("{wrong}"));
            }
            (Received::Bytes(bytes), BodyFrame::Length(left)) => {
                *left = left.checked_sub(bytes.len() as u64).expect("a body is as long as its head says");
                self.body.extend_from_slice(bytes);
            }
            (Received::Bytes(bytes), BodyFrame::Close) => self.body.extend_from_slice(bytes),
            (Received::Fin, _) => self.is_closed = true,
            (Received::Nothing | Received::Reset, _) => {}
        }
        received
    }

    /// Takes the body bytes, without framing, that came since they were taken last.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Whether the body has come as a whole: by its last chunk, by its length, or by FIN where it has no frame of its own.
    pub fn is_complete(&self) -> bool {
        match &self.frame {
            BodyFrame::Chunked(dechunker) => dechunker.is_ended(),
            BodyFrame::Length(left) => *left == 0,
            BodyFrame::Close => self.is_closed,
        }
    }

    /// Reads the whole answer.
    ///
    /// # Errors
    /// What came instead, in words.
    pub fn answer(mut self) -> Result<Answer, String> {
        let status = self.read_head()?;
        let until = Instant::now() + self.deadline;
        while !self.is_complete() {
            match self.read(READ_MAX, until.saturating_duration_since(Instant::now())) {
                Received::Bytes(_) => {}
                Received::Fin if self.is_complete() => {}
                other => return Err(format!("{other:?} in a body: {:?}", String::from_utf8_lossy(&self.body))),
            }
        }
        Ok(Answer { status, body: self.take_body() })
    }

    /// Closes this side, by FIN. The socket stays, for closing it with bytes unread would be a reset.
    pub fn finish(&self) {
        // A connection that the server has reset is closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Goes away by reset.
    pub fn reset(self) {
        // If the option cannot be set the socket is gone already.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn receive(&mut self, max: usize, patience: Duration) -> Received {
        // Zero would be no timeout at all.
        let patience = patience.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(patience)).expect("a socket takes a timeout");
        let mut bytes = vec![0; max.min(READ_MAX)];
        match self.stream.read(&mut bytes) {
            Ok(0) => Received::Fin,
            Ok(len) => {
                bytes.truncate(len);
                Received::Bytes(bytes)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Received::Nothing,
                _ => Received::Reset,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A server that says these bytes to one client and goes away, by FIN or by reset.
    fn probe(says: &'static [u8], resets: bool) -> Probe {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let probe = Probe::connect(listener.local_addr().unwrap(), None, DEADLINE).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(says).unwrap();
        if resets {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        probe
    }

    #[track_caller]
    fn check(says: &'static [u8], resets: bool, expect: Result<&str, &str>) {
        let answer = probe(says, resets).answer().map(|answer| String::from_utf8(answer.body).unwrap());
        match (answer, expect) {
            (Ok(body), Ok(expect)) => assert_eq!(body, expect),
            (Err(error), Err(expect)) => assert!(error.starts_with(expect), "{error}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_ends_as_its_head_says() {
        check(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false, Ok("abc"));
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, Ok("abc"));
        check(b"HTTP/1.0 200 OK\r\n\r\nabc", false, Ok("abc"));
        check(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", false, Err("Fin in a body"));
        check(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc", false, Err("Fin in a body"));
        check(b"HTTP/1.1 200 OK\r\n", false, Err("Fin in a head"));
        check(b"HTTP/1.1 200 OK\r\n", true, Err("Reset in a head"));
        check(
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n",
            false,
            Err("a body framed"),
        );
    }

    #[test]
    fn a_close_and_a_reset_are_told_apart() {
        for (resets, expect) in [(false, Received::Fin), (true, Received::Reset)] {
            let mut probe = probe(b"HTTP/1.0 200 OK\r\n\r\nabcde", resets);
            assert_eq!(probe.read_head(), Ok(200));
            assert_eq!(probe.read(2, DEADLINE), Received::Bytes(b"ab".to_vec()));
            assert_eq!(probe.read(99, DEADLINE), Received::Bytes(b"cde".to_vec()));
            assert_eq!(probe.read(99, DEADLINE), expect);
            assert_eq!((probe.is_complete(), probe.take_body()), (!resets, b"abcde".to_vec()));
        }
    }

    #[test]
    fn silence_has_an_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let short = Duration::from_millis(20);
        let mut probe = Probe::connect(listener.local_addr().unwrap(), None, short).unwrap();
        assert_eq!(probe.read(9, short), Received::Nothing);
        assert!(probe.read_head().unwrap_err().starts_with("Nothing in a head"));
    }
}
