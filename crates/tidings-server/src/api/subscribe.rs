//! `GET /topics/{topic}` and `GET /events`: one subscription, in the form that `Accept` asks for.
//!
//! Everything the URL says is judged first, then the grant; only then the place the client names. So no value of `Last-Event-ID`
//! changes a status (invariant 11), and an `EventSource`, which repeats its URL, is refused for ever or never.

use super::codes::Code;
use super::negotiate::{Reply, reply};
use super::page::{self, Ask};
use super::problem::Problem;
use super::query::{Query, client_id};
use super::{Answer, Api, ApiBody, html, path};
use crate::auth;
use crate::delivery::Refused;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use std::sync::Arc;
use std::time::Duration;
use tidings_hub::{EndReason, Form, Format, Framing, Grant, ResumePoint, Selection, SelectionError, Spec, refusal};
use tidings_wire::Retry;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers a reader of one topic (still encoded), or of those in the query.
pub(super) async fn read(api: &Api, encoded_topic: Option<&str>, parts: &Parts) -> Result<Answer, Problem> {
    let mut query = Query::parse(parts.uri.query().unwrap_or_default(), &api.limits, crate::clock::now())?;
    let selection = Arc::new(select(encoded_topic, &mut query, auth::local())?);
    let resume = resume(&parts.headers, &mut query);
    let is_head = parts.method == Method::HEAD;
    match reply(&parts.headers) {
        Reply::Html => Ok(html::page().into()),
        Reply::Page if is_head => Ok(page::head().into()),
        Reply::Page => {
            let limit = query.limit.unwrap_or(api.limits.page_events_max);
            let wait = query.wait.unwrap_or(Duration::ZERO);
            Ok(page::answer(api, Ask { selection, resume, limit, wait }).await?.into())
        }
        Reply::EventStream => {
            let enveloped = query.envelope.unwrap_or(!selection.is_one_topic());
            let form = if enveloped { Form::Enveloped } else { Form::Sse };
            Ok(stream(api, selection, form, resume.unwrap_or(ResumePoint::Live), is_head))
        }
        Reply::Ndjson => Ok(stream(api, selection, Form::Ndjson, resume.unwrap_or(ResumePoint::Live), is_head)),
    }
}

/// What the URL selects, as far as the grant covers it.
fn select(encoded_topic: Option<&str>, query: &mut Query, grant: Arc<Grant>) -> Result<Selection, Problem> {
    let (mut topics, patterns) = (std::mem::take(&mut query.topics), std::mem::take(&mut query.patterns));
    if let Some(encoded) = encoded_topic {
        if !topics.is_empty() || !patterns.is_empty() {
            let detail = "the topic stands in the path already: ask for several with GET /events?topic=…&topic=…";
            return Err(Problem::new(Code::InvalidParameter, detail));
        }
        topics.push(path::topic(encoded)?);
    }
    if topics.is_empty() && query.start == Some(ResumePoint::LastEach) && !patterns.is_empty() {
        let detail = "last_each is the newest event of each exact topic: it has none to give for patterns";
        return Err(Problem::new(Code::InvalidParameter, detail));
    }
    let selection = Selection::new(topics, patterns, std::mem::take(&mut query.types), grant);
    selection.map_err(|error| match error {
        SelectionError::Empty => {
            Problem::new(Code::InvalidParameter, "name at least one topic or pattern: GET /events?topic=…")
        }
        SelectionError::TooMany => Problem::new(Code::TooManyNames, error.to_string()),
        SelectionError::Forbidden(_) => Problem::new(Code::Forbidden, error.to_string()),
    })
}

/// Where to start, if anything says so: the first of these that is there wins.
fn resume(headers: &HeaderMap, query: &mut Query) -> Option<ResumePoint> {
    let header = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes).filter(|id| !id.is_empty());
    header.map(client_id).or_else(|| query.id.take()).or_else(|| query.start.take())
}

/// A stream, or its head alone. It is a stream also when there is no room for it: an `EventSource` never returns after a 503.
fn stream(api: &Api, selection: Arc<Selection>, form: Form, resume: ResumePoint, is_head: bool) -> Answer {
    if is_head {
        return streaming(form, ApiBody::empty()).into();
    }
    // The transport has it framed otherwise, if it knows how.
    let format = Format { form, framing: Framing::Bare };
    match api.delivery.admit(Spec { selection, format, bare_events: false }, resume) {
        Ok(subscribing) => Answer::Stream(streaming(form, subscribing)),
        Err(refused) => {
            let (code, reason) = match refused {
                Refused::Overload => (Code::Overloaded, EndReason::Overload),
                Refused::Drain => (Code::Draining, EndReason::Drain),
            };
            api.metrics.refused(code);
            let row = reason.row();
            let retry = Retry::from_millis(api.random.millis_between(row.retry_min, row.retry_max));
            let mut response = streaming(form, ApiBody::whole(refusal(format, reason, retry)));
            // The connection is what there are too many of.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response.into()
        }
    }
}

/// The head of a stream: nothing may store it, change it or hold it back.
fn streaming<B>(form: Form, body: B) -> Response<B> {
    let content_type = match form {
        Form::Sse | Form::Enveloped => "text/event-stream",
        Form::Ndjson => "application/x-ndjson",
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use tidings_hub::{Epoch, EventId, Seq, UnixMillis};

    fn query(text: &str) -> Query {
        Query::parse(text, &Limits::DEFAULT, UnixMillis(0)).unwrap()
    }

    #[test]
    fn what_is_selected() {
        let check = |topic: Option<&str>, text: &str, expect: Result<(usize, usize), Code>| {
            let found = select(topic, &mut query(text), auth::local());
            let found = found.map(|s| (s.topics().len(), s.patterns().len())).map_err(|problem| problem.code);
            assert_eq!(found, expect, "{topic:?} {text}");
        };
        check(Some("a"), "", Ok((1, 0)));
        check(Some("a"), "since=all&last_event_id=x", Ok((1, 0)));
        check(Some("a"), "topic=b", Err(Code::InvalidParameter));
        check(Some("*"), "", Err(Code::InvalidTopic));
        check(None, "topic=a&topic=b&topic=c/*&topic=a", Ok((2, 1)));
        check(None, "", Err(Code::InvalidParameter));
        check(None, "last_each=1&topic=a/*", Err(Code::InvalidParameter));
        check(None, "last_each=1&topic=a/*&topic=b", Ok((1, 1)));
        let many: Vec<String> = (0..=Selection::NAMES_MAX).map(|n| format!("topic={n}")).collect();
        check(None, &many.join("&"), Err(Code::TooManyNames));
    }

    #[test]
    fn the_first_place_named_wins() {
        let id = |seq| EventId { epoch: Epoch::from_random(1), seq: Seq(seq) };
        let check = |header: Option<&[u8]>, text: &str, expect: Option<ResumePoint>| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(LAST_EVENT_ID, HeaderValue::from_bytes(header).unwrap());
            }
            assert_eq!(resume(&headers, &mut query(text)), expect, "{header:?} {text}");
        };
        let (two, three) = (id(2).to_string(), id(3).to_string());
        check(Some(two.as_bytes()), &format!("last_event_id={three}&last=5"), Some(ResumePoint::After(id(2))));
        check(Some(b""), &format!("last_event_id={three}&last=5"), Some(ResumePoint::After(id(3))));
        check(None, &format!("last_event_id={three}&since=all"), Some(ResumePoint::After(id(3))));
        check(None, "last_event_id=&since=all", Some(ResumePoint::All));
        check(None, "last=5", Some(ResumePoint::Last(5)));
        check(None, "", None);
        check(Some(b"\xff"), "last=5", Some(ResumePoint::unknown("\u{fffd}")));
        check(Some(&[b'x'; 10_000]), "", Some(ResumePoint::unknown(&"x".repeat(128))));
    }

    #[test]
    fn the_head_of_a_stream() {
        let response = streaming(Form::Sse, ());
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "text/event-stream");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store, no-transform");
        assert_eq!(headers["x-accel-buffering"], "no");
        assert_eq!(headers.len(), 3);
        assert_eq!(streaming(Form::Ndjson, ()).headers()[header::CONTENT_TYPE], "application/x-ndjson");
    }
}
