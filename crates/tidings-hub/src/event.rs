//! One event, parsed: what the engine orders, the tail encodes and everybody shares.

use crate::{Seq, TopicName, UnixMillis};
use bytestring::ByteString;
use std::sync::Arc;
use tidings_wire::EventType;

/// An event as it stands in the order. Immutable, shared by reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number, if it is stored; an event of a memory-only topic has none, and no id on the wire.
    pub seq: Option<Seq>,
    /// When the engine took it.
    pub time: UnixMillis,
    /// Its topics, the first its own.
    pub topics: Topics,
    /// Its type; none is the default type, `message`.
    pub event_type: Option<EventType>,
    /// Its data.
    pub content: Content,
    /// From when on it is worthless, if the publisher said so: then nobody who is behind is given it any more, and nobody is told.
    pub expires: Option<UnixMillis>,
}

impl Event {
    /// The topic the event is published to; the others are references.
    pub fn topic(&self) -> &TopicName {
        self.topics.own()
    }

    /// The type's text, `message` where none was given.
    pub fn type_str(&self) -> &str {
        self.event_type.as_ref().map_or("message", EventType::as_str)
    }

    /// Whether its publisher wants it given to nobody from this time on.
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Bytes this event holds in memory, near enough for a bound: the struct itself, its names and its content.
    pub fn weight(&self) -> usize {
        size_of::<Event>() + self.content.bytes().len() + self.topics.0.len() * size_of::<TopicName>()
    }
}

/// One to [`Topics::MAX`] different topics, in the publisher's order. Cheap to share: many events have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics(Arc<[TopicName]>);

/// The list of topics is empty, too long, or names one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event has 1 to {} different topics", Topics::MAX)]
pub struct TopicsError;

impl Topics {
    /// The most topics of one event: each is a look-up in every shard for every event.
    pub const MAX: usize = 16;

    /// A list of topics, the first being the event's own.
    pub fn new(topics: Vec<TopicName>) -> Result<Self, TopicsError> {
        let distinct = topics.iter().enumerate().all(|(i, topic)| !topics[..i].contains(topic));
        if topics.is_empty() || topics.len() > Self::MAX || !distinct {
            return Err(TopicsError);
        }
        Ok(Topics(topics.into()))
    }

    /// The event's own topic; the others are references.
    pub fn own(&self) -> &TopicName {
        &self.0[0]
    }

    /// The topics, the event's own first.
    pub fn iter(&self) -> std::slice::Iter<'_, TopicName> {
        self.0.iter()
    }
}

impl From<TopicName> for Topics {
    fn from(topic: TopicName) -> Self {
        Topics([topic].into())
    }
}

/// An event's data, with its content type where the publisher gave one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, sent as it is. The content type is kept for those who read JSON.
    Text {
        /// The essence `type/subtype` in lower case.
        content_type: Option<Box<str>>,
        /// The text; perhaps a slice of the event's frame.
        text: ByteString,
    },
    /// Any bytes; readers of server-sent events get a `data:` URL.
    Binary {
        /// The essence `type/subtype` in lower case, made of token characters only.
        content_type: Box<str>,
        /// The bytes.
        bytes: Box<[u8]>,
    },
}

impl Content {
    /// Text without a content type.
    pub fn text(text: &str) -> Self {
        Content::Text { content_type: None, text: text.into() }
    }

    /// The raw bytes, of either kind.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Content::Text { text, .. } => text.as_bytes(),
            Content::Binary { bytes, .. } => bytes,
        }
    }

    /// The content type, if there is one.
    pub fn content_type(&self) -> Option<&str> {
        match self {
            Content::Text { content_type, .. } => content_type.as_deref(),
            Content::Binary { content_type, .. } => Some(content_type),
        }
    }
}
