//! A request's query: which topics, from where, in what form. Parsed whole before anything else is decided.
//!
//! Values decode as forms: `+` is a space, then each `%xx` once. Parameters that are not known are ignored (people add them to get
//! past caches); known ones are checked, and those with one value may stand once.

use super::codes::Code;
use super::problem::Problem;
use crate::limits::Limits;
use crate::units;
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::time::Duration;
use tidings_hub::{Pattern, ResumePoint, TopicName, UnixMillis};
use tidings_wire::EventType;

/// What a query says. Nothing in it has been authorised yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) topics: Vec<TopicName>,
    pub(super) patterns: Vec<Pattern>,
    pub(super) types: Vec<EventType>,
    /// `last_event_id`, unless empty.
    pub(super) id: Option<ResumePoint>,
    /// `since`, `last` or `last_each`.
    pub(super) start: Option<ResumePoint>,
    /// `envelope`: whether events are to be wrapped in their JSON form.
    pub(super) envelope: Option<bool>,
    /// `limit`: the most events of a page.
    pub(super) limit: Option<usize>,
    /// `wait`: how long an empty page may wait for its first event.
    pub(super) wait: Option<Duration>,
    /// `atomic`: whether a batch is taken whole or not at all.
    pub(super) atomic: Option<bool>,
}

impl Query {
    /// Parses a query as it came; `now` is what `since=10m` counts back from.
    pub(super) fn parse(query: &str, limits: &Limits, now: UnixMillis) -> Result<Self, Problem> {
        let mut parsed = Query::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = form_decoded(name);
            match &*name {
                // Of an id no value is an error, bytes that are no text among them; an empty one says nothing.
                b"last_event_id" | b"lastEventId" if value.is_empty() => {}
                b"last_event_id" | b"lastEventId" => {
                    once("last_event_id", &mut parsed.id, client_id(&form_decoded(value)))?;
                }
                name => {
                    if let Some(name) = KNOWN.iter().find(|known| known.as_bytes() == name) {
                        let value = form_decoded(value);
                        let value = std::str::from_utf8(&value).map_err(|_| {
                            invalid(format!("{name} is not UTF-8: percent-encode the bytes of its UTF-8 form"))
                        })?;
                        parsed.set(name, value, limits, now)?;
                    }
                }
            }
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &'static str, value: &str, limits: &Limits, now: UnixMillis) -> Result<(), Problem> {
        match name {
            "topic" if value.contains('*') => self.patterns.push(pattern(value)?),
            "topic" => self.topics.push(TopicName::new(value).map_err(super::path::invalid_topic)?),
            "type" => self.types.push(event_type(value, limits)?),
            "since" => self.set_start(name, since(value, now)?)?,
            "last" => self.set_start(name, ResumePoint::Last(last(value, limits)?))?,
            "last_each" => {
                if flag(name, value)? {
                    self.set_start(name, ResumePoint::LastEach)?;
                }
            }
            "envelope" => once(name, &mut self.envelope, envelope(value)?)?,
            "limit" => once(name, &mut self.limit, number(name, value, 1, limits.page_events_max)?)?,
            "wait" => once(name, &mut self.wait, wait(value, limits)?)?,
            "atomic" => once(name, &mut self.atomic, flag(name, value)?)?,
            _ => unreachable!("every known name is set"),
        }
        Ok(())
    }

    /// Three parameters say where to start, and only one may.
    fn set_start(&mut self, name: &'static str, start: ResumePoint) -> Result<(), Problem> {
        match &self.start {
            None => self.start = Some(start),
            Some(other) if says(other) == name => return Err(repeated(name)),
            Some(other) => {
                let detail = format!("{} and {name} cannot be combined: give one of them", says(other));
                return Err(Problem::new(Code::ConflictingParameters, detail));
            }
        }
        Ok(())
    }
}

/// The known parameters beside the id.
const KNOWN: &[&str] = &["topic", "type", "since", "last", "last_each", "envelope", "limit", "wait", "atomic"];

/// Which parameter a start was said with.
fn says(start: &ResumePoint) -> &'static str {
    match start {
        ResumePoint::Last(_) => "last",
        ResumePoint::LastEach => "last_each",
        _ => "since",
    }
}

/// The place a client names by an id, of whatever bytes: no value is an error (invariant 11).
pub(super) fn client_id(id: &[u8]) -> ResumePoint {
    match std::str::from_utf8(id) {
        Ok(text) => ResumePoint::from_client_id(text),
        Err(_) => ResumePoint::unknown(&String::from_utf8_lossy(id)),
    }
}

fn form_decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text.as_bytes());
    }
    // First the plus signs: one that is written %2B stays.
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).collect())
}

fn once<T>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), Problem> {
    if place.replace(value).is_some() { Err(repeated(name)) } else { Ok(()) }
}

fn repeated(name: &str) -> Problem {
    Problem::new(Code::RepeatedParameter, format!("{name} stands twice: give it once"))
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(Code::InvalidParameter, detail)
}

fn pattern(value: &str) -> Result<Pattern, Problem> {
    Pattern::new(value).map_err(|error| Problem::new(Code::InvalidPattern, error.to_string()))
}

fn event_type(value: &str, limits: &Limits) -> Result<EventType, Problem> {
    if value.len() > limits.event_type_bytes_max {
        return Err(invalid(format!("type has at most {} bytes", limits.event_type_bytes_max)));
    }
    EventType::new(value).map_err(|error| invalid(format!("type: {error}")))
}

/// An id, `all`, a time that long ago, or a point in time.
fn since(value: &str, now: UnixMillis) -> Result<ResumePoint, Problem> {
    if value == "all" {
        return Ok(ResumePoint::All);
    }
    if let Ok(id) = value.parse() {
        return Ok(ResumePoint::After(id));
    }
    if let Some(ago) = units::time(value) {
        let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        return Ok(ResumePoint::Since(UnixMillis(now.0.saturating_sub(ago))));
    }
    let instant: jiff::Timestamp = value.parse().map_err(|_| {
        invalid(
            "since is an event's id, all, a time ago such as 90s, 10m, 2h or 7d, or a point in time such as \
             2025-05-20T04:21:01Z (write the + of a time zone as %2B)",
        )
    })?;
    Ok(ResumePoint::Since(UnixMillis(instant.as_millisecond())))
}

fn wait(value: &str, limits: &Limits) -> Result<Duration, Problem> {
    units::time(value).filter(|wait| *wait <= limits.wait_max).ok_or_else(|| {
        invalid(format!("wait is a time with its unit, such as 30s, and at most {} s", limits.wait_max.as_secs()))
    })
}

fn last(value: &str, limits: &Limits) -> Result<u32, Problem> {
    let last = number("last", value, 0, limits.last_max)?;
    Ok(u32::try_from(last).expect("the limit on last is far below 2^32"))
}

fn number(name: &'static str, value: &str, min: usize, max: usize) -> Result<usize, Problem> {
    // `parse` alone would take +5, which in a URL is hardly what anybody meant.
    let digits = value.bytes().all(|c| c.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && (min..=max).contains(number));
    number.ok_or_else(|| invalid(format!("{name} is a whole number from {min} to {max}")))
}

fn flag(name: &'static str, value: &str) -> Result<bool, Problem> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(invalid(format!("{name} is 1 or 0"))),
    }
}

fn envelope(value: &str) -> Result<bool, Problem> {
    match value {
        "json" => Ok(true),
        "none" => Ok(false),
        _ => Err(invalid("envelope is json or none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_hub::{Epoch, EventId, Seq};

    const NOW: UnixMillis = UnixMillis(1_000_000_000_000);

    fn parse(query: &str) -> Result<Query, Problem> {
        Query::parse(query, &Limits::DEFAULT, NOW)
    }

    fn check_start(query: &str, expect: ResumePoint) {
        assert_eq!(parse(query).unwrap().start, Some(expect), "{query}");
    }

    #[track_caller]
    fn check_error(query: &str, code: Code, says: &str) {
        let problem = parse(query).expect_err(query);
        assert_eq!(problem.code, code, "{query}");
        assert!(problem.detail.contains(says), "{query}: {:?}", problem.detail);
    }

    #[test]
    fn topics_patterns_and_types() {
        let query = parse("topic=a&topic=b/*&type=x&topic=c+d%2Fe&type=message&topic=%2541").unwrap();
        let topics: Vec<&str> = query.topics.iter().map(TopicName::as_str).collect();
        assert_eq!(topics, ["a", "c d/e", "%41"]);
        assert_eq!(query.patterns.iter().map(Pattern::as_str).collect::<Vec<_>>(), ["b/*"]);
        assert_eq!(query.types.iter().map(EventType::as_str).collect::<Vec<_>>(), ["x", "message"]);
        check_error("topic=", Code::InvalidTopic, "at least one");
        check_error("topic", Code::InvalidTopic, "at least one");
        check_error("topic=%ff", Code::InvalidParameter, "topic is not UTF-8");
        check_error("topic=a*", Code::InvalidPattern, "whole segments");
        check_error("topic=../*", Code::InvalidPattern, "..");
        check_error("type=", Code::InvalidParameter, "empty");
        check_error("type=a%0Ab", Code::InvalidParameter, "CR, LF or NUL");
        check_error(&format!("type={}", "x".repeat(257)), Code::InvalidParameter, "256");
    }

    #[test]
    fn unknown_parameters_are_ignored() {
        assert_eq!(parse("").unwrap(), Query::default());
        assert_eq!(parse("_=17&cachebuster&%ff=%ff&Since=x&&=").unwrap(), Query::default());
    }

    #[test]
    fn where_to_start() {
        let id = EventId { epoch: Epoch::from_random(1), seq: Seq(7) };
        check_start(&format!("since={id}"), ResumePoint::After(id));
        check_start("since=all", ResumePoint::All);
        check_start("since=10m", ResumePoint::Since(UnixMillis(NOW.0 - 600_000)));
        check_start("since=90s", ResumePoint::Since(UnixMillis(NOW.0 - 90_000)));
        check_start("since=2h", ResumePoint::Since(UnixMillis(NOW.0 - 7_200_000)));
        check_start("since=7d", ResumePoint::Since(UnixMillis(NOW.0 - 604_800_000)));
        check_start("since=2001-09-09T01:46:40Z", ResumePoint::Since(NOW));
        check_start("since=2001-09-09T01:46:40.500Z", ResumePoint::Since(UnixMillis(NOW.0 + 500)));
        check_start("since=2001-09-09T03:46:40%2B02:00", ResumePoint::Since(NOW));
        check_start("last=0", ResumePoint::Last(0));
        check_start("last=10000", ResumePoint::Last(10_000));
        check_start("last_each=1", ResumePoint::LastEach);
        assert_eq!(parse("last_each=0").unwrap().start, None);
        let many = format!("since={}d", u64::MAX);
        for bad in
            ["since=", "since=x", "since=10", "since=-5m", "since=1.5h", "since=abcdefgh.01", "since=2001-09-09", &many]
        {
            check_error(bad, Code::InvalidParameter, "since is an event's id, all, a time ago");
        }
        for bad in ["last=", "last=-1", "last=+1", "last=10001", "last=1e3", "last=99999999999999999999"] {
            check_error(bad, Code::InvalidParameter, "from 0 to 10000");
        }
        check_error("last_each=yes", Code::InvalidParameter, "1 or 0");
    }

    #[test]
    fn one_start_only() {
        check_error("since=all&last=1", Code::ConflictingParameters, "since and last cannot");
        check_error("last=1&since=all", Code::ConflictingParameters, "last and since cannot");
        check_error("last_each=1&last=1", Code::ConflictingParameters, "last_each and last cannot");
        check_error("since=all&since=1m", Code::RepeatedParameter, "since");
        check_error("last=1&last=1", Code::RepeatedParameter, "last");
    }

    #[test]
    fn no_id_is_an_error() {
        let id = EventId { epoch: Epoch::from_random(1), seq: Seq(7) };
        assert_eq!(parse(&format!("last_event_id={id}")).unwrap().id, Some(ResumePoint::After(id)));
        assert_eq!(parse("lastEventId=x").unwrap().id, Some(ResumePoint::unknown("x")));
        assert_eq!(parse("last_event_id=%ff%00").unwrap().id, Some(ResumePoint::unknown("\u{fffd}\0")));
        assert_eq!(parse("last_event_id=").unwrap().id, None);
        assert_eq!(parse("last_event_id").unwrap().id, None);
        check_error("last_event_id=a&lastEventId=a", Code::RepeatedParameter, "last_event_id");
    }

    #[test]
    fn the_rest() {
        let query = parse("envelope=none&limit=5&wait=30s&atomic=1").unwrap();
        assert_eq!(query.envelope, Some(false));
        assert_eq!((query.limit, query.wait, query.atomic), (Some(5), Some(Duration::from_secs(30)), Some(true)));
        assert_eq!(parse("wait=500ms").unwrap().wait, Some(Duration::from_millis(500)));
        check_error("envelope=xml", Code::InvalidParameter, "json or none");
        check_error("limit=0", Code::InvalidParameter, "from 1 to 1000");
        check_error("limit=1001", Code::InvalidParameter, "from 1 to 1000");
        check_error("wait=30", Code::InvalidParameter, "with its unit");
        check_error("wait=56s", Code::InvalidParameter, "at most 55 s");
        check_error("wait=1s&wait=1s", Code::RepeatedParameter, "wait");
        check_error("atomic=maybe", Code::InvalidParameter, "atomic is 1 or 0");
    }
}
