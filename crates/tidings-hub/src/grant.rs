//! What a caller may do. The hub only asks it; in the server, `auth/` alone makes one.

use crate::{Pattern, TopicName};

/// Topics and patterns a grant names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// Everything.
    pub all: bool,
    /// Exact topics.
    pub topics: Vec<TopicName>,
    /// Patterns.
    pub patterns: Vec<Pattern>,
}

impl Scope {
    /// The scope that covers every topic.
    pub fn everything() -> Self {
        Scope { all: true, ..Scope::default() }
    }

    /// Whether the topic is inside.
    pub fn covers(&self, topic: &TopicName) -> bool {
        self.all || self.topics.contains(topic) || self.patterns.iter().any(|p| p.matches(topic))
    }
}

/// What a caller may do, decided once when the request came in. Two callers with equal grants share what is memoised for
/// them, so everything that decides an answer is part of equality.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    subject: Box<str>,
    publish: Scope,
    subscribe: Scope,
    delete: bool,
}

impl Grant {
    /// What an anonymous caller of a server in local mode may do: everything.
    pub fn local() -> Self {
        Grant::new("local", Scope::everything(), Scope::everything()).with_delete()
    }

    /// A grant for `subject` (the token's, for idempotency keys and logs).
    pub fn new(subject: &str, publish: Scope, subscribe: Scope) -> Self {
        Grant { subject: subject.into(), publish, subscribe, delete: false }
    }

    /// The same, and the history of every topic it may publish to may be dropped too.
    pub fn with_delete(self) -> Self {
        Grant { delete: true, ..self }
    }

    /// Who it was given to. Idempotency keys are scoped to it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether events may be published to the topic. The server's own topics are nobody's.
    pub fn may_publish(&self, topic: &TopicName) -> bool {
        !topic.is_reserved() && self.publish.covers(topic)
    }

    /// Whether the topic's history may be dropped. What nobody but the server may publish, nobody but the server drops.
    pub fn may_delete(&self, topic: &TopicName) -> bool {
        self.delete && self.may_publish(topic)
    }

    /// Whether the topic's events may be read.
    pub fn may_subscribe(&self, topic: &TopicName) -> bool {
        self.subscribe.covers(topic)
    }
}
