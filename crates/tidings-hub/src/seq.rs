//! [`Seq`], an event's number for ever, and [`Pos`], its place in this process's tail.

use std::fmt;

/// An event's number in the engine's order: strictly increasing, possibly sparse, never reused. It stands in event ids and
/// in the log. Zero is no event's: it is the position before the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// The position before every event.
    pub const START: Seq = Seq(0);

    /// The position just before this event: a cursor there has this event as its next.
    pub fn before(self) -> Seq {
        debug_assert!(self.0 > 0, "no event has number 0");
        Seq(self.0 - 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A dense number, local to the process, of every event that went through the tail, those of memory-only topics too.
/// Cursors and the tail's index use it; it never leaves the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos(pub u64);

impl Pos {
    /// The position `n` events further.
    pub fn plus(self, n: usize) -> Pos {
        Pos(self.0 + n as u64)
    }

    /// How many positions lie between `earlier` and this one; `earlier` must not lie ahead.
    pub fn offset_from(self, earlier: Pos) -> usize {
        debug_assert!(self >= earlier, "{earlier:?} lies ahead of {self:?}");
        usize::try_from(self.0 - earlier.0).expect("the tail holds fewer events than usize counts")
    }
}
