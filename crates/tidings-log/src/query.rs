//! A question to the log, and its answer.

use std::fmt;
use std::sync::Arc;

/// Asks for nothing that was dropped.
pub const TOLD_ALL: u64 = u64::MAX;

/// Which events, from where, and how many.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// Exact topics, without repetition.
    pub topics: &'a [Arc<str>],
    /// Whether a topic is wanted besides, if there are patterns. Makes a read look at every event.
    pub pattern: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// Whether an event of these topics is wanted: what the log cannot know, such as its type.
    pub accept: &'a (dyn Fn(&Record) -> bool + Sync),
    /// From where.
    pub from: From,
    /// At most so many events.
    pub events_max: usize,
    /// At most so many bytes of bodies; one event comes in any case.
    pub bytes_max: usize,
    /// At most so many events are looked at; a page that reaches this has `more`.
    pub examined_max: usize,
    /// The time, in milliseconds since 1970: what has expired is not given.
    pub now: u64,
}

/// Where a read starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Behind a number. Drops up to the version `told` have been told already.
    After {
        /// The number.
        seq: u64,
        /// The version of drops that the reader knows.
        told: u64,
    },
    /// At the first event of this time (milliseconds since 1970) or later.
    Since(u64),
    /// At the newest so many that are wanted.
    Newest(u32),
    /// The newest event of each exact topic, in order, those behind `after`.
    LastEach {
        /// Events up to here have been read.
        after: u64,
    },
}

/// A page of events in order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The events.
    pub records: Vec<Record>,
    /// The number just before the first event, or `next` where there is none.
    pub start: u64,
    /// How far was looked: every wanted event up to here is in the page, or was in one before it.
    pub next: u64,
    /// Whether there was more to look at when the page was full.
    pub more: bool,
    /// Whether an event of these topics behind the place asked for was dropped (whatever `accept` says), or lay in a damaged place.
    pub gap: bool,
    /// The version of drops as of this page.
    pub drops: u64,
    /// For [`From::Newest`]: whether older events that are wanted are kept.
    pub truncated: bool,
    /// The newest event when the read began.
    pub head: u64,
}

/// One event, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// Its time, in milliseconds since 1970.
    pub time: u64,
    /// Its topics, the first its own.
    pub topics: Vec<Arc<str>>,
    /// What was appended.
    pub body: Vec<u8>,
    /// From when on nobody is given it.
    pub expires: Option<u64>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { seq, time, topics, body, expires } = self;
        write!(f, "#{seq} at {time} {topics:?} {} bytes, expires {expires:?}", body.len())
    }
}

impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("topics", &self.topics).field("from", &self.from).finish_non_exhaustive()
    }
}

/// Why nothing could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The storage refused to be read. The log has noted what it said.
    #[error("the storage could not be read")]
    Storage,
}
