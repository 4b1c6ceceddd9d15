//! Keeping the log in order beside the writer: indexes, the spare, and what retention says must go.
//!
//! A machine that does one bounded piece of work a step. It looks at the state anew each time, so that nothing it began has to be
//! remembered across a crash: what is done shows in the log itself.

mod needs;
mod removal;
mod rewrite;
mod share;
mod sweep;
#[cfg(test)]
mod tests;

use crate::entry::Entry;
use crate::seal;
use crate::shared::Shared;
use crate::spare::{Made, is_no_space};
use needs::Needs;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use sweep::Sweep;

/// Keeps the log in order. There is one.
#[derive(Debug)]
pub struct Upkeep {
    shared: Arc<Shared>,
    /// What the segments that are to go next take along.
    needs: Option<Needs>,
    /// Segments that hold nothing but what outlives them: where each ends, for a number comes back with other records.
    settled: BTreeMap<u32, u64>,
    sweep: Sweep,
    /// There was no space to rewrite anything: it is not tried again before this time.
    rewrite_after: u64,
}

/// What a step came to.
#[derive(Clone, Debug)]
pub enum Step {
    /// There is nothing to do; after a failure there never is.
    Idle,
    /// One piece of work is done; there may be more.
    Did(Did),
    /// These must be committed, as one append, before there is a next step.
    Drops(Vec<Entry>),
    /// There is something to do, and no space for it.
    NoSpace,
}

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// A segment was given its index.
    Indexed,
    /// A spare was made.
    Spare,
    /// The oldest segment was removed; its file is the spare now, or gone.
    Removed {
        /// It is the spare.
        recycled: bool,
    },
    /// Segments were rewritten as one, without what is dropped.
    Rewrote,
}

impl Upkeep {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Upkeep { shared, needs: None, settled: BTreeMap::new(), sweep: Sweep::default(), rewrite_after: 0 }
    }

    /// Does what is most urgent. `now` is the time in milliseconds since 1970.
    pub fn step(&mut self, now: u64) -> Step {
        if self.shared.failure().is_some() {
            return Step::Idle;
        }
        let mut no_space = false;
        // Removing comes first: it gives the spare its file. But what goes is told in the log before, and where space ran out that needs a
        // spare: else each would wait for the other when there is space again. Sweeping only saves space.
        let first = if self.shared.spares.is_without_space() { Self::spare } else { Self::remove };
        for work in [first, Self::remove, Self::spare, Self::index, Self::forget, Self::sweep] {
            match work(self, now) {
                Ok(Step::Idle) => {}
                Ok(Step::NoSpace) => no_space = true,
                Ok(step) => return step,
                Err(error) => {
                    self.shared.fail("keeping the log in order", error);
                    return Step::Idle;
                }
            }
        }
        if no_space { Step::NoSpace } else { Step::Idle }
    }

    fn spare(&mut self, _now: u64) -> io::Result<Step> {
        Ok(match self.shared.spares.fill(&self.shared)? {
            Made::Nothing => Step::Idle,
            Made::Spare => Step::Did(Did::Spare),
            Made::NoSpace => Step::NoSpace,
        })
    }

    fn index(&mut self, _now: u64) -> io::Result<Step> {
        let Some(segment) = self.shared.lock().unindexed() else { return Ok(Step::Idle) };
        match seal::write_index(&self.shared, &segment) {
            Ok(()) => Ok(Step::Did(Did::Indexed)),
            Err(error) if is_no_space(&error) => Ok(Step::NoSpace),
            Err(error) => Err(error),
        }
    }

    /// Topics that nothing is left of are known by name up to a bound; what the others have dropped is one number for all.
    fn forget(&mut self, _now: u64) -> io::Result<Step> {
        let state = self.shared.lock();
        let surplus = state.topics.surplus(self.shared.options.topics_max);
        let to = surplus.map(|id| state.dropped_to(id)).max();
        Ok(to.map_or(Step::Idle, |to| Step::Drops(vec![Entry::Drop { topic: None, to: Some(to) }])))
    }
}
