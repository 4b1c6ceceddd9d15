//! Which events a subscription asks for: topics, patterns, a type filter, and the grant that bounds them.

use crate::{Event, Grant, Pattern, TopicName};
use std::sync::Arc;
use tidings_wire::EventType;

/// Which events are wanted, in a canonical form: equal selections compare equal, so that subscriptions share one group and
/// readers of history one page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection {
    topics: Box<[TopicName]>,
    patterns: Box<[Pattern]>,
    types: Box<[EventType]>,
    grant: Arc<Grant>,
}

/// Why a selection is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Nothing is selected.
    #[error("name at least one topic or pattern")]
    Empty,
    /// More than [`Selection::NAMES_MAX`] topics and patterns, or types.
    #[error("a subscription has at most {} topics and patterns, and as many types", Selection::NAMES_MAX)]
    TooMany,
    /// The grant does not cover an exact topic. (A pattern yields what the grant covers, and nothing else.)
    #[error("not allowed to subscribe to {0}")]
    Forbidden(TopicName),
}

impl Selection {
    /// The most topics and patterns of one subscription, and the most types in a filter: each costs an entry in a shard's
    /// tables, and a URL of 1,000 short names is about what a request head of 16 KiB carries.
    pub const NAMES_MAX: usize = 1_000;

    /// A selection; names may repeat and come in any order. An empty `types` lets every type pass; the default type is
    /// written `message`.
    pub fn new(
        mut topics: Vec<TopicName>,
        mut patterns: Vec<Pattern>,
        mut types: Vec<EventType>,
        grant: Arc<Grant>,
    ) -> Result<Self, SelectionError> {
        topics.sort();
        topics.dedup();
        patterns.sort();
        patterns.dedup();
        types.sort();
        types.dedup();
        if topics.is_empty() && patterns.is_empty() {
            return Err(SelectionError::Empty);
        }
        if topics.len() + patterns.len() > Self::NAMES_MAX || types.len() > Self::NAMES_MAX {
            return Err(SelectionError::TooMany);
        }
        if let Some(topic) = topics.iter().find(|t| !grant.may_subscribe(t)) {
            return Err(SelectionError::Forbidden(topic.clone()));
        }
        Ok(Selection { topics: topics.into(), patterns: patterns.into(), types: types.into(), grant })
    }

    /// Exact topics, sorted.
    pub fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    /// Patterns, sorted.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The grant this selection was made under.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Whether it is one exact topic and no pattern: then events need no envelope to say whose they are.
    pub fn is_one_topic(&self) -> bool {
        self.topics.len() == 1 && self.patterns.is_empty()
    }

    /// Whether a topic is selected: named, or matched by a pattern within the grant.
    pub fn selects_topic(&self, topic: &TopicName) -> bool {
        self.topics.binary_search(topic).is_ok()
            || (self.patterns.iter().any(|p| p.matches(topic)) && self.grant.may_subscribe(topic))
    }

    /// Whether the type filter lets the event pass.
    pub fn passes_type(&self, event: &Event) -> bool {
        self.passes_type_name(event.type_str())
    }

    /// Whether the type filter lets a type pass; the default one is written `message`.
    pub fn passes_type_name(&self, name: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|t| t.as_str() == name)
    }

    /// Whether the event is wanted: one of its topics is selected, and its type passes.
    pub fn selects(&self, event: &Event) -> bool {
        self.passes_type(event) && event.topics.iter().any(|t| self.selects_topic(t))
    }
}
