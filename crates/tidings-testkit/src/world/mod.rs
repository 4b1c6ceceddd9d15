//! One tail, several shards, an engine and their clients, on virtual time. After every step each client's bytes are compared with
//! the model.

mod acts;
mod checks;
mod config;
mod sub;

pub use config::{WorldConfig, shard_config};

use crate::Seen;
use crate::engine::{Draft, FakeEngine};
use crate::lane::Lane;
use crate::listener::Told;
use sub::Sub;
use tidings_hub::{Close, Counters, EventId, Holdings, Seq, Shard, ShardConfig, Tail, Time, UnixMillis};

/// Names a subscription of a world.
pub type SubKey = usize;

/// See the module's text.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    /// Decides what the world leaves to chance; tests draw from it too.
    pub rng: fastrand::Rng,
    now: Time,
    /// Grows by one with every call that changes something.
    step: u64,
    engine: FakeEngine,
    tail: Tail,
    lanes: Vec<Lane>,
    subs: Vec<Sub>,
    digest: u64,
    seen: Seen,
}

/// The wall clock's start: 2025-05-20T04:21:01.969Z, and it runs with the other one.
const WALL_START: i64 = 1_747_714_861_969;

impl World {
    /// A world with a single shard, for what is seen in one.
    pub fn of_one_shard() -> Self {
        World::new(WorldConfig { shards: 1, ..WorldConfig::new(1) })
    }

    /// A world without history.
    pub fn new(config: WorldConfig) -> Self {
        World::with_history(config, &[])
    }

    /// A world whose log holds these events before the tail begins.
    pub fn with_history(config: WorldConfig, history: &[Draft]) -> Self {
        let epoch = config.shard.epoch;
        let mut engine = FakeEngine::new(epoch, config.seed, config.seq_step_max, config.cuts_pages);
        for draft in history {
            engine.append(std::slice::from_ref(draft), UnixMillis(WALL_START));
        }
        engine.skip_to_end();
        let lane = |n: usize| {
            let seed = config.seed.wrapping_mul(31).wrapping_add(n as u64);
            let head = engine.head();
            let shard = ShardConfig { head, rng_seed: seed, hash_seed: seed, ..config.shard.clone() };
            Lane::new(Shard::new(shard, config.start, UnixMillis(WALL_START)), engine.records().len())
        };
        World {
            rng: fastrand::Rng::with_seed(config.seed),
            now: config.start,
            step: 0,
            tail: Tail::new(epoch, engine.head(), config.tail_bytes_max),
            lanes: (0..config.shards).map(lane).collect(),
            subs: Vec::new(),
            digest: 0xcbf2_9ce4_8422_2325,
            seen: Seen::default(),
            engine,
            config,
        }
    }

    // What is there.

    /// The engine, with everything that was published.
    pub fn engine(&self) -> &FakeEngine {
        &self.engine
    }

    /// The tail.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The wall clock's time.
    pub fn wall(&self) -> UnixMillis {
        let passed = self.now.millis() - self.config.start.millis();
        UnixMillis(WALL_START + i64::try_from(passed).expect("a test lasts no age"))
    }

    /// An id of this history.
    pub fn event_id(&self, seq: Seq) -> EventId {
        EventId { epoch: self.engine.epoch(), seq }
    }

    /// What a shard holds.
    pub fn holdings(&self, lane: usize) -> Holdings {
        self.lanes[lane].shard.holdings()
    }

    /// What a shard counted.
    pub fn counters(&self, lane: usize) -> Counters {
        self.lanes[lane].shard.counters()
    }

    /// When a shard wants to be told the time.
    pub fn next_timeout(&self, lane: usize) -> Option<Time> {
        self.lanes[lane].shard.poll_timeout()
    }

    /// What was reached so far.
    pub fn seen(&self) -> Seen {
        Seen { steps: self.step, ..self.seen }
    }

    /// A digest of every byte that every client was sent, and of how its stream ended.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many subscriptions there ever were.
    pub fn subscriptions(&self) -> usize {
        self.subs.len()
    }

    /// Whether the subscription is open on both sides.
    pub fn is_open(&self, sub: SubKey) -> bool {
        self.subs[sub].closed.is_none() && !self.subs[sub].gone
    }

    /// How the shard ended it, if it did.
    pub fn closed(&self, sub: SubKey) -> Option<Close> {
        self.subs[sub].closed
    }

    /// Everything its client heard.
    pub fn told(&self, sub: SubKey) -> &[Told] {
        &self.subs[sub].told
    }

    /// The places of the events its client heard.
    pub fn heard(&self, sub: SubKey) -> &[usize] {
        self.subs[sub].model.heard()
    }

    /// Whether its start is known.
    pub fn is_opened(&self, sub: SubKey) -> bool {
        self.subs[sub].model.is_opened()
    }

    /// Whether nothing is half told to its client.
    pub fn is_at_boundary(&self, sub: SubKey) -> bool {
        self.subs[sub].listener.is_at_boundary()
    }

    /// Bytes its shard holds for it beyond the tail.
    pub fn held_for(&self, sub: SubKey) -> usize {
        self.lanes[self.subs[sub].lane].shard.held_for(self.subs[sub].id)
    }

    /// Which shard it lives on.
    pub fn lane_of(&self, sub: SubKey) -> usize {
        self.subs[sub].lane
    }
}
