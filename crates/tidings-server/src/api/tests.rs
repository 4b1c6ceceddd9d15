//! The API at its bounds: limits that are small, and a server that stops. What needs no bound is tested over sockets, in `tests/`.

use super::*;
use crate::connection::Gauges;
use crate::testing;
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tidings_testkit::storage::Disk;

impl Api {
    /// Answers a request, and begins a stream as a body that is polled.
    async fn handle<B>(&self, request: Request<B>) -> Response<ApiBody>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match self.answer(request).await {
            Answer::Whole(response) => response,
            Answer::Stream(response) => self.stream(response).await,
        }
    }
}

fn api(limits: Limits) -> Api {
    api_on(&testing::disk(), limits)
}

fn api_on(disk: &Disk, limits: Limits) -> Api {
    let limits = Arc::new(limits);
    testing::api_on(disk, &limits, &Gauges::new(&limits))
}

fn request<B>(method: Method, target: &str, body: B) -> Request<B> {
    Request::builder().method(method).uri(target).header(header::HOST, "localhost").body(body).unwrap()
}

async fn get(api: &Api, target: &str, accept: &str) -> Response<ApiBody> {
    let mut request = request(Method::GET, target, Full::<Bytes>::default());
    request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
    api.handle(request).await
}

async fn post(api: &Api, topic: &str, body: &'static str) -> Response<ApiBody> {
    api.handle(request(Method::POST, &format!("/topics/{topic}"), Full::<Bytes>::from(body))).await
}

async fn post_keyed(api: &Api, topic: &str, key: &'static str) -> Response<ApiBody> {
    let mut request = request(Method::POST, &format!("/topics/{topic}"), Full::<Bytes>::from("x"));
    request.headers_mut().insert("idempotency-key", HeaderValue::from_static(key));
    api.handle(request).await
}

async fn delete(api: &Api, topic: &str) -> Response<ApiBody> {
    api.handle(request(Method::DELETE, &format!("/topics/{topic}"), Full::<Bytes>::default())).await
}

async fn text(response: Response<ApiBody>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn check_refused(response: Response<ApiBody>, status: u16, code: &str) {
    assert_eq!(response.status(), status, "{code}");
    let problem: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(problem["code"], code);
}

#[tokio::test]
async fn one_subscriber_too_many_is_told_when_to_return() {
    let api = api(Limits { subscribers_max: 1, ..Limits::DEFAULT });
    let first = get(&api, "/topics/t", "text/event-stream").await;
    assert!(matches!(first.body(), ApiBody::Stream(_)));
    let second = get(&api, "/topics/t", "text/event-stream").await;
    assert_eq!(second.status(), StatusCode::OK, "an EventSource never returns after anything else");
    assert_eq!(second.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(second.headers()[header::CONNECTION], "close");
    let body = text(second).await;
    assert!(body.contains("event: tidings.end\ndata: {\"reason\":\"overload\""), "{body}");
    let retry: u32 = body.lines().find_map(|line| line.strip_prefix("retry: ")).unwrap().parse().unwrap();
    let row = tidings_hub::EndReason::Overload.row();
    assert!((row.retry_min.as_millis()..=row.retry_max.as_millis()).contains(&u128::from(retry)), "{retry}");
    let lines = text(get(&api, "/topics/t", "application/x-ndjson").await).await;
    assert!(lines.starts_with("{\"control\":\"tidings.end\""), "{lines}");
    // A page that need not wait needs no place.
    assert_eq!(get(&api, "/topics/t", "application/json").await.status(), StatusCode::OK);
    let waiting = get(&api, "/topics/t?wait=10s", "application/json").await;
    assert_eq!(waiting.headers()[header::RETRY_AFTER], "60");
    check_refused(waiting, 503, "overloaded").await;
    // When the first has gone there is a place again.
    drop(first);
    assert!(matches!(get(&api, "/topics/t", "*/*").await.body(), ApiBody::Stream(_)));
    let metrics = api.metrics.encode();
    assert!(metrics.contains("tidings_requests_refused_total{code=\"overloaded\"} 3\n"), "{metrics}");
}

#[tokio::test]
async fn a_server_that_stops_takes_nothing_new() {
    let api = api(Limits::DEFAULT);
    api.drain();
    api.delivery.refuse();
    let refused = post(&api, "t", "x").await;
    assert_eq!(refused.headers()[header::RETRY_AFTER], "5");
    check_refused(refused, 503, "draining").await;
    let body = text(get(&api, "/topics/t", "text/event-stream").await).await;
    assert!(body.contains("\"reason\":\"drain\""), "{body}");
    assert_eq!(get(&api, "/topics/t", "application/json").await.status(), StatusCode::OK, "what is there can be read");
}

#[tokio::test]
async fn one_topic_too_many_is_refused_and_leaves_its_key_free() {
    let api = api(Limits { topics_max: 1, ..Limits::DEFAULT });
    assert_eq!(post(&api, "a", "x").await.status(), StatusCode::OK);
    for _ in 0..2 {
        let mut request = request(Method::POST, "/topics/b", Full::<Bytes>::from("x"));
        request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k"));
        check_refused(api.handle(request).await, 507, "too_many_topics").await;
    }
    let listening = get(&api, "/topics/c", "text/event-stream").await;
    assert!(matches!(listening.body(), ApiBody::Stream(_)), "listening stores no topic");
}

#[tokio::test]
async fn all_bodies_together_are_bounded() {
    let api = api(Limits { bodies_bytes_max: 3, ..Limits::DEFAULT });
    assert_eq!(post(&api, "t", "123").await.status(), StatusCode::OK);
    let refused = post(&api, "t", "1234").await;
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    check_refused(refused, 503, "busy").await;
    assert_eq!(post(&api, "t", "123").await.status(), StatusCode::OK, "nothing of it is held");
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_event_is_committed_may_repeat_it_with_its_key() {
    let api = api(Limits::DEFAULT);
    let keyed = || {
        let mut request = request(Method::POST, "/topics/t", Full::<Bytes>::from("x"));
        request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k"));
        request
    };
    let mut first = Box::pin(api.handle(keyed()));
    // The commit waits for the tail, which has no thread but this one: the first look leaves it under way.
    let looked = first.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    assert!(looked.is_pending());
    drop(first);
    let again: Value = serde_json::from_str(&text(api.handle(keyed()).await).await).unwrap();
    assert_eq!(again["duplicate"], true, "{again}");
    let page: Value = serde_json::from_str(&text(get(&api, "/topics/t", "application/json").await).await).unwrap();
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1), "{page}");
}

/// A body that never comes.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_refused_in_time() {
    let api = api(Limits { body_timeout: Duration::from_millis(10), ..Limits::DEFAULT });
    check_refused(api.handle(request(Method::POST, "/topics/t", Silent)).await, 408, "body_timeout").await;
}

#[tokio::test]
async fn a_page_is_bounded_in_events_looked_at_and_says_that_there_is_more() {
    let api = api(Limits { page_examined_max: 2, ..Limits::DEFAULT });
    for _ in 0..5 {
        post(&api, "t", "x").await;
    }
    // None of the first two is wanted: an empty page, which does not wait, for there is more to look at.
    let page = text(get(&api, "/topics/t?type=other&wait=50s", "application/json").await).await;
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((&page["events"], &page["more"]), (&serde_json::json!([]), &true.into()));
    assert!(page["next"].as_str().unwrap().ends_with(".2"), "{page}");
}

#[tokio::test]
async fn what_was_dropped_is_said_in_the_page_and_its_head() {
    let api = api(Limits::DEFAULT);
    let first: Value = serde_json::from_str(&text(post(&api, "t", "x").await).await).unwrap();
    for _ in 0..5 {
        post(&api, "t", "x").await;
    }
    let deleted = delete(&api, "t").await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(deleted).await, "");
    let target = format!("/topics/t?since={}&limit=1&wait=50s", first["id"].as_str().unwrap());
    let page = get(&api, &target, "application/json").await;
    assert_eq!(page.headers()["tidings-gap"], "expired");
    let page: Value = serde_json::from_str(&text(page).await).unwrap();
    assert_eq!((&page["gap"]["reason"], &page["gap"]["requested"]), (&"expired".into(), &first["id"]));
    let read_on = format!("/topics/t?since={}", page["next"].as_str().unwrap());
    let page = get(&api, &read_on, "application/json").await;
    assert!(!page.headers().contains_key("tidings-gap"), "told once");
}

#[tokio::test]
async fn after_a_failed_sync_publishes_are_refused_by_name_and_readers_served() {
    let disk = testing::disk();
    let api = api_on(&disk, Limits::DEFAULT);
    assert_eq!(post(&api, "t", "x").await.status(), StatusCode::OK);
    testing::fail_next_batch(&disk);
    let unknown = post_keyed(&api, "t", "k").await;
    assert_eq!(unknown.headers()[header::RETRY_AFTER], "30");
    check_refused(unknown, 503, "outcome_unknown").await;
    check_refused(post_keyed(&api, "t", "k").await, 503, "outcome_unknown").await;
    check_refused(post_keyed(&api, "t", "l").await, 503, "log_failed").await;
    check_refused(post(&api, "t", "x").await, 503, "log_failed").await;
    check_refused(delete(&api, "t").await, 503, "log_failed").await;
    let page: Value = serde_json::from_str(&text(get(&api, "/topics/t", "application/json").await).await).unwrap();
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1), "{page}");
    let metrics = api.metrics.encode();
    assert!(metrics.contains("tidings_log_failed 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_full_disk_is_507_and_leaves_the_key_free() {
    let disk = testing::disk();
    let api = api_on(&disk, Limits::DEFAULT);
    let large: &'static str = Box::leak("x".repeat(1 << 19).into());
    assert_eq!(post(&api, "t", large).await.status(), StatusCode::OK);
    disk.set_space(disk.used());
    while post(&api, "t", large).await.status() == StatusCode::OK {}
    check_refused(post(&api, "t", large).await, 507, "disk_full").await;
    disk.set_space(u64::MAX);
    let answer = loop {
        let answer = post_keyed(&api, "t", "k").await;
        if answer.status() == StatusCode::OK {
            break answer;
        }
        check_refused(answer, 507, "disk_full").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let receipt: Value = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!(receipt.get("duplicate"), None, "nothing was published before");
}

#[tokio::test]
async fn keys_are_known_to_the_next_process_and_so_is_what_was_unknown() {
    let disk = testing::disk();
    let api = api_on(&disk, Limits::DEFAULT);
    let first: Value = serde_json::from_str(&text(post_keyed(&api, "t", "k").await).await).unwrap();
    testing::fail_next_batch(&disk);
    check_refused(post_keyed(&api, "t", "l").await, 503, "outcome_unknown").await;
    disk.kill();
    drop(api);
    let api = api_on(&disk, Limits::DEFAULT);
    let again: Value = serde_json::from_str(&text(post_keyed(&api, "t", "k").await).await).unwrap();
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &true.into()));
    // It was written and not synced: the process that died did not know, and this one does.
    post_keyed(&api, "t", "l").await;
    let page: Value = serde_json::from_str(&text(get(&api, "/topics/t", "application/json").await).await).unwrap();
    assert_eq!(page["events"].as_array().map(Vec::len), Some(2), "each once: {page}");
}

#[tokio::test]
async fn deleting_is_told_to_who_returns_and_lets_the_tail_go() {
    let api = api(Limits::DEFAULT);
    let first: Value = serde_json::from_str(&text(post(&api, "t", "gone").await).await).unwrap();
    post(&api, "other", "stays").await;
    for _ in 0..2 {
        assert_eq!(delete(&api, "t").await.status(), StatusCode::NO_CONTENT, "also when there is nothing");
    }
    let page: Value =
        serde_json::from_str(&text(get(&api, "/events?topic=**", "application/json").await).await).unwrap();
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page["events"][0]["data"], "stays");
    let before = first["id"].as_str().unwrap().replace(".1", ".0");
    let mut stream = get(&api, &format!("/topics/t?last_event_id={before}"), "text/event-stream").await;
    assert_eq!(stream.headers()["tidings-gap"], "expired");
    post(&api, "t", "after").await;
    let mut seen = String::new();
    while !seen.contains("data: after") {
        let frame = stream.body_mut().frame().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    assert!(!seen.contains("gone") && seen.contains("tidings.gap"), "{seen}");
    check_refused(delete(&api, "tidings/clock").await, 403, "reserved_topic").await;
    check_refused(delete(&api, "a//b").await, 400, "invalid_topic").await;
    api.drain();
    check_refused(delete(&api, "t").await, 503, "draining").await;
}

#[tokio::test]
async fn an_event_lives_as_long_as_it_says() {
    let api = api(Limits { ttl_min: Duration::ZERO, ..Limits::DEFAULT });
    for (ttl, data) in [("1ms", "short"), ("1h", "long")] {
        let mut request = request(Method::POST, "/topics/t", Full::<Bytes>::from(data));
        request.headers_mut().insert("event-ttl", ttl.parse().unwrap());
        assert_eq!(api.handle(request).await.status(), StatusCode::OK);
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    let page: Value = serde_json::from_str(&text(get(&api, "/topics/t", "application/json").await).await).unwrap();
    assert_eq!((page["events"].as_array().map(Vec::len), &page["events"][0]["data"]), (Some(1), &"long".into()));
}

/// Status and text of what the admin listener answers.
async fn asked(admin: &Admin, target: &str) -> (u16, String) {
    let answer = admin.answer(&request(Method::GET, target, ()));
    let status = answer.status().as_u16();
    (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_says_what_is_wrong_with_the_log() {
    let disk = testing::disk();
    let api = api_on(&disk, Limits::DEFAULT);
    let admin = Admin::new(api.delivery.clone(), api.engine.clone(), api.metrics.clone());
    assert_eq!(asked(&admin, "/readyz").await, (503, "not ready: starting\n".into()));
    admin.ready();
    assert_eq!(asked(&admin, "/readyz").await, (200, "ready\n".into()));
    let large: &'static str = Box::leak("x".repeat(1 << 19).into());
    post(&api, "t", large).await;
    disk.set_space(disk.used());
    while post(&api, "t", large).await.status() == StatusCode::OK {}
    let (status, full) = asked(&admin, "/readyz").await;
    assert!(status == 200 && full.contains("the disk is full"), "{full}");
    disk.set_space(u64::MAX);
    while post(&api, "t", "x").await.status() != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(asked(&admin, "/readyz").await, (200, "ready\n".into()));
    testing::fail_next_batch(&disk);
    check_refused(post(&api, "t", "x").await, 503, "outcome_unknown").await;
    let (status, failed) = asked(&admin, "/readyz").await;
    assert!(status == 503 && failed.contains("the log has failed"), "{failed}");
    assert_eq!(asked(&admin, "/healthz").await, (200, "ok\n".into()), "it is not stuck");
    admin.draining();
    assert_eq!(asked(&admin, "/readyz").await.1, "not ready: draining\n");
}
