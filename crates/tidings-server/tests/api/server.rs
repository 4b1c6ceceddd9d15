//! The one door of these tests: a server on ports of its own, and a client that sends the bytes it is given.

use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tidings_server::{Config, Ended, Retention};
use tidings_testkit::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// What it said when it was ready, line by line.
    pub(crate) said: Vec<String>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Ended>,
    /// Its data directory, which goes with the last server in it.
    data: Arc<TempDir>,
}

/// An answer, its body unchunked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

/// A connection that stays open, and what has come on it.
pub(crate) struct Connection {
    stream: TcpStream,
    pub(crate) seen: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Config { demo: false, ..Config::default() }).await
    }

    /// With the demo's clock; its page gets a port of its own.
    pub(crate) async fn start_with(config: Config) -> Self {
        Self::start_in(Arc::new(TempDir::new()), config).await
    }

    /// Stops, and starts another in the same directory.
    pub(crate) async fn restart(self) -> Self {
        let data = self.data.clone();
        assert!(self.stop().await.clean);
        Self::start_in(data, Config { demo: false, ..Config::default() }).await
    }

    async fn start_in(data: Arc<TempDir>, config: Config) -> Self {
        let local: SocketAddr = ([127, 0, 0, 1], 0).into();
        // As little as can be kept: a test's files are small.
        let retention = Retention { bytes: Retention::BYTES_MIN, ..config.retention };
        let data_dir = data.path().join("data");
        let config =
            Config { listen: vec![local], admin_listen: local, demo_listen: local, data_dir, retention, ..config };
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let running = tokio::spawn(async move {
            let on_ready = |said: &tidings_server::Ready| {
                let _ = ready.send((said.listen[0], said.admin, said.lines()));
            };
            let stopped = async {
                let _ = stopped.await;
            };
            tidings_server::serve(config, on_ready, stopped).await.expect("free ports of this machine can be bound")
        });
        let (addr, admin, said) = is_ready.await.expect("the server starts");
        Server { addr, admin, said, stop, running, data }
    }

    pub(crate) async fn stop(self) -> Ended {
        let _ = self.stop.send(());
        self.running.await.expect("the server ends without a panic")
    }

    /// Sends a request whose `Host` and end of connection are added, and reads the whole answer.
    pub(crate) async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = if body.is_empty() && method != "POST" {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let head =
            format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}{length}\r\n");
        self.send_raw(&[head.as_bytes(), body].concat()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], b"").await
    }

    pub(crate) async fn page(&self, target: &str) -> Value {
        let answer = self.send("GET", target, &[("accept", "application/json")], b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send("POST", target, headers, body).await
    }

    /// Publishes text, and answers its id.
    pub(crate) async fn publish(&self, topic: &str, data: &str) -> String {
        let answer = self.post(&format!("/topics/{topic}"), &[], data.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["id"].as_str().expect("a stored event has an id").to_owned()
    }

    /// Sends bytes as they are, and reads until the server closes.
    pub(crate) async fn send_raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.addr).await.expect("the server listens");
        stream.write_all(bytes).await.expect("the server reads");
        Answer::read(&mut stream).await
    }

    /// Opens a stream, and goes on reading it.
    pub(crate) async fn listen(&self, target: &str, headers: &[(&str, &str)]) -> Connection {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.connect(&format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")).await
    }

    /// Sends requests as they are, and goes on reading.
    pub(crate) async fn connect(&self, requests: &str) -> Connection {
        let mut stream = TcpStream::connect(self.addr).await.expect("the server listens");
        stream.write_all(requests.as_bytes()).await.expect("the server reads");
        Connection { stream, seen: String::new() }
    }

    /// What the admin listener answers.
    pub(crate) async fn admin(&self, target: &str) -> Answer {
        let mut stream = TcpStream::connect(self.admin).await.expect("the admin listener listens");
        let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        Answer::read(&mut stream).await
    }

    /// The value of one of the metrics.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.admin("/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a count is a number")
    }
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        read.expect("the answer ends").expect("the connection is not reset");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(&bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text").to_lowercase();
        let status = head[9..12].parse().expect("a status is a number");
        let mut body = bytes[end + 4..].to_vec();
        if head.contains("\r\ntransfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Answer { status, head, body }
    }

    /// A header's value; none if it is not there. Names and values in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body of text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The body's lines, each JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// That it is a refusal with this status and code, as every refusal looks.
    #[track_caller]
    pub(crate) fn check_refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{code}: {self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{code}");
        assert_eq!(self.header("vary"), Some("origin"), "{code}");
        let problem = self.json();
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()));
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
        assert_eq!(problem["request_id"].as_str().map(str::len), Some(16), "{problem}");
    }
}

impl Connection {
    /// Reads until the text has come, and answers everything so far.
    pub(crate) async fn until(&mut self, text: &str) -> &str {
        while !self.seen.contains(text) {
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await;
            let read = read.unwrap_or_else(|_| panic!("waited for {text:?} in {:?}", self.seen)).expect("not reset");
            assert_ne!(read, 0, "closed before {text:?} in {:?}", self.seen);
            self.seen.push_str(std::str::from_utf8(&bytes[..read]).expect("these streams are ASCII"));
        }
        &self.seen
    }

    /// Sends more.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server reads");
    }

    /// Sends until the server has closed, which must happen before so many bytes were taken.
    pub(crate) async fn send_until_closed(mut self, max: usize) {
        let mut sent = 0;
        while self.stream.write_all(&[b'x'; 1 << 10]).await.is_ok() {
            sent += 1 << 10;
            assert!(sent < max, "the server took {sent} bytes");
            // A reset comes from another thread.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Closes its own side.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("a connection has two sides");
    }

    /// Goes away without a word.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a socket takes the option");
    }

    /// Reads until the server closes.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = String::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_string(&mut rest)).await;
        read.expect("the stream ends").expect("not reset");
        self.seen + &rest
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n").expect("a chunk begins with its length");
        let length = std::str::from_utf8(&body[..line]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let length = length.expect("a length in hex");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[line + 2..line + 2 + length]);
        body = &body[line + 2 + length + 2..];
    }
}
