//! A log as JSON lines, in the form that `POST /events` takes.

use super::{DataError, open};
use crate::engine::embedded::body;
use crate::limits::Limits;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use tidings_hub::{Epoch, Event, Pattern, Seq, TopicError, TopicName, Topics, UnixMillis, write_event};
use tidings_log::{LiveEvent, SurveyError, Walked, walk};

/// The shortest time to live that `POST /events` takes.
const TTL_MIN_MS: u64 = Limits::DEFAULT.ttl_min.as_millis() as u64;

/// Which events are written out.
#[derive(Clone, Debug, Default)]
pub struct Export {
    topics: Vec<TopicName>,
    patterns: Vec<Pattern>,
    /// From this time on, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Before this time, in milliseconds since 1970.
    pub until: Option<u64>,
}

/// What was written out, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Lines written.
    pub events: u64,
    /// Events that are whole in the log, and whose attributes nobody here can read.
    pub unreadable: u64,
    /// Whether the reader closed the pipe before the end.
    pub closed: bool,
    /// What the walk met.
    pub walked: Walked,
}

impl Export {
    /// Only events of these topics and patterns; all events where there are none.
    ///
    /// # Errors
    /// What is neither a topic nor a pattern, in words.
    pub fn of(names: &[String]) -> Result<Self, String> {
        let mut export = Export::default();
        for name in names {
            match TopicName::new(name) {
                Ok(topic) => export.topics.push(topic),
                Err(TopicError::Star) => {
                    export.patterns.push(Pattern::new(name).map_err(|error| format!("{name}: {error}"))?);
                }
                Err(error) => return Err(format!("{name}: {error}")),
            }
        }
        Ok(export)
    }

    fn wants(&self, topics: &Topics) -> bool {
        let all = self.topics.is_empty() && self.patterns.is_empty();
        all || topics.iter().any(|t| self.topics.contains(t) || self.patterns.iter().any(|p| p.matches(t)))
    }
}

/// Writes a log's events to `out`, oldest first, a line each: what is dropped or expired is left out, and what has a time to live has
/// the rest of it. A reader who closes the pipe has seen enough, which is no error.
///
/// # Errors
/// There is no log, it cannot be read, or `out` fails.
pub fn export(data_dir: &Path, wanted: &Export, out: &mut dyn Write) -> Result<Exported, DataError> {
    let (path, dir) = open(data_dir)?;
    let now = crate::clock::now();
    let mut lines = Lines { wanted, now, out, line: Vec::new(), exported: Exported::default(), failed: None };
    let since = wanted.since.unwrap_or(0);
    let until = wanted.until.unwrap_or(u64::MAX);
    let walked = walk(&dir, since..until, &mut |epoch, event| lines.event(epoch, event));
    let walked = walked.map_err(|error: SurveyError| DataError::Log { path, error })?;
    let Lines { mut exported, failed, out, .. } = lines;
    match failed.map_or_else(|| out.flush(), Err) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exported.closed = true,
        Err(error) => return Err(error.into()),
        Ok(()) => {}
    }
    Ok(Exported { walked, ..exported })
}

/// The events on their way out.
struct Lines<'a> {
    wanted: &'a Export,
    now: UnixMillis,
    out: &'a mut dyn Write,
    line: Vec<u8>,
    exported: Exported,
    failed: Option<io::Error>,
}

impl Lines<'_> {
    fn event(&mut self, epoch: [u8; Epoch::LEN], event: &LiveEvent<'_>) -> ControlFlow<()> {
        let now = u64::try_from(self.now.0).unwrap_or(0);
        if event.expires.is_some_and(|expires| expires <= now) {
            return ControlFlow::Continue(());
        }
        let Some((epoch, stored)) = parse(epoch, event) else {
            self.exported.unreadable += 1;
            return ControlFlow::Continue(());
        };
        if !self.wanted.wants(&stored.topics) {
            return ControlFlow::Continue(());
        }
        self.line.clear();
        write_event(epoch, &stored, &mut self.line);
        if let Some(expires) = event.expires {
            assert_eq!(self.line.pop(), Some(b'}'), "an event's JSON form is an object");
            // Who imports it takes no shorter one.
            let rest = (expires - now).max(TTL_MIN_MS);
            write!(self.line, ",\"ttl\":\"{rest}ms\"}}").expect("a Vec takes every byte");
        }
        self.line.push(b'\n');
        match self.out.write_all(&self.line) {
            Ok(()) => {
                self.exported.events += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// The event as the hub knows it; none if a part of it is no such part.
fn parse(epoch: [u8; Epoch::LEN], event: &LiveEvent<'_>) -> Option<(Epoch, Event)> {
    let epoch = std::str::from_utf8(&epoch).ok()?.parse().ok()?;
    let names = event.topics.iter().map(|name| TopicName::new(name)).collect::<Result<Vec<_>, _>>().ok()?;
    let topics = Topics::new(names).ok()?;
    let (event_type, content) = body::decode(event.body)?;
    let millis = |millis| UnixMillis(i64::try_from(millis).unwrap_or(i64::MAX));
    let (time, expires) = (millis(event.time), event.expires.map(millis));
    Some((epoch, Event { seq: Some(Seq(event.seq)), time, topics, event_type, content, expires }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::embedded::body::encode;
    use crate::units;
    use tidings_hub::Content;

    const NOW: u64 = 1_747_714_861_969;

    fn lines(wanted: &Export, events: &[LiveEvent<'_>]) -> (String, Exported) {
        let mut out = Vec::new();
        let now = UnixMillis(i64::try_from(NOW).unwrap());
        let mut lines =
            Lines { wanted, now, out: &mut out, line: Vec::new(), exported: Exported::default(), failed: None };
        for event in events {
            assert_eq!(lines.event(*b"abcdefgh", event), ControlFlow::Continue(()));
        }
        let exported = lines.exported;
        (String::from_utf8(out).unwrap(), exported)
    }

    #[test]
    fn a_line_is_what_is_published() {
        let body = encode(None, &Content::text("hi\n"));
        let event = LiveEvent { seq: 7, time: NOW, topics: &["a/b"], body: &body, expires: None };
        let plain =
            r#"{"id":"abcdefgh.7","topic":"a/b","time":"2025-05-20T04:21:01.969Z","type":"message","data":"hi\n"#;
        assert_eq!(lines(&Export::default(), &[event]).0, format!("{plain}\"}}\n"));
        let rest = |expires| lines(&Export::default(), &[LiveEvent { expires: Some(expires), ..event }]).0;
        assert_eq!(rest(NOW + 90_000), format!("{plain}\",\"ttl\":\"90000ms\"}}\n"));
        assert_eq!(rest(NOW + 1), format!("{plain}\",\"ttl\":\"1000ms\"}}\n"), "no shorter one is taken");
        assert_eq!(rest(NOW), "", "it has expired");
    }

    #[test]
    fn a_time_to_live_is_taken_back_and_never_shorter() {
        let body = encode(None, &Content::text(""));
        for left in [1, 999, 1_000, 1_001, 59_999, 3_650 * 24 * 60 * 60 * 1_000] {
            let event = LiveEvent { seq: 1, time: NOW, topics: &["a"], body: &body, expires: Some(NOW + left) };
            let (line, _) = lines(&Export::default(), &[event]);
            let (_, ttl) = line.strip_suffix("\"}\n").unwrap().rsplit_once("\"ttl\":\"").unwrap();
            let ttl = units::time(ttl).unwrap();
            assert!((Limits::DEFAULT.ttl_min..=Limits::DEFAULT.ttl_max).contains(&ttl), "{ttl:?}");
            assert!(ttl.as_millis() >= u128::from(left), "{ttl:?} of {left} ms");
        }
    }

    #[test]
    fn only_what_is_wanted() {
        let body = encode(None, &Content::text(""));
        let event = |topics| LiveEvent { seq: 1, time: NOW, topics, body: &body, expires: None };
        let events = [event(&["a"]), event(&["b/c"]), event(&["d", "a"])];
        let check = |names: &[&str], expect: u64| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(lines(&Export::of(&names).unwrap(), &events).1.events, expect, "{names:?}");
        };
        check(&[], 3);
        check(&["a"], 2);
        check(&["b/*"], 1);
        check(&["b/*", "a"], 3);
        check(&["e"], 0);
        assert!(Export::of(&["a//b".to_owned()]).unwrap_err().starts_with("a//b: "));
        assert!(Export::of(&["a*".to_owned()]).is_err());
    }

    #[test]
    fn what_nobody_can_read_is_counted() {
        let event = LiveEvent { seq: 1, time: NOW, topics: &["a"], body: b"\xff", expires: None };
        let (text, exported) = lines(&Export::default(), &[event]);
        assert_eq!((text.as_str(), exported.unreadable, exported.events), ("", 1, 0));
    }
}
