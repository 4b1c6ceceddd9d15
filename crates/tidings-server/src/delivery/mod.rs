//! From the engine's order to the sockets: the pump owns the tail, each shard has a thread of its own, and a subscription's bytes
//! reach its response through a slot.

mod mailbox;
mod places;
mod pump;
mod shard;
mod slot;
mod stats;

pub use pump::TailStats;
pub use slot::{StreamBody, StreamReset};
pub use stats::{ShardStats, Snapshot};

use crate::engine::Engine;
use crate::limits::Limits;
use mailbox::{Mailbox, Subscribed, Word};
use pump::Pump;
use slot::{Slot, SlotGauge};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidings_hub::{GapReason, ResumePoint, Spec, Tail};

/// How long a response head waits to say whether something is missing. The stream says it too, later if need be.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(1);

/// A subscription that was taken: what its response head says, and its body.
#[derive(Debug)]
pub struct Subscription {
    /// What is missing where it starts, for the `tidings-gap` header; told in the stream too.
    pub gap: Option<GapReason>,
    /// The body.
    pub body: StreamBody,
}

/// Why a subscription was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many as are taken are there.
    Overload,
    /// The server is stopping.
    Drain,
}

/// The delivery side, as everyone else sees it.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    mailboxes: Vec<Mailbox>,
    /// Spreads subscriptions over shards by count.
    next: AtomicUsize,
    subscribers: Arc<AtomicUsize>,
    subscribers_max: usize,
    draining: AtomicBool,
    slots: SlotGauge,
    shards: Vec<Arc<ShardStats>>,
    tail: Arc<TailStats>,
    started: Instant,
}

/// A place among the subscribers, given back when the body goes.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Delivery {
    /// Starts one shard, and the engine with the pump as its sink. Called once an engine, before anything is appended.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(engine: &Arc<dyn Engine>, limits: &Limits) -> std::io::Result<Delivery> {
        let (epoch, head) = (engine.epoch(), engine.head());
        let shard_stats = Arc::new(ShardStats::default());
        let config = limits.shard_config(epoch, head, fastrand::u64(..), fastrand::u64(..));
        let mailboxes = vec![shard::start(0, config, engine.clone(), shard_stats.clone())?];
        let tail = Tail::new(epoch, head, limits.tail_bytes_max);
        let stats = Arc::new(TailStats::default());
        engine.start(Box::new(Pump { tail, mailboxes: mailboxes.clone(), stats: stats.clone() }))?;
        Ok(Delivery(Arc::new(Inner {
            mailboxes,
            next: AtomicUsize::new(0),
            subscribers: Arc::default(),
            subscribers_max: limits.subscribers_max,
            draining: AtomicBool::new(false),
            slots: SlotGauge::default(),
            shards: vec![shard_stats],
            tail: stats,
            started: Instant::now(),
        })))
    }

    /// Adds a subscription. Answers when its start is known, or after a second without.
    ///
    /// # Errors
    /// The server takes no more, or none any more.
    pub async fn subscribe(&self, spec: Spec, resume: ResumePoint) -> Result<Subscription, Refused> {
        let inner = &self.0;
        if inner.draining.load(Ordering::Relaxed) {
            return Err(Refused::Drain);
        }
        let place = Place(inner.subscribers.clone());
        if inner.subscribers.fetch_add(1, Ordering::Relaxed) >= inner.subscribers_max {
            return Err(Refused::Overload);
        }
        let mailbox = &inner.mailboxes[inner.next.fetch_add(1, Ordering::Relaxed) % inner.mailboxes.len()];
        let slot = Arc::new(Slot::new(inner.slots.clone()));
        let Subscribed { id, opened } = mailbox.subscribe(spec, resume, slot.clone()).await.ok_or(Refused::Drain)?;
        // From here on dropping the body ends the subscription, also when the client goes while its head waits.
        let body = StreamBody::new(slot, id, mailbox.clone(), place);
        let gap = tokio::time::timeout(HEAD_WAIT_MAX, opened).await.ok().and_then(Result::ok).flatten();
        Ok(Subscription { gap, body })
    }

    /// Takes no further subscription and ends those that are there, each at some moment of the next `spread`.
    pub fn drain(&self, spread: Duration) {
        for mailbox in &self.0.mailboxes {
            mailbox.send(Word::Drain(spread));
        }
    }

    /// From now on a subscription is refused.
    pub fn refuse(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Subscriptions whose bodies are alive.
    pub fn subscribers(&self) -> usize {
        self.0.subscribers.load(Ordering::Relaxed)
    }

    /// Bytes in slots: taken from the hub, not yet by hyper.
    pub fn slot_bytes(&self) -> usize {
        self.0.slots.get()
    }

    /// The numbers of every shard.
    pub fn shards(&self) -> Vec<Snapshot> {
        self.0.shards.iter().map(|stats| stats.get()).collect()
    }

    /// The tail's numbers.
    pub fn tail(&self) -> &TailStats {
        &self.0.tail
    }

    /// How long ago the slowest shard turned. It turns at least once a second.
    pub fn stalled_for(&self) -> Duration {
        let now = self.0.started.elapsed();
        let oldest = self.0.shards.iter().map(|stats| stats.get().turned).min().unwrap_or(now);
        now.saturating_sub(oldest)
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("subscribers", &self.subscribers()).finish_non_exhaustive()
    }
}
