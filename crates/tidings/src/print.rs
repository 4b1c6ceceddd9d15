//! How `tidings listen` shows what comes: a line for people, or a JSON object a line for programs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_wire::Event;

/// The types that are the server's own words begin so (DESIGN.md 5.1).
const CONTROL_PREFIX: &str = "tidings.";

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Printed {
    /// For standard output; ends with a line break.
    Line(String),
    /// For standard error: news about the stream, not of it.
    Notice(String),
    Nothing,
}

/// The form that was asked for.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) json: bool,
    /// The data is Tidings' JSON form, because it was asked for. Another server's data is never taken for it.
    pub(crate) enveloped: bool,
    /// Several topics on one stream: each line says which.
    pub(crate) topics: bool,
    /// Prints only these types, or all if there are none. Control events pass.
    pub(crate) types: Vec<String>,
    pub(crate) zone: TimeZone,
}

/// Tidings' JSON form of an event, as far as people read it.
#[derive(Deserialize)]
struct Envelope {
    topic: String,
    time: Timestamp,
    content_type: Option<String>,
    data: Option<String>,
    data_base64: Option<String>,
}

impl Printer {
    /// The event as it is to be printed; `now` stands for its time where it has none of its own.
    pub(crate) fn print(&self, event: &Event, now: Timestamp) -> Printed {
        if let Some(control) = event.event_type.strip_prefix(CONTROL_PREFIX) {
            return if self.json { control_line(event) } else { notice(control, &event.data) };
        }
        if !self.types.is_empty() && !self.types.contains(&event.event_type) {
            return Printed::Nothing;
        }
        let envelope: Option<Envelope> = if self.enveloped { serde_json::from_str(&event.data).ok() } else { None };
        Printed::Line(match (self.json, envelope) {
            // Tidings' own form as it came, so that it can be published again.
            (true, Some(_)) => format!("{}\n", event.data),
            (true, None) => bare_line(event),
            (false, Some(envelope)) => self.human(&event.event_type, envelope),
            (false, None) => self.columns(now, &[&event.event_type], &event.data),
        })
    }

    fn human(&self, event_type: &str, envelope: Envelope) -> String {
        let data = match (envelope.data, envelope.data_base64) {
            (Some(text), _) => text,
            (None, Some(base64)) => {
                let kind = envelope.content_type.as_deref().unwrap_or("application/octet-stream");
                STANDARD.decode(&base64).map_or(base64, |bytes| format!("<{kind}, {} bytes>", bytes.len()))
            }
            (None, None) => String::new(),
        };
        match self.topics {
            true => self.columns(envelope.time, &[&envelope.topic, event_type], &data),
            false => self.columns(envelope.time, &[event_type], &data),
        }
    }

    /// `12:21:01.969  type  data`; further lines of the data stand under its first.
    fn columns(&self, time: Timestamp, words: &[&str], data: &str) -> String {
        let mut head = time.to_zoned(self.zone.clone()).strftime("%H:%M:%S%.3f").to_string();
        for word in words {
            head.push_str("  ");
            head.push_str(&harmless(word));
        }
        head.push_str("  ");
        let indent = " ".repeat(head.chars().count());
        let mut out = head;
        for (place, line) in data.split('\n').enumerate() {
            if place > 0 {
                out.push_str(&indent);
            }
            out.push_str(&harmless(line));
            out.push('\n');
        }
        out
    }
}

/// Data comes from strangers: an escape sequence in it could rewrite the terminal. Control characters are shown, not sent.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\t' => out.push(char),
            _ if char.is_control() => out.extend(char.escape_debug()),
            _ => out.push(char),
        }
    }
    out
}

/// An event of any server in JSON. It has no topic and no time of its own, so none are made up.
fn bare_line(event: &Event) -> String {
    #[derive(Serialize)]
    struct Bare<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        id: &'a str,
        r#type: &'a str,
        data: &'a str,
    }
    json_line(&Bare { id: &event.last_event_id, r#type: &event.event_type, data: &event.data })
}

/// A control event as Tidings writes it in NDJSON: `{"control":…,"id":…,"data":…}`.
fn control_line(event: &Event) -> Printed {
    #[derive(Serialize)]
    struct Control<'a> {
        control: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        id: &'a str,
        data: &'a RawValue,
    }
    // The end bears no id (DESIGN.md 5.1): what the decoder names there is the one before.
    let id = if event.event_type == "tidings.end" { "" } else { &event.last_event_id };
    match serde_json::from_str(&event.data) {
        Ok(data) => Printed::Line(json_line(&Control { control: &event.event_type, id, data })),
        Err(_) => Printed::Nothing,
    }
}

fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text has a JSON form") + "\n"
}

/// What people need to know of the stream: that events are missing, and why it ends.
fn notice(control: &str, data: &str) -> Printed {
    let told = serde_json::from_str(data).unwrap_or(serde_json::Value::Null);
    let reason = told["reason"].as_str().unwrap_or("no reason given");
    match control {
        "gap" => Printed::Notice(format!("gap: events are missing here ({reason})")),
        "end" => Printed::Notice(format!("the server ends this stream ({reason})")),
        _ => Printed::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: &str = r#"{"id":"e.7","topic":"a/b","time":"2025-05-20T04:21:01.969Z","type":"up","data":"x\ny"}"#;

    fn printer(json: bool, enveloped: bool) -> Printer {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        Printer { json, enveloped, topics: false, types: Vec::new(), zone }
    }

    fn event(event_type: &str, data: &str) -> Event {
        Event { event_type: event_type.into(), data: data.into(), last_event_id: "e.7".into() }
    }

    fn check(printer: &Printer, event: &Event, expect: &str) {
        let now = "2025-05-20T04:21:01.5Z".parse().unwrap();
        assert_eq!(printer.print(event, now), Printed::Line(expect.to_owned()));
    }

    #[test]
    fn for_people() {
        check(
            &printer(false, false),
            &event("message", "a\nb"),
            "12:21:01.500  message  a\n                       b\n",
        );
        check(&printer(false, true), &event("up", ENVELOPE), "12:21:01.969  up  x\n                  y\n");
        let topics = Printer { topics: true, ..printer(false, true) };
        check(&topics, &event("up", &ENVELOPE.replace("\\ny", "")), "12:21:01.969  a/b  up  x\n");
        let binary = ENVELOPE.replace(r#""data":"x\ny""#, r#""content_type":"image/png","data_base64":"AQL/""#);
        check(&printer(false, true), &event("up", &binary), "12:21:01.969  up  <image/png, 3 bytes>\n");
    }

    #[test]
    fn for_programs() {
        check(&printer(true, true), &event("up", ENVELOPE), &format!("{ENVELOPE}\n"));
        let bare = "{\"id\":\"e.7\",\"type\":\"up\",\"data\":\"a\\nb\"}\n";
        check(&printer(true, false), &event("up", "a\nb"), bare);
        let gap = event("tidings.gap", r#"{"reason":"expired"}"#);
        let line = "{\"control\":\"tidings.gap\",\"id\":\"e.7\",\"data\":{\"reason\":\"expired\"}}\n";
        check(&printer(true, true), &gap, line);
        let end = event("tidings.end", r#"{"reason":"drain"}"#);
        check(&printer(true, true), &end, "{\"control\":\"tidings.end\",\"data\":{\"reason\":\"drain\"}}\n");
    }

    #[test]
    fn people_hear_of_gaps_and_ends_only() {
        let now = Timestamp::UNIX_EPOCH;
        let print = |control, data| printer(false, true).print(&event(control, data), now);
        let gap = "gap: events are missing here (expired)";
        assert_eq!(print("tidings.gap", r#"{"reason":"expired"}"#), Printed::Notice(gap.into()));
        let end = "the server ends this stream (drain)";
        assert_eq!(print("tidings.end", r#"{"reason":"drain"}"#), Printed::Notice(end.into()));
        assert_eq!(print("tidings.open", "{}"), Printed::Nothing);
    }

    #[test]
    fn a_filter_lets_control_events_pass() {
        let printer = Printer { types: vec!["up".into()], ..printer(true, false) };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(printer.print(&event("message", "x"), now), Printed::Nothing);
        assert!(matches!(printer.print(&event("up", "x"), now), Printed::Line(_)));
        assert!(matches!(printer.print(&event("tidings.end", "{}"), now), Printed::Line(_)));
    }

    #[test]
    fn nothing_can_rewrite_the_terminal() {
        let evil = event("a\u{9b}b", "\u{1b}]0;x\u{7}\ttab");
        let expect = "12:21:01.500  a\\u{9b}b  \\u{1b}]0;x\\u{7}\ttab\n";
        check(&printer(false, false), &evil, expect);
    }
}
