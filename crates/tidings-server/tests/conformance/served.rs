//! A server in this process as a transport of the suite: clients are sockets, publishing is `POST /events`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tidings_hub::{Content, Form, Framing};
use tidings_server::{Config, Ended, Retention};
use tidings_testkit::conformance::{Arrival, Ask, Capabilities, Chunks, Conn, Cut, Ending, Post, Start, Transport};
use tidings_testkit::{Probe, Received, TempDir};
use tokio::sync::oneshot;

/// Longer than anything here takes: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long one read of a stream waits for something.
pub(crate) const READ_PATIENCE: Duration = Duration::from_millis(2);
/// A client's receive buffer, as small as the kernel makes it, so that little disappears in it.
const RECEIVE_BYTES: usize = 2 << 10;
/// What the kernel keeps of a stream whose client does not read: its largest send buffer is 4 MiB (tcp_wmem), and a slot, hyper's
/// buffer and the receiver are far below the fifth.
const SWALLOWED_BYTES_MAX: usize = 5 << 20;
/// The server's slot between a shard and hyper: an event that fits is taken whole.
pub(crate) const SLOT_BYTES_MAX: usize = 16 << 10;
/// Quick, for these tests wait for it.
const DRAIN_SPREAD: Duration = Duration::from_millis(100);

/// Which version a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http {
    V1_0,
    V1_1,
    /// With a header for which the server leaves the connection to hyper.
    V1_1ThroughHyper,
}

pub(crate) struct Served {
    http: Http,
    pub(crate) addr: SocketAddr,
    /// None once the server was stopped.
    stop: Option<oneshot::Sender<()>>,
    ended: Receiver<Ended>,
    thread: Option<JoinHandle<()>>,
    /// Goes with the server.
    _data: TempDir,
    /// None for those that went away by reset.
    clients: Vec<Option<Probe>>,
}

impl Served {
    pub(crate) fn start(http: Http) -> Self {
        let local: SocketAddr = ([127, 0, 0, 1], 0).into();
        let data = TempDir::new();
        let config = Config {
            listen: vec![local],
            admin_listen: local,
            demo: false,
            data_dir: data.path().into(),
            retention: Retention { bytes: Retention::BYTES_MIN, ..Retention::default() },
            drain_spread: DRAIN_SPREAD,
            ..Config::default()
        };
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = channel();
        let (ending, ended) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("a runtime is started");
            let on_ready =
                move |said: &tidings_server::Ready| ready.send(said.listen[0]).expect("the test waits for it");
            let stopped = async {
                // An end without a word is one too.
                let _ = stopped.await;
            };
            let result = runtime.block_on(tidings_server::serve(config, on_ready, stopped));
            // The test may have failed, and wait no more.
            let _ = ending.send(result.expect("free ports of this machine can be bound"));
        });
        let addr = is_ready.recv_timeout(PATIENCE).expect("the server starts");
        Served { http, addr, stop: Some(stop), ended, thread: Some(thread), _data: data, clients: Vec::new() }
    }

    fn head(&self, method: &str, target: &str, headers: &str) -> String {
        let version = if self.http == Http::V1_0 { "1.0" } else { "1.1" };
        format!("{method} {target} HTTP/{version}\r\nhost: localhost:{}\r\n{headers}\r\n", self.addr.port())
    }
}

/// `/events?topic=…`, with everything but the id.
pub(crate) fn target(ask: &Ask) -> String {
    let mut query: Vec<String> = Vec::new();
    let names = ask.wish.topics.iter().chain(&ask.wish.patterns);
    query.extend(names.map(|name| format!("topic={}", utf8_percent_encode(name, NON_ALPHANUMERIC))));
    query.extend(ask.wish.types.iter().map(|name| format!("type={}", utf8_percent_encode(name, NON_ALPHANUMERIC))));
    match ask.form {
        Form::Sse => query.push("envelope=none".into()),
        Form::Enveloped => query.push("envelope=json".into()),
        Form::Ndjson => {}
    }
    if matches!(ask.start, Start::All) {
        query.push("since=all".into());
    }
    format!("/events?{}", query.join("&"))
}

fn line(post: &Post) -> Value {
    let mut line = json!({ "topics": post.topics });
    match &post.content {
        Content::Text { text, .. } => line["data"] = json!(&**text),
        Content::Binary { content_type, bytes } => {
            line["content_type"] = json!(content_type);
            line["data_base64"] = json!(base64(bytes));
        }
    }
    if let Some(event_type) = &post.event_type {
        line["type"] = json!(event_type);
    }
    line
}

/// The body that publishes them.
pub(crate) fn batch(posts: &[Post]) -> String {
    posts.iter().map(|post| format!("{}\n", line(post))).collect()
}

/// The ids that the answer to it gives them.
pub(crate) fn receipts(status: u16, body: Vec<u8>) -> Vec<String> {
    let text = String::from_utf8(body).expect("an answer is text");
    assert_eq!(status, 200, "{text}");
    let receipts = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a receipt is JSON"));
    receipts.map(|receipt| receipt["id"].as_str().expect("a stored event has an id").to_owned()).collect()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

impl Transport for Served {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owns_time: false,
            framing: if self.http == Http::V1_0 { Framing::Bare } else { Framing::Chunked },
            chunks: match self.http {
                Http::V1_0 => Chunks::Unseen,
                Http::V1_1 => Chunks::OneEvent,
                Http::V1_1ThroughHyper => Chunks::WholeEvents { bytes_max: SLOT_BYTES_MAX },
            },
            swallowed_bytes_max: SWALLOWED_BYTES_MAX,
        }
    }

    fn open(&mut self, ask: &Ask) -> Conn {
        let content_type = if ask.form == Form::Ndjson { "application/x-ndjson" } else { "text/event-stream" };
        let mut headers = format!("accept: {content_type}\r\n");
        if let Start::LastEventId(id) = &ask.start {
            headers += &format!("last-event-id: {id}\r\n");
        }
        if self.http == Http::V1_1ThroughHyper {
            headers += "expect: 100-continue\r\n";
        }
        let mut probe = Probe::connect(self.addr, Some(RECEIVE_BYTES), PATIENCE).expect("the server listens");
        probe.send(self.head("GET", &target(ask), &headers).as_bytes()).expect("the server reads");
        assert_eq!(probe.read_head(), Ok(200), "{ask:?}");
        assert_eq!(probe.header("content-type"), Some(content_type));
        let framing = if self.http == Http::V1_0 { None } else { Some("chunked") };
        assert_eq!((probe.header("transfer-encoding"), probe.header("content-length")), (framing, None));
        self.clients.push(Some(probe));
        self.clients.len() - 1
    }

    fn publish(&mut self, posts: &[Post]) -> Vec<String> {
        let body = batch(posts);
        let length = body.len();
        let headers =
            format!("content-type: application/x-ndjson\r\nconnection: close\r\ncontent-length: {length}\r\n");
        let mut probe = Probe::connect(self.addr, None, PATIENCE).expect("the server listens");
        probe.send((self.head("POST", "/events", &headers) + &body).as_bytes()).expect("the server reads");
        let answer = probe.answer().expect("a whole answer");
        receipts(answer.status, answer.body)
    }

    fn read(&mut self, conn: Conn, max: usize) -> Arrival {
        let probe = self.clients[conn].as_mut().expect("a client that went away reads nothing");
        if probe.is_complete() {
            return Arrival::Ended(Ending::Clean);
        }
        let received = probe.read(max, READ_PATIENCE);
        // Kept by the probe for whoever wants the body without its framing; the suite takes that off itself.
        probe.take_body();
        match received {
            Received::Bytes(bytes) => Arrival::Bytes(bytes),
            Received::Nothing => Arrival::Idle,
            Received::Fin if probe.is_complete() => Arrival::Ended(Ending::Clean),
            Received::Fin | Received::Reset => Arrival::Ended(Ending::Cut),
        }
    }

    fn cut(&mut self, conn: Conn, cut: Cut) {
        match cut {
            Cut::Fin => self.clients[conn].as_ref().expect("a client goes away once").finish(),
            Cut::Reset => self.clients[conn].take().expect("a client goes away once").reset(),
        }
    }

    fn drain(&mut self) {
        // Dropping it says the same as sending.
        drop(self.stop.take().expect("a server is stopped once"));
        let ended = self.ended.recv_timeout(PATIENCE).expect("the server ends");
        assert!(ended.drained > 0, "{ended:?}");
    }

    fn wait(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.clients.clear();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}
