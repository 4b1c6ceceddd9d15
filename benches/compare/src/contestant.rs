//! Who is measured.

use std::fmt;

/// A server that can be started, subscribed to and published on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    Tidings,
    /// Tidings with a rule that stores nothing, as most peers do.
    InMemory,
    /// `rig floor`: the least that one write an event and socket can cost.
    Floor,
    /// Durable Streams, with its write-ahead log and syncs, as it comes.
    DurableStreams,
    /// nginx with nchan, in memory.
    Nchan,
    /// `peers/node.mjs`, in memory.
    Node,
    /// `peers/axum.rs`, in memory.
    Axum,
}

impl Contestant {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tidings => "Tidings",
            Self::InMemory => "Tidings, not stored",
            Self::Floor => "floor",
            Self::DurableStreams => "DS",
            Self::Nchan => "nchan",
            Self::Node => "Node",
            Self::Axum => "axum",
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
