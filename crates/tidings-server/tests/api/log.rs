//! What a restart keeps, what is deleted, what expires: the durable log as its users meet it.

use super::server::Server;
use serde_json::{Value, json};

const JSON: (&str, &str) = ("accept", "application/json");

fn data(page: &Value) -> Vec<&str> {
    page["events"].as_array().expect("a list").iter().map(|event| event["data"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn a_restart_keeps_events_and_their_ids() {
    let server = Server::start().await;
    let first = server.post("/topics/a%2Fb", &[("event-type", "up")], "grüße".as_bytes()).await.json();
    server.post("/topics/t", &[("content-type", "image/png")], b"\x89PNG\xff").await;
    let before = server.page("/events?topic=**").await;
    let server = server.restart().await;
    assert_eq!(server.page("/events?topic=**").await, before);
    assert_eq!(before["events"][0]["id"], first["id"]);
    let next = server.publish("t", "next").await;
    let (epoch, seq) = next.split_once('.').expect("an id");
    assert!(first["id"].as_str().unwrap().starts_with(epoch) && seq == "3", "one history goes on: {next}");
    let lines = server.said.join("\n");
    assert!(lines.contains("2 events in 2 topics found") && lines.contains("keeping 16 MiB"), "{lines}");
    assert!(!lines.contains("cut off") && !lines.contains("DAMAGED"), "a clean end leaves nothing to say: {lines}");
}

#[tokio::test]
async fn a_resume_goes_on_across_a_restart_without_a_gap() {
    let server = Server::start().await;
    let first = server.publish("t", "one").await;
    server.publish("t", "two").await;
    let server = server.restart().await;
    let mut stream = server.listen("/topics/t", &[("last-event-id", &first)]).await;
    server.publish("t", "three").await;
    let seen = stream.until("data: three").await;
    assert!(seen.contains("data: two") && !seen.contains("data: one") && !seen.contains("tidings.gap"), "{seen}");
}

#[tokio::test]
async fn a_repeat_after_a_restart_is_answered_like_the_first() {
    let server = Server::start().await;
    let key = [("idempotency-key", "k")];
    let first = server.post("/topics/t", &key, b"x").await.json();
    let server = server.restart().await;
    let again = server.post("/topics/t", &key, b"x").await.json();
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    server.post("/topics/t", &key, b"y").await.check_refused(409, "idempotency_mismatch");
    assert_eq!(data(&server.page("/topics/t").await), ["x"]);
}

#[tokio::test]
async fn a_deleted_topic_is_gone_for_good_and_listeners_stay() {
    let server = Server::start().await;
    let first = server.publish("t", "one").await;
    server.publish("other", "stays").await;
    let mut live = server.listen("/topics/t", &[]).await;
    live.until("tidings.open").await;
    let answer = server.send("DELETE", "/topics/t", &[], b"").await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(server.send("DELETE", "/topics/never", &[], b"").await.status, 204);
    server.publish("t", "two").await;
    assert!(!live.until("data: two").await.contains("gap"), "who is at the head has had it all");
    let epoch = first.split_once('.').expect("an id").0;
    for _ in 0..2 {
        assert_eq!(data(&server.page("/events?topic=**").await), ["stays", "two"]);
        let resumed = server.send("GET", "/topics/t", &[JSON, ("last-event-id", &format!("{epoch}.0"))], b"").await;
        assert_eq!((resumed.header("tidings-gap"), data(&resumed.json())), (Some("expired"), vec!["two"]));
    }
    let server = server.restart().await;
    assert_eq!(data(&server.page("/events?topic=**").await), ["stays", "two"]);
    server.send("DELETE", "/topics/tidings/clock", &[], b"").await.check_refused(403, "reserved_topic");
    server.send("DELETE", "/topics/a//b", &[], b"").await.check_refused(400, "invalid_topic");
}

#[tokio::test]
async fn what_has_expired_is_in_no_page_and_no_resume() {
    let server = Server::start().await;
    let first = server.publish("t", "first").await;
    assert_eq!(server.post("/topics/t", &[("event-ttl", "1s")], b"short").await.status, 200);
    let lines = b"{\"topic\":\"t\",\"data\":\"long\",\"ttl\":\"1h\"}\n{\"topic\":\"t\",\"data\":\"x\",\"ttl\":\"1\"}\n";
    let answer = server.post("/events", &[("content-type", "application/x-ndjson")], lines).await;
    assert_eq!((answer.status, &answer.lines()[1]["error"]["code"]), (207, &json!("invalid_ttl")));
    for bad in ["", "30", "0s", "11y"] {
        server.post("/topics/t", &[("event-ttl", bad)], b"x").await.check_refused(400, "invalid_ttl");
    }
    while data(&server.page("/topics/t").await) != ["first", "long"] {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut stream = server.listen("/topics/t", &[("last-event-id", &first)]).await;
    let seen = stream.until("data: long").await;
    assert!(!seen.contains("short") && !seen.contains("gap"), "nobody is told of what expired: {seen}");
    assert_eq!(data(&server.restart().await.page("/topics/t").await), ["first", "long"]);
}

#[tokio::test]
async fn the_log_is_counted_and_ready() {
    let server = Server::start().await;
    server.publish("t", "x").await;
    for (name, value) in [
        ("tidings_log_events", 1),
        ("tidings_log_topics", 1),
        ("tidings_log_batches_total", 1),
        ("tidings_log_appends_total", 1),
        ("tidings_log_appends_waiting", 0),
        ("tidings_log_disk_full_total", 0),
        ("tidings_log_failed", 0),
        ("tidings_log_commit_seconds_count", 1),
    ] {
        assert_eq!(server.metric(name).await, value, "{name}");
    }
    server.page("/topics/t").await;
    assert_eq!(server.metric("tidings_log_reads_total").await, 1);
    for target in ["/healthz", "/readyz"] {
        assert_eq!(server.admin(target).await.status, 200, "{target}");
    }
}
