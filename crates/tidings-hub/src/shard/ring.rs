//! The ready ring: subscriptions that have something to be sent, and a transport that takes it. Each stands in it once.
//!
//! It has two lanes, which take turns: one for those who became ready with many others, by an event of theirs all, and one for the rest. So
//! a topic with one subscriber, or one who connects, waits for a send or two, and not for eighteen thousand.

use crate::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// Subscriptions that one event makes ready before they count as many: as many sends take about half a millisecond.
const MANY: usize = 64;

#[derive(Debug)]
pub(super) struct Ring {
    few: Queue,
    many: Queue,
    /// Whose turn is next.
    many_next: bool,
}

/// A lane's queue. Of those who became ready by an event while they were at the head it knows how long some have always stood here: a
/// queue of them that does not run empty means that events come faster than they go out (Nichols and Jacobson, "Controlling Queue Delay",
/// 2012, of packets). Who reads on from behind says nothing of the kind.
#[derive(Debug, Default)]
struct Queue {
    indexes: VecDeque<u32>,
    /// Turns taken so far.
    popped: u64,
    /// The count of turns with which the last of them leaves; later, none stands here.
    last_current: u64,
    /// Since when some of them stand here.
    since: Time,
    /// The count of turns with which this round ends: all who stood here when it began have had theirs.
    round_end: u64,
    /// Rounds that have ended since then.
    rounds: u32,
}

/// Rounds for all whom the first event reached: the first comes alone, the others stand behind it.
const FIRST_ROUNDS: u32 = 2;

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
        let many = Queue { indexes: VecDeque::with_capacity(count), ..Queue::default() };
        Ring { few: Queue::default(), many, many_next: false }
    }

    /// One who was at the head, and becomes ready by an event.
    pub(super) fn push_current(&mut self, index: u32, lane: Lane, now: Time) {
        self.queue(lane).push_current(index, now);
    }

    /// One who reads on, or to whom something else is to be sent.
    pub(super) fn push(&mut self, index: u32, lane: Lane) {
        self.queue(lane).indexes.push_back(index);
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Few => &mut self.few,
            Lane::Many => &mut self.many,
        }
    }

    /// The next one; the lanes take turns.
    pub(super) fn pop(&mut self) -> Option<u32> {
        self.many_next = !self.many_next;
        let (first, second) =
            if self.many_next { (&mut self.few, &mut self.many) } else { (&mut self.many, &mut self.few) };
        first.pop().or_else(|| second.pop())
    }

    pub(super) fn len(&self) -> usize {
        self.few.indexes.len() + self.many.indexes.len()
    }

    /// For how long events have come faster than they went out, in the lane that is worse; a single event is never too fast.
    pub(super) fn overload(&self, now: Time) -> Duration {
        self.few.overload(now).max(self.many.overload(now))
    }
}

impl Queue {
    fn push_current(&mut self, index: u32, now: Time) {
        self.indexes.push_back(index);
        let end = self.popped + self.indexes.len() as u64;
        if self.popped >= self.last_current {
            (self.since, self.rounds, self.round_end) = (now, 0, end);
        }
        self.last_current = end;
    }

    fn pop(&mut self) -> Option<u32> {
        let index = self.indexes.pop_front()?;
        self.popped += 1;
        if self.popped == self.round_end {
            self.rounds += 1;
            self.round_end += self.indexes.len() as u64;
        }
        Some(index)
    }

    fn overload(&self, now: Time) -> Duration {
        if self.popped < self.last_current && self.rounds >= FIRST_ROUNDS {
            now.since(self.since)
        } else {
            Duration::ZERO
        }
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

    const NOW: Time = Time::from_millis(100);

    #[test]
    fn one_event_is_no_overload_however_many_it_reaches() {
        let mut ring = Ring::with_capacity(3);
        (0..3).for_each(|index| ring.push_current(index, Lane::Many, Time::from_millis(10)));
        while ring.pop().is_some() {
            assert_eq!(ring.overload(NOW), Duration::ZERO);
        }
    }

    #[test]
    fn events_that_come_before_the_last_have_gone_are_an_overload_until_none_stands() {
        let mut ring = Ring::with_capacity(3);
        (0..3).for_each(|index| ring.push_current(index, Lane::Many, Time::from_millis(10)));
        ring.pop();
        // The first stands again before the others had their turns.
        ring.push_current(0, Lane::Many, Time::from_millis(20));
        ring.pop();
        assert_eq!(ring.overload(NOW), Duration::ZERO);
        ring.push_current(1, Lane::Many, Time::from_millis(30));
        ring.push(7, Lane::Few);
        while ring.overload(NOW) == Duration::ZERO {
            ring.pop().unwrap();
        }
        assert_eq!(ring.overload(NOW), Duration::from_millis(90));
        // Those who read on do not count.
        ring.push(8, Lane::Many);
        ring.pop();
        ring.pop();
        assert_eq!((ring.len(), ring.overload(NOW)), (1, Duration::ZERO));
        ring.push_current(9, Lane::Many, NOW);
        assert_eq!(ring.overload(NOW), Duration::ZERO, "from the beginning");
    }
}
