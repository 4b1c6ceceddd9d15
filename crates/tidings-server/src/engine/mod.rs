//! Where the order of events is decided. The hub is fed by [`Engine::tail`] alone, in every engine: so a cluster changes nothing
//! above this line.

mod memory;

pub use memory::MemoryEngine;

use std::pin::Pin;
use std::sync::Arc;
use tidings_hub::{Content, Epoch, Event, History, Read, Seq, Topics};
use tidings_wire::EventType;
use tokio::sync::mpsc;

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
}

/// What the engine made of the drafts of one append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipts {
    /// The number of the commit they were in: once the tail has it, everybody sees them.
    pub commit: u64,
    /// The events' numbers, in the drafts' order.
    pub seqs: Vec<Option<Seq>>,
}

/// The events that one commit made visible, in order.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Counts commits in this process, from 1, without a hole.
    pub number: u64,
    /// At least one.
    pub events: Vec<Arc<Event>>,
}

/// Why nothing of an append was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// There are as many stored topics as there may be.
    #[error("there are {max} topics already, and no more are taken")]
    TooManyTopics {
        /// The limit `topics_max`.
        max: usize,
    },
    /// The engine has stopped.
    #[error("the server is stopping")]
    Stopped,
}

/// Why history could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The engine has stopped.
    #[error("the server is stopping")]
    Stopped,
}

/// An engine: appends, and says in one order what was appended.
pub trait Engine: std::fmt::Debug + Send + Sync + 'static {
    /// The history that the numbers belong to.
    fn epoch(&self) -> Epoch;

    /// The newest stored event.
    fn head(&self) -> Seq;

    /// Commits the drafts, in their order and back to back, all or none.
    fn append(&self, drafts: Vec<Draft>) -> EngineFuture<'_, Result<Receipts, AppendError>>;

    /// Everything committed from now on, in order. Called once, before the first append.
    fn tail(&self) -> mpsc::Receiver<Commit>;

    /// Reads history: a page of what was committed before the call, at the least.
    fn read(&self, read: Read) -> EngineFuture<'_, Result<History, ReadError>>;
}
