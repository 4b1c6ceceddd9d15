//! `POST /topics/{topic}`: what is taken, what is refused, and what a repeat with a key gets.

use super::server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn an_event_is_answered_with_its_id_and_read_back() {
    let server = Server::start().await;
    let answer = server.post("/topics/a%2Fb", &[("event-type", "price")], "grüße".as_bytes()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("vary"), Some("origin"));
    let receipt = answer.json();
    assert_eq!((&receipt["topic"], receipt.get("duplicate")), (&"a/b".into(), None));
    let page = server.page("/topics/a/b").await;
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
    let event = &page["events"][0];
    assert_eq!((&event["id"], &event["type"], &event["data"]), (&receipt["id"], &"price".into(), &"grüße".into()));
    assert!(event.get("content_type").is_none());
    assert_eq!((&page["next"], &page["more"]), (&receipt["id"], &false.into()));
    assert_eq!(server.metric("tidings_published_total").await, 1);
}

#[tokio::test]
async fn the_path_is_decoded_exactly_once() {
    let server = Server::start().await;
    let answer = server.post("/topics/%2541", &[], b"x").await;
    assert_eq!(answer.json()["topic"], "%41");
    assert_eq!(server.page("/topics/A").await["events"], serde_json::json!([]));
    assert_eq!(server.page("/topics/%2541").await["events"][0]["data"], "x");
}

#[tokio::test]
async fn content_types_are_kept_or_refused() {
    let server = Server::start().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    server.post("/topics/t", &[form], b"a=1&b=+%20").await;
    server.post("/topics/t", &[("content-type", "Image/PNG; x=y")], b"\x89PNG\xff").await;
    let events = server.page("/topics/t").await["events"].clone();
    assert_eq!((&events[0]["data"], events[0].get("content_type")), (&"a=1&b=+%20".into(), None));
    assert_eq!(events[1]["content_type"], "image/png");
    assert_eq!(events[1]["data_base64"], "iVBOR/8=");
    server.post("/topics/refused", &[], b"\xff").await.check_refused(400, "invalid_utf8");
    for (name, value, status, code) in [
        ("content-type", "text/plain; charset=latin1", 415, "unsupported_charset"),
        ("content-type", "multipart/form-data; boundary=b", 415, "unsupported_media_type"),
        ("content-type", "nonsense", 400, "invalid_content_type"),
        ("content-encoding", "gzip", 415, "unsupported_encoding"),
        ("event-type", "open", 400, "reserved_event_type"),
        ("event-type", "tidings.gap", 400, "reserved_event_type"),
        ("event-type", "", 400, "invalid_event_type"),
        ("idempotency-key", "", 400, "invalid_idempotency_key"),
    ] {
        server.post("/topics/refused", &[(name, value)], b"x").await.check_refused(status, code);
    }
    assert_eq!(server.page("/topics/refused").await["events"], serde_json::json!([]), "nothing of them was stored");
}

#[tokio::test]
async fn topics_that_are_none() {
    let server = Server::start().await;
    let long = format!("/topics/{}", "x".repeat(1025));
    for target in
        ["/topics/", "/topics/..", "/topics/a//b", "/topics/a/", "/topics/*", "/topics/%0a", "/topics/%ff", &long]
    {
        server.post(target, &[], b"x").await.check_refused(400, "invalid_topic");
        server.get(target).await.check_refused(400, "invalid_topic");
    }
    server.post("/topics/tidings/x", &[], b"x").await.check_refused(403, "reserved_topic");
    server.post("/elsewhere", &[], b"x").await.check_refused(404, "not_found");
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_name_and_the_refusal_can_be_read() {
    let server = Server::start().await;
    let largest = vec![b'x'; 1 << 20];
    assert_eq!(server.post("/topics/t", &[], &largest).await.status, 200);
    // The whole body is sent before the answer is looked at, as many clients do.
    let answer = server.post("/topics/t", &[], &vec![b'x'; (1 << 20) + 1]).await;
    answer.check_refused(413, "event_too_large");
    assert!(answer.json()["detail"].as_str().unwrap().contains("event_bytes_max"));
    // Without a length the server learns of it as it reads.
    let mut chunked =
        b"POST /topics/t HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..20 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&[b'x'; 0x10000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    server.send_raw(&chunked).await.check_refused(413, "event_too_large");
    assert_eq!(server.page("/topics/t").await["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_told_or_refused() {
    let server = Server::start().await;
    let head = "POST /topics/t HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n";
    // Nothing of the body is sent: the refusal must not wait for it.
    server
        .send_raw(format!("{head}content-length: 2000000\r\n\r\n").as_bytes())
        .await
        .check_refused(413, "event_too_large");
    let answer = server.send_raw(format!("{head}content-length: 1\r\n\r\nx").as_bytes()).await;
    assert_eq!(answer.status, 100, "{answer:?}");
    assert!(answer.text().starts_with("HTTP/1.1 200"), "{answer:?}");
}

#[tokio::test]
async fn a_connection_stays_usable_after_a_refusal() {
    let server = Server::start().await;
    let body = "x".repeat(100_000);
    let refused = format!("POST /topics/* HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let good = "POST /topics/t HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx";
    let answer = server.send_raw((refused + good).as_bytes()).await;
    assert_eq!(answer.status, 400);
    assert!(String::from_utf8_lossy(&answer.body).contains("HTTP/1.1 200 OK"), "{answer:?}");
}

#[tokio::test]
async fn a_key_publishes_once() {
    let server = Server::start().await;
    let key = [("idempotency-key", "k")];
    let first = server.post("/topics/t", &key, b"x").await.json();
    let again = server.post("/topics/t", &key, b"x").await.json();
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &true.into()));
    server.post("/topics/t", &key, b"y").await.check_refused(409, "idempotency_mismatch");
    assert_eq!(server.post("/topics/other", &key, b"y").await.status, 200, "keys are a topic's");
    assert_eq!(server.page("/topics/t").await["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_key_that_is_under_way_is_waited_for() {
    let server = Server::start().await;
    let key = [("idempotency-key", "k")];
    let answers = tokio::join!(
        server.post("/topics/t", &key, b"x"),
        server.post("/topics/t", &key, b"x"),
        server.post("/topics/t", &key, b"x"),
        server.post("/topics/t", &key, b"x"),
    );
    let answers = [answers.0.json(), answers.1.json(), answers.2.json(), answers.3.json()];
    assert_eq!(answers.iter().filter(|answer| answer.get("duplicate").is_none()).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer["id"] == answers[0]["id"]), "{answers:?}");
    assert_eq!(server.page("/topics/t").await["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_body_that_breaks_off_publishes_nothing() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let half = b"POST /topics/t HTTP/1.1\r\nhost: localhost\r\nidempotency-key: k\r\ncontent-length: 10\r\n\r\nhello";
    stream.write_all(half).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    // The key is free: the event was never published.
    let answer = server.post("/topics/t", &[("idempotency-key", "k")], b"another").await;
    assert_eq!((answer.status, answer.json().get("duplicate")), (200, None), "{answer:?}");
    let events = server.page("/topics/t").await["events"].clone();
    assert_eq!((events.as_array().map(Vec::len), &events[0]["data"]), (Some(1), &"another".into()));
}
