//! The ready ring: subscriptions that have something to be sent, and a transport that takes it. Each stands in it once.
//!
//! It has two lanes, which take turns: one for those who became ready with many others, by an event of theirs all, and one for the rest. So
//! a topic with one subscriber, or one who connects, waits for a send or two, and not for eighteen thousand.

use std::collections::VecDeque;

/// Subscriptions that one event makes ready before they count as many: as many sends take about half a millisecond.
const MANY: usize = 64;

#[derive(Debug)]
pub(super) struct Ring {
    few: VecDeque<u32>,
    many: VecDeque<u32>,
    /// Whose turn is next.
    many_next: bool,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// With few.
    Few,
    /// With many.
    Many,
}

impl Lane {
    /// The lane of those who become ready together.
    pub(super) fn of(count: usize) -> Self {
        if count < MANY { Lane::Few } else { Lane::Many }
    }
}

impl Ring {
    /// With room reserved for so many.
    pub(super) fn with_capacity(count: usize) -> Self {
        Ring { few: VecDeque::new(), many: VecDeque::with_capacity(count), many_next: false }
    }

    pub(super) fn push(&mut self, index: u32, lane: Lane) {
        match lane {
            Lane::Few => self.few.push_back(index),
            Lane::Many => self.many.push_back(index),
        }
    }

    /// The next one; the lanes take turns.
    pub(super) fn pop(&mut self) -> Option<u32> {
        self.many_next = !self.many_next;
        let (first, second) =
            if self.many_next { (&mut self.few, &mut self.many) } else { (&mut self.many, &mut self.few) };
        first.pop_front().or_else(|| second.pop_front())
    }

    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_do_not_wait_for_many() {
        let mut ring = Ring::with_capacity(4);
        (0..4).for_each(|index| ring.push(index, Lane::of(MANY)));
        [10, 11].into_iter().for_each(|index| ring.push(index, Lane::of(1)));
        assert_eq!(ring.len(), 6);
        let order: Vec<u32> = std::iter::from_fn(|| ring.pop()).collect();
        assert_eq!(order, [10, 0, 11, 1, 2, 3]);
    }
}
