//! A page of history: the engine's answer, encoded once for all who read it.

use crate::block::{Block, Gauge};
use crate::{Epoch, History, Seq};

#[derive(Debug)]
pub(super) struct Page {
    pub(super) block: Block,
    pub(super) start: Seq,
    pub(super) next: Seq,
    pub(super) more: bool,
    pub(super) gap: bool,
    pub(super) drops: u64,
    pub(super) truncated: bool,
    pub(super) head: Seq,
}

impl Page {
    pub(super) fn new(epoch: Epoch, history: History, gauge: Gauge) -> Self {
        let History { events, start, next, more, gap, drops, truncated, head } = history;
        let layout = (0..events.len()).map(|i| u32::try_from(i).expect("a page is bounded")).collect();
        Page { block: Block::new(epoch, events, layout, gauge), start, next, more, gap, drops, truncated, head }
    }

    /// The number of the event at `index`: history holds stored events only.
    pub(super) fn seq(&self, index: usize) -> Seq {
        self.block.events()[index].seq.expect("history holds stored events only")
    }

    /// How many events lie at or before `seq`.
    pub(super) fn count_to(&self, seq: Seq) -> usize {
        self.block.events().partition_point(|e| e.seq.is_some_and(|s| s <= seq))
    }
}
