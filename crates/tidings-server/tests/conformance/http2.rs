//! HTTP/2 as a transport of the suite: one connection, on which every client is a stream and every publish a request.

use super::served::{Http, PATIENCE, READ_PATIENCE, SLOT_BYTES_MAX, Served, batch, receipts, target};
use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Method, Request, Response, Version};
use std::future::poll_fn;
use std::time::Duration;
use tidings_hub::{Form, Framing};
use tidings_testkit::conformance::{Arrival, Ask, Capabilities, Chunks, Conn, Cut, Ending, Post, Start, Transport};
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;

/// What a stream may be sent before it is read. Small, so that one that is not read soon stands still.
const STREAM_WINDOW: u32 = 16 << 10;
/// What all may be sent together: so much that streams which stand still leave room for the others.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// What is on its way to a stream that is not read: its window, the piece that hyper holds, the slot behind it, and as much again.
const SWALLOWED_BYTES_MAX: usize = 4 * SLOT_BYTES_MAX;

pub(crate) struct Http2 {
    /// First, so that the connection's task goes before its server.
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    /// None for those that went away.
    clients: Vec<Option<Client>>,
    server: Served,
}

struct Client {
    stream: RecvStream,
    /// What came and was not asked for yet.
    left: Bytes,
}

impl Http2 {
    pub(crate) fn start() -> Self {
        let server = Served::start(Http::V1_1);
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime is started");
        let requests = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(server.addr).await.expect("the server listens");
            let mut builder = Builder::new();
            builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
            let (requests, connection) = builder.handshake(stream).await.expect("the server speaks HTTP/2");
            // It ends with the server, one way or another.
            tokio::spawn(async { drop(connection.await) });
            requests
        });
        Http2 { runtime, requests, clients: Vec::new(), server }
    }

    fn ask(&mut self, method: Method, target: &str, headers: HeaderMap, body: Option<Bytes>) -> Response<RecvStream> {
        let uri = format!("http://localhost:{}{target}", self.server.addr.port());
        let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2).body(()).expect("one");
        *request.headers_mut() = headers;
        let asking = async {
            poll_fn(|cx| self.requests.poll_ready(cx)).await.expect("the server takes requests");
            let (answer, mut send) = self.requests.send_request(request, body.is_none()).expect("it is well formed");
            if let Some(body) = body {
                send.send_data(body, true).expect("the server reads");
            }
            answer.await.expect("the server answers")
        };
        self.runtime.block_on(async { timeout(PATIENCE, asking).await.expect("the server answers in time") })
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| (name.parse().expect("a name"), value.parse().expect("a value"));
    pairs.iter().map(pair).collect()
}

impl Transport for Http2 {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owns_time: false,
            framing: Framing::Bare,
            chunks: Chunks::Unseen,
            swallowed_bytes_max: SWALLOWED_BYTES_MAX,
        }
    }

    fn open(&mut self, ask: &Ask) -> Conn {
        let content_type = if ask.form == Form::Ndjson { "application/x-ndjson" } else { "text/event-stream" };
        let mut sent = headers(&[("accept", content_type)]);
        if let Start::LastEventId(id) = &ask.start {
            sent.extend(headers(&[("last-event-id", id)]));
        }
        let answer = self.ask(Method::GET, &target(ask), sent, None);
        let (head, stream) = answer.into_parts();
        assert_eq!(head.status, 200, "{ask:?}");
        assert_eq!(head.headers["content-type"], content_type);
        for name in ["transfer-encoding", "connection", "keep-alive", "content-length"] {
            assert!(!head.headers.contains_key(name), "{name}");
        }
        self.clients.push(Some(Client { stream, left: Bytes::new() }));
        self.clients.len() - 1
    }

    fn publish(&mut self, posts: &[Post]) -> Vec<String> {
        let sent = headers(&[("content-type", "application/x-ndjson")]);
        let answer = self.ask(Method::POST, "/events", sent, Some(batch(posts).into()));
        let (status, mut stream) = (answer.status(), answer.into_body());
        let mut body = Vec::new();
        self.runtime.block_on(async {
            while let Some(bytes) = stream.data().await {
                let bytes = bytes.expect("the answer ends");
                stream.flow_control().release_capacity(bytes.len()).expect("it was sent");
                body.extend_from_slice(&bytes);
            }
        });
        receipts(status.as_u16(), body)
    }

    fn read(&mut self, conn: Conn, max: usize) -> Arrival {
        let client = self.clients[conn].as_mut().expect("a client that went away reads nothing");
        if client.left.is_empty() {
            let came = self.runtime.block_on(async { timeout(READ_PATIENCE, client.stream.data()).await });
            match came {
                Err(_elapsed) => return Arrival::Idle,
                Ok(None) => return Arrival::Ended(Ending::Clean),
                Ok(Some(Err(_cut))) => return Arrival::Ended(Ending::Cut),
                // An empty frame is the end's.
                Ok(Some(Ok(bytes))) if bytes.is_empty() => return Arrival::Idle,
                Ok(Some(Ok(bytes))) => client.left = bytes,
            }
        }
        let bytes = client.left.split_to(max.min(client.left.len()));
        // A stream that is cut has no window any more; what had come is read all the same.
        let _ = client.stream.flow_control().release_capacity(bytes.len());
        Arrival::Bytes(bytes.to_vec())
    }

    fn cut(&mut self, conn: Conn, _cut: Cut) {
        // There is one way to leave a connection that others are on: h2 resets what is dropped.
        let client = self.clients[conn].take().expect("a client goes away once");
        self.runtime.block_on(async { drop(client) });
    }

    fn drain(&mut self) {
        self.server.drain();
    }

    fn wait(&mut self, duration: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(duration).await });
    }
}
