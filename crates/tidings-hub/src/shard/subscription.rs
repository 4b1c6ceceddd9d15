//! One subscription: a cursor, what is half sent, and when it is next looked at.

use super::groups::GroupKey;
use super::owed::Debt;
use super::page::Page;
use crate::{EndReason, Format, Pos, ReadFrom, Selection, Seq, Time};
use bytes::Bytes;
use std::sync::Arc;

/// Names a subscription within its shard, for ever: a slot of the table and its generation, so that a late word about one
/// that has gone reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(u64);

impl SubscriberId {
    pub(super) fn new(index: u32, generation: u32) -> Self {
        SubscriberId(u64::from(generation) << 32 | u64::from(index))
    }

    /// Its slot in the shard's table: the smallest that was free, and free again once the subscription has gone. For a driver's own table.
    pub fn index(self) -> u32 {
        self.0 as u32
    }

    /// Tells it from others that had, or will have, the same slot.
    pub fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The id as a number, for whoever can keep nothing else.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// An id that was kept as a number.
    pub fn from_u64(id: u64) -> Self {
        SubscriberId(id)
    }
}

/// What a subscription asks for.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Which events.
    pub selection: Arc<Selection>,
    /// In which bytes.
    pub format: Format,
    /// Events and nothing else: no opening, no heartbeat, no ending. The demo clock is served so, and a waiting page.
    pub bare_events: bool,
}

/// Where a subscription stands in its life. Its place is the cursor, in every state.
#[derive(Debug)]
pub(super) enum State {
    /// At the head, by definition.
    Live,
    /// Behind the head, within the tail. `prompt`: it was at the head when the next event came, and has refused nothing since. It waits
    /// for its turn only, so it gets what expires meanwhile: that was just published.
    Tail { prompt: bool },
    /// Behind the tail: the log is asked.
    Cold(Box<Cold>),
    /// Ahead of this node: waits until the tail has passed the position.
    Parked { target: Seq },
    /// Gets what is half sent, then ends.
    Ending { deadline: Time },
}

/// What only a cold subscription needs.
#[derive(Debug)]
pub(super) struct Cold {
    /// What was asked, or is to be asked.
    pub(super) from: ReadFrom,
    /// The place the client named, if its gap must quote one.
    pub(super) requested: Option<Box<str>>,
    /// Whether the place means nothing here, so that a gap is certain.
    pub(super) unknown: bool,
    /// The page being read, and how many of its events were.
    pub(super) page: Option<Arc<Page>>,
    pub(super) index: usize,
    /// Whether an answer is awaited.
    pub(super) waiting: bool,
    /// The newest of each topic: as of this number, the first page's. What came since follows behind it, all of it.
    pub(super) until: Option<Seq>,
}

impl Cold {
    /// Asks from there, for one who named no place that a gap would have to quote.
    pub(super) fn from(from: ReadFrom) -> Self {
        Cold { from, requested: None, unknown: false, page: None, index: 0, waiting: false, until: None }
    }
}

/// A frame of which the transport took a part.
#[derive(Debug)]
pub(super) struct Partial {
    /// The whole frame.
    pub(super) frame: Bytes,
    /// How much of it was taken.
    pub(super) taken: usize,
    /// Who else holds it.
    pub(super) frame_of: FrameOf,
}

/// Where a half-sent frame comes from, and so how its bytes are accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameOf {
    /// The tail, at this position; a copy is held when the tail lets go of it.
    Tail(Pos),
    /// A page of history: a copy of its own, held from the start.
    History,
    /// The subscription itself.
    Control,
}

impl Partial {
    pub(super) fn rest(&self) -> Bytes {
        self.frame.slice(self.taken..)
    }
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) generation: u32,
    pub(super) group: GroupKey,
    /// Its place among the group's members.
    pub(super) member: u32,
    pub(super) bare_events: bool,
    /// Whether it was told where it starts.
    pub(super) opened: bool,
    /// Whether it stands in the ready ring.
    pub(super) queued: bool,
    /// Whether the transport takes nothing for now.
    pub(super) blocked: bool,
    pub(super) state: State,
    /// The cursor: everything before this position was served (Live: stale, the head is meant; Cold: of memory-only events).
    pub(super) pos: Pos,
    /// The cursor as a number: everything up to this stored event was served.
    pub(super) seq: Seq,
    /// What goes out before anything else.
    pub(super) debt: Debt,
    /// When the transport took bytes last.
    pub(super) last_write: Time,
    /// When a heartbeat is due if nothing else is sent before.
    pub(super) beat_at: Time,
    pub(super) last_event: Time,
    /// When the stream ends by itself.
    pub(super) expires_at: Time,
    /// And why.
    pub(super) expires_for: EndReason,
    /// When the wheel looks at it next.
    pub(super) timer: Time,
}

// There are many: eighteen thousand of them are to cost less than a browser tab.
const _: () = assert!(size_of::<Subscription>() <= 112);

impl Subscription {
    /// The read that goes on behind its cursor.
    ///
    /// Who was told of no drop that still lies ahead asks like everybody else at that place, so that they share a page.
    pub(super) fn read_on(&self) -> ReadFrom {
        let told = self.debt.get().and_then(|owed| owed.told);
        let ahead = told.filter(|told| told.head > self.seq);
        ReadFrom::After { seq: self.seq, told: ahead.map_or(ReadFrom::NONE_TOLD, |told| told.version) }
    }

    /// Whether there is something to send, or to look for.
    pub(super) fn has_work(&self) -> bool {
        let reading = match &self.state {
            State::Tail { .. } => true,
            State::Cold(cold) => !cold.waiting,
            State::Live | State::Parked { .. } | State::Ending { .. } => false,
        };
        reading || !self.debt.is_flushed()
    }
}
