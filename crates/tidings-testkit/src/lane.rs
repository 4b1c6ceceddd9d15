//! A shard with what a driver keeps for it: batches and reads on their way.

use crate::engine::{Deletion, FakeEngine};
use crate::model::{ReadDone, View};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tidings_hub::{Batch, FetchId, History, Pos, Read, Shard, SubscriberId, TopicName, UnixMillis};

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) shard: Shard,
    /// What the tail has told and the shard was not.
    pub(crate) inbox: VecDeque<Word>,
    pub(crate) reads: Vec<PendingRead>,
    pub(crate) keys: BTreeMap<SubscriberId, usize>,
    /// The place of position 0.
    pub(crate) base: usize,
    pub(crate) window_start: usize,
    pub(crate) window_end: usize,
    /// Where the newest batch begins.
    pub(crate) newest: usize,
    /// When each event left the shard's tail, by the wall clock: from place `base` on.
    left: Vec<UnixMillis>,
    /// The step in which the shard was handed each event: from place `base` on.
    handed: Vec<u64>,
    /// What each deleted topic had before this place is gone, and the shard was told.
    pub(crate) deleted: BTreeMap<TopicName, usize>,
    /// The read that was answered last: what opens now opens by it.
    pub(crate) answered: Option<ReadDone>,
}

/// What a shard was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    Batch,
    LetGo,
}

/// What the tail tells a shard.
#[derive(Debug)]
pub(crate) enum Word {
    Batch(Arc<Batch>),
    LetGo(Pos, Deletion),
}

/// A read on its way to the engine, or back.
#[derive(Debug)]
pub(crate) struct PendingRead {
    pub(crate) id: FetchId,
    pub(crate) read: Read,
    pub(crate) answer: Option<(History, ReadDone)>,
}

impl Lane {
    pub(crate) fn new(shard: Shard, base: usize) -> Self {
        Lane {
            shard,
            inbox: VecDeque::new(),
            reads: Vec::new(),
            keys: BTreeMap::new(),
            base,
            window_start: base,
            window_end: base,
            newest: base,
            left: Vec::new(),
            handed: Vec::new(),
            deleted: BTreeMap::new(),
            answered: None,
        }
    }

    pub(crate) fn view<'a>(&'a self, engine: &'a FakeEngine, step: u64, wall: UnixMillis) -> View<'a> {
        let Lane { base, window_start, window_end, .. } = *self;
        View { engine, base, window_start, window_end, left: &self.left, deleted: &self.deleted, step, wall }
    }

    /// When the shard was handed the event at `place`; none if it never was.
    pub(crate) fn handed(&self, place: usize) -> Option<u64> {
        self.handed.get(place.checked_sub(self.base)?).copied()
    }

    /// Hands the shard what the tail told next.
    pub(crate) fn deliver(&mut self, step: u64, wall: UnixMillis) -> Option<Delivered> {
        let base = self.base;
        let place = |pos: Pos| base + usize::try_from(pos.0).expect("a test has few events");
        let delivered = match self.inbox.pop_front()? {
            Word::Batch(batch) => {
                (self.window_start, self.newest) = (place(batch.start), place(batch.first));
                self.window_end = place(batch.end());
                self.shard.handle_batch(&batch);
                Delivered::Batch
            }
            Word::LetGo(start, Deletion { topic, places }) => {
                self.window_start = place(start);
                self.deleted.insert(topic, places);
                self.shard.handle_let_go(start);
                Delivered::LetGo
            }
        };
        self.left.resize(self.window_start - base, wall);
        self.handed.resize(self.window_end - base, step);
        Some(delivered)
    }

    /// Takes the reads the shard asks for.
    pub(crate) fn take_fetches(&mut self) {
        while let Some((id, read)) = self.shard.poll_fetch() {
            self.reads.push(PendingRead { id, read, answer: None });
        }
    }
}
