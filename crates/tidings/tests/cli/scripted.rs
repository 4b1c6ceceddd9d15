//! A server that does what a test tells it, byte by byte: real servers do not cut where a test wants it.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// One request that came.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// `GET /x HTTP/1.1`
    pub(crate) line: String,
    /// In lower case, names and values as they came.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A server that answers its connections in order, each with the bytes of a step, and then closes.
pub(crate) struct Scripted {
    pub(crate) url: String,
    thread: JoinHandle<Vec<Request>>,
}

impl Scripted {
    /// `steps` get the server's own address in place of `{url}`.
    pub(crate) fn start(steps: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let steps: Vec<String> = steps.iter().map(|step| step.replace("{url}", &url)).collect();
        let thread = std::thread::spawn(move || {
            steps.iter().map(|step| answer(&listener.accept().unwrap().0, step.as_bytes())).collect()
        });
        Self { url, thread }
    }

    /// The requests, after the last step.
    pub(crate) fn requests(self) -> Vec<Request> {
        self.thread.join().unwrap()
    }
}

fn answer(mut socket: &TcpStream, bytes: &[u8]) -> Request {
    let request = read_request(&mut BufReader::new(socket));
    socket.write_all(bytes).unwrap();
    request
}

/// Reads one request, its body included.
pub(crate) fn read_request(input: &mut impl BufRead) -> Request {
    let mut request = Request::default();
    input.read_line(&mut request.line).unwrap();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => request.headers.push((name.to_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    input.take(length).read_to_string(&mut request.body).unwrap();
    request
}
