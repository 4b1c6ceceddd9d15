//! The one JSON form of an event, used by envelopes, pages, NDJSON and WebSocket alike:
//! `{"id","topic","time","type","content_type","data"|"data_base64"}`, and `"topics"` where there are several.

use crate::{Content, Epoch, Event, EventId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends the event's JSON form, on one line: JSON strings escape every line break.
pub fn write_event(epoch: Epoch, event: &Event, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(seq) = event.seq {
        field("id", &EventId { epoch, seq }.to_string(), out);
        out.push(b',');
    }
    field("topic", event.topic().as_str(), out);
    if event.topics.iter().len() > 1 {
        out.extend_from_slice(b",\"topics\":[");
        for (i, topic) in event.topics.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            string(topic.as_str(), out);
        }
        out.push(b']');
    }
    out.extend_from_slice(b",\"time\":\"");
    event.time.write_rfc3339(out);
    out.extend_from_slice(b"\",");
    field("type", event.type_str(), out);
    if let Some(content_type) = event.content.content_type() {
        out.push(b',');
        field("content_type", content_type, out);
    }
    out.push(b',');
    match &event.content {
        Content::Text { text, .. } => field("data", text, out),
        Content::Binary { bytes, .. } => {
            out.extend_from_slice(b"\"data_base64\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
    out.push(b'}');
}

/// Appends `"name":"value"`; the name needs no escape.
pub(crate) fn field(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    string(value, out);
}

/// Appends a JSON string.
pub(crate) fn string(value: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a string is always JSON, and a Vec takes every byte");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Seq, TopicName, Topics, UnixMillis};
    use tidings_wire::EventType;

    fn json(event: &Event) -> String {
        let mut out = Vec::new();
        write_event(Epoch::from_random(0), event, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_form() {
        let mut event = Event {
            seq: Some(Seq(7)),
            time: UnixMillis(1_747_714_861_969),
            topics: TopicName::new("a/b").unwrap().into(),
            event_type: None,
            content: Content::text("x\n\"y\""),
            expires: None,
        };
        assert_eq!(
            json(&event),
            r#"{"id":"00000000.7","topic":"a/b","time":"2025-05-20T04:21:01.969Z","type":"message","data":"x\n\"y\""}"#
        );
        event.seq = None;
        event.event_type = Some(EventType::new("up").unwrap());
        event.topics = Topics::new(vec![TopicName::new("a").unwrap(), TopicName::new("b").unwrap()]).unwrap();
        event.content = Content::Binary { content_type: "image/png".into(), bytes: [1, 2, 255].into() };
        assert_eq!(
            json(&event),
            r#"{"topic":"a","topics":["a","b"],"time":"2025-05-20T04:21:01.969Z","type":"up","content_type":"image/png","data_base64":"AQL/"}"#
        );
    }
}
