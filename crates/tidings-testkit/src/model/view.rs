//! What the model may look at.

use crate::Wish;
use crate::engine::{FakeEngine, Record};
use std::collections::BTreeMap;
use tidings_hub::{ReadFrom, Seq, TopicName, UnixMillis};

/// What the model may look at: the world around a shard.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Everything.
    pub engine: &'a FakeEngine,
    /// Events from this place on went through the tail.
    pub base: usize,
    /// Events before this place have left the shard's tail.
    pub window_start: usize,
    /// Events before this place have reached the shard.
    pub window_end: usize,
    /// When each of those left it, by the wall clock: from `base` on.
    pub left: &'a [UnixMillis],
    /// What each deleted topic had before this place is gone, and the shard knows.
    pub deleted: &'a BTreeMap<TopicName, usize>,
    /// The world's step.
    pub step: u64,
    /// The wall clock's time.
    pub wall: UnixMillis,
}

impl View<'_> {
    pub(super) fn records(&self) -> &[Record] {
        self.engine.records()
    }

    /// Whether every topic that brings an event to this wish was deleted behind it.
    pub(super) fn is_deleted(&self, place: usize, wish: &Wish) -> bool {
        let mut wanted = self.records()[place].event.topics.iter().filter(|topic| wish.wants_topic(topic));
        wanted.all(|topic| self.deleted.get(topic).is_some_and(|places| place < *places))
    }

    /// Whether a memory-only event left the tail before it expired: then whoever had not read it has lost something.
    pub(super) fn is_loss(&self, place: usize) -> bool {
        let left = place.checked_sub(self.base).and_then(|index| self.left.get(index));
        left.is_none_or(|left| !self.records()[place].event.is_expired(*left))
    }

    /// The newest stored event that reached the shard.
    pub(super) fn head(&self) -> Seq {
        self.records()[..self.window_end].iter().rev().find_map(|r| r.event.seq).unwrap_or(Seq::START)
    }
}

/// A read of history that was answered.
#[derive(Clone, Copy, Debug)]
pub struct ReadDone {
    /// What was asked.
    pub from: ReadFrom,
    /// The step at which the engine looked.
    pub looked_at: u64,
    /// The wall clock's time then.
    pub wall: UnixMillis,
    /// How many events there were then.
    pub places: usize,
    /// The engine's newest event then.
    pub head: Seq,
    /// The page's start.
    pub start: Seq,
    /// Whether older events were kept.
    pub truncated: bool,
}
