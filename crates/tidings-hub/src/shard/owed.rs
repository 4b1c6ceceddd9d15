//! What a subscription is owed beyond its events: a half-sent frame, control events, what it was told of drops. Most are owed nothing,
//! and they are many: so it stands beside the table, and goes when the last of it is sent.

use super::subscription::Partial;
use crate::Seq;
use bytes::Bytes;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Owed {
    /// A frame of which the transport took a part.
    pub(super) partial: Option<Partial>,
    /// Control events to be sent before anything else.
    pub(super) control: VecDeque<Bytes>,
    /// Memory-only events that left the tail unread; it will be told.
    pub(super) lost: u64,
    /// Which drops it was told of, as long as one of them may lie ahead of it.
    pub(super) told: Option<Told>,
}

/// What a page of history said of drops: all of them up to a version were told, or lay before what was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The version of drops when the engine looked.
    pub(super) version: u64,
    /// The newest stored event then. Whoever has passed it has passed every one of those drops, so the version says nothing more to it.
    pub(super) head: Seq,
}

impl Owed {
    fn is_nothing(&self) -> bool {
        self.is_flushed() && self.lost == 0 && self.told.is_none()
    }

    fn is_flushed(&self) -> bool {
        self.partial.is_none() && self.control.is_empty()
    }
}

/// Owed to one subscription: nothing, or what stands beside the table.
#[derive(Debug, Default)]
pub(super) struct Debt(Option<Box<Owed>>);

impl Debt {
    /// For what is added.
    pub(super) fn more(&mut self) -> &mut Owed {
        self.0.get_or_insert_default()
    }

    /// What there is, if there is any.
    pub(super) fn get(&self) -> Option<&Owed> {
        self.0.as_deref()
    }

    /// The same, to be paid.
    pub(super) fn get_mut(&mut self) -> Option<&mut Owed> {
        self.0.as_deref_mut()
    }

    /// Lets go of the room it took, if all of it was paid.
    pub(super) fn settle(&mut self) {
        self.0.take_if(|owed| owed.is_nothing());
    }

    pub(super) fn push_control(&mut self, frame: Bytes) {
        self.more().control.push_back(frame);
    }

    /// Whether everything that was begun is sent.
    pub(super) fn is_flushed(&self) -> bool {
        self.get().is_none_or(Owed::is_flushed)
    }

    /// Whether it was told all there was to tell.
    pub(super) fn is_told(&self) -> bool {
        self.get().is_none_or(|owed| owed.control.is_empty())
    }

    pub(super) fn lost(&self) -> u64 {
        self.get().map_or(0, |owed| owed.lost)
    }

    pub(super) fn partial(&self) -> Option<&Partial> {
        self.get()?.partial.as_ref()
    }
}
