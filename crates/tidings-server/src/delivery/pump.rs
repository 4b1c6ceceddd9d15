//! The pump: takes the engine's commits in order, gives them their place in the tail, and hands each batch to every shard.

use super::shard::Mailbox;
use crate::engine::Commit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidings_hub::Tail;
use tokio::sync::{mpsc, watch};

/// Bytes and events of the tail, for the metrics.
#[derive(Debug, Default)]
pub struct TailStats {
    bytes: AtomicUsize,
    events: AtomicUsize,
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
}

/// Runs until the engine ends its tail.
pub(super) async fn run(
    mut tail: Tail,
    mut commits: mpsc::Receiver<Commit>,
    mailboxes: Vec<Mailbox>,
    visible: watch::Sender<u64>,
    stats: Arc<TailStats>,
) {
    while let Some(commit) = commits.recv().await {
        let batch = tail.append(commit.events);
        for mailbox in &mailboxes {
            mailbox.batch(batch.clone()).await;
        }
        stats.bytes.store(tail.bytes(), Ordering::Relaxed);
        stats.events.store(tail.events(), Ordering::Relaxed);
        visible.send_replace(commit.number);
    }
}
