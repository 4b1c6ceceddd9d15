//! A shard with what a driver keeps for it: batches and reads on their way.

use crate::engine::FakeEngine;
use crate::model::{ReadDone, View};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tidings_hub::{Batch, FetchId, History, Read, Shard, SubscriberId};

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) shard: Shard,
    /// Batches the tail has made and the shard was not handed.
    pub(crate) inbox: VecDeque<Arc<Batch>>,
    pub(crate) reads: Vec<PendingRead>,
    pub(crate) keys: BTreeMap<SubscriberId, usize>,
    /// The place of position 0.
    pub(crate) base: usize,
    pub(crate) window_start: usize,
    pub(crate) window_end: usize,
    /// Where the newest batch begins.
    pub(crate) newest: usize,
    /// The read that was answered last: what opens now opens by it.
    pub(crate) answered: Option<ReadDone>,
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
            answered: None,
        }
    }

    pub(crate) fn view<'a>(&self, engine: &'a FakeEngine, step: u64) -> View<'a> {
        View { engine, window_start: self.window_start, window_end: self.window_end, step }
    }

    /// Hands the shard its next batch.
    pub(crate) fn deliver(&mut self) -> bool {
        let Some(batch) = self.inbox.pop_front() else { return false };
        let place = |pos: u64| self.base + usize::try_from(pos).expect("a test has few events");
        (self.window_start, self.newest) = (place(batch.start.0), place(batch.first.0));
        self.window_end = place(batch.end().0);
        self.shard.handle_batch(&batch);
        true
    }

    /// Takes the reads the shard asks for.
    pub(crate) fn take_fetches(&mut self) {
        while let Some((id, read)) = self.shard.poll_fetch() {
            self.reads.push(PendingRead { id, read, answer: None });
        }
    }
}
