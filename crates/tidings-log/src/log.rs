//! Reading the log: what everybody has who does not write it.

use crate::keys::{self, KeySeen};
use crate::query::{Page, Query, ReadError};
use crate::read;
use crate::shared::Shared;
use crate::stats::Stats;
use std::sync::Arc;

/// The log, to be read. Clones read the same one, from any thread; a read blocks on the storage.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

impl Log {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Log { shared }
    }

    /// Names this history: a log that is created anew has another.
    pub fn epoch(&self) -> [u8; 8] {
        self.shared.lock().epoch()
    }

    /// The newest event's number; 0: there was none yet.
    pub fn head(&self) -> u64 {
        self.shared.lock().head()
    }

    /// Answers a question: a page of what was committed before the call, and was not dropped before it ends.
    ///
    /// Damage is passed over, counted, and told as a gap.
    ///
    /// # Errors
    /// The storage refused to be read.
    pub fn read(&self, query: &Query<'_>) -> Result<Page, ReadError> {
        read::read(&self.shared, query)
    }

    /// The newest idempotency keys, at most `max`, of events of the time `since` (milliseconds since 1970) or later, newest first.
    ///
    /// # Errors
    /// The storage refused to be read.
    pub fn keys(&self, since: u64, max: usize) -> Result<Vec<KeySeen>, ReadError> {
        keys::recent(&self.shared, since, max)
    }

    /// How large the log is, and what happened to it since it was opened.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.shared.lock())
    }

    /// What the storage said when it last refused to be read.
    pub fn refusal(&self) -> Option<String> {
        self.shared.lock().refusal.clone()
    }

    /// Why the log takes nothing any more, if it does not. It can still be read.
    pub fn failed(&self) -> Option<String> {
        self.shared.failure().map(str::to_owned)
    }
}
