//! What a shard counts: everything it sends, and everything it drops.

/// Plain numbers, owned by the shard; the driver publishes a copy now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Event frames taken by transports, whole.
    pub delivered: u64,
    /// Bytes taken by transports.
    pub bytes: u64,
    /// Gaps told, by reason.
    pub gaps_expired: u64,
    /// See [`Counters::gaps_expired`].
    pub gaps_unknown: u64,
    /// See [`Counters::gaps_expired`].
    pub gaps_lagged: u64,
    /// Heartbeats, checkpoints among them.
    pub heartbeats: u64,
    /// Streams ended at an event boundary.
    pub ended: u64,
    /// Streams reset: an ending that found no room within its grace.
    pub reset_grace: u64,
    /// Streams reset because nothing of what waited for them was taken for too long.
    pub reset_stalled: u64,
    /// Streams reset because the frames held beyond the tail reached their bound.
    pub reset_held: u64,
    /// Streams reset because history could not be read.
    pub reset_history: u64,
    /// Subscriptions visited because a batch has an event of theirs, and topics looked through for a new pattern: the work that
    /// must grow with matches, not with all there are.
    pub visited: u64,
    /// Positions of the tail looked at for what is sent next, and topics asked for theirs: the same for a reader of many topics as for one
    /// of a single topic, as long as both keep up.
    pub looked: u64,
    /// Reads of history answered.
    pub fetched: u64,
}

/// How much a shard holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Subscriptions.
    pub subscriptions: usize,
    /// Groups of equal subscriptions.
    pub groups: usize,
    /// Topics with events in the tail, or named by somebody.
    pub topics: usize,
    /// Bytes of half-sent frames held beyond the tail.
    pub held_bytes: usize,
    /// Bytes of encoded history alive.
    pub replay_bytes: usize,
    /// Reads of history asked for and not answered.
    pub fetches: usize,
    /// Subscriptions ready to be served.
    pub ready: usize,
    /// Subscriptions that something waits for, and whose transports take nothing for now.
    pub blocked: usize,
}
