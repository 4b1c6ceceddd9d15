//! From the engine's order to the sockets: the pump owns the tail, and each shard has a thread of its own. Bytes go out on sockets that
//! hyper has given back; where hyper keeps the connection they reach its response through a slot.

mod gate;
mod head;
mod mailbox;
mod pace;
mod places;
mod pump;
mod room;
mod shard;
mod slot;
mod socket;
mod sockets;
mod stats;
mod subscribing;
mod sync;
mod taken;
mod waits;

pub(crate) use gate::Gate;
pub(crate) use head::{Head, TIDINGS_GAP};
pub use pump::TailStats;
pub(crate) use room::{Place, Room};
pub use slot::{StreamBody, StreamReset};
pub use sockets::Closed;
pub use stats::{ShardStats, Snapshot};
pub use subscribing::Subscribing;
pub(crate) use taken::Taken;

use crate::engine::Engine;
use crate::limits::Limits;
use mailbox::{Mailbox, Subscribed, Word};
use pump::Pump;
use shard::ShardParts;
use slot::{Slot, SlotGauge};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidings_hub::{GapReason, ResumePoint, Spec, Tail};
use tokio::sync::Semaphore;

/// How long a response head waits to say whether something is missing. The stream says it too, later if need be.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(1);

/// A subscription that goes out through hyper: what its response head says, and its body.
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

/// Half as many as there are cores: front threads and the log's writer have the others.
pub(crate) fn shards_that_fit() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

/// The delivery side, as everyone else sees it.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    mailboxes: Vec<Mailbox>,
    /// Spreads subscriptions over shards by count.
    next: AtomicUsize,
    room: Room,
    draining: AtomicBool,
    slots: SlotGauge,
    shards: Vec<Arc<ShardStats>>,
    tail: Arc<TailStats>,
    gate: Gate,
    started: Instant,
}

impl Delivery {
    /// Starts so many shards, and the engine with the pump as its sink. Called once an engine, before anything is appended. Of a socket that
    /// is taken and ends, its permit goes back to `connections`.
    ///
    /// # Errors
    /// A thread could not be started, or has no poller.
    pub fn start(
        engine: &Arc<dyn Engine>,
        limits: &Limits,
        shards: NonZeroUsize,
        connections: &Arc<Semaphore>,
    ) -> std::io::Result<Delivery> {
        let (epoch, head) = (engine.epoch(), engine.head());
        let room = Room::new(limits.subscribers_max);
        let shards: Vec<Arc<ShardStats>> = (0..shards.get()).map(|_| Arc::default()).collect();
        let gate = Gate::default();
        let start = |(index, stats): (usize, &Arc<ShardStats>)| {
            let parts = ShardParts {
                config: limits.shard_config(epoch, head, fastrand::u64(..), fastrand::u64(..)),
                engine: engine.clone(),
                stats: stats.clone(),
                room: room.clone(),
                connections: connections.clone(),
                heard_bytes_max: limits.heard_bytes_max,
                latch: gate.latch(),
            };
            shard::start(index, parts)
        };
        let mailboxes: Vec<Mailbox> = shards.iter().enumerate().map(start).collect::<std::io::Result<_>>()?;
        let tail = Tail::new(epoch, head, limits.tail_bytes_max);
        let tail_stats = Arc::new(TailStats::default());
        engine.start(Box::new(Pump { tail, mailboxes: mailboxes.clone(), stats: tail_stats.clone() }))?;
        Ok(Delivery(Arc::new(Inner {
            mailboxes,
            next: AtomicUsize::new(0),
            room,
            draining: AtomicBool::new(false),
            slots: SlotGauge::default(),
            shards,
            tail: tail_stats,
            gate,
            started: Instant::now(),
        })))
    }

    /// Lets a subscription in, and keeps its place. Its transport begins it.
    ///
    /// # Errors
    /// The server takes no more, or none any more.
    pub fn admit(&self, spec: Spec, resume: ResumePoint) -> Result<Subscribing, Refused> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Err(Refused::Drain);
        }
        let place = self.0.room.enter().ok_or(Refused::Overload)?;
        Ok(Subscribing { spec, resume, place, guard: None })
    }

    /// Begins a subscription whose bytes go out through hyper. Answers when its start is known, or after a second without.
    pub async fn subscribe(&self, subscribing: Subscribing) -> Subscription {
        let Subscribing { spec, resume, place, guard } = subscribing;
        let mailbox = self.next_mailbox();
        let slot = Arc::new(Slot::new(self.0.slots.clone()));
        let Subscribed { id, opened } = mailbox.subscribe(spec, resume, slot.clone()).await;
        // From here on dropping the body ends the subscription, also when the client goes while its head waits.
        let body = StreamBody::new(slot, id, mailbox.clone(), place, guard);
        let gap = tokio::time::timeout(HEAD_WAIT_MAX, opened).await.ok().and_then(Result::ok).flatten();
        Subscription { gap, body }
    }

    /// Begins a subscription on a socket of its own.
    pub(crate) fn take(&self, taken: Taken) {
        self.next_mailbox().send(Word::Take(Box::new(taken)));
    }

    fn next_mailbox(&self) -> &Mailbox {
        &self.0.mailboxes[self.0.next.fetch_add(1, Ordering::Relaxed) % self.0.mailboxes.len()]
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

    /// Subscriptions that were let in and have not ended.
    pub fn subscribers(&self) -> usize {
        self.0.room.taken()
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

    /// Where publishers wait while a shard is behind.
    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Publishes that waited there.
    pub fn publishes_held(&self) -> u64 {
        self.0.gate.waits()
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
