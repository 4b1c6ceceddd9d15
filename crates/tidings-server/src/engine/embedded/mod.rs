//! The engine on the durable log of this machine.
//!
//! Appending: an append takes room in the queue, its events are encoded, and the log's writer thread takes all that wait as one group:
//! one write, one sync. A small append that is alone is written by the thread that has it. Then the [`Committer`](committer::Committer)
//! hands the group to the sink and answers. What is not stored passes through the same queue, so that there is one order, and needs no disk.
//!
//! Reading: on a few threads that may wait for a disk ([`reads`]).

mod answers;
pub(crate) mod body;
mod committer;
mod found;
mod history;
mod open_log;
mod reads;
mod room;
mod stats;

pub(crate) use stats::WriterCounts;
pub use tidings_log::OpenError;

use super::{AppendError, Draft, Engine, EngineFuture, Health, Key, ReadError, Sink};
use crate::limits::Limits;
use crate::retention::Retention;
use answers::Answer;
use committer::{Committer, Ticket};
use open_log::OpenLog;
use prometheus_client::metrics::histogram::Histogram;
use reads::Reads;
use room::Room;
use stats::WriterStats;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tidings_hub::{Epoch, History, Read, Seq, TopicName};
use tidings_log::{Append, Desk, Dir, Entry, Handle, KeySeen, Opened, Options, Stats, Submitted};

/// An append that a thread may write by itself: what takes longer to write than to sync is the writer thread's.
const SMALL_BYTES: usize = 16 << 10;
/// A record's fields beside topics and body, for the bound on what waits; near enough.
const EVENT_OVERHEAD_BYTES: usize = 128;

/// What an engine is opened with.
#[derive(Debug)]
pub struct EngineParts<'a> {
    /// Where the log lies.
    pub dir: Arc<dyn Dir>,
    /// What is kept.
    pub retention: &'a Retention,
    /// The table of limits.
    pub limits: &'a Limits,
    /// The time, in milliseconds since 1970.
    pub clock: fn() -> u64,
}

/// An idempotency key that an earlier process stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The key.
    pub key: Key,
    /// Its event.
    pub seq: Seq,
    /// How long ago that was stored.
    pub ago: Duration,
}

/// All history on this machine's disk.
pub struct EmbeddedEngine {
    log: Arc<OpenLog>,
    epoch: Epoch,
    retention: Retention,
    clock: fn() -> u64,
    found: Vec<String>,
    torn_bytes: usize,
    room: Room,
    reads: Reads,
    stats: Arc<WriterStats>,
    stage: Mutex<Stage>,
}

/// How far the writer is in its life.
enum Stage {
    /// The log is open; what belongs to its threads waits for them.
    Opened(Box<Opened>),
    Running(Handle<Ticket>),
    Closed,
}

impl EmbeddedEngine {
    /// Opens the log, or begins one where there is none. Nothing is written before [`Engine::start`].
    ///
    /// # Errors
    /// Another process has it, it is of a newer format, or the storage fails.
    pub fn open(parts: EngineParts<'_>) -> Result<Self, OpenError> {
        let EngineParts { dir, retention, limits, clock } = parts;
        let opened = tidings_log::open(dir, options(retention, limits, clock()))?;
        let log = Arc::new(OpenLog::new(opened.log.clone()));
        let epoch = std::str::from_utf8(&opened.log.epoch()).ok().and_then(|epoch| epoch.parse().ok());
        Ok(EmbeddedEngine {
            epoch: epoch.expect("a log's epoch is eight letters and digits"),
            found: found::lines(&opened.found, &opened.log.stats()),
            torn_bytes: usize::try_from(opened.found.torn.map_or(0, |torn| torn.bytes)).unwrap_or(usize::MAX),
            room: Room::new(limits),
            reads: Reads::new(Arc::clone(&log), clock, limits),
            stats: WriterStats::new(),
            retention: retention.clone(),
            stage: Mutex::new(Stage::Opened(Box::new(opened))),
            log,
            clock,
        })
    }

    /// What was found when the log was opened, a line each.
    pub fn found(&self) -> &[String] {
        &self.found
    }

    /// The idempotency keys of the last `age`, at most `max`, oldest first.
    ///
    /// # Errors
    /// The storage refused to be read.
    pub fn keys(&self, age: Duration, max: usize) -> Result<Vec<StoredKey>, ReadError> {
        let now = (self.clock)();
        let since = now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let log = self.log.get().ok_or(ReadError::Stopped)?;
        let seen = log.keys(since, max).map_err(|tidings_log::ReadError::Storage| ReadError::Storage)?;
        let stored = |seen: &KeySeen| StoredKey {
            key: Key { id: seen.key.id, body: seen.key.body },
            seq: Seq(seen.seq),
            ago: Duration::from_millis(now.saturating_sub(seen.time)),
        };
        Ok(seen.iter().rev().map(stored).collect())
    }

    /// The log's numbers.
    pub(crate) fn log_stats(&self) -> Stats {
        self.log.get().map(|log| log.stats()).unwrap_or_default()
    }

    /// The writer's numbers.
    pub(crate) fn writer_counts(&self) -> WriterCounts {
        self.stats.counts(self.room.waits())
    }

    /// How long the first append of each group waited for its answer, in seconds.
    pub(crate) fn commit_seconds(&self) -> Histogram {
        self.stats.commit_seconds()
    }

    /// Bytes of an unfinished batch that were cut off when the log was opened.
    pub(crate) fn torn_bytes(&self) -> usize {
        self.torn_bytes
    }

    /// Whether the log has failed.
    pub(crate) fn is_failed(&self) -> bool {
        self.log.has_failed()
    }

    /// Reads made, readers who joined another's, events that could not be read.
    pub(crate) fn read_counts(&self) -> [u64; 3] {
        self.reads.counts()
    }

    /// Writes what waits, seals the log and gives the directory back, once the reads under way have ended. Blocks until it is written.
    /// Nothing is appended and nothing new is read any more.
    ///
    /// # Errors
    /// What was written is safe; sealing it failed, and the next open takes longer.
    pub fn close(&self) -> io::Result<()> {
        // Not under the lock: who appends meanwhile is refused at once.
        let stage = std::mem::replace(&mut *self.stage(), Stage::Closed);
        let closed = match stage {
            Stage::Running(handle) => handle.close(),
            Stage::Opened(opened) => opened.writer.close(),
            Stage::Closed => Ok(()),
        };
        self.log.close();
        closed
    }

    async fn append_queued(&self, mut drafts: Vec<Draft>) -> Answer {
        debug_assert!(!drafts.is_empty(), "an append has at least one event");
        for draft in &mut drafts {
            draft.durable &= self.retention.is_durable(draft.topics.own());
        }
        let bytes = drafts.iter().map(weight).sum();
        let held = self.room.take(bytes).await;
        let entries = drafts.iter().filter(|draft| draft.durable).map(entry).collect();
        let (reply, waiting) = answers::channel();
        let ticket = Ticket::Events { drafts, reply, held, since: Instant::now() };
        if bytes > SMALL_BYTES {
            self.submit(entries, ticket)?;
        } else if let Some(settling) = self.leave(entries, ticket)? {
            // This thread first does what else there is to do: others may publish with the same turn.
            tokio::task::yield_now().await;
            drop(settling);
        }
        waiting.answer().await
    }

    async fn delete_queued(&self, topic: TopicName) -> Result<(), AppendError> {
        let (reply, waiting) = answers::channel();
        let entries = vec![Entry::Drop { topic: Some(topic.shared()), to: None }];
        self.submit(entries, Ticket::Deletion { topic, reply })?;
        waiting.answer().await.map(drop)
    }

    fn submit(&self, entries: Vec<Entry>, ticket: Ticket) -> Result<(), AppendError> {
        match &*self.stage() {
            Stage::Running(handle) => {
                self.stats.submitted();
                let is_taken = handle.submit(Append { at: None, entries }, ticket);
                assert!(is_taken, "a log that runs is not being closed: that takes the handle");
                Ok(())
            }
            Stage::Opened(_) | Stage::Closed => Err(AppendError::Stopped),
        }
    }

    /// Leaves a small append to whoever is next at the log. That is the caller, if something is answered: he takes his turn when he drops it.
    fn leave(&self, entries: Vec<Entry>, ticket: Ticket) -> Result<Option<Settling>, AppendError> {
        match &*self.stage() {
            Stage::Running(handle) => {
                self.stats.submitted();
                match handle.leave(Append { at: None, entries }, ticket) {
                    Submitted::Taken => Ok(None),
                    Submitted::Left => Ok(Some(Settling(handle.desk()))),
                    Submitted::Refused => unreachable!("a log that runs is not being closed: that takes the handle"),
                }
            }
            Stage::Opened(_) | Stage::Closed => Err(AppendError::Stopped),
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().expect("nobody panics while holding the stage")
    }
}

/// What was left at the log is seen to when this is dropped, also when its publisher goes away meanwhile.
struct Settling(Desk<Ticket>);

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.settle();
    }
}

impl Engine for EmbeddedEngine {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn head(&self) -> Seq {
        Seq(self.log.head())
    }

    fn start(&self, sink: Box<dyn Sink>) -> io::Result<()> {
        let mut stage = self.stage();
        let Stage::Opened(opened) = std::mem::replace(&mut *stage, Stage::Closed) else {
            unreachable!("an engine is started once");
        };
        let (reads, stats) = (self.reads.clone(), self.stats.clone());
        let mut committer = Committer { sink, log: opened.log.clone(), reads, stats, clock: self.clock };
        let handle = tidings_log::spawn(*opened, self.clock, move |group| committer.commit(group))?;
        *stage = Stage::Running(handle);
        Ok(())
    }

    fn append(&self, drafts: Vec<Draft>) -> EngineFuture<'_, Answer> {
        Box::pin(self.append_queued(drafts))
    }

    fn delete(&self, topic: TopicName) -> EngineFuture<'_, Result<(), AppendError>> {
        Box::pin(self.delete_queued(topic))
    }

    fn health(&self) -> Health {
        let has_failed = self.is_failed();
        Health { has_failed, is_full: !has_failed && self.stats.is_full(), stalled: self.stats.stalled() }
    }

    fn read(&self, read: Read) -> EngineFuture<'_, Result<History, ReadError>> {
        debug_assert!(read.events_max > 0, "a read that takes nothing never ends");
        Box::pin(self.reads.read(read))
    }
}

/// How the log is opened. Seeds are drawn here: who makes a new history, or chooses topics, cannot know them.
fn options(retention: &Retention, limits: &Limits, now: u64) -> Options {
    Options {
        segment_bytes: Limits::segment_bytes(retention.bytes),
        batch_bytes_max: limits.log_batch_bytes_max,
        topics_max: limits.topics_max,
        retention: retention.for_log(),
        name: fastrand::u64(..),
        secret: fastrand::u64(..),
        hash_seed: fastrand::u64(..),
        now,
    }
}

fn weight(draft: &Draft) -> usize {
    let topics: usize = draft.topics.iter().map(|topic| topic.as_str().len()).sum();
    EVENT_OVERHEAD_BYTES + topics + draft.content.bytes().len()
}

fn entry(draft: &Draft) -> Entry {
    Entry::Event(tidings_log::Draft {
        topics: draft.topics.iter().map(TopicName::shared).collect(),
        body: body::encode(draft.event_type.as_ref(), &draft.content),
        key: draft.key.map(|Key { id, body }| tidings_log::Key { id, body }),
        expires: draft.expires.map(|expires| u64::try_from(expires.0).unwrap_or(0)),
    })
}

impl std::fmt::Debug for EmbeddedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedEngine").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
