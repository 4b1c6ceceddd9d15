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
    /// Behind a position. Drops up to the version `told` have been reported already and make no gap.
    After {
        /// The position.
        seq: Seq,
        /// A [`History::drops`] of this process, or [`ReadFrom::NONE_TOLD`], or [`ReadFrom::ALL_TOLD`].
        told: u64,
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

impl ReadFrom {
    /// The version before every drop: nothing has been told.
    pub const NONE_TOLD: u64 = 0;
    /// No version is beyond it: who asks with it asks about no drop at all.
    pub const ALL_TOLD: u64 = u64::MAX;
}

/// The engine's answer: a page of events in order.
#[derive(Clone, Debug)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
    /// The position just before the first event, or `next` where there is none.
    pub start: Seq,
    /// How far was looked: every event of the selection up to here is in the page, or was in one before it.
    pub next: Seq,
    /// Whether there was more to look at when the page was full.
    pub more: bool,
    /// Whether a topic of the selection has dropped an event that lies behind the place asked for, at a version that was not told
    /// (the type filter is ignored).
    ///
    /// A topic drops in the order of numbers, so two words of each are enough to say it exactly: the number of its newest dropped
    /// event, and the version at which that was dropped. Whatever it dropped before has a lower number and a lower version.
    pub gap: bool,
    /// The version of the history's drops when the engine looked: it counts up with every drop, in whichever topic, and means
    /// nothing to another process. No drop made later has it or a lower one, and no drop at all has 0, those found at the start included.
    pub drops: u64,
    /// For [`ReadFrom::Newest`]: whether older events of the selection are kept.
    pub truncated: bool,
    /// The engine's newest stored event when it looked.
    pub head: Seq,
}
