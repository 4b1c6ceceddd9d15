//! What a world is made of.

use std::time::Duration;
use tidings_hub::{Epoch, Seq, ShardConfig, Time};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many shards.
    pub shards: usize,
    /// The tail's bound.
    pub tail_bytes_max: usize,
    /// Every shard's bounds; epoch, head and seeds are filled in.
    pub shard: ShardConfig,
    /// Greatest step between two events' numbers.
    pub seq_step_max: u64,
    /// Whether history cuts pages short at random.
    pub cuts_pages: bool,
    /// Where the monotonic clock starts.
    pub start: Time,
}

impl WorldConfig {
    /// Three shards with the product's bounds and a tail of 1 MiB.
    pub fn new(seed: u64) -> Self {
        WorldConfig {
            seed,
            shards: 3,
            tail_bytes_max: 1 << 20,
            shard: shard_config(),
            seq_step_max: 1,
            cuts_pages: false,
            // Long after its origin, as in a process that has run for a while.
            start: Time::from_millis(1_000_000),
        }
    }
}

/// The bounds that the design names, for tests that are about something else.
pub fn shard_config() -> ShardConfig {
    ShardConfig {
        epoch: Epoch::from_random(1),
        head: Seq::START,
        rng_seed: 1,
        hash_seed: 1,
        subscriptions_max: 64,
        turn_bytes_max: 256 << 10,
        turn_slices_max: 1024,
        turn_scan_max: 4096,
        noted_max: 32,
        held_bytes_max: 32 << 20,
        replay_bytes_max: 32 << 20,
        fetches_max: 8,
        page_events_max: 1000,
        page_bytes_max: 1 << 20,
        debt_max: Duration::from_millis(50),
        heartbeat: Duration::from_secs(15),
        checkpoint_after: Duration::from_secs(60),
        max_age: None,
        // Tests stall their readers for longer than a server would wait.
        stall_timeout: Duration::from_secs(3_600),
        end_grace: Duration::from_secs(1),
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(3),
    }
}
