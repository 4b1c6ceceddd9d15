//! What a shard is told once: its bounds and its manners. The server's limits table is where each value is chosen.

use crate::{Epoch, Seq};
use std::time::Duration;

/// A shard's parameters. There is no default: the server's limits, or a test, says each one.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// The history whose ids are understood.
    pub epoch: Epoch,
    /// The newest stored event when the tail was empty.
    pub head: Seq,
    /// Seeds the jitter of retries, heartbeats, ages and drains.
    pub rng_seed: u64,
    /// Seeds the hash tables; drawn at random in the product, for topic names come from strangers.
    pub hash_seed: u64,
    /// Subscriptions for which room is reserved. More are taken all the same.
    pub subscriptions_max: usize,
    /// Bytes one subscription is offered in one turn; one frame comes in any case.
    pub turn_bytes_max: usize,
    /// Slices one subscription is offered in one turn (`writev` takes 1,024).
    pub turn_slices_max: usize,
    /// Positions looked at for one turn of a subscription that must search (patterns, filters).
    pub turn_scan_max: usize,
    /// Positions that a group of several topics or of patterns notes of what came for it lately. Beyond, its readers search.
    pub noted_max: usize,
    /// Bytes of half-sent frames held although the tail let go of them.
    pub held_bytes_max: usize,
    /// Bytes of encoded history pages alive; when half of it is used, a subscription that stalls gives its page back.
    pub replay_bytes_max: usize,
    /// Reads of history under way at once.
    pub fetches_max: usize,
    /// Events of one page of history.
    pub page_events_max: usize,
    /// Bytes of one page of history.
    pub page_bytes_max: usize,
    /// How long events may come faster than they go out before [`Shard::is_behind`](crate::Shard::is_behind) says so.
    pub debt_max: Duration,
    /// Silence after which a heartbeat is sent.
    pub heartbeat: Duration,
    /// Silence without an event after which the heartbeat is a checkpoint, if the log has moved on.
    pub checkpoint_after: Duration,
    /// The age at which a stream is ended, spread by a fifth to either side; none is no limit.
    pub max_age: Option<Duration>,
    /// How long a reader to whom something is to be sent may take nothing of it, before it is reset; told within a heartbeat's interval.
    pub stall_timeout: Duration,
    /// How long an ending stream may take for what is half sent.
    pub end_grace: Duration,
    /// The shortest `retry:` a stream opens with.
    pub retry_min: Duration,
    /// The longest.
    pub retry_max: Duration,
}
