//! A shard's view of the tail: the batches it holds, and the way from a position or a number to a place in them.

use crate::batch::Batch;
use crate::{Pos, Seq};
use std::collections::VecDeque;
use std::sync::Arc;

/// The batches from `start` to `next`, without a hole.
#[derive(Debug)]
pub(super) struct Window {
    batches: VecDeque<Arc<Batch>>,
    start: Pos,
    next: Pos,
    head: Seq,
    /// Every stored event behind this number is in the window.
    floor: Seq,
}

impl Window {
    pub(super) fn new(head: Seq) -> Self {
        Window { batches: VecDeque::new(), start: Pos(0), next: Pos(0), head, floor: head }
    }

    /// The oldest position held; `next` where nothing is.
    pub(super) fn start(&self) -> Pos {
        self.start
    }

    /// The position the next event will have.
    pub(super) fn next(&self) -> Pos {
        self.next
    }

    /// The newest stored event.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// Where the log must take over: every stored event behind this number is here.
    pub(super) fn floor(&self) -> Seq {
        self.floor
    }

    pub(super) fn push(&mut self, batch: Arc<Batch>) {
        assert_eq!(batch.first, self.next, "batches come in order, each once");
        assert_eq!(batch.before, self.head, "a batch begins where the one before it ends");
        assert_eq!(batch.start, self.start, "every shard holds what the tail holds");
        self.next = batch.end();
        self.head = batch.head;
        self.batches.push_back(batch);
    }

    /// Takes out the oldest batch if it lies before `start`.
    pub(super) fn pop_before(&mut self, start: Pos) -> Option<Arc<Batch>> {
        let oldest = self.batches.front().filter(|b| b.first < start)?;
        assert!(oldest.end() <= start, "the tail drops whole batches");
        self.start = oldest.end();
        self.floor = oldest.head;
        self.batches.pop_front()
    }

    /// The batch that holds `pos`, and the event's index in it.
    pub(super) fn at(&self, pos: Pos) -> (&Arc<Batch>, usize) {
        assert!(self.start <= pos && pos < self.next, "{pos:?} is outside of the window");
        let batch = &self.batches[self.batches.partition_point(|b| b.end() <= pos)];
        (batch, pos.offset_from(batch.first))
    }

    /// The position right behind the stored event `seq`, which must not lie below the floor.
    pub(super) fn pos_after(&self, seq: Seq) -> Pos {
        assert!(seq >= self.floor, "what lies below the floor is the log's");
        let holder = self.batches.partition_point(|b| b.head < seq);
        self.batches.get(holder).map_or(self.next, |batch| batch.pos_after(seq))
    }
}
