//! What a subscription wants, said in plain strings and decided by code of its own: the model must not trust the hub's matching.

use std::sync::Arc;
use tidings_hub::{Event, Grant, Pattern, Scope, Selection, TopicName};
use tidings_wire::EventType;

/// Topics, patterns, types, and what the grant covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Exact topics.
    pub topics: Vec<String>,
    /// Patterns.
    pub patterns: Vec<String>,
    /// Types that pass; none lets all pass.
    pub types: Vec<String>,
    /// Patterns that the grant covers; none covers all.
    pub granted: Option<Vec<String>>,
}

impl Wish {
    /// Exact topics.
    pub fn topics(topics: &[&str]) -> Self {
        Wish { topics: topics.iter().map(ToString::to_string).collect(), ..Wish::default() }
    }

    /// Patterns.
    pub fn patterns(patterns: &[&str]) -> Self {
        Wish { patterns: patterns.iter().map(ToString::to_string).collect(), ..Wish::default() }
    }

    /// The same, of these types only.
    #[must_use]
    pub fn of_types(mut self, types: &[&str]) -> Self {
        self.types = types.iter().map(ToString::to_string).collect();
        self
    }

    /// The same under a grant that covers these patterns only.
    #[must_use]
    pub fn granted(mut self, patterns: &[&str]) -> Self {
        self.granted = Some(patterns.iter().map(ToString::to_string).collect());
        self
    }

    /// The hub's form of it. Panics on names that are none: the test wrote them.
    pub fn selection(&self) -> Arc<Selection> {
        let topics = self.topics.iter().map(|t| TopicName::new(t).expect("a test names topics that are some"));
        let types = self.types.iter().map(|t| EventType::new(t).expect("a test names types that are some"));
        let subscribe = match &self.granted {
            None => Scope::everything(),
            Some(granted) => Scope { patterns: parse_patterns(granted), ..Scope::default() },
        };
        let grant = Arc::new(Grant::new("test", Scope::everything(), subscribe));
        let selection = Selection::new(topics.collect(), parse_patterns(&self.patterns), types.collect(), grant);
        Arc::new(selection.expect("a test asks for something it is allowed"))
    }

    /// Whether one of the event's topics is wanted, whatever its type.
    pub fn wants_topics_of(&self, event: &Event) -> bool {
        event.topics.iter().any(|topic| self.wants_topic(topic))
    }

    /// Whether the event's type passes.
    pub fn passes_type(&self, event: &Event) -> bool {
        let event_type = event.event_type.as_ref().map_or("message", EventType::as_str);
        self.types.is_empty() || self.types.iter().any(|t| t == event_type)
    }

    /// Whether a topic is wanted.
    pub fn wants_topic(&self, topic: &TopicName) -> bool {
        let topic = topic.as_str();
        let allowed = self.granted.as_ref().is_none_or(|granted| granted.iter().any(|p| matches(p, topic)));
        self.topics.iter().any(|t| t == topic) || (allowed && self.patterns.iter().any(|p| matches(p, topic)))
    }
}

fn parse_patterns(patterns: &[String]) -> Vec<Pattern> {
    patterns.iter().map(|p| Pattern::new(p).expect("a test names patterns that are some")).collect()
}

/// The definition itself, exponential and obvious.
fn matches(pattern: &str, topic: &str) -> bool {
    fn go(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern.split_first(), topic.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((&"**", rest)), _) => (0..=topic.len()).any(|n| go(rest, &topic[n..])),
            (Some(_), None) => false,
            (Some((first, rest)), Some((segment, others))) => (*first == "*" || first == segment) && go(rest, others),
        }
    }
    go(&pattern.split('/').collect::<Vec<_>>(), &topic.split('/').collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_by_definition() {
        for (pattern, topic, expect) in [
            ("a/**", "a", true),
            ("a/*", "a", false),
            ("**/b/**", "a/b/c", true),
            ("*", "a/b", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, topic), expect, "{pattern} ~ {topic}");
        }
    }
}
