//! What a campaign came through: a state that no run reached is a test that does not test it.

use std::fmt;

/// How often each was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Steps made.
    pub steps: u64,
    /// Events received.
    pub events: u64,
    /// Subscriptions that opened at the head.
    pub live: u64,
    /// Events sent from the tail behind its newest batch.
    pub tail: u64,
    /// Reads of history answered.
    pub cold: u64,
    /// Subscriptions ahead of their node that opened without a gap.
    pub parked: u64,
    /// Streams that were told their end.
    pub ending: u64,
    /// Gaps by reason.
    pub expired: u64,
    /// See [`Seen::expired`].
    pub unknown: u64,
    /// See [`Seen::expired`].
    pub lagged: u64,
    /// Streams reset inside a frame or without room.
    pub reset: u64,
    /// Steps after which a frame was held beyond the tail.
    pub held: u64,
    /// Times a shard was told to let go of what it holds, because a topic was deleted.
    pub deletions: u64,
    /// Events that had expired when they were heard.
    pub late: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Heartbeats.
    pub heartbeats: u64,
}

impl Seen {
    fn all(&self) -> [(&'static str, u64); 16] {
        [
            ("steps", self.steps),
            ("events", self.events),
            ("live", self.live),
            ("tail", self.tail),
            ("cold", self.cold),
            ("parked", self.parked),
            ("ending", self.ending),
            ("expired", self.expired),
            ("unknown", self.unknown),
            ("lagged", self.lagged),
            ("reset", self.reset),
            ("held", self.held),
            ("deletions", self.deletions),
            ("late", self.late),
            ("checkpoints", self.checkpoints),
            ("heartbeats", self.heartbeats),
        ]
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Seen) {
        self.steps += other.steps;
        self.events += other.events;
        self.live += other.live;
        self.tail += other.tail;
        self.cold += other.cold;
        self.parked += other.parked;
        self.ending += other.ending;
        self.expired += other.expired;
        self.unknown += other.unknown;
        self.lagged += other.lagged;
        self.reset += other.reset;
        self.held += other.held;
        self.deletions += other.deletions;
        self.late += other.late;
        self.checkpoints += other.checkpoints;
        self.heartbeats += other.heartbeats;
    }

    /// What was never reached.
    pub fn missing(&self) -> Vec<&'static str> {
        self.all().into_iter().filter(|(_, n)| *n == 0).map(|(name, _)| name).collect()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, n)) in self.all().iter().enumerate() {
            write!(f, "{}{name} {n}", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
