//! The engine that keeps everything in memory: one order, decided under one short lock.
//!
//! Appending: a place in the queue to the tail is reserved first, then the events are numbered and stored under the lock, and sent
//! while it is still held. So the queue has them in commit order, and the lock is never held across an await (invariant 8).
//!
//! Reading: in slices, each of which looks at a bounded number of events under the lock, so that a long search for the newest
//! events of a rare type holds up no publisher.

mod marks;
mod read;
mod store;

use super::{AppendError, Commit, Draft, Engine, EngineFuture, ReadError, Receipts};
use crate::limits::Limits;
use std::sync::{Mutex, MutexGuard, OnceLock};
use store::Store;
use tidings_hub::{Epoch, History, Read, Seq, UnixMillis};
use tokio::sync::mpsc;

/// All history in memory: the newest of it, within its bounds. A restart begins a new one.
pub struct MemoryEngine {
    epoch: Epoch,
    clock: fn() -> UnixMillis,
    commits_queued_max: usize,
    /// Events looked at in one slice of a read.
    examined_max: usize,
    state: Mutex<State>,
    /// The way to the tail, once it was asked for.
    tail: OnceLock<mpsc::Sender<Commit>>,
}

struct State {
    store: Store,
    commits: u64,
}

impl MemoryEngine {
    /// An empty history, named by a random number, with times of the system's clock.
    pub fn new(random: u64, limits: &Limits) -> Self {
        Self::with_clock(random, limits, crate::clock::now)
    }

    /// The same with another clock.
    pub fn with_clock(random: u64, limits: &Limits, clock: fn() -> UnixMillis) -> Self {
        MemoryEngine {
            epoch: Epoch::from_random(random),
            clock,
            commits_queued_max: limits.commits_queued_max,
            examined_max: limits.page_examined_max,
            state: Mutex::new(State { store: Store::new(limits.history_bytes_max, limits.topics_max), commits: 0 }),
            tail: OnceLock::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Who panicked while holding the history left an order that cannot be trusted: the process ends (invariant 12).
        self.state.lock().unwrap_or_else(|_| std::process::abort())
    }

    async fn append_reserved(&self, drafts: Vec<Draft>) -> Result<Receipts, AppendError> {
        debug_assert!(!drafts.is_empty(), "an append has at least one event");
        let place = match self.tail.get() {
            Some(tail) => Some(tail.reserve().await.map_err(|_| AppendError::Stopped)?),
            None => None,
        };
        let mut state = self.lock();
        let events = state.store.commit(drafts, (self.clock)())?;
        state.commits += 1;
        let receipts = Receipts { commit: state.commits, seqs: events.iter().map(|event| event.seq).collect() };
        if let Some(place) = place {
            place.send(Commit { number: state.commits, events });
        }
        Ok(receipts)
    }
}

impl Engine for MemoryEngine {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn head(&self) -> Seq {
        self.lock().store.head()
    }

    fn append(&self, drafts: Vec<Draft>) -> EngineFuture<'_, Result<Receipts, AppendError>> {
        Box::pin(self.append_reserved(drafts))
    }

    fn tail(&self) -> mpsc::Receiver<Commit> {
        let (sender, receiver) = mpsc::channel(self.commits_queued_max);
        self.tail.set(sender).expect("the tail is asked for once");
        receiver
    }

    fn read(&self, read: Read) -> EngineFuture<'_, Result<History, ReadError>> {
        Box::pin(async move {
            let mut reading = read::Reading::new(read, self.examined_max);
            loop {
                let answer = reading.step(&self.lock().store);
                if let Some(history) = answer {
                    return Ok(history);
                }
                // The next slice waits its turn behind publishers and other readers.
                tokio::task::yield_now().await;
            }
        })
    }
}

impl std::fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryEngine").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
