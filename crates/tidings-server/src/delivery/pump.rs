//! The pump: gives the engine's commits their place in the tail, and hands each batch to every shard.
//!
//! It has no thread of its own: the engine's drives it, as its sink.

use super::mailbox::Mailbox;
use crate::engine::{Commit, Sink};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tidings_hub::{Event, Tail};

/// The tail's numbers, for the metrics.
#[derive(Debug, Default)]
pub struct TailStats {
    bytes: AtomicUsize,
    events: AtomicUsize,
    waits: AtomicU64,
}

impl TailStats {
    /// Bytes of events and frames in memory.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Events in memory.
    pub fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// Batches that waited for a place in a shard's mailbox, and their publishers with them.
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }
}

/// Owns the tail, and knows every shard.
pub(super) struct Pump {
    pub(super) tail: Tail,
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) stats: Arc<TailStats>,
}

impl Sink for Pump {
    /// Blocks while a shard's mailbox is full.
    fn commit(&mut self, commit: Commit) {
        match commit {
            Commit::Events(events) => self.append(events),
            Commit::Deleted(topic) => {
                let start = self.tail.let_go(&topic);
                for mailbox in &self.mailboxes {
                    mailbox.let_go(start);
                }
            }
        }
        self.stats.bytes.store(self.tail.bytes(), Ordering::Relaxed);
        self.stats.events.store(self.tail.events(), Ordering::Relaxed);
    }

    fn wake(&mut self) {
        self.mailboxes.iter().for_each(Mailbox::wake);
    }
}

impl Pump {
    fn append(&mut self, events: Vec<Event>) {
        let batch = self.tail.append(events);
        for mailbox in &self.mailboxes {
            let waited = mailbox.leave(batch.clone());
            self.stats.waits.fetch_add(u64::from(waited), Ordering::Relaxed);
        }
    }
}
