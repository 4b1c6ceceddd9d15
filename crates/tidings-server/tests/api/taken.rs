//! Streams on sockets that hyper has given back: which requests those are, and that nothing behind one is read as HTTP.

use super::server::{Connection, Server};

/// More than a client may send behind its request, by far.
const TOO_MUCH: usize = 1 << 20;

const GET: &str = "GET /topics/t HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn check_gone(server: &Server) {
    while server.metric("tidings_subscribers").await > 0 {
        tokio::task::yield_now().await;
    }
    // And its place among the connections and subscribers is another's.
    server.listen("/topics/t", &[]).await.until("tidings.open").await;
}

#[tokio::test]
async fn what_stands_behind_the_request_is_not_read_as_http() {
    let server = Server::start().await;
    let smuggled = "POST /topics/t HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\nx";
    // In one piece with the request, and later.
    let mut stream = server.connect(&format!("{GET}{smuggled}")).await;
    stream.until("tidings.open").await;
    stream.send(smuggled.as_bytes()).await;
    let id = server.publish("t", "the only one").await;
    let seen = stream.until("data: the only one").await;
    assert!(!seen.contains("data: x") && seen.matches("HTTP/1.1").count() == 1, "{seen}");
    let page = server.page("/topics/t").await;
    assert_eq!(page["events"].as_array().unwrap().len(), 1);
    assert_eq!(page["events"][0]["id"], id);
}

#[tokio::test]
async fn a_connection_may_carry_requests_before_its_stream() {
    let server = Server::start().await;
    let post = "POST /topics/t HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nfirst";
    // All at once: the answers come in the order of the requests, and the stream last.
    let page = "GET /topics/t HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\r\n";
    let last = GET.replace("/topics/t", "/topics/t?since=all");
    let mut stream = server.connect(&format!("{post}{page}{page}{last}")).await;
    let seen = stream.until("data: first\n\n").await;
    let heads: Vec<usize> = seen.match_indices("HTTP/1.1 200 OK").map(|(at, _)| at).collect();
    assert_eq!(heads.len(), 4, "{seen}");
    assert!(seen[heads[3]..].to_lowercase().contains("content-type: text/event-stream"), "{seen}");
    server.publish("t", "second").await;
    stream.until("data: second\n\n").await;
}

#[tokio::test]
async fn a_get_with_a_body_is_refused_however_it_is_framed() {
    let server = Server::start().await;
    for headers in ["content-length: 5\r\n", "transfer-encoding: chunked\r\n"] {
        let body = if headers.starts_with("content") { "hello" } else { "5\r\nhello\r\n0\r\n\r\n" };
        let request = format!("GET /topics/t HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n{body}");
        server.send_raw(request.as_bytes()).await.check_refused(400, "body_not_allowed");
    }
    let empty = GET.replace("\r\n\r\n", "\r\ncontent-length: 0\r\n\r\n");
    server.connect(&empty).await.until("tidings.open").await;
}

#[tokio::test]
async fn head_has_the_same_head_and_no_stream() {
    let server = Server::start_with(tidings_server::Config::default()).await;
    for (target, content_type) in [("/topics/t", "no-store, no-transform"), ("/stream", "no-cache")] {
        let request = format!("HEAD {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = server.send_raw(request.as_bytes()).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!((answer.header("cache-control"), answer.body.len()), (Some(content_type), 0));
    }
    assert_eq!(server.metric("tidings_subscribers").await, 0);
    assert_eq!(server.metric("tidings_clock_listeners").await, 0);
}

#[tokio::test]
async fn an_old_client_gets_a_body_without_chunks_that_ends_with_the_connection() {
    let server = Server::start().await;
    let mut stream = server.connect("GET /topics/t HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
    stream.until("event: tidings.open").await;
    server.publish("t", "x").await;
    stream.until("data: x\n\n").await;
    assert!(server.stop().await.clean);
    let seen = stream.rest().await;
    assert!(seen.starts_with("HTTP/1.0 200 OK\r\n") && !seen.contains("transfer-encoding"), "{seen}");
    assert!(seen.contains("event: tidings.end\n") && seen.ends_with("\n\n"), "{seen}");
}

#[tokio::test]
async fn one_who_expects_100_continue_is_served_as_well() {
    let server = Server::start().await;
    let mut stream = server.connect(&GET.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n")).await;
    stream.until("tidings.open").await;
    server.publish("t", "x").await;
    stream.until("data: x\n\n").await;
}

#[tokio::test]
async fn whoever_hangs_up_is_gone() {
    let server = Server::start().await;
    // At once, before anything could be answered; after the opening; by closing his side alone; and by reset.
    drop(server.connect(GET).await);
    check_gone(&server).await;
    let mut stream = server.connect(GET).await;
    stream.until("tidings.open").await;
    drop(stream);
    check_gone(&server).await;
    let mut half = server.connect(GET).await;
    half.until("tidings.open").await;
    half.finish().await;
    check_gone(&server).await;
    let mut reset = server.connect(GET).await;
    reset.until("tidings.open").await;
    reset.reset();
    check_gone(&server).await;
}

#[tokio::test]
async fn one_who_talks_too_much_is_closed() {
    let server = Server::start().await;
    let mut stream = server.connect(GET).await;
    stream.until("tidings.open").await;
    stream.send(&[b'x'; 1 << 10]).await;
    server.publish("t", "still there").await;
    stream.until("data: still there\n\n").await;
    stream.send_until_closed(TOO_MUCH).await;
    check_gone(&server).await;
    assert_eq!(server.metric("tidings_streams_closed_total{by=\"talk\"}").await, 1);
}

#[tokio::test]
async fn a_stream_ends_with_the_last_chunk() {
    let server = Server::start().await;
    let mut stream: Connection = server.connect(GET).await;
    stream.until("tidings.open").await;
    assert!(server.stop().await.clean);
    let seen = stream.rest().await;
    assert!(seen.contains("event: tidings.end\n") && seen.ends_with("\r\n0\r\n\r\n"), "{seen}");
}
