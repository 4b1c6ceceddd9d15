//! The API at its bounds: limits that are small, and a server that stops. What needs no bound is tested over sockets, in `tests/`.

use super::*;
use crate::connection::PendingGauge;
use crate::engine::MemoryEngine;
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

fn api(limits: Limits) -> Api {
    let limits = Arc::new(limits);
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new(1, &limits));
    let (delivery, publisher) = Delivery::start(&engine, &limits).unwrap();
    let metrics = Metrics::new(delivery.clone(), None, PendingGauge::default());
    let allowed_origins = Vec::new();
    Api::new(ApiParts { limits, engine, publisher, delivery, metrics, allowed_origins, demo: None }).unwrap()
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
    let api = api(Limits { history_bytes_max: 2_000, ..Limits::DEFAULT });
    let first: Value = serde_json::from_str(&text(post(&api, "t", "x").await).await).unwrap();
    for _ in 0..50 {
        post(&api, "t", "x").await;
    }
    let target = format!("/topics/t?since={}&limit=1&wait=50s", first["id"].as_str().unwrap());
    let page = get(&api, &target, "application/json").await;
    assert_eq!(page.headers()["tidings-gap"], "expired");
    let page: Value = serde_json::from_str(&text(page).await).unwrap();
    assert_eq!((&page["gap"]["reason"], &page["gap"]["requested"]), (&"expired".into(), &first["id"]));
    let read_on = format!("/topics/t?since={}", page["next"].as_str().unwrap());
    let page = get(&api, &read_on, "application/json").await;
    assert!(!page.headers().contains_key("tidings-gap"), "told once");
}
