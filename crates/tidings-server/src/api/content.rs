//! What a publisher sends: data and its content type, and the event's type.
//!
//! Text is sent on as it is; all else is binary, and keeps its `type/subtype` only. `curl -d` says
//! `application/x-www-form-urlencoded` about whatever it is given, so that is taken as plain text.

use super::codes::Code;
use super::problem::Problem;
use crate::limits::Limits;
use crate::units;
use http::{HeaderMap, HeaderName, header};
use std::time::Duration;
use tidings_hub::{CONTROL_PREFIX, Content};
use tidings_wire::EventType;

/// What a content type says about the bytes beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// UTF-8 text, with the essence to be kept.
    Text(Option<Box<str>>),
    /// Any bytes.
    Binary(Box<str>),
}

/// The kind of a request's body. Asked before the body is read.
pub(super) fn kind_of(headers: &HeaderMap, limits: &Limits) -> Result<Kind, Problem> {
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        return Err(Code::UnsupportedEncoding.into());
    }
    match single(headers, &header::CONTENT_TYPE).map_err(|Several| Problem::from(Code::InvalidContentType))? {
        None => Ok(Kind::Text(None)),
        Some(value) => {
            let value = std::str::from_utf8(value).map_err(|_| Problem::from(Code::InvalidContentType))?;
            kind(value, limits)
        }
    }
}

/// The kind that a content type names; an empty one names none.
pub(super) fn kind(content_type: &str, limits: &Limits) -> Result<Kind, Problem> {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let essence = essence.trim().to_ascii_lowercase();
    if essence.is_empty() && parameters.is_empty() {
        return Ok(Kind::Text(None));
    }
    let is_type = essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    if !is_type || essence.len() > limits.content_type_bytes_max {
        return Err(Code::InvalidContentType.into());
    }
    if essence.starts_with("multipart/") {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "a multipart body is several parts: send the event's data alone, with its own content type",
        ));
    }
    let is_form = essence == "application/x-www-form-urlencoded";
    if !is_form && !is_text(&essence) {
        return Ok(Kind::Binary(essence.into()));
    }
    check_charset(parameters)?;
    Ok(Kind::Text((!is_form).then(|| essence.into())))
}

/// The content that bytes of this kind are.
pub(super) fn content(kind: Kind, bytes: Vec<u8>) -> Result<Content, Problem> {
    match kind {
        Kind::Binary(content_type) => Ok(Content::Binary { content_type, bytes: bytes.into() }),
        Kind::Text(content_type) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Content::Text { content_type, text: text.into() }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(Problem::new(
                    Code::InvalidUtf8,
                    format!(
                        "the data is no UTF-8 at byte {at}: send UTF-8, or a content type such as application/octet-stream"
                    ),
                ))
            }
        },
    }
}

/// The type a publisher asks for; none for the default, `message`.
pub(super) fn event_type(name: &str, limits: &Limits) -> Result<Option<EventType>, Problem> {
    if name.len() > limits.event_type_bytes_max {
        let detail =
            format!("an event type has at most {} bytes; this one has {}", limits.event_type_bytes_max, name.len());
        return Err(Problem::new(Code::InvalidEventType, detail));
    }
    let parsed = EventType::new(name).map_err(|error| Problem::new(Code::InvalidEventType, error.to_string()))?;
    if name == "open" || name == "error" || name.starts_with(CONTROL_PREFIX) {
        return Err(Code::ReservedEventType.into());
    }
    Ok((parsed != EventType::message()).then_some(parsed))
}

/// The type in a request's `Event-Type` header.
pub(super) fn event_type_of(headers: &HeaderMap, limits: &Limits) -> Result<Option<EventType>, Problem> {
    const EVENT_TYPE: HeaderName = HeaderName::from_static("event-type");
    let value = single(headers, &EVENT_TYPE).map_err(|Several| Problem::from(Code::InvalidEventType))?;
    let Some(value) = value else { return Ok(None) };
    let name = std::str::from_utf8(value)
        .map_err(|_| Problem::new(Code::InvalidEventType, "the Event-Type header is not UTF-8"))?;
    event_type(name, limits)
}

/// How long an event lives that says so: `30s`, `10m`, `2h`, `7d`.
pub(super) fn ttl(text: &str, limits: &Limits) -> Result<Duration, Problem> {
    let ttl = units::time(text).filter(|ttl| (limits.ttl_min..=limits.ttl_max).contains(ttl));
    ttl.ok_or_else(|| Code::InvalidTtl.into())
}

/// The time to live in a request's `Event-TTL` header.
pub(super) fn ttl_of(headers: &HeaderMap, limits: &Limits) -> Result<Option<Duration>, Problem> {
    const EVENT_TTL: HeaderName = HeaderName::from_static("event-ttl");
    let value = single(headers, &EVENT_TTL).map_err(|Several| Problem::from(Code::InvalidTtl))?;
    let Some(value) = value else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| Problem::from(Code::InvalidTtl))?;
    ttl(text, limits).map(Some)
}

/// More than one value where there may be one.
pub(super) struct Several;

/// The one value of a header, if it is there.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Several> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(http::HeaderValue::as_bytes);
    if values.next().is_some() { Err(Several) } else { Ok(first) }
}

/// Text is what people write and read as text, JSON and XML among it.
fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || matches!(essence, "application/json" | "application/xml")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}

/// US-ASCII is UTF-8 already; any other charset would have to be converted.
fn check_charset(parameters: &str) -> Result<(), Problem> {
    for (name, value) in parameters.split(';').filter_map(|parameter| parameter.split_once('=')) {
        let charset = value.trim().trim_matches('"');
        let is_utf8 = ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|known| known.eq_ignore_ascii_case(charset));
        if name.trim().eq_ignore_ascii_case("charset") && !is_utf8 {
            return Err(Code::UnsupportedCharset.into());
        }
    }
    Ok(())
}

/// A token of RFC 9110: what names are made of in HTTP.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check_kind(content_type: &str, expect: impl Into<Result<Kind, Code>>) {
        let found = kind(content_type, &Limits::DEFAULT).map_err(|problem| problem.code);
        assert_eq!(found, expect.into(), "{content_type:?}");
    }

    #[test]
    fn text_and_what_is_not() {
        let text = |essence: &str| Ok(Kind::Text(Some(essence.into())));
        check_kind("", Ok(Kind::Text(None)));
        check_kind("application/x-www-form-urlencoded", Ok(Kind::Text(None)));
        check_kind("text/plain", text("text/plain"));
        check_kind("TEXT/Plain ; charset=\"UTF-8\"", text("text/plain"));
        check_kind("text/html;charset=us-ascii; x=y", text("text/html"));
        check_kind("application/json", text("application/json"));
        check_kind("application/xml", text("application/xml"));
        check_kind("application/ld+json", text("application/ld+json"));
        check_kind("image/svg+xml", text("image/svg+xml"));
        let binary = |essence: &str| Ok(Kind::Binary(essence.into()));
        check_kind("image/png", binary("image/png"));
        check_kind("Application/Octet-Stream; charset=latin1", binary("application/octet-stream"));
        check_kind("application/x-ndjson", binary("application/x-ndjson"));
    }

    #[test]
    fn what_is_refused() {
        for bad in
            ["text", "/", "text/", "/plain", "text/plain/x", "te xt/plain", "a/b\"", "é/é", ";charset=utf-8", "a/b,c/d"]
        {
            check_kind(bad, Err(Code::InvalidContentType));
        }
        check_kind(&format!("text/{}", "x".repeat(251)), Err(Code::InvalidContentType));
        check_kind("multipart/form-data; boundary=x", Err(Code::UnsupportedMediaType));
        check_kind("text/plain; charset=latin1", Err(Code::UnsupportedCharset));
        check_kind("application/json; Charset = utf-16", Err(Code::UnsupportedCharset));
        check_kind("application/x-www-form-urlencoded; charset=iso-8859-1", Err(Code::UnsupportedCharset));
    }

    #[test]
    fn headers_are_asked_before_the_body() {
        let check = |pairs: &[(&'static str, &'static str)], expect: Result<Kind, Code>| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let found = kind_of(&headers, &Limits::DEFAULT).map_err(|problem| problem.code);
            assert_eq!(found, expect, "{pairs:?}");
        };
        check(&[], Ok(Kind::Text(None)));
        check(&[("content-encoding", "identity")], Ok(Kind::Text(None)));
        check(&[("content-encoding", "gzip"), ("content-type", "text/plain")], Err(Code::UnsupportedEncoding));
        check(&[("content-type", "text/plain"), ("content-type", "image/png")], Err(Code::InvalidContentType));
    }

    #[test]
    fn text_must_be_utf8_and_binary_may_be_anything() {
        let text = content(Kind::Text(None), "é".into()).unwrap();
        assert_eq!(text, Content::text("é"));
        let problem = content(Kind::Text(None), b"ab\xff".to_vec()).unwrap_err();
        assert_eq!(problem.code, Code::InvalidUtf8);
        assert!(problem.detail.contains("at byte 2"), "{}", problem.detail);
        let binary = content(Kind::Binary("image/png".into()), vec![0xff]).unwrap();
        assert_eq!(binary, Content::Binary { content_type: "image/png".into(), bytes: [0xff].into() });
    }

    #[test]
    fn event_types() {
        let check = |name: &str, expect: Result<Option<&str>, Code>| {
            let found = event_type(name, &Limits::DEFAULT);
            let found = found.as_ref().map(|t| t.as_ref().map(EventType::as_str)).map_err(|problem| problem.code);
            assert_eq!(found, expect, "{name:?}");
        };
        check("price", Ok(Some("price")));
        check("message", Ok(None));
        check("é 1", Ok(Some("é 1")));
        check("Open", Ok(Some("Open")));
        check("opened", Ok(Some("opened")));
        check("tidings", Ok(Some("tidings")));
        for reserved in ["open", "error", "tidings.", "tidings.gap"] {
            check(reserved, Err(Code::ReservedEventType));
        }
        for bad in ["", "a\nb", "a\r", "\0", &"x".repeat(257)] {
            check(bad, Err(Code::InvalidEventType));
        }
    }

    #[test]
    fn times_to_live() {
        let check = |values: &[&str], expect: Result<Option<u64>, Code>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("event-ttl", HeaderValue::from_str(value).unwrap());
            }
            let found = ttl_of(&headers, &Limits::DEFAULT).map_err(|problem| problem.code);
            assert_eq!(found, expect.map(|seconds| seconds.map(Duration::from_secs)), "{values:?}");
        };
        check(&[], Ok(None));
        check(&["1s"], Ok(Some(1)));
        check(&["10m"], Ok(Some(600)));
        check(&["3650d"], Ok(Some(3_650 * 86_400)));
        for bad in ["", "30", "0s", "500ms", "-1s", "3651d", "1w", "1.5h", " 1s"] {
            check(&[bad], Err(Code::InvalidTtl));
        }
        check(&["1s", "1s"], Err(Code::InvalidTtl));
    }

    #[test]
    fn the_event_type_header() {
        let check = |values: &[&[u8]], expect: Result<Option<&str>, Code>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("event-type", HeaderValue::from_bytes(value).unwrap());
            }
            let found = event_type_of(&headers, &Limits::DEFAULT);
            let found = found.as_ref().map(|t| t.as_ref().map(EventType::as_str)).map_err(|problem| problem.code);
            assert_eq!(found, expect, "{values:?}");
        };
        check(&[], Ok(None));
        check(&["日本".as_bytes()], Ok(Some("日本")));
        check(&[b"\xff"], Err(Code::InvalidEventType));
        check(&[b""], Err(Code::InvalidEventType));
        check(&[b"a", b"a"], Err(Code::InvalidEventType));
    }
}
