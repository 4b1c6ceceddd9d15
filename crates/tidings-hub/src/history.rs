//! What the hub asks of the engine when a cursor lies behind the tail, and what it gets.

use crate::{Event, Selection, Seq, UnixMillis};
use std::sync::Arc;

/// A question to the engine's history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Read {
    /// Which events.
    pub selection: Arc<Selection>,
    /// From where.
    pub from: ReadFrom,
    /// At most so many events.
    pub events_max: usize,
    /// At most so many bytes of data; one event comes in any case.
    pub bytes_max: usize,
}

/// Where a read starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadFrom {
    /// Behind a position. Drops up to `told` have been reported already and make no gap.
    After {
        /// The position.
        seq: Seq,
        /// What the reader knows to be dropped.
        told: Seq,
    },
    /// At the first event of this time or later.
    Since(UnixMillis),
    /// At the newest `n` events of the selection, the type filter included.
    Newest(u32),
    /// The newest event of each exact topic, in order, those behind `after`.
    LastEach {
        /// Events up to here have been read.
        after: Seq,
    },
}

/// The engine's answer: a page of events in order.
#[derive(Clone, Debug)]
pub struct History {
    /// The events.
    pub events: Vec<Arc<Event>>,
    /// The position just before the first event, or `next` where there is none.
    pub start: Seq,
    /// How far was looked: every event of the selection up to here is in the page, or was in one before it.
    pub next: Seq,
    /// Whether there was more to look at when the page was full.
    pub more: bool,
    /// Whether an event of the selection's topics behind the place asked for was dropped (the type filter is ignored).
    pub gap: bool,
    /// The highest position up to which a topic of the selection has dropped events.
    pub dropped_to: Seq,
    /// For [`ReadFrom::Newest`]: whether older events of the selection are kept.
    pub truncated: bool,
    /// The engine's newest stored event when it looked.
    pub head: Seq,
}
