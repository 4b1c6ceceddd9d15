//! `GET` as a stream: forms, headers, where it starts, what no id changes, and how it ends.

use super::server::Server;
use tidings_server::{Config, Retention};

/// The status line and headers of a stream, in lower case.
async fn head(server: &Server, target: &str, headers: &[(&str, &str)]) -> String {
    let mut stream = server.listen(target, headers).await;
    stream.until("\r\n\r\n").await.to_lowercase()
}

#[tokio::test]
async fn a_stream_opens_with_its_headers_and_an_id() {
    let server = Server::start().await;
    let mut stream = server.listen("/topics/t", &[("accept", "text/event-stream")]).await;
    let seen = stream.until("event: tidings.open").await.to_lowercase();
    for line in [
        "http/1.1 200 ok",
        "content-type: text/event-stream",
        "cache-control: no-store, no-transform",
        "x-accel-buffering: no",
        "vary: origin",
        "date: ",
    ] {
        assert!(seen.contains(&format!("{line}{}", if line.ends_with(' ') { "" } else { "\r\n" })), "{line}: {seen}");
    }
    assert!(!seen.contains("content-length") && !seen.contains("tidings-gap"), "{seen}");
    let id = server.publish("t", "hello").await;
    assert!(stream.until("data: hello\n\n").await.contains(&format!("id: {id}\ndata: hello\n\n")));
}

#[tokio::test]
async fn several_topics_are_enveloped_and_one_is_not() {
    let server = Server::start().await;
    for (target, enveloped) in [
        ("/topics/a?last=1", false),
        ("/events?topic=a&last=1", false),
        ("/events?topic=a&topic=a&last=1", false),
        ("/topics/a?last=1&envelope=json", true),
        ("/events?topic=a&topic=b&last=1", true),
        ("/events?topic=*&last=1", true),
        ("/events?topic=*&last=1&envelope=none", false),
    ] {
        server.publish("a", "x").await;
        let mut stream = server.listen(target, &[]).await;
        let expect = if enveloped { "data: {\"id\":" } else { "data: x\n\n" };
        stream.until(expect).await;
    }
}

#[tokio::test]
async fn ndjson_is_the_same_in_lines() {
    let server = Server::start().await;
    let id = server.publish("t", "a\nb").await;
    let mut stream = server.listen("/topics/t?since=all", &[("accept", "application/x-ndjson")]).await;
    let seen = stream.until("\"data\":\"a\\nb\"}\n").await;
    assert!(seen.to_lowercase().contains("content-type: application/x-ndjson\r\n"), "{seen}");
    assert!(seen.contains("{\"control\":\"tidings.open\""), "{seen}");
    assert!(seen.contains(&format!("{{\"id\":\"{id}\",\"topic\":\"t\"")), "{seen}");
}

#[tokio::test]
async fn types_filter_and_control_events_pass() {
    let server = Server::start().await;
    let mut stream = server.listen("/topics/t?type=up&type=message", &[]).await;
    stream.until("tidings.open").await;
    for (event_type, data) in [("down", "1"), ("up", "2"), ("message", "3")] {
        server.post("/topics/t", &[("event-type", event_type)], data.as_bytes()).await;
    }
    let seen = stream.until("data: 3\n\n").await;
    assert!(seen.contains("event: up\n") && !seen.contains("down"), "{seen}");
}

#[tokio::test]
async fn no_value_of_last_event_id_changes_the_status() {
    let server = Server::start().await;
    let id = server.publish("t", "x").await;
    let (epoch, seq) = id.split_once('.').unwrap();
    let future = format!("{epoch}.{}", seq.parse::<u64>().unwrap() + 1_000);
    let long = "x".repeat(10_000);
    let cases: &[(&str, Option<&str>)] = &[
        (&id, None),
        ("", None),
        ("garbage", Some("unknown")),
        (&long, Some("unknown")),
        ("aaaaaaaa.1", Some("unknown")),
        (&future, Some("unknown")),
        ("()<>@,;:\\\"/[]?={}", Some("unknown")),
    ];
    for (sent, gap) in cases {
        let head = head(&server, "/topics/t", &[("last-event-id", sent)]).await;
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        let expect = gap.map(|reason| format!("\r\ntidings-gap: {reason}\r\n"));
        assert_eq!(head.contains("tidings-gap"), expect.is_some(), "{sent}: {head}");
        assert!(expect.is_none_or(|line| head.contains(&line)), "{sent}: {head}");
    }
    // Bytes that are no text at all.
    let raw = b"GET /topics/t HTTP/1.1\r\nhost: localhost\r\nlast-event-id: \xff\xfe\r\naccept: application/json\r\nconnection: close\r\n\r\n";
    let answer = server.send_raw(raw).await;
    assert_eq!((answer.status, answer.header("tidings-gap")), (200, Some("unknown")));
    // What the URL gets wrong is wrong with an id too, and without one.
    for headers in [&[][..], &[("last-event-id", id.as_str())]] {
        server
            .send("GET", "/topics/t?since=all&last=1", headers, b"")
            .await
            .check_refused(400, "conflicting_parameters");
        server.send("GET", "/topics/t?since=nonsense", headers, b"").await.check_refused(400, "invalid_parameter");
        server.send("GET", "/events", headers, b"").await.check_refused(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn a_stream_starts_where_it_was_asked_to() {
    let server = Server::start().await;
    let first = server.publish("t", "1").await;
    let second = server.publish("t", "2").await;
    server.publish("t", "3").await;
    for (target, last_event_id, starts, passes) in [
        (format!("/topics/t?since={first}"), "", "data: 2", "data: 1"),
        (format!("/topics/t?last_event_id={second}&since=all"), "", "data: 3", "data: 2"),
        (format!("/topics/t?lastEventId={first}"), second.as_str(), "data: 3", "data: 2"),
        ("/topics/t?last=2".to_owned(), "", "data: 2", "data: 1"),
        ("/topics/t?last_each=1".to_owned(), "", "data: 3", "data: 2"),
        ("/topics/t?since=all&last_event_id=".to_owned(), "", "data: 1", "none"),
        ("/topics/t?since=10m".to_owned(), "", "data: 1", "none"),
        ("/topics/t?since=2000-01-01T00:00:00Z".to_owned(), "", "data: 1", "none"),
    ] {
        let mut stream = server.listen(&target, &[("last-event-id", last_event_id)]).await;
        let seen = stream.until("data: 3\n\n").await;
        assert!(seen.contains(starts) && !seen.contains(passes), "{target} {last_event_id}: {seen}");
    }
}

#[tokio::test]
async fn head_is_the_head_and_no_subscription() {
    let server = Server::start().await;
    let answer = server.send("HEAD", "/topics/t", &[], b"").await;
    assert_eq!((answer.status, answer.header("content-type"), answer.body.len()), (200, Some("text/event-stream"), 0));
    assert_eq!(answer.header("content-length"), None, "a stream has no length");
    let answer = server.send("HEAD", "/topics/t", &[("accept", "application/json")], b"").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(server.metric("tidings_subscribers").await, 0);
    assert_eq!(server.send("HEAD", "/topics/..", &[], b"").await.status, 400);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_and_says_so() {
    let server = Server::start().await;
    let mut stream = server.listen("/topics/t", &[]).await;
    stream.until("tidings.open").await;
    let addr = server.addr;
    let ended = server.stop().await;
    let seen = stream.rest().await;
    assert!(seen.contains("event: tidings.end\ndata: {\"reason\":\"drain\",\"retry\":"), "{seen}");
    assert!(seen.ends_with("0\r\n\r\n"), "at an event's end, and properly: {seen}");
    assert!(ended.clean, "{ended:?}");
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn one_stream_too_many_is_told_when_to_return() {
    let config = Config { demo: false, subscribers_max: Some(1), ..Config::default() };
    let server = Server::start_with(config).await;
    let mut first = server.listen("/topics/t", &[]).await;
    first.until("event: tidings.open").await;
    let refused = server.listen("/topics/t", &[]).await.rest().await;
    assert!(refused.starts_with("HTTP/1.1 200 OK\r\n"), "an EventSource never returns after another status: {refused}");
    let (_, body) = refused.split_once("retry: ").expect("it says when");
    let retry: u64 = body.split('\n').next().and_then(|ms| ms.parse().ok()).expect("a number");
    assert!((30_000..=90_000).contains(&retry), "{retry}");
    assert!(body.contains("event: tidings.end\ndata: {\"reason\":\"overload\""), "{refused}");
    assert_eq!(server.metric("tidings_requests_refused_total{code=\"overloaded\"}").await, 1);
    server.publish("t", "the first goes on").await;
    first.until("data: the first goes on\n\n").await;
}

#[tokio::test]
async fn a_client_that_goes_leaves_nothing_in_its_shard() {
    let server = Server::start().await;
    let mut stream = server.listen("/topics/gone", &[]).await;
    stream.until("event: tidings.open").await;
    while server.metric("tidings_subscriber_groups").await != 1 {}
    drop(stream);
    let left = async { while server.metric("tidings_subscriber_groups").await != 0 {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), left).await.expect("its group goes with it");
}

#[tokio::test]
async fn what_a_rule_does_not_store_is_heard_and_not_kept() {
    let rules = vec!["cursors/** durable=false".parse().unwrap()];
    let retention = Retention { rules, ..Retention::default() };
    let server = Server::start_with(Config { demo: false, retention, ..Config::default() }).await;
    let mut stream = server.listen("/topics/cursors/7", &[]).await;
    stream.until("event: tidings.open").await;
    let key = [("idempotency-key", "k")];
    let answer = server.post("/topics/cursors/7", &key, b"x").await;
    assert_eq!((answer.status, answer.text().contains("\"id\"")), (200, false), "{answer:?}");
    stream.until("data: x\n\n").await;
    let again = server.post("/topics/cursors/7", &key, b"x").await.json();
    assert_eq!(again["duplicate"], true, "{again}");
    let lines = b"{\"topic\":\"cursors/7\",\"data\":\"y\"}\n{\"topic\":\"kept\",\"data\":\"z\"}\n";
    let batch = server.post("/events", &[("content-type", "application/x-ndjson")], lines).await;
    assert_eq!(batch.status, 200, "{batch:?}");
    let seen = stream.until("data: y\n\n").await;
    assert_eq!(
        (seen.matches("data: x").count(), seen.matches("\nid: ").count()),
        (1, 1),
        "the opening's id alone: {seen}"
    );
    let server = server.restart().await;
    assert_eq!(server.page("/topics/cursors/7").await["events"].as_array().map(Vec::len), Some(0));
    assert_eq!(server.page("/topics/kept").await["events"].as_array().map(Vec::len), Some(1));
    server.stop().await;
}
