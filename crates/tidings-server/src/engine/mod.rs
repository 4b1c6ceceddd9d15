//! Where the order of events is decided. The hub is fed by the [`Sink`] of [`Engine::start`] alone, in every engine: so a cluster
//! changes nothing above this line.

pub(crate) mod embedded;

pub use embedded::{EmbeddedEngine, EngineParts, OpenError, StoredKey};

use std::io;
use std::pin::Pin;
use std::time::Duration;
use tidings_hub::{Content, Epoch, Event, History, Read, Seq, TopicName, Topics, UnixMillis};
use tidings_wire::EventType;

/// A future that an engine returns.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An event before the engine has taken it: it has no number and no time yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its topics, the first its own.
    pub topics: Topics,
    /// Its type, if not the default.
    pub event_type: Option<EventType>,
    /// Its data.
    pub content: Content,
    /// Whether it is stored. An event that is not has no number and no id, and lives in the tail only.
    pub durable: bool,
    /// From when on nobody is given it.
    pub expires: Option<UnixMillis>,
    /// The idempotency key it is published with, to be found again after a restart.
    pub key: Option<Key>,
}

/// An idempotency key, and what was published with it: digests that cannot be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Whose key, on which topic, and which.
    pub id: [u8; 16],
    /// What was published.
    pub body: [u8; 16],
}

/// What an engine has decided, in its order.
#[derive(Clone, Debug)]
pub enum Commit {
    /// Events, at least one, in order.
    Events(Vec<Event>),
    /// A topic's history was deleted, up to its newest event so far.
    Deleted(TopicName),
}

/// Where commits become visible. An engine calls it on a thread of its own, never on the runtime's. No other thread stands between: a
/// hop would cost more than the work, and the engine's next commit gathers meanwhile.
pub trait Sink: Send {
    /// Makes a commit visible: when the call returns the tail and every shard have it. Blocks while a shard is so far behind that it
    /// takes nothing more.
    fn commit(&mut self, commit: Commit);

    /// Has what was committed delivered. Apart from the commit, for who is answered need not wait until other threads are awake: the
    /// engine answers in between.
    fn wake(&mut self);
}

/// Why an append was not taken. After [`AppendError::OutcomeUnknown`] alone it may be stored all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// There are as many stored topics as there may be.
    #[error("there are {max} topics already, and no more are taken")]
    TooManyTopics {
        /// The limit `topics_max`.
        max: usize,
    },
    /// It takes more room than one append may.
    #[error("an append takes at most {max} bytes on disk")]
    TooLarge {
        /// The limit `log_batch_bytes_max`, or less where little is kept.
        max: usize,
    },
    /// There is no room on the disk. There may be again.
    #[error("the disk is full")]
    NoSpace,
    /// The log failed under it: whether it is stored will be known after a restart.
    #[error("the log failed under it")]
    OutcomeUnknown,
    /// The log has failed earlier.
    #[error("the log has failed")]
    Failed,
    /// The engine has stopped.
    #[error("the server is stopping")]
    Stopped,
}

/// Why history could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The disk refused to be read.
    #[error("the storage could not be read")]
    Storage,
    /// The engine has stopped.
    #[error("the server is stopping")]
    Stopped,
}

/// How an engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// It has failed: nothing is appended any more, and history is still read.
    pub has_failed: bool,
    /// There is no room to append: history is read, and appending goes on by itself when there is room.
    pub is_full: bool,
    /// How long appends have waited without one of them being answered.
    pub stalled: Duration,
}

/// An engine: appends, and says in one order what was appended.
pub trait Engine: std::fmt::Debug + Send + Sync + 'static {
    /// The history that the numbers belong to.
    fn epoch(&self) -> Epoch;

    /// The newest stored event.
    fn head(&self) -> Seq;

    /// Hands everything committed from now on to `sink`, in order. Called once, before the first append.
    ///
    /// # Errors
    /// A thread could not be started.
    fn start(&self, sink: Box<dyn Sink>) -> io::Result<()>;

    /// Commits the drafts, at least one, in their order and back to back, all or none, and answers their numbers in the same order
    /// (none where a draft is not stored). The answer comes when the sink has had them: who reads after it, sees them (invariant 6).
    /// Dropping the future gives up the answer, not the append.
    fn append(&self, drafts: Vec<Draft>) -> EngineFuture<'_, Result<Vec<Option<Seq>>, AppendError>>;

    /// Drops a topic's history, for good: what it holds when this is decided. The answer comes when nobody is given any of it any more.
    /// Dropping the future gives up the answer, not the deletion.
    fn delete(&self, topic: TopicName) -> EngineFuture<'_, Result<(), AppendError>>;

    /// How it is now.
    fn health(&self) -> Health;

    /// Reads history: a page of what was committed before the call, at the least.
    fn read(&self, read: Read) -> EngineFuture<'_, Result<History, ReadError>>;
}
