//! What is appended, and what becomes of it.

use std::sync::Arc;

/// What one caller appends: all of it or nothing, back to back, also across a crash.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// Number and time where they were assigned elsewhere (a cluster); else the log assigns the next ones.
    pub at: Option<At>,
    /// In order. Empty: nothing is written for it.
    pub entries: Vec<Entry>,
}

/// A number and a time that were assigned elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The first event's number, behind the log's head; the others follow it one by one.
    pub seq: u64,
    /// Their time, in milliseconds since 1970. The log raises it to its newest where it lies before that.
    pub time: u64,
}

/// One thing to append.
#[derive(Clone, Debug)]
pub enum Entry {
    /// An event.
    Event(Draft),
    /// A topic's events are gone from here on, for good.
    Drop {
        /// The topic; none is all topics that are not known any more.
        topic: Option<Arc<str>>,
        /// Up to this number; none is the topic's newest.
        to: Option<u64>,
    },
}

/// An event before it has its number.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its topics, 1 to 16 different ones, the first its own.
    pub topics: Vec<Arc<str>>,
    /// What the log keeps and never looks into.
    pub body: Vec<u8>,
    /// The digest of its idempotency key, if it has one.
    pub key: Option<Key>,
    /// From this time on nobody is given it, in milliseconds since 1970.
    pub expires: Option<u64>,
}

/// An idempotency key's digest, and that of what was published with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Whose key, and which.
    pub id: [u8; 16],
    /// What was published.
    pub body: [u8; 16],
}

/// Where an append's events stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The first event's number; the next one's is one more. Where an append has no event: the newest before it.
    pub first: u64,
    /// Their time, in milliseconds since 1970.
    pub time: u64,
}

/// Why an append was not taken. Only after [`AppendError::OutcomeUnknown`] may it be in the log in spite of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It would bring more topics than there may be.
    #[error("there are {max} topics already")]
    TooManyTopics {
        /// The bound.
        max: usize,
    },
    /// It takes more room than one batch may.
    #[error("an append takes at most {max} bytes on disk")]
    TooLarge {
        /// The bound.
        max: usize,
    },
    /// Its number is not behind the head.
    #[error("the number is not behind the newest, {head}")]
    NotAfterHead {
        /// The newest event's number.
        head: u64,
    },
    /// The disk is full. It is taken again when there is room.
    #[error("the disk is full")]
    NoSpace,
    /// Writing or syncing failed under it: whether it is stored will be known when the log is opened again.
    #[error("the log failed while it was written")]
    OutcomeUnknown,
    /// The log has failed before, or was closed.
    #[error("the log has stopped")]
    Stopped,
}
