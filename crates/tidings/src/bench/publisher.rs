//! One publisher: a connection that is kept, and one request on it at a time.

use std::io::{self, Read as _, Write as _};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::answer::{Answer, Step};
use super::endpoint::{Endpoint, plain};
use super::socket::connect;

/// Of a refusal so much is kept: a problem document says there what is wrong.
const REASON_BYTES_MAX: usize = 300;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet.
    Waits,
    Acknowledged,
    /// The first line of the answer, and the beginning of its body.
    Refused(String),
}

/// A publisher without connection opens one with its next request.
#[derive(Debug)]
pub(super) struct Publisher {
    /// Counts the run's publishers, and is the token of the connection.
    pub(super) number: u8,
    stream: Option<TcpStream>,
    answer: Answer,
    request: Vec<u8>,
    /// How much of the request the kernel has taken.
    written: usize,
    /// The connection ends with the answer that is being read.
    closes: bool,
    /// The first line of that answer, if it is a refusal, and its body behind it.
    refusal: Option<Vec<u8>>,
}

impl Publisher {
    pub(super) fn new(number: u8) -> Self {
        Self {
            number,
            stream: None,
            answer: Answer::new(),
            request: Vec::new(),
            written: 0,
            closes: false,
            refusal: None,
        }
    }

    /// Begins a request. The one before has had its outcome.
    pub(super) fn send(&mut self, request: Vec<u8>, endpoint: &Endpoint, registry: &Registry) -> Result<(), String> {
        (self.request, self.written, self.refusal) = (request, 0, None);
        if self.stream.is_none() {
            let mut stream = connect(endpoint.at, 0).map_err(|error| plain(&error))?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut stream, Token(self.number.into()), interest).map_err(|error| plain(&error))?;
            (self.stream, self.answer, self.closes) = (Some(stream), Answer::new(), false);
        }
        self.write()
    }

    /// The connection has taken place, takes more, or brings something: goes on as far as it goes.
    pub(super) fn handle_ready(&mut self, buffer: &mut [u8]) -> Result<Outcome, String> {
        self.write()?;
        loop {
            let Some(stream) = &mut self.stream else { return Ok(Outcome::Waits) };
            let len = match stream.read(buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if waits(&error) => return Ok(Outcome::Waits),
                Err(error) => return Err(plain(&error)),
            };
            if len == 0 {
                return self.handle_eof();
            }
            // Within an answer it reads until nothing is left: an end that came with these bytes is not announced again.
            let outcome = self.handle_bytes(&buffer[..len])?;
            if outcome != Outcome::Waits {
                return Ok(outcome);
            }
        }
    }

    fn write(&mut self) -> Result<(), String> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while self.written < self.request.len() {
            match stream.write(&self.request[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if waits(&error) => return Ok(()),
                Err(error) => return Err(plain(&error)),
            }
        }
        Ok(())
    }

    fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<Outcome, String> {
        loop {
            match self.answer.take(&mut bytes).map_err(|error| error.to_string())? {
                Step::More => return Ok(Outcome::Waits),
                Step::End => return Ok(self.end()),
                Step::Head(head) => {
                    self.closes = head.closes;
                    // 207 is how a batch is answered of which something was refused.
                    let good = matches!(head.status, 200..=299) && head.status != 207;
                    self.refusal = (!good).then(|| format!("{} ", head.line).into_bytes());
                }
                Step::Body(data) => {
                    if let Some(reason) = &mut self.refusal {
                        let room = REASON_BYTES_MAX.saturating_sub(reason.len());
                        reason.extend_from_slice(&data[..data.len().min(room)]);
                    }
                }
            }
        }
    }

    /// The server has closed: after an answer it may, and a body without a length ends so.
    fn handle_eof(&mut self) -> Result<Outcome, String> {
        let idle = self.request.is_empty();
        self.stream = None;
        match idle {
            true => Ok(Outcome::Waits),
            false if self.answer.ends_with_connection() => Ok(self.end()),
            false => Err("the server closed the connection before it answered".into()),
        }
    }

    fn end(&mut self) -> Outcome {
        self.request.clear();
        if self.closes {
            self.stream = None;
        }
        match self.refusal.take() {
            Some(reason) => Outcome::Refused(String::from_utf8_lossy(&reason).trim_end().to_owned()),
            None => Outcome::Acknowledged,
        }
    }
}

/// Nothing can be done now; also of a connection that is not made yet.
fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream as Std};
    use std::thread;
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::super::endpoint::Content;
    use super::*;

    /// What becomes of requests to a server that answers each connection's requests with these texts, and then closes it.
    #[track_caller]
    fn check(connections: &'static [&'static [&'static str]], expect: &[Result<Outcome, &str>]) {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = Endpoint {
            template: "http://127.0.0.1/".parse().unwrap(),
            at: server.local_addr().unwrap(),
            method: "POST".into(),
            headers: Vec::new(),
            content: Content::Data,
        };
        let serving = thread::spawn(move || connections.iter().for_each(|answers| serve(&server, answers)));
        let (mut poll, mut publisher) = (Poll::new().unwrap(), Publisher::new(3));
        let got: Vec<_> = expect.iter().map(|_| publish(&mut publisher, &endpoint, &mut poll)).collect();
        let expect: Vec<_> = expect.iter().map(|outcome| outcome.clone().map_err(str::to_owned)).collect();
        assert_eq!(got, expect);
        serving.join().unwrap();
    }

    fn serve(server: &TcpListener, answers: &[&str]) {
        let (mut connection, _) = server.accept().unwrap();
        for answer in answers {
            read_request(&mut connection);
            connection.write_all(answer.as_bytes()).unwrap();
        }
    }

    fn read_request(connection: &mut Std) {
        let mut request = Vec::new();
        while !request.ends_with(b"~") {
            let mut piece = [0; 4_096];
            let len = connection.read(&mut piece).unwrap();
            assert!(len > 0, "the publisher closed the connection");
            request.extend_from_slice(&piece[..len]);
        }
    }

    /// One request of more bytes than a socket takes at once.
    fn publish(publisher: &mut Publisher, endpoint: &Endpoint, poll: &mut Poll) -> Result<Outcome, String> {
        let (mut events, mut buffer) = (Events::with_capacity(4), [0; 16]);
        let request = endpoint.request("a", &[], &["x".repeat(8 << 20), "~".into()]);
        publisher.send(request, endpoint, poll.registry())?;
        loop {
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing came");
            for event in &events {
                assert_eq!(event.token(), Token(3));
                match publisher.handle_ready(&mut buffer)? {
                    Outcome::Waits => {}
                    outcome => return Ok(outcome),
                }
            }
        }
    }

    const DONE: Result<Outcome, &str> = Ok(Outcome::Acknowledged);

    #[test]
    fn a_connection_is_kept_as_long_as_the_server_keeps_it() {
        const KEPT: &str = "HTTP/1.1 201 Created\r\ncontent-length: 14\r\n\r\n{\"id\":\"e.123\"}";
        const CLOSING: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        const UNFRAMED: &str = "HTTP/1.1 200 OK\r\n\r\nthis ends with the connection";
        check(&[&[KEPT, KEPT, CLOSING], &[UNFRAMED], &[KEPT]], &[DONE, DONE, DONE, DONE, DONE]);
    }

    #[test]
    fn a_refusal_says_why() {
        const LATER: &str = "HTTP/1.1 503 Slow Down\r\ncontent-length: 5\r\n\r\nlater";
        const PARTLY: &str = "HTTP/1.1 207 Multi-Status\r\ncontent-length: 0\r\n\r\n";
        let refused = |line: &str| Ok(Outcome::Refused(line.into()));
        check(&[&[LATER, PARTLY]], &[refused("503 Slow Down later"), refused("207 Multi-Status")]);
    }

    #[test]
    fn no_answer_is_no_acknowledgement() {
        check(
            &[&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"]],
            &[Err("the server closed the connection before it answered")],
        );
        check(&[&["hello\r\n\r\n"]], &[Err("what the server answers is not HTTP/1.1")]);
    }
}
