//! Heads that wait for what history says is missing, and for how long.

use std::collections::VecDeque;
use tidings_hub::{SubscriberId, Time};

/// Who waits, and until when; the first to come is the first to go.
#[derive(Debug, Default)]
pub(super) struct Waits(VecDeque<(Time, SubscriberId)>);

impl Waits {
    /// One that waits until then, which is no earlier than for those before it.
    pub(super) fn push(&mut self, until: Time, id: SubscriberId) {
        self.0.push_back((until, id));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next one that has waited long enough. Those of whom `is_waiting` is not true any more are forgotten: nearly all are, at once.
    pub(super) fn next_late(&mut self, now: Time, is_waiting: impl Fn(SubscriberId) -> bool) -> Option<SubscriberId> {
        while self.0.pop_back_if(|(_, id)| !is_waiting(*id)).is_some() {}
        while let Some((_, id)) = self.0.pop_front_if(|(until, id)| *until <= now || !is_waiting(*id)) {
            if is_waiting(id) {
                return Some(id);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_still_waits_is_late() {
        let (at, id) = (Time::from_millis, SubscriberId::from_u64);
        let mut waits = Waits::default();
        (1..=4).for_each(|n| waits.push(at(n * 10), id(n)));
        let is_waiting = |of: SubscriberId| of == id(2) || of == id(3);
        assert_eq!(waits.next_late(at(19), is_waiting), None);
        assert_eq!(waits.0.len(), 2, "the first and the last wait no more");
        assert_eq!(waits.next_late(at(30), is_waiting), Some(id(2)));
        assert_eq!(waits.next_late(at(30), is_waiting), Some(id(3)));
        assert!(waits.next_late(at(30), is_waiting).is_none() && waits.is_empty());
    }
}
