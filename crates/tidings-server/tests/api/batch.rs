//! `POST /events`: good lines in order, bad lines by name, all or none when asked.

use super::server::{Answer, Server};
use serde_json::{Value, json};

async fn post(server: &Server, target: &str, body: &[u8]) -> Answer {
    server.post(target, &[("content-type", "application/x-ndjson")], body).await
}

async fn data(server: &Server) -> Vec<Value> {
    let page = server.page("/events?topic=**").await;
    page["events"].as_array().expect("a list").iter().map(|event| event["data"].clone()).collect()
}

#[tokio::test]
async fn all_good_is_200_in_order() {
    let server = Server::start().await;
    let body = b"{\"topic\":\"a\",\"data\":\"1\"}\n{\"topics\":[\"b\",\"a\"],\"data\":\"2\",\"type\":\"up\"}\n";
    let answer = post(&server, "/events", body).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let lines = answer.lines();
    assert_eq!((&lines[0]["topic"], &lines[1]["topic"]), (&json!("a"), &json!("b")));
    let events = server.page("/topics/a").await["events"].clone();
    assert_eq!((&events[0]["id"], &events[1]["id"]), (&lines[0]["id"], &lines[1]["id"]));
    assert_eq!((&events[1]["topics"], &events[1]["type"]), (&json!(["b", "a"]), &json!("up")));
}

#[tokio::test]
async fn a_broken_line_in_the_middle_fails_alone() {
    let server = Server::start().await;
    let body = b"{\"topic\":\"a\",\"data\":\"1\"}\n{broken\n\n{\"topic\":\"a\",\"data\":\"2\"}";
    let answer = post(&server, "/events", body).await;
    assert_eq!(answer.status, 207);
    let lines = answer.lines();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[1]["error"]["code"], &lines[1]["line"]), (&json!("invalid_line"), &json!(2)));
    assert!(lines[2]["id"].is_string());
    assert_eq!(data(&server).await, ["1", "2"]);
    assert_eq!(server.metric("tidings_requests_refused_total{code=\"invalid_line\"}").await, 1);
}

#[tokio::test]
async fn no_good_line_is_422() {
    let server = Server::start().await;
    let answer = post(&server, "/events", b"{}\n{\"topic\":\"tidings/x\",\"data\":\"1\"}\n").await;
    assert_eq!(answer.status, 422);
    let codes: Vec<Value> = answer.lines().iter().map(|line| line["error"]["code"].clone()).collect();
    assert_eq!(codes, ["invalid_line", "reserved_topic"]);
    assert!(data(&server).await.is_empty());
}

#[tokio::test]
async fn atomic_is_all_or_none() {
    let server = Server::start().await;
    let good = b"{\"topic\":\"a\",\"data\":\"1\"}\n{\"topic\":\"b\",\"data\":\"2\"}\n";
    let bad = [good.as_slice(), b"{}\n"].concat();
    let answer = post(&server, "/events?atomic=1", &bad).await;
    assert_eq!(answer.status, 422);
    let codes: Vec<Value> = answer.lines().iter().map(|line| line["error"]["code"].clone()).collect();
    assert_eq!(codes, ["not_committed", "not_committed", "invalid_line"]);
    assert!(data(&server).await.is_empty());
    assert_eq!(post(&server, "/events?atomic=1", good).await.status, 200);
    assert_eq!(data(&server).await, ["1", "2"]);
}

#[tokio::test]
async fn keys_count_line_by_line() {
    let server = Server::start().await;
    let line =
        |data: &str, key: &str| format!("{{\"topic\":\"a\",\"data\":\"{data}\",\"idempotency_key\":\"{key}\"}}\n");
    let first = post(&server, "/events", (line("1", "k") + &line("1", "k")).as_bytes()).await;
    assert_eq!(first.status, 200);
    let lines = first.lines();
    assert_eq!((&lines[1]["id"], &lines[1]["duplicate"]), (&lines[0]["id"], &json!(true)));
    let mixed = line("2", "k") + &line("3", "new") + &line("1", "k");
    let second = post(&server, "/events", mixed.as_bytes()).await;
    assert_eq!(second.status, 207);
    let answers = second.lines();
    assert_eq!(answers[0]["error"]["code"], "idempotency_mismatch");
    assert_eq!((&answers[2]["id"], &answers[2]["duplicate"]), (&lines[0]["id"], &json!(true)));
    let atomic = post(&server, "/events?atomic=1", (line("9", "k") + &line("4", "newer")).as_bytes()).await;
    assert_eq!(atomic.status, 422);
    assert_eq!(data(&server).await, ["1", "3"]);
    // The atomic batch left no key behind.
    assert_eq!(post(&server, "/events", line("5", "newer").as_bytes()).await.lines()[0].get("duplicate"), None);
}

#[tokio::test]
async fn batches_that_hold_each_others_keys_do_not_wait_for_ever() {
    let server = Server::start().await;
    let line = |key: &str| format!("{{\"topic\":\"a\",\"data\":\"x\",\"idempotency_key\":\"{key}\"}}\n");
    for round in 0..20 {
        let (one, other) = (format!("one{round}"), format!("other{round}"));
        let (forth, back) = (line(&one) + &line(&other), line(&other) + &line(&one));
        let answers =
            tokio::join!(post(&server, "/events", forth.as_bytes()), post(&server, "/events", back.as_bytes()));
        assert_eq!((answers.0.status, answers.1.status), (200, 200));
    }
    assert_eq!(server.page("/topics/a").await["events"].as_array().map(Vec::len), Some(40));
}

#[tokio::test]
async fn bounds_and_kinds() {
    let server = Server::start().await;
    server.post("/events", &[], b"{}").await.check_refused(415, "unsupported_media_type");
    server
        .post("/events", &[("content-type", "application/json")], b"{}")
        .await
        .check_refused(415, "unsupported_media_type");
    post(&server, "/events", b"\n\n").await.check_refused(400, "empty_batch");
    post(&server, "/events?atomic=x", b"{}").await.check_refused(400, "invalid_parameter");
    post(&server, "/events", &b"{}\n".repeat(10_001)).await.check_refused(413, "batch_too_large");
    post(&server, "/events", &vec![b'x'; (8 << 20) + 1]).await.check_refused(413, "batch_too_large");
    let large =
        format!("{{\"topic\":\"a\",\"data\":\"{}\"}}\n{{\"topic\":\"a\",\"data\":\"1\"}}", "x".repeat((1 << 20) + 1));
    let answer = post(&server, "/events", large.as_bytes()).await;
    assert_eq!((answer.status, &answer.lines()[0]["error"]["code"]), (207, &json!("event_too_large")));
    assert_eq!(data(&server).await, ["1"]);
}

#[tokio::test]
async fn what_was_read_from_one_server_is_published_to_another() {
    let (server, other) = (Server::start().await, Server::start().await);
    let body = b"{\"topics\":[\"a\",\"b\"],\"data\":\"1\"}\n{\"topic\":\"a\",\"data_base64\":\"AQL/\",\"content_type\":\"image/png\",\"type\":\"up\"}\n";
    assert_eq!(post(&server, "/events", body).await.status, 200);
    let events = server.page("/topics/a").await["events"].clone();
    let export: String = events.as_array().expect("a list").iter().map(|event| format!("{event}\n")).collect();
    assert_eq!(post(&other, "/events", export.as_bytes()).await.status, 200);
    let without_ids = |mut events: Value| {
        for event in events.as_array_mut().expect("a list") {
            let event = event.as_object_mut().expect("an object");
            event.remove("id");
            event.remove("time");
        }
        events
    };
    assert_eq!(without_ids(other.page("/topics/a").await["events"].clone()), without_ids(events));
}
