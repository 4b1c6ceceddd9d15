//! A shard: subscriptions, their cursors, and what each is sent next.
//!
//! A machine without I/O. The world tells it things (`handle_*`), the application asks (`subscribe`, `drain`), and it answers what
//! it wants done (`poll_*`). After any call, poll until nothing is left, in any order:
//!
//! - [`Shard::poll_transmit`]: bytes for one subscription; answered by [`Shard::handle_wrote`] before anything else is called;
//! - [`Shard::poll_fetch`]: a read of history; answered by [`Shard::handle_history`] some time;
//! - [`Shard::poll_opened`]: a subscription's start is known, and with it what its response head says;
//! - [`Shard::poll_close`]: a stream is to be ended; the subscription is gone already;
//! - [`Shard::poll_timeout`]: when to call [`Shard::handle_timeout`] at the latest.
//!
//! Shards share nothing that changes: each is fed the same batches.

mod advance;
mod cold;
mod config;
mod counters;
mod deliver;
mod fetches;
mod groups;
mod held;
mod noted;
mod owed;
mod page;
mod ring;
mod run;
mod search;
mod settle;
mod subscribe;
mod subscription;
mod timers;
mod topics;
mod trie;
mod wheel;
mod window;

pub use cold::HistoryError;
pub use config::ShardConfig;
pub use counters::{Counters, Holdings};
pub use deliver::Transmit;
pub use fetches::FetchId;
pub use subscription::{Spec, SubscriberId};

use crate::{GapReason, Pos, Time, UnixMillis};
use deliver::Offer;
use fetches::Fetches;
use groups::{GroupKey, Groups};
use held::Held;
use ring::{Lane, Ring};
use run::{Expiry, Run};
use slab::Slab;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use subscription::Subscription;
use topics::Topics;
use wheel::Wheel;
use window::Window;

/// See the module's text.
#[derive(Debug)]
pub struct Shard {
    config: ShardConfig,
    rng: fastrand::Rng,
    now: Time,
    wall: UnixMillis,
    window: Window,
    topics: Topics,
    groups: Groups,
    subscriptions: Slab<Subscription>,
    /// How often each slot of the table was given away.
    generation: u32,
    /// Who has something to be sent, and a transport that takes it.
    ready: Ring,
    /// How many have transports that take nothing for now.
    blocked: usize,
    /// Bytes that an offer brought out, lately.
    usual_bytes: usize,
    /// What was offered last and is not yet answered.
    offer: Option<Offer>,
    /// The run built last: members of a group stand behind each other in the ring, mostly at one place.
    run: Option<(GroupKey, Pos, Expiry, Arc<Run>)>,
    /// Subscriptions that wait for the tail to pass a number.
    parked: BTreeSet<(crate::Seq, u32)>,
    held: Held,
    fetches: Fetches,
    wheel: Wheel,
    opened: VecDeque<(SubscriberId, Option<GapReason>)>,
    closes: VecDeque<(SubscriberId, Close)>,
    counters: Counters,
}

/// How a stream is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// At an event boundary: everything that was offered has been taken.
    Clean,
    /// Inside a frame: without the last chunk, so that the client discards the unfinished block.
    Reset,
}

/// While offers are smaller, a send costs more than its bytes: who is behind catches up by being sent more at once, and to hold publishers
/// would keep that from happening.
const LARGE_BYTES: usize = 4 << 10;
/// The newest offer's share in what is usual.
const SHARE: usize = 16;

impl Shard {
    /// A shard without subscriptions whose tail is empty. For `now` and `wall` see [`Shard::handle_timeout`].
    pub fn new(config: ShardConfig, now: Time, wall: UnixMillis) -> Self {
        let seed = config.hash_seed;
        let mut shard = Shard {
            rng: fastrand::Rng::with_seed(config.rng_seed),
            now,
            wall,
            window: Window::new(config.head),
            topics: Topics::new(seed),
            groups: Groups::new(seed),
            // Reserved whole: pages that nobody uses cost nothing, and a table that grows by moving costs twice.
            subscriptions: Slab::with_capacity(config.subscriptions_max),
            generation: 0,
            ready: Ring::with_capacity(config.subscriptions_max),
            blocked: 0,
            usual_bytes: 0,
            offer: None,
            run: None,
            parked: BTreeSet::new(),
            held: Held::default(),
            fetches: Fetches::new(seed),
            wheel: Wheel::new(),
            opened: VecDeque::new(),
            closes: VecDeque::new(),
            counters: Counters::default(),
            config,
        };
        shard.handle_timeout(now, wall);
        shard
    }

    /// A subscription's start is known: nothing was missed, or the reason why something was.
    pub fn poll_opened(&mut self) -> Option<(SubscriberId, Option<GapReason>)> {
        self.opened.pop_front()
    }

    /// A stream to be ended.
    pub fn poll_close(&mut self) -> Option<(SubscriberId, Close)> {
        self.closes.pop_front()
    }

    /// What it has counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What it holds now.
    pub fn holdings(&self) -> Holdings {
        Holdings {
            subscriptions: self.subscriptions.len(),
            groups: self.groups.len(),
            topics: self.topics.len(),
            held_bytes: self.held.bytes(),
            replay_bytes: self.fetches.gauge.get(),
            fetches: self.fetches.outstanding(),
            ready: self.ready.len(),
            blocked: self.blocked,
        }
    }

    /// Bytes of the tail held beyond it for one subscription: the rest of a half-sent frame and what waits before it.
    pub fn held_for(&self, id: SubscriberId) -> usize {
        let Some(index) = self.find(id) else { return 0 };
        let sub = &self.subscriptions[index as usize];
        let Some(owed) = sub.debt.get() else { return 0 };
        let partial = owed.partial.as_ref().map_or(0, |p| p.frame.len());
        partial + owed.control.iter().map(bytes::Bytes::len).sum::<usize>()
    }

    /// Whether a subscription has a turn ahead.
    pub fn is_ready(&self, id: SubscriberId) -> bool {
        self.find(id).is_some_and(|index| self.subscriptions[index as usize].queued)
    }

    /// Whether publishers should wait: for longer than `debt_max` there have always been subscribers who were at the head, whose transports
    /// take bytes, and whose turn was still to come, and offers are large already. Who is blocked or reads history does not count.
    pub fn is_behind(&self) -> bool {
        self.usual_bytes >= LARGE_BYTES && self.ready.overload(self.now) > self.config.debt_max
    }

    fn find(&self, id: SubscriberId) -> Option<u32> {
        let sub = self.subscriptions.get(id.index() as usize)?;
        (sub.generation == id.generation()).then_some(id.index())
    }

    fn id_of(&self, index: u32) -> SubscriberId {
        SubscriberId::new(index, self.subscriptions[index as usize].generation)
    }

    /// Puts a subscription that has work into the ready ring, unless it stands there or its transport takes nothing.
    fn make_ready(&mut self, index: u32) {
        let sub = &mut self.subscriptions[index as usize];
        if !sub.queued && !sub.blocked && sub.has_work() {
            sub.queued = true;
            // Who reads on does so beside all of its group; who is told something, beside nobody.
            let lane = if sub.debt.is_flushed() { self.groups.get(sub.group).lane() } else { Lane::Few };
            self.ready.push(index, lane);
        }
    }
}
