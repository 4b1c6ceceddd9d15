//! A turn of writing: what waits is taken, committed as one group, and handed to the sink. One at a time: whoever has the turn writes, the
//! writer's thread or one of those who submit.

// What the storage takes is measured, and decides nothing about what is stored.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::driver::{Group, Queue, Ticket, Vital};
use crate::entry::Append;
use crate::sync::Instant;
use crate::writer::Writer;
use std::fmt;
use std::time::Duration;

/// A group that usually takes no longer is committed by whoever submits: two dozen publishes take a thread that serves them as long, and
/// two threads that wake each other take a tenth of it. A slower storage is waited for by the writer's thread alone.
const QUICK: Duration = Duration::from_micros(500);
/// A group that takes no longer is never waited for: to wake the writer's thread takes as long. None that is synced is so quick; what is not
/// stored is.
const INSTANT: Duration = Duration::from_micros(30);
/// The newest group's share in what is usual.
const SHARE: u32 = 8;

/// What is needed to write, and kept from turn to turn.
pub(crate) struct Turn<T> {
    writer: Writer,
    clock: fn() -> u64,
    sink: Box<dyn FnMut(Group<T>) + Send>,
    taken: Vec<(Ticket<T>, Append)>,
    /// How long a group takes on the storage.
    usual: Duration,
}

impl<T> Turn<T> {
    pub(crate) fn new(writer: Writer, clock: fn() -> u64, sink: Box<dyn FnMut(Group<T>) + Send>) -> Self {
        // Not quick before it was seen.
        Turn { writer, clock, sink, taken: Vec::new(), usual: QUICK * 2 }
    }

    /// Whether a group is quick enough to be waited for by one who has other things to do: more of them if he `is_alone`, for where there are
    /// others, there is something to do.
    pub(crate) fn is_quick(&self, is_alone: bool) -> bool {
        self.usual <= if is_alone { QUICK } else { INSTANT }
    }

    /// Commits a group, if anything waits. Appends are taken out of the queue here: so their order is that of the turns.
    pub(crate) fn run(&mut self, queue: &Queue<T>) {
        let _vital = Vital;
        queue.take(&mut self.taken);
        if self.taken.is_empty() {
            return;
        }
        let (tickets, appends): (Vec<_>, Vec<_>) = self.taken.drain(..).unzip();
        let since = Instant::now();
        let results = self.writer.commit((self.clock)(), &appends);
        self.usual = (self.usual * (SHARE - 1) + since.elapsed()) / SHARE;
        assert_eq!(results.len(), tickets.len(), "every append is answered");
        let mut group = Vec::with_capacity(results.len());
        let mut dropped = None;
        for (ticket, result) in tickets.into_iter().zip(results) {
            match ticket {
                Ticket::Submitted(ticket) => group.push((ticket, result)),
                Ticket::Upkeep => dropped = Some(result.is_ok()),
            }
        }
        if !group.is_empty() {
            (self.sink)(group);
        }
        // Between two segments there is nothing to keep but the time, which upkeep watches itself: waking it for each group would cost
        // as much as the group.
        if self.writer.has_begun() || dropped.is_some() {
            queue.grown(dropped);
        }
    }

    /// Seals the log.
    pub(crate) fn close(self) -> std::io::Result<()> {
        self.writer.close()
    }
}

impl<T> fmt::Debug for Turn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("usual", &self.usual).finish_non_exhaustive()
    }
}
