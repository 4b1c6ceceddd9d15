//! One line of a batch: JSON with exactly the fields an event is published with.

use super::super::codes::Code;
use super::super::content::{self, Kind};
use super::super::path::invalid_topic;
use super::super::problem::Problem;
use super::super::publish::{body_digest, check_key, check_may_publish, event_too_large, expires};
use crate::engine::{Draft, Key};
use crate::idempotency::{BodyDigest, KeyDigest};
use crate::limits::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tidings_hub::{Grant, TopicName, Topics};

/// A good line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) draft: Draft,
    /// Its idempotency key and what it was used for.
    pub(super) key: Option<(KeyDigest, BodyDigest)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    topic: Option<String>,
    topics: Option<Vec<String>>,
    r#type: Option<String>,
    content_type: Option<String>,
    ttl: Option<String>,
    idempotency_key: Option<String>,
    data: Option<String>,
    data_base64: Option<String>,
    /// Ignored, with `time`, so that what one server exports another imports.
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "time")]
    _time: Option<IgnoredAny>,
}

/// Parses a line, which has no line break.
pub(super) fn parse(line: &[u8], grant: &Grant, limits: &Limits) -> Result<Line, Problem> {
    let text = std::str::from_utf8(line).map_err(|error| {
        Problem::new(Code::InvalidUtf8, format!("the line is no UTF-8 at byte {}", error.valid_up_to()))
    })?;
    let fields: Fields =
        serde_json::from_str(text).map_err(|error| invalid(format!("no event: {}", in_words(&error))))?;
    let topics = topics(fields.topic, fields.topics)?;
    for topic in topics.iter() {
        check_may_publish(grant, topic)?;
    }
    let event_type = match fields.r#type {
        Some(name) => content::event_type(&name, limits)?,
        None => None,
    };
    let kind = fields.content_type.map(|name| content::kind(&name, limits)).transpose()?;
    let (kind, bytes) = match (fields.data, fields.data_base64) {
        (Some(data), None) => (kind.unwrap_or(Kind::Text(None)), data.into_bytes()),
        // Whoever encodes has bytes that are no text, unless a content type says otherwise.
        (None, Some(data)) => (kind.unwrap_or_else(|| Kind::Binary("application/octet-stream".into())), decode(&data)?),
        _ => return Err(invalid("give the data in one of data and data_base64")),
    };
    if bytes.len() > limits.event_bytes_max {
        return Err(event_too_large(limits));
    }
    let ttl = fields.ttl.map(|ttl| content::ttl(&ttl, limits)).transpose()?;
    let content = content::content(kind, bytes)?;
    let mut draft = Draft { topics, event_type, content, durable: true, expires: ttl.map(expires), key: None };
    let key = match fields.idempotency_key {
        Some(key) => {
            check_key(key.as_bytes(), limits)?;
            let own = draft.topics.iter().next().expect("an event has at least one topic");
            Some((KeyDigest::new(grant.subject(), own, key.as_bytes()), body_digest(&draft)))
        }
        None => None,
    };
    draft.key = key.map(|(key, body)| Key { id: key.bytes(), body: body.bytes() });
    Ok(Line { draft, key })
}

fn topics(topic: Option<String>, topics: Option<Vec<String>>) -> Result<Topics, Problem> {
    let names = match (topic, topics) {
        (Some(topic), None) => vec![topic],
        (None, Some(topics)) => topics,
        // Our own JSON form has both.
        (Some(topic), Some(topics)) if topics.first() == Some(&topic) => topics,
        (Some(_), Some(_)) => return Err(invalid("topic must be the first of topics where both are given")),
        (None, None) => return Err(invalid("give the event's topic in topic, or several in topics")),
    };
    let parsed = names.iter().map(|name| TopicName::new(name)).collect::<Result<_, _>>().map_err(invalid_topic)?;
    Topics::new(parsed).map_err(|error| Problem::new(Code::InvalidTopic, error.to_string()))
}

fn decode(data: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(data).map_err(|error| invalid(format!("data_base64 is no base64: {error}")))
}

/// The parser's words, without its line number: it counts within the line it was given.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("{what}, at column {}", error.column())
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(Code::InvalidLine, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_hub::Content;

    fn parse_line(line: &[u8]) -> Result<Line, Problem> {
        parse(line, &crate::auth::local(), &Limits { event_bytes_max: 8, ..Limits::DEFAULT })
    }

    #[track_caller]
    fn check_error(line: &str, code: Code, says: &str) {
        let problem = parse_line(line.as_bytes()).expect_err(line);
        assert_eq!(problem.code, code, "{line}: {}", problem.detail);
        assert!(problem.detail.contains(says), "{line}: {}", problem.detail);
    }

    #[test]
    fn good_lines() {
        let line = parse_line(br#"{"topic":"a","data":"x"}"#).unwrap();
        assert_eq!(line.draft.content, Content::text("x"));
        assert!(line.key.is_none() && line.draft.event_type.is_none() && line.draft.durable);
        let line =
            parse_line(br#"{"topic":"a","type":"up","content_type":"Text/CSV; charset=utf-8","data":"1"}"#).unwrap();
        assert_eq!(line.draft.event_type.unwrap().as_str(), "up");
        assert_eq!(line.draft.content.content_type(), Some("text/csv"));
        let line = parse_line(br#"{"topics":["a","b"],"data_base64":"AQL/","content_type":"image/png"}"#).unwrap();
        assert_eq!(line.draft.content, Content::Binary { content_type: "image/png".into(), bytes: [1, 2, 255].into() });
        assert_eq!(line.draft.topics.iter().map(TopicName::as_str).collect::<Vec<_>>(), ["a", "b"]);
        let line = parse_line(br#"{"topic":"a","data_base64":"AQ=="}"#).unwrap();
        assert_eq!(line.draft.content.content_type(), Some("application/octet-stream"));
        let line = parse_line(br#"{"topic":"a","data_base64":"aGk=","content_type":"text/plain"}"#).unwrap();
        assert_eq!(line.draft.content.bytes(), b"hi");
        let line = parse_line(br#"{"topic":"a","data":"x","idempotency_key":"k"}"#).unwrap();
        assert_eq!(line.draft.key.map(|key| key.id), line.key.map(|(key, _)| key.bytes()));
        let before = crate::clock::now().0;
        let line = parse_line(br#"{"topic":"a","data":"x","ttl":"1h"}"#).unwrap();
        assert!(line.draft.expires.unwrap().0 >= before + 3_600_000 && line.key.is_none());
    }

    #[test]
    fn what_is_exported_imports() {
        let event = tidings_hub::Event {
            seq: Some(tidings_hub::Seq(7)),
            time: tidings_hub::UnixMillis(5),
            topics: Topics::new(vec![TopicName::new("a").unwrap(), TopicName::new("b").unwrap()]).unwrap(),
            event_type: None,
            content: Content::text("x"),
            expires: None,
        };
        let mut json = Vec::new();
        tidings_hub::write_event(tidings_hub::Epoch::from_random(1), &event, &mut json);
        let draft = parse_line(&json).unwrap().draft;
        assert_eq!((draft.topics, draft.event_type, draft.content), (event.topics, None, event.content));
    }

    #[test]
    fn bad_lines() {
        check_error("", Code::InvalidLine, "at column");
        check_error("{", Code::InvalidLine, "EOF");
        check_error("[]", Code::InvalidLine, "no event");
        check_error(r#"{"topic":"a","data":"x"} x"#, Code::InvalidLine, "trailing");
        check_error(r#"{"topic":"a","data":"x","event":"y"}"#, Code::InvalidLine, "unknown field `event`");
        check_error(r#"{"topic":"a","data":"x","data":"y"}"#, Code::InvalidLine, "duplicate field");
        check_error(r#"{"topic":"a","data":{"x":1}}"#, Code::InvalidLine, "expected a string");
        check_error(r#"{"data":"x"}"#, Code::InvalidLine, "topic");
        check_error(r#"{"topic":"a"}"#, Code::InvalidLine, "data_base64");
        check_error(r#"{"topic":"a","data":"x","data_base64":"AQ=="}"#, Code::InvalidLine, "one of");
        check_error(r#"{"topic":"a","topics":["b"],"data":"x"}"#, Code::InvalidLine, "first of topics");
        check_error(r#"{"topics":[],"data":"x"}"#, Code::InvalidTopic, "1 to 16");
        check_error(r#"{"topics":["a","a"],"data":"x"}"#, Code::InvalidTopic, "different");
        check_error(r#"{"topic":"a\nb","data":"x"}"#, Code::InvalidTopic, "control");
        check_error(r#"{"topic":"a/*","data":"x"}"#, Code::InvalidTopic, "*");
        check_error(r#"{"topics":["a","tidings/x"],"data":"x"}"#, Code::ReservedTopic, "");
        check_error(r#"{"topic":"a","data":"x","type":"a\nid: 1"}"#, Code::InvalidEventType, "CR, LF or NUL");
        check_error(r#"{"topic":"a","data":"x","type":"open"}"#, Code::ReservedEventType, "");
        check_error(r#"{"topic":"a","data":"x","content_type":"multipart/mixed"}"#, Code::UnsupportedMediaType, "");
        check_error(r#"{"topic":"a","data_base64":"/w==","content_type":"text/plain"}"#, Code::InvalidUtf8, "byte 0");
        check_error(r#"{"topic":"a","data_base64":"A"}"#, Code::InvalidLine, "base64");
        check_error(r#"{"topic":"a","data":"123456789"}"#, Code::EventTooLarge, "8 bytes");
        check_error(r#"{"topic":"a","data":"x","ttl":"30"}"#, Code::InvalidTtl, "30s");
        check_error(r#"{"topic":"a","data":"x","ttl":30}"#, Code::InvalidLine, "expected a string");
        check_error(r#"{"topic":"a","data":"x","idempotency_key":""}"#, Code::InvalidIdempotencyKey, "");
        assert_eq!(parse_line(b"{\"topic\":\"\xff\"}").unwrap_err().code, Code::InvalidUtf8);
        check_error(&"[".repeat(100_000), Code::InvalidLine, "");
    }
}
