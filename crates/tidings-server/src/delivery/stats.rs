//! What a shard's thread lets others see: its counters, its holdings, and when it last turned.

use super::sockets::Closed;
use std::sync::Mutex;
use std::time::Duration;
use tidings_hub::{Counters, Holdings, Shard};

/// A copy of a shard's numbers, made once a turn.
#[derive(Debug, Default)]
pub struct ShardStats(Mutex<Snapshot>);

/// One shard's numbers at its last turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    /// What it has counted.
    pub counters: Counters,
    /// What it holds.
    pub holdings: Holdings,
    /// What became of its sockets.
    pub closed: Closed,
    /// When that was, since the shards started.
    pub turned: Duration,
}

impl ShardStats {
    pub(super) fn publish(&self, shard: &Shard, closed: Closed, turned: Duration) {
        let snapshot = Snapshot { counters: shard.counters(), holdings: shard.holdings(), closed, turned };
        *self.0.lock().expect("nobody panics while holding a snapshot") = snapshot;
    }

    /// The numbers.
    pub fn get(&self) -> Snapshot {
        *self.0.lock().expect("nobody panics while holding a snapshot")
    }
}
