//! What the writer's side of the engine counts, and how it is.

use prometheus_client::metrics::histogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shared by those who append and the thread that answers them.
#[derive(Debug)]
pub(super) struct WriterStats {
    origin: Instant,
    /// Appends that are submitted and not answered.
    waiting: AtomicU64,
    /// When an append was answered last, or the first of those who wait was submitted: milliseconds since the origin.
    turned: AtomicU64,
    is_full: AtomicBool,
    has_failed: AtomicBool,
    refused_for_space: AtomicU64,
    groups: AtomicU64,
    appends: AtomicU64,
    commit_seconds: Histogram,
}

/// Upper ends of the buckets of `commit_seconds`: from a sync of a good disk's cache to a disk that stands still.
const COMMIT_SECONDS: [f64; 12] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The numbers of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WriterCounts {
    /// Groups of appends: each one write and one sync, unless nothing in it is stored.
    pub(crate) groups: u64,
    /// Appends in them.
    pub(crate) appends: u64,
    /// Appends that are submitted and not answered.
    pub(crate) waiting: u64,
    /// Appends refused because the disk was full.
    pub(crate) refused_for_space: u64,
    /// Appends that waited for room in the queue.
    pub(crate) room_waits: u64,
}

impl WriterStats {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(WriterStats {
            origin: Instant::now(),
            waiting: AtomicU64::new(0),
            turned: AtomicU64::new(0),
            is_full: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            refused_for_space: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            appends: AtomicU64::new(0),
            commit_seconds: Histogram::new(COMMIT_SECONDS),
        })
    }

    /// An append is about to be submitted.
    pub(super) fn submitted(&self) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.turned.store(self.now(), Ordering::Relaxed);
        }
    }

    /// A group of so many appends is answered now, the first of which was submitted at `first`.
    pub(super) fn answered(&self, appends: u64, first: Option<Instant>) {
        if let Some(first) = first {
            self.commit_seconds.observe(first.elapsed().as_secs_f64());
        }
        self.turned.store(self.now(), Ordering::Relaxed);
        self.waiting.fetch_sub(appends, Ordering::Relaxed);
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.appends.fetch_add(appends, Ordering::Relaxed);
    }

    /// Whether there is no room on the disk, as the latest append found it.
    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Whether this is the first who finds that the log has failed.
    pub(super) fn fails_first(&self) -> bool {
        !self.has_failed.swap(true, Ordering::Relaxed)
    }

    pub(super) fn refused_for_space(&self) {
        self.refused_for_space.fetch_add(1, Ordering::Relaxed);
    }

    /// How long appends have waited without one of them being answered.
    pub(super) fn stalled(&self) -> Duration {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return Duration::ZERO;
        }
        Duration::from_millis(self.now().saturating_sub(self.turned.load(Ordering::Relaxed)))
    }

    pub(super) fn commit_seconds(&self) -> Histogram {
        self.commit_seconds.clone()
    }

    pub(super) fn counts(&self, room_waits: u64) -> WriterCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WriterCounts {
            groups: get(&self.groups),
            appends: get(&self.appends),
            waiting: get(&self.waiting),
            refused_for_space: get(&self.refused_for_space),
            room_waits,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_waits_and_is_not_answered_is_stalled() {
        let stats = WriterStats::new();
        let wait = || std::thread::sleep(Duration::from_millis(30));
        wait();
        assert_eq!(stats.stalled(), Duration::ZERO, "nobody waits");
        stats.submitted();
        assert!(stats.stalled() < Duration::from_millis(30), "it counts from the first who waits");
        wait();
        stats.submitted();
        assert!(stats.stalled() >= Duration::from_millis(30), "and not from the last");
        stats.answered(1, None);
        assert!(stats.stalled() < Duration::from_millis(30), "somebody was answered");
        wait();
        assert!(stats.stalled() >= Duration::from_millis(30), "the other is not");
        stats.answered(1, None);
        assert_eq!(stats.stalled(), Duration::ZERO);
    }
}
