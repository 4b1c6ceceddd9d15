//! HTTP/2 with prior knowledge, on the same port: every route, many streams of one connection, and clients that flood or stand still.

use super::server::Server;
use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tidings_server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// What h2 lets a server send on a stream before it is read, if it is not asked for less.
const WINDOW: u32 = 65_535;
/// So many streams share a connection here, and a gateway's.
const STREAMS: usize = 100;
/// Names that belong to a connection of HTTP/1.1 (RFC 9113, 8.2.2).
const HOP_BY_HOP: &[&str] = &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
/// What peers count as small: h2 closes on many unread ones.
const SMALL_FRAME: usize = 256;

/// The preface, and settings that set nothing.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

struct Client {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

struct Stream {
    body: RecvStream,
    seen: String,
    /// The size of each DATA frame.
    frames: Vec<usize>,
}

impl Client {
    async fn connect(server: &Server, window: u32) -> Self {
        let stream = TcpStream::connect(server.addr).await.expect("the server listens");
        let mut builder = Builder::new();
        // Streams that stand still leave room for the others.
        builder.initial_window_size(window).initial_connection_window_size(8 << 20);
        let (requests, connection) = builder.handshake(stream).await.expect("the server speaks HTTP/2");
        Client { requests, connection: tokio::spawn(connection) }
    }

    async fn send(&self, request: Request<()>, body: &[u8]) -> Result<Response<RecvStream>, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut send) = requests.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            send.send_data(Bytes::copy_from_slice(body), true)?;
        }
        timeout(PATIENCE, answer).await.expect("the server answers in time")
    }

    /// Sends a request, and reads the whole answer.
    async fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(format!("http://localhost{target}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.send(request.body(()).expect("it is well formed"), body).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let mut stream = Stream { body, seen: String::new(), frames: Vec::new() };
        stream.rest().await.expect("the answer ends");
        (head.status, head.headers, stream.seen)
    }

    async fn publish(&self, topic: &str, data: &str) {
        let (status, _, body) = self.ask("POST", &format!("/topics/{topic}"), &[], data.as_bytes()).await;
        assert_eq!(status, 200, "{body}");
    }

    async fn listen(&self, target: &str) -> Stream {
        let request = Request::builder().uri(format!("http://localhost{target}")).body(()).expect("it is well formed");
        let answer = self.send(request, b"").await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let mut stream = Stream { body: answer.into_body(), seen: String::new(), frames: Vec::new() };
        stream.until("event: tidings.open").await;
        stream
    }

    async fn listen_to_clock(&self) -> Stream {
        let request = Request::builder().uri("http://localhost/stream").body(()).expect("it is well formed");
        let answer = self.send(request, b"").await.expect("an answer");
        check_no_hop_by_hop(answer.headers());
        assert_eq!(answer.headers()["access-control-allow-origin"], "http://127.0.0.1:5500");
        let mut stream = Stream { body: answer.into_body(), seen: String::new(), frames: Vec::new() };
        stream.until("data: ").await;
        stream
    }
}

impl Stream {
    /// One frame more; none at the end.
    async fn more(&mut self) -> Option<Result<(), h2::Error>> {
        let bytes = match timeout(PATIENCE, self.body.data()).await.expect("the stream goes on")? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        // There is no window to open where the stream has ended.
        let _ = self.body.flow_control().release_capacity(bytes.len());
        self.frames.push(bytes.len());
        self.seen.push_str(std::str::from_utf8(&bytes).expect("these streams are ASCII"));
        Some(Ok(()))
    }

    async fn until(&mut self, text: &str) {
        // Looked through once: it may stand in what came before, or on the seam.
        let mut from = 0;
        while !self.seen[from..].contains(text) {
            from = self.seen.len().saturating_sub(text.len());
            let more = self.more().await.unwrap_or_else(|| panic!("ended before {text:?} in {:?}", self.seen));
            more.unwrap_or_else(|error| panic!("{error} before {text:?} in {:?}", self.seen));
        }
    }

    async fn rest(&mut self) -> Result<(), h2::Error> {
        while let Some(more) = self.more().await {
            more?;
        }
        Ok(())
    }
}

fn check_no_hop_by_hop(headers: &HeaderMap) {
    for name in HOP_BY_HOP {
        assert!(!headers.contains_key(*name), "{headers:?}");
    }
}

#[tokio::test]
async fn every_route_answers_without_a_word_on_the_connection() {
    let server = Server::start_with(Config { subscribers_max: Some(1), ..Config::default() }).await;
    let client = Client::connect(&server, WINDOW).await;
    let line = br#"{"topic":"t","data":"2"}"#;
    let ndjson = [("content-type", "application/x-ndjson")];
    let page = [("accept", "application/json")];
    let html = [("accept", "text/html")];
    for (method, target, headers, body, status, expect) in [
        ("POST", "/topics/t", &[][..], &b"1"[..], 200, "\"id\""),
        ("POST", "/events", &ndjson, line, 200, "\"id\""),
        ("GET", "/topics/t", &page, b"", 200, "\"data\":\"2\""),
        ("GET", "/topics/t", &html, b"", 200, "<html"),
        ("GET", "/", &[], b"", 200, "<html"),
        ("HEAD", "/topics/t", &[], b"", 200, ""),
        ("HEAD", "/stream", &[], b"", 200, ""),
        ("OPTIONS", "/topics/t", &[("origin", "http://localhost:8080")], b"", 204, ""),
        ("DELETE", "/topics/t", &[], b"", 204, ""),
        ("GET", "/nothing", &[], b"", 404, "\"not_found\""),
        ("PUT", "/topics/t", &[], b"x", 405, "\"method_not_allowed\""),
        ("GET", "/topics/t", &[], b"hello", 400, "\"body_not_allowed\""),
    ] {
        let (found, headers, text) = client.ask(method, target, headers, body).await;
        assert_eq!(found, status, "{method} {target}: {text}");
        assert!(text.contains(expect), "{method} {target}: {text}");
        assert!(
            headers.contains_key("date")
                && (status != 200 || text.is_empty() || headers.contains_key("content-length"))
        );
        check_no_hop_by_hop(&headers);
    }
    let clock = client.listen_to_clock().await;
    // The one there is room for has it: the next one's stream ends at once.
    let (status, headers, text) = client.ask("GET", "/topics/t", &[], b"").await;
    assert!(status == 200 && text.contains("\"reason\":\"overload\""), "{text}");
    check_no_hop_by_hop(&headers);
    drop(clock);
}

#[tokio::test]
async fn the_authority_says_whose_host_is_meant() {
    let server = Server::start().await;
    let client = Client::connect(&server, WINDOW).await;
    for (authority, host, status) in [
        ("localhost", None, 200),
        ("127.0.0.1:3200", None, 200),
        ("localhost", Some("localhost"), 200),
        ("evil.example", None, 421),
        ("localhost", Some("evil.example"), 421),
        ("evil.example", Some("localhost"), 421),
    ] {
        let mut request = Request::builder().method("HEAD").uri(format!("http://{authority}/topics/t"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let answer = client.send(request.body(()).unwrap(), b"").await.unwrap();
        assert_eq!(answer.status(), status, "{authority} {host:?}");
    }
}

#[tokio::test]
async fn a_hundred_streams_share_a_connection_with_its_publishes() {
    let server = Server::start().await;
    let client = Client::connect(&server, WINDOW).await;
    let mut streams = Vec::new();
    for n in 0..STREAMS {
        streams.push(client.listen(&format!("/events?topic=all&topic=own/{n}&envelope=none")).await);
    }
    assert_eq!(server.metric("tidings_subscribers").await, STREAMS as u64);
    assert_eq!(server.metric("tidings_http2_requests").await, STREAMS as u64);
    client.publish("all", "for all").await;
    for n in 0..STREAMS {
        client.publish(&format!("own/{n}"), &format!("for {n} alone")).await;
    }
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.until(&format!("data: for {n} alone\n\n")).await;
        assert_eq!(stream.seen.matches("data: for ").count(), 2, "{}", stream.seen);
    }
    drop(streams);
    while server.metric("tidings_subscribers").await + server.metric("tidings_http2_requests").await > 0 {
        tokio::task::yield_now().await;
    }
    client.publish("all", "the connection is as good as before").await;
}

#[tokio::test]
async fn publishes_of_one_connection_are_under_way_together() {
    let server = Server::start().await;
    let client = Client::connect(&server, WINDOW).await;
    let mut publishes = tokio::task::JoinSet::new();
    for n in 0..STREAMS {
        let client = Client { requests: client.requests.clone(), connection: tokio::spawn(async { Ok(()) }) };
        publishes.spawn(async move { client.publish("t", &n.to_string()).await });
    }
    publishes.join_all().await;
    let page = server.page("/topics/t?limit=1000").await;
    let mut data: Vec<u32> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["data"].as_str().unwrap().parse().unwrap())
        .collect();
    data.sort_unstable();
    assert_eq!(data, (0..STREAMS as u32).collect::<Vec<_>>());
}

#[tokio::test]
async fn events_that_wait_go_out_together() {
    const EVENTS: usize = 1_000;
    let server = Server::start().await;
    // So small that a few events fill it.
    let client = Client::connect(&server, 1_000).await;
    let mut stream = client.listen("/topics/t").await;
    let before = stream.frames.len();
    let lines: String = (0..EVENTS).map(|n| format!("{}\n", json!({ "topic": "t", "data": n.to_string() }))).collect();
    for line in lines.lines() {
        let ndjson = [("content-type", "application/x-ndjson")];
        let (status, _, text) = client.ask("POST", "/events", &ndjson, line.as_bytes()).await;
        assert_eq!(status, 200, "{text}");
    }
    stream.until(&format!("data: {}\n\n", EVENTS - 1)).await;
    let heard: Vec<&str> =
        stream.seen.split("\n\n").filter_map(|event| event.rsplit_once("data: ")).map(|e| e.1).collect();
    // The first line of data is the opening's.
    let expect: Vec<String> = (0..EVENTS).map(|n| n.to_string()).collect();
    assert_eq!(heard[heard.len() - EVENTS..], expect);
    let frames = &stream.frames[before..];
    let bytes: usize = frames.iter().sum();
    assert!(bytes / frames.len() >= SMALL_FRAME, "{bytes} bytes in {} frames", frames.len());
}

#[tokio::test]
async fn streams_that_stand_still_hold_little_and_delay_no_neighbour() {
    const STUCK: usize = 20;
    const EVENT: usize = 10 << 10;
    const EVENTS: usize = 100;
    let server = Server::start().await;
    let client = Client::connect(&server, WINDOW).await;
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        stuck.push(client.listen("/topics/t").await);
    }
    let mut neighbour = client.listen("/topics/t").await;
    let data = "x".repeat(EVENT);
    for n in 0..EVENTS {
        client.publish("t", &format!("{data} {n}")).await;
        neighbour.until(&format!("x {n}\n\n")).await;
    }
    // Of 1 MB each was offered: a piece that hyper holds, and a slot.
    let held = server.metric("tidings_transport_bytes").await;
    let bound = (STUCK * 2 * (16 << 10)) as u64;
    assert!(held > 0 && held <= bound, "{held} bytes held, at most {bound}");
    for stream in &mut stuck {
        stream.until(&format!("x {}\n\n", EVENTS - 1)).await;
        assert_eq!(stream.seen.matches("\nid: ").count(), neighbour.seen.matches("\nid: ").count());
        assert!(!stream.seen.contains("tidings.gap"));
    }
    while server.metric("tidings_transport_bytes").await > 0 {
        tokio::task::yield_now().await;
    }
}

/// A request for a stream of the topic `t`, and its reset, as a client writes them (RFC 9113 and 7541).
fn request_and_reset(id: u32) -> Vec<u8> {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const END_STREAM_AND_HEADERS: u8 = 5;
    let frame = |kind: u8, flags: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).expect("it is short").to_be_bytes();
        [&length[1..], &[kind, flags], &id.to_be_bytes(), content].concat()
    };
    // `:method: GET` and `:scheme: http` from the static table, `:path` and `:authority` by their names there.
    let block = [&[0x82, 0x86, 0x04, 9][..], b"/topics/t", &[0x01, 9], b"localhost"].concat();
    let cancel = 8_u32.to_be_bytes();
    [frame(HEADERS, END_STREAM_AND_HEADERS, &block), frame(RST_STREAM, 0, &cancel)].concat()
}

async fn check_nothing_is_left(server: &Server) {
    let client = Client::connect(server, WINDOW).await;
    client.publish("t", "x").await;
    while server.metric("tidings_subscribers").await + server.metric("tidings_http2_requests").await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection_alone() {
    const RESETS: u32 = 1_000;
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: u8 = 11;
    let server = Server::start().await;
    let flood: Vec<u8> = (0..RESETS).flat_map(|n| request_and_reset(2 * n + 1)).collect();
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(&[HELLO, &flood].concat()).await.unwrap();
    let mut answer = Vec::new();
    // A close on unread bytes is a reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes");
    let mut goaway = None;
    let mut rest = &answer[..];
    while let [a, b, c, kind, ..] = *rest {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        // Behind the frame's head: the last stream, and why.
        goaway = goaway.or((kind == GOAWAY).then(|| rest[9 + 7]));
        rest = &rest[9 + length..];
    }
    assert_eq!(goaway, Some(ENHANCE_YOUR_CALM), "{}", answer.escape_ascii());
    check_nothing_is_left(&server).await;
}

#[tokio::test]
async fn streams_that_are_reset_one_by_one_leave_nothing_behind() {
    const RESETS: usize = 500;
    let server = Server::start().await;
    let client = Client::connect(&server, WINDOW).await;
    for _ in 0..RESETS {
        // h2 resets what is dropped.
        drop(client.listen("/topics/t").await);
    }
    check_nothing_is_left(&server).await;
    client.publish("t", "one that takes its time is no flood").await;
}

#[tokio::test]
async fn a_drain_ends_streams_and_then_the_connection() {
    let server =
        Server::start_with(Config { demo: false, drain_spread: Duration::from_millis(100), ..Config::default() }).await;
    let client = Client::connect(&server, WINDOW).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(client.listen("/topics/t").await);
    }
    let ended = server.stop().await;
    assert!(ended.clean && ended.drained == STREAMS, "{ended:?}");
    for stream in &mut streams {
        // By the end of the stream, not by a reset.
        stream.rest().await.unwrap();
        let (_, end) = stream.seen.split_once("event: tidings.end\ndata: ").expect("it was told");
        let end: Value = serde_json::from_str(end.trim_end()).unwrap();
        assert!(end["reason"] == "drain" && end["retry"].as_u64().unwrap() >= 2_000, "{end}");
    }
    timeout(PATIENCE, client.connection).await.expect("the connection ends").unwrap().unwrap();
}

#[tokio::test]
async fn what_a_client_may_do_is_said_at_the_start() {
    let server = Server::start().await;
    let client = Client::connect(&server, WINDOW).await;
    // Its answer comes behind the server's settings.
    client.publish("t", "x").await;
    assert_eq!(client.requests.current_max_send_streams(), 256);
    // A head that is too large is refused alone: the connection goes on.
    let large = "x".repeat(20 << 10);
    let request = Request::builder().uri("http://localhost/topics/t").header("x-large", large).body(()).unwrap();
    let answer = client.send(request, b"").await;
    let is_refused = answer.as_ref().map_or_else(h2::Error::is_reset, |answer| answer.status() == 431);
    assert!(is_refused, "{answer:?}");
    client.publish("t", "y").await;
}
