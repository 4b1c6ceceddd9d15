//! Connections at their bounds: what the first bytes say, who says nothing, who asks too much, and streams that stand still.

use super::*;
use crate::stop::{self, Stop};
use crate::testing;
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use hyper::{Request, Response};
use std::net::Ipv4Addr;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Short, where a test waits for it; longer than a busy machine takes for a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame without content: length, type, flags, stream (RFC 9113, 4.1).
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const FRAME_HEAD: usize = 9;
const TYPE_SETTINGS: u8 = 4;
const TYPE_GOAWAY: u8 = 7;

/// A server for single connections.
struct Front {
    listener: TcpListener,
    service: Service,
    /// Dropped with it: that is the word.
    stop: Stop,
}

type Serving = JoinHandle<Option<Taken>>;

impl Front {
    async fn start(limits: Limits) -> Self {
        let limits = Arc::new(limits);
        let gauges = Gauges::new(&limits);
        let api = Arc::new(testing::api_on(&testing::disk(), &limits, &gauges));
        let (stop, stopping) = stop::channel();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Front { listener, service: Service { api, limits, gauges, stopping }, stop }
    }

    async fn connect(&self) -> (TcpStream, Serving) {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = self.listener.accept().await.unwrap();
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (service, mut seat) = (self.service.clone(), Seat::take(&Arc::default()));
        (client, tokio::spawn(async move { serve(stream, service, permit, &mut seat).await }))
    }

    /// A client of HTTP/2 with so small a window for each stream.
    async fn connect_h2(&self, window: u32) -> (SendRequest<Bytes>, Serving) {
        self.connect_h2_with(window, 1 << 20).await
    }

    /// And with so small a one for all together.
    async fn connect_h2_with(&self, window: u32, window_of_all: u32) -> (SendRequest<Bytes>, Serving) {
        let (client, serving) = self.connect().await;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).initial_connection_window_size(window_of_all);
        let (requests, connection) = builder.handshake(client).await.unwrap();
        tokio::spawn(async { drop(connection.await) });
        (requests, serving)
    }
}

fn impatient() -> Limits {
    Limits { head_timeout: HEAD_TIMEOUT, ..Limits::DEFAULT }
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// Asks for a stream of a topic, or publishes to it.
async fn ask(
    requests: &SendRequest<Bytes>,
    topic: &str,
    data: Option<&str>,
) -> Result<Response<RecvStream>, h2::Error> {
    let request = Request::builder().uri(format!("http://localhost/topics/{topic}"));
    let request = if data.is_some() { request.method("POST") } else { request }.body(()).unwrap();
    let mut requests = requests.clone().ready().await?;
    let (answer, mut send) = requests.send_request(request, data.is_none())?;
    if let Some(data) = data {
        send.send_data(Bytes::copy_from_slice(data.as_bytes()), true)?;
    }
    in_time(answer).await
}

/// Reads a stream until the text has come.
async fn until(stream: &mut RecvStream, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        let bytes = in_time(stream.data()).await.expect("the stream goes on").expect("it is not cut");
        stream.flow_control().release_capacity(bytes.len()).unwrap();
        seen.push_str(std::str::from_utf8(&bytes).unwrap());
    }
}

/// Everything until the server closes.
async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A close on unread bytes is a reset.
    let _ = in_time(client.read_to_end(&mut bytes)).await;
    bytes
}

/// The types of the frames in there.
fn frame_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, kind, ..] = *bytes {
        types.push(kind);
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        bytes = &bytes[FRAME_HEAD + length..];
    }
    types
}

#[tokio::test]
async fn a_preface_may_come_in_pieces() {
    let front = Front::start(Limits::DEFAULT).await;
    let (mut client, _serving) = front.connect().await;
    for byte in PREFACE {
        client.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    client.write_all(SETTINGS).await.unwrap();
    let mut head = [0; FRAME_HEAD];
    in_time(client.read_exact(&mut head)).await.unwrap();
    assert_eq!(head[3], TYPE_SETTINGS);
}

#[tokio::test]
async fn what_only_begins_like_the_preface_is_answered_or_closed() {
    let front = Front::start(impatient()).await;
    let check = async |sent: &[u8], expect: &str| {
        let (mut client, serving) = front.connect().await;
        for byte in sent {
            client.write_all(&[*byte]).await.unwrap();
        }
        let answer = rest(&mut client).await;
        assert!(answer.starts_with(expect.as_bytes()), "{}: {}", sent.escape_ascii(), answer.escape_ascii());
        assert_eq!(answer.is_empty(), expect.is_empty(), "{}", sent.escape_ascii());
        assert!(in_time(serving).await.unwrap().is_none());
    };
    let started = Instant::now();
    for length in [1, 3, 16, PREFACE.len() - 1] {
        check(&PREFACE[..length], "").await;
    }
    assert!(started.elapsed() < PATIENCE / 2, "each was closed when a head's time was over");
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", "HTTP/1.1 400 ").await;
    check(b"PRI * HTTP/2.0\r\nhost: localhost\r\n\r\n", "HTTP/1.1 400 ").await;
    check(b"PRI / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "HTTP/1.1 405 ").await;
}

#[tokio::test]
async fn the_preface_behind_a_request_is_none() {
    let front = Front::start(Limits::DEFAULT).await;
    let (mut client, serving) = front.connect().await;
    client.write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    client.write_all(PREFACE).await.unwrap();
    client.write_all(SETTINGS).await.unwrap();
    let answer = String::from_utf8(rest(&mut client).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(in_time(serving).await.unwrap().is_none());
}

#[tokio::test]
async fn who_asks_for_nothing_is_closed() {
    let front = Front::start(impatient()).await;
    for sent in [PREFACE.to_vec(), [PREFACE, SETTINGS].concat()] {
        let (mut client, serving) = front.connect().await;
        client.write_all(&sent).await.unwrap();
        let types = frame_types(&rest(&mut client).await);
        assert!(types[0] == TYPE_SETTINGS && types.contains(&TYPE_GOAWAY), "{types:?}");
        in_time(serving).await.unwrap();
    }
}

#[tokio::test]
async fn who_answers_no_ping_is_gone() {
    const TYPE_PING: u8 = 6;
    // A whole request for a stream of `t`: by the static table, but for the path and the authority (RFC 7541).
    const REQUEST: &[u8] = b"\0\0\x18\x01\x05\0\0\0\x01\x82\x86\x04\x09/topics/t\x01\x09localhost";
    let front = Front::start(Limits { http2_ping_interval: HEAD_TIMEOUT, ..Limits::DEFAULT }).await;
    let (mut client, serving) = front.connect().await;
    client.write_all(&[PREFACE, SETTINGS, REQUEST].concat()).await.unwrap();
    assert!(frame_types(&rest(&mut client).await).contains(&TYPE_PING));
    in_time(serving).await.unwrap();
}

#[tokio::test]
async fn a_stream_keeps_its_connection() {
    let front = Front::start(impatient()).await;
    let (requests, serving) = front.connect_h2(1 << 16).await;
    let mut stream = ask(&requests, "t", None).await.unwrap().into_body();
    until(&mut stream, "tidings.open").await;
    tokio::time::sleep(3 * HEAD_TIMEOUT).await;
    assert!(!serving.is_finished());
    assert_eq!(ask(&requests, "t", Some("still there")).await.unwrap().status(), 200);
    until(&mut stream, "data: still there\n\n").await;
    // Without it there is nothing to stay for.
    drop(stream);
    in_time(serving).await.unwrap();
}

#[tokio::test]
async fn a_request_too_many_is_refused_so_that_it_may_be_sent_again() {
    let front = Front::start(Limits { http2_requests_max: 1, ..Limits::DEFAULT }).await;
    let (requests, _serving) = front.connect_h2(1 << 16).await;
    let (others, _other) = front.connect_h2(1 << 16).await;
    let mut stream = ask(&requests, "t", None).await.unwrap().into_body();
    until(&mut stream, "tidings.open").await;
    for requests in [&requests, &others] {
        let refused = ask(requests, "t", Some("x")).await.unwrap_err();
        assert_eq!((refused.reason(), refused.is_remote()), (Some(Reason::REFUSED_STREAM), true));
    }
    assert_eq!((front.service.gauges.requests.under_way(), front.service.gauges.requests.refused()), (1, 2));
    drop(stream);
    while front.service.gauges.requests.under_way() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&others, "t", Some("x")).await.unwrap().status(), 200);
}

/// Short, and for a server that looks often.
fn stalls() -> Limits {
    Limits { stall_timeout: Duration::from_secs(1), heartbeat: Duration::from_millis(200), ..Limits::DEFAULT }
}

/// Reads until the stream is cut, and gives nothing back: it stands still.
async fn cut(stream: &mut RecvStream) -> h2::Error {
    in_time(async {
        loop {
            match stream.data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("it must not take what it has for all there was"),
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_that_stands_still_is_reset_and_its_neighbour_is_not() {
    let front = Front::start(stalls()).await;
    let (requests, serving) = front.connect_h2(1 << 10).await;
    let mut stuck = ask(&requests, "t", None).await.unwrap().into_body();
    let mut neighbour = ask(&requests, "t", None).await.unwrap().into_body();
    let data = "x".repeat(8 << 10);
    for n in 0..8 {
        // More than its window, the piece behind it, and its slot.
        assert_eq!(ask(&requests, "t", Some(&format!("{data} {n}"))).await.unwrap().status(), 200);
        until(&mut neighbour, &format!("x {n}\n\n")).await;
    }
    let reset = cut(&mut stuck).await;
    assert!(reset.is_reset() && reset.is_remote(), "{reset:?}");
    assert_eq!(ask(&requests, "t", Some("later")).await.unwrap().status(), 200);
    until(&mut neighbour, "data: later\n\n").await;
    assert!(!serving.is_finished());
}

#[tokio::test]
async fn streams_whose_connection_stands_still_are_reset_though_hyper_asks_for_nothing() {
    let front = Front::start(stalls()).await;
    // One uses up what all may be sent; the others' bodies gave a piece, for which hyper then waits.
    let (requests, _serving) = front.connect_h2_with(1 << 20, (1 << 16) - 1).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(ask(&requests, "t", None).await.unwrap().into_body());
    }
    let (publisher, _publishing) = front.connect_h2(1 << 16).await;
    for n in 0..16 {
        let data = format!("{n} {}", "x".repeat(12 << 10));
        assert_eq!(ask(&publisher, "t", Some(&data)).await.unwrap().status(), 200);
    }
    // They are kept: what one has read goes back to all when it is dropped.
    for stream in &mut streams {
        let reset = cut(stream).await;
        assert!(reset.is_reset() && reset.is_remote(), "{reset:?}");
    }
    while front.service.gauges.requests.under_way() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_end_that_is_not_read_is_cut() {
    let front = Front::start(Limits { max_age: Some(Duration::from_secs(1)), ..Limits::DEFAULT }).await;
    let (requests, _serving) = front.connect_h2(1 << 10).await;
    let mut stuck = ask(&requests, "t", None).await.unwrap().into_body();
    let mut neighbour = ask(&requests, "t", None).await.unwrap().into_body();
    // More than its window, and less than a piece: its slot is empty, and takes the end.
    assert_eq!(ask(&requests, "t", Some(&"x".repeat(8 << 10))).await.unwrap().status(), 200);
    until(&mut neighbour, "event: tidings.end").await;
    let reset = cut(&mut stuck).await;
    assert!(reset.is_reset() && reset.is_remote(), "{reset:?}");
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_closes() {
    let front = Front::start(Limits::DEFAULT).await;
    let (mut silent, serving) = front.connect().await;
    silent.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let mut head = [0; FRAME_HEAD];
    in_time(silent.read_exact(&mut head)).await.unwrap();
    let (requests, agreeing) = front.connect_h2(1 << 16).await;
    assert_eq!(ask(&requests, "t", Some("x")).await.unwrap().status(), 200);
    front.stop.stop();
    // One that says nothing to it has a grace.
    in_time(serving).await.unwrap();
    in_time(agreeing).await.unwrap();
    let refused = ask(&requests, "t", Some("x")).await.unwrap_err();
    assert!(refused.is_go_away() || refused.is_io(), "{refused:?}");
}
