//! What is kept, and for how long, as the operator says it.

use crate::limits::{RETAIN_BYTES_MAX, RETAIN_BYTES_MIN};
use crate::units;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tidings_hub::{Pattern, TopicError, TopicName};

/// What is kept. The oldest goes first; whoever asks for what is gone is told of a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes on disk, all topics together; from [`Retention::BYTES_MIN`] to [`Retention::BYTES_MAX`].
    pub bytes: u64,
    /// How long an event is kept, if there is a limit.
    pub age: Option<Duration>,
    /// How many events are kept, if there is a limit. Whole segments go, so at least so many stay.
    pub events: Option<u64>,
    /// What holds for some topics instead of `age` and `events`; the first rule that matches a topic counts.
    pub rules: Vec<RetentionRule>,
}

/// What is kept of some topics. Written `prices/** keep_last=1` or `audit/** age=365d`, or with both; `cursors/** durable=false` keeps nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    topics: Topics,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    /// Stored: at least one of the two bounds it.
    Stored { age: Option<Duration>, keep_last: Option<u32> },
    /// Never: who listens hears it.
    InMemory,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Topics {
    One(TopicName),
    Of(Pattern),
}

/// Why a text is no rule. Says how one looks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: a rule is a topic or pattern and what is kept of it, such as 'audit/** age=365d', 'prices/** keep_last=1' or 'cursors/** durable=false'"
)]
pub struct BadRule(String);

impl Retention {
    /// Kept unless the operator says otherwise: weeks of a busy server, and no more than a small disk has to spare.
    pub const BYTES: u64 = 10 << 30;
    /// The least that can be kept.
    pub const BYTES_MIN: u64 = RETAIN_BYTES_MIN;
    /// The most.
    pub const BYTES_MAX: u64 = RETAIN_BYTES_MAX;

    /// The same in the log's terms.
    pub(crate) fn for_log(&self) -> tidings_log::Retention {
        tidings_log::Retention {
            bytes: self.bytes,
            age: self.age.map(millis),
            events: self.events,
            rules: self.rules.iter().filter_map(RetentionRule::for_log).collect(),
        }
    }

    /// Whether events of a topic are stored.
    pub(crate) fn is_durable(&self, topic: &TopicName) -> bool {
        self.rules.iter().find(|rule| rule.topics.match_topic(topic)).is_none_or(|rule| rule.kept != Kept::InMemory)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Retention { bytes: Self::BYTES, age: None, events: None, rules: Vec::new() }
    }
}

impl RetentionRule {
    /// None where nothing is stored; what was stored before goes as all else does.
    fn for_log(&self) -> Option<tidings_log::Rule> {
        let Kept::Stored { age, keep_last } = self.kept else { return None };
        let topics = self.topics.clone();
        // The log's names were topics when they were published.
        let matches = Arc::new(move |name: &str| TopicName::new(name).is_ok_and(|topic| topics.match_topic(&topic)));
        Some(tidings_log::Rule { matches, age: age.map(millis), keep_last })
    }
}

impl Topics {
    fn match_topic(&self, topic: &TopicName) -> bool {
        match self {
            Topics::One(one) => one == topic,
            Topics::Of(pattern) => pattern.matches(topic),
        }
    }
}

impl FromStr for RetentionRule {
    type Err = BadRule;

    /// A topic may have spaces and equals signs itself, so what is kept is looked for from the end.
    fn from_str(text: &str) -> Result<Self, BadRule> {
        let (mut name, mut age, mut keep_last, mut durable) = (text.trim(), None, None, None);
        while let Some((rest, word)) = name.rsplit_once(char::is_whitespace) {
            let repeated = match word.split_once('=') {
                Some(("age", value)) => age.replace(parse_age(value)?).is_some(),
                Some(("keep_last", value)) => keep_last.replace(parse_keep_last(value)?).is_some(),
                Some(("durable", value)) => durable.replace(parse_durable(value)?).is_some(),
                _ => break,
            };
            if repeated {
                return Err(BadRule(format!("{word:?} repeats what is said already")));
            }
            name = rest.trim_end();
        }
        let kept = match (durable, age.is_some() || keep_last.is_some()) {
            (Some(false), false) => Kept::InMemory,
            (Some(false), true) => return Err(BadRule(format!("{text:?} keeps what it says is not kept"))),
            (_, true) => Kept::Stored { age, keep_last },
            (_, false) => return Err(BadRule(format!("{text:?} does not say what is kept"))),
        };
        let topics = match TopicName::new(name) {
            Ok(topic) => Topics::One(topic),
            Err(TopicError::Star) => Topics::Of(Pattern::new(name).map_err(|error| BadRule(error.to_string()))?),
            Err(error) => return Err(BadRule(error.to_string())),
        };
        Ok(RetentionRule { topics, kept })
    }
}

fn parse_age(value: &str) -> Result<Duration, BadRule> {
    let age = units::time(value).filter(|age| *age >= Duration::from_secs(1));
    age.ok_or_else(|| BadRule(format!("age={value} is no time of at least a second, such as 90s, 12h or 7d")))
}

fn parse_keep_last(value: &str) -> Result<u32, BadRule> {
    let is_number = value.bytes().all(|c| c.is_ascii_digit());
    let count = value.parse().ok().filter(|count| is_number && *count > 0);
    count.ok_or_else(|| BadRule(format!("keep_last={value} is no number of events, from 1")))
}

fn parse_durable(value: &str) -> Result<bool, BadRule> {
    value.parse().map_err(|_| BadRule(format!("durable={value} is neither true nor false")))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&units::bytes_text(self.bytes))?;
        if let Some(age) = self.age {
            write!(f, ", {}", units::time_text(age))?;
        }
        if let Some(events) = self.events {
            write!(f, ", {events} events")?;
        }
        for rule in &self.rules {
            write!(f, "; {rule}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RetentionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topics {
            Topics::One(topic) => topic.fmt(f)?,
            Topics::Of(pattern) => pattern.fmt(f)?,
        }
        let Kept::Stored { age, keep_last } = self.kept else { return f.write_str(" durable=false") };
        if let Some(age) = age {
            write!(f, " age={}", units::time_text(age).replace(' ', ""))?;
        }
        if let Some(count) = keep_last {
            write!(f, " keep_last={count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, yes: &str, no: &str, age: Option<u64>, keep_last: Option<u32>) {
        let rule: RetentionRule = text.parse().expect(text);
        let told = rule.for_log().expect("it is stored");
        assert_eq!((told.age, told.keep_last), (age.map(|seconds| seconds * 1_000), keep_last), "{text}");
        assert!((told.matches)(yes) && !(told.matches)(no), "{text}");
        assert_eq!(rule.to_string().parse(), Ok(rule), "what is said can be said again");
    }

    #[test]
    fn rules() {
        check("prices/** keep_last=1", "prices/a/b", "price", None, Some(1));
        check("  audit/*   age=365d ", "audit/x", "audit/x/y", Some(365 * 86_400), None);
        check("news age=90s keep_last=10", "news", "news/x", Some(90), Some(10));
        check("a b/c=d age=1h", "a b/c=d", "a b", Some(3_600), None);
        check("a durable=true age=1h", "a", "b", Some(3_600), None);
    }

    #[test]
    fn what_is_not_stored() {
        let rules = ["a/kept age=1h", "a/** durable=false", "b durable=false"];
        let retention =
            Retention { rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(), ..Retention::default() };
        let durable = |name: &str| retention.is_durable(&TopicName::new(name).unwrap());
        assert!(durable("c") && durable("a/kept") && durable("b/c"), "the first that matches counts");
        assert!(!durable("a/x") && !durable("a/x/y") && !durable("b"));
        assert_eq!(retention.for_log().rules.len(), 1);
        assert_eq!(retention.to_string(), "10 GiB; a/kept age=1h; a/** durable=false; b durable=false");
        assert!(Retention::default().is_durable(&TopicName::new("a").unwrap()));
    }

    #[test]
    fn what_is_no_rule_says_how_one_looks() {
        for bad in [
            "",
            "news",
            "age=1h",
            "news age=",
            "news age=1",
            "news age=0s",
            "news age=1h age=2h",
            "news keep_last=0",
            "news keep_last=+1",
            "news keep_last=x",
            "news* age=1h",
            "a//b age=1h",
            "news keeplast=1",
            "news durable=no",
            "news durable=true",
            "news durable=false age=1h",
            "news durable=false durable=false",
        ] {
            let error = bad.parse::<RetentionRule>().expect_err(bad).to_string();
            assert!(error.contains("'prices/** keep_last=1'"), "{bad}: {error}");
        }
    }

    #[test]
    fn it_is_said_in_a_line() {
        let rules = vec!["prices/** keep_last=1".parse().unwrap(), "audit age=365d".parse().unwrap()];
        let all = Retention {
            age: Some(Duration::from_secs(7 * 86_400)),
            events: Some(1_000),
            rules,
            ..Retention::default()
        };
        assert_eq!(all.to_string(), "10 GiB, 7 d, 1000 events; prices/** keep_last=1; audit age=365d");
        assert_eq!(Retention::default().to_string(), "10 GiB");
    }
}
