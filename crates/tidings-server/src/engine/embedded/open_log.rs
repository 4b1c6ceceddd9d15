//! The log as its readers hold it, until it is closed: who has it keeps the directory from the next server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use tidings_log::Log;

/// A log that may be closed under its readers.
#[derive(Debug)]
pub(super) struct OpenLog {
    log: RwLock<Option<Log>>,
    /// How it was when it was closed.
    head: AtomicU64,
    has_failed: AtomicBool,
}

impl OpenLog {
    pub(super) fn new(log: Log) -> Self {
        OpenLog { log: RwLock::new(Some(log)), head: AtomicU64::new(0), has_failed: AtomicBool::new(false) }
    }

    /// The log, for one question; none once it is closed.
    pub(super) fn get(&self) -> Option<Log> {
        // Nothing can be half done under this lock.
        self.log.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest event's number.
    pub(super) fn head(&self) -> u64 {
        self.get().map_or_else(|| self.head.load(Ordering::Relaxed), |log| log.head())
    }

    /// Whether it takes nothing any more because the disk failed.
    pub(super) fn has_failed(&self) -> bool {
        self.get().map_or_else(|| self.has_failed.load(Ordering::Relaxed), |log| log.failed().is_some())
    }

    /// Lets go of it.
    pub(super) fn close(&self) {
        let mut slot = self.log.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = slot.take() {
            self.head.store(log.head(), Ordering::Relaxed);
            self.has_failed.store(log.failed().is_some(), Ordering::Relaxed);
        }
    }
}
