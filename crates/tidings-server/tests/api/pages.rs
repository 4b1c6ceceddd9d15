//! `GET` as a page of JSON, and the long poll.

use super::server::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const JSON: (&str, &str) = ("accept", "application/json");

fn data(page: &Value) -> Vec<&str> {
    page["events"].as_array().expect("a list").iter().map(|event| event["data"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn pages_follow_each_other_without_a_seam() {
    let server = Server::start().await;
    for n in 0..7 {
        server.publish("t", &n.to_string()).await;
        server.publish("other", "x").await;
    }
    let mut target = "/topics/t?limit=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = server.page(&target).await;
        seen.extend(data(&page).into_iter().map(str::to_owned));
        assert!(page.get("gap").is_none());
        if page["more"] == false {
            break;
        }
        target = format!("/topics/t?limit=3&since={}", page["next"].as_str().unwrap());
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
}

#[tokio::test]
async fn a_page_starts_where_it_was_asked_to() {
    let server = Server::start().await;
    let first = server.publish("a", "1").await;
    server.publish("b", "2").await;
    server.publish("a", "3").await;
    let page = |target: String| {
        let server = &server;
        async move { server.page(&target).await }
    };
    assert_eq!(data(&page("/topics/a".into()).await), ["1", "3"]);
    assert_eq!(data(&page(format!("/topics/a?since={first}")).await), ["3"]);
    assert_eq!(data(&page("/topics/a?last=1".into()).await), ["3"]);
    assert_eq!(data(&page("/topics/a?last=0".into()).await), Vec::<&str>::new());
    assert_eq!(data(&page("/events?topic=a&topic=b&last=2".into()).await), ["2", "3"]);
    assert_eq!(data(&page("/events?topic=a&topic=b&last_each=1".into()).await), ["2", "3"]);
    assert_eq!(data(&page("/events?topic=*".into()).await), ["1", "2", "3"]);
    assert_eq!(data(&page("/topics/a?since=2999-01-01T00:00:00Z".into()).await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_place_that_means_nothing_gets_the_newest_and_a_gap() {
    let server = Server::start().await;
    let id = server.publish("t", "x").await;
    let (epoch, _) = id.split_once('.').unwrap();
    let start = format!("{epoch}.0");
    for sent in ["garbage".to_owned(), "aaaaaaaa.5".to_owned(), format!("{epoch}.99")] {
        let answer = server.send("GET", "/topics/t", &[JSON, ("last-event-id", &sent)], b"").await;
        assert_eq!((answer.status, answer.header("tidings-gap")), (200, Some("unknown")), "{sent}");
        let page = answer.json();
        let gap = json!({"requested": sent, "resumed": start, "reason": "unknown", "truncated": false});
        assert_eq!((data(&page), &page["gap"]), (vec!["x"], &gap));
    }
    // Also where there is nothing at all; and what is missing is said at once.
    let began = Instant::now();
    let answer = server.send("GET", "/topics/empty?wait=10s", &[JSON, ("last-event-id", "x")], b"").await;
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!((answer.header("tidings-gap"), data(&answer.json()).len()), (Some("unknown"), 0));
}

#[tokio::test]
async fn a_long_poll_waits_for_the_first_event_and_no_longer() {
    let server = Server::start().await;
    let began = Instant::now();
    let (page, id) = tokio::join!(server.page("/topics/t?wait=15s"), async {
        while server.metric("tidings_subscribers").await == 0 {
            tokio::task::yield_now().await;
        }
        server.publish("other", "not this").await;
        server.publish("t", "now").await
    });
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!((data(&page), &page["next"]), (vec!["now"], &json!(id)));
    // What is there already is answered at once.
    let began = Instant::now();
    assert_eq!(data(&server.page("/topics/t?wait=15s").await), ["now"]);
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_long_poll_without_events_ends_in_time_with_an_empty_page() {
    let server = Server::start().await;
    let id = server.publish("other", "x").await;
    let began = Instant::now();
    let page = server.page("/topics/t?wait=300ms").await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(page, json!({"events": [], "next": id, "more": false}));
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_subscription() {
    let server = Server::start().await;
    let poll = server.listen("/topics/t?wait=50s", &[JSON]).await;
    while server.metric("tidings_subscribers").await == 0 {
        tokio::task::yield_now().await;
    }
    drop(poll);
    while server.metric("tidings_subscribers").await != 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bounds_are_named() {
    let server = Server::start().await;
    for (query, says) in [
        ("limit=0", "1 to 1000"),
        ("limit=1001", "1 to 1000"),
        ("wait=30", "30s"),
        ("wait=2m", "55 s"),
        ("last=10001", "10000"),
    ] {
        let answer = server.send("GET", &format!("/topics/t?{query}"), &[JSON], b"").await;
        answer.check_refused(400, "invalid_parameter");
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{query}");
    }
}
