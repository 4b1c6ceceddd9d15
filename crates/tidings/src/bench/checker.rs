//! Whether one subscriber got every event once and in order.

/// How many stretches that did not come are remembered a subscriber. A server that is merely slow leaves none, one that swaps
/// events a few; beyond it they are counted as missing at once, and one that comes after all counts as doubled.
const HOLES_MAX: usize = 64;

/// What an event's number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next one, or one behind some that have not come.
    New,
    /// One that later ones have overtaken.
    OutOfOrder,
    /// It was here already.
    Doubled,
}

/// One subscriber's account. Order is checked for each publisher by itself: between two there is none to keep.
#[derive(Debug)]
pub(super) struct Checker {
    /// The number due next, for each publisher.
    due: Box<[u32]>,
    holes: Vec<Hole>,
    /// Events in stretches that found no room in `holes`.
    lost: u64,
}

/// Numbers of one publisher that were passed over: from `from` to before `to`.
#[derive(Clone, Copy, Debug)]
struct Hole {
    publisher: u8,
    from: u32,
    to: u32,
}

impl Checker {
    /// Every publisher's first event has the number `first`.
    pub(super) fn new(publishers: usize, first: u32) -> Self {
        Self { due: vec![first; publishers].into(), holes: Vec::new(), lost: 0 }
    }

    /// Takes an event. `None` for a publisher that there is not: no event of this run, whatever its mark says.
    pub(super) fn handle_event(&mut self, publisher: u8, number: u32) -> Option<Verdict> {
        let due = self.due.get_mut(usize::from(publisher))?;
        if number < *due {
            return Some(self.handle_late(publisher, number));
        }
        let hole = Hole { publisher, from: *due, to: number };
        *due = number.saturating_add(1);
        if hole.from < hole.to {
            self.keep(hole);
        }
        Some(Verdict::New)
    }

    /// How many events did not come, when publisher `p` has published all numbers before `ends[p]`.
    pub(super) fn missing(&self, ends: &[u32]) -> u64 {
        let end_of = |publisher: u8| ends.get(usize::from(publisher)).copied().unwrap_or(0);
        let behind = self.due.iter().zip(ends).map(|(due, end)| u64::from(end.saturating_sub(*due)));
        let between =
            self.holes.iter().map(|hole| u64::from(hole.to.min(end_of(hole.publisher)).saturating_sub(hole.from)));
        behind.sum::<u64>() + between.sum::<u64>() + self.lost
    }

    fn handle_late(&mut self, publisher: u8, number: u32) -> Verdict {
        let holds = |hole: &Hole| hole.publisher == publisher && (hole.from..hole.to).contains(&number);
        let Some(at) = self.holes.iter().position(holds) else { return Verdict::Doubled };
        let hole = self.holes.swap_remove(at);
        for rest in [Hole { to: number, ..hole }, Hole { from: number + 1, ..hole }] {
            if rest.from < rest.to {
                self.keep(rest);
            }
        }
        Verdict::OutOfOrder
    }

    fn keep(&mut self, hole: Hole) {
        if self.holes.len() < HOLES_MAX {
            self.holes.push(hole);
        } else {
            self.lost += u64::from(hole.to - hole.from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `numbers` of one publisher are taken for, as a letter each, and how many of the first ten are missing then.
    #[track_caller]
    fn check(numbers: &[u32], letters: &str, missing: u64) {
        let mut checker = Checker::new(1, 0);
        let said: String = numbers
            .iter()
            .map(|&number| match checker.handle_event(0, number).unwrap() {
                Verdict::New => 'n',
                Verdict::OutOfOrder => 'o',
                Verdict::Doubled => 'd',
            })
            .collect();
        assert_eq!((said.as_str(), checker.missing(&[10])), (letters, missing), "{numbers:?}");
    }

    #[test]
    fn every_fault_has_its_name() {
        check(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "nnnnnnnnnn", 0);
        check(&[], "", 10);
        check(&[0, 1, 2], "nnn", 7);
        check(&[9], "n", 9);
        check(&[0, 1, 1, 0, 2], "nnddn", 7);
        check(&[0, 2, 1, 3], "nnon", 6);
        check(&[9, 4, 4, 2, 0, 8, 6, 5], "nodooooo", 3);
    }

    #[test]
    fn what_was_never_acknowledged_is_not_missed() {
        check(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12], "nnnnnnnnnnnn", 0);
    }

    #[test]
    fn publishers_are_apart() {
        let mut checker = Checker::new(2, 1);
        for (publisher, number) in [(0, 1), (1, 1), (0, 2), (1, 3), (1, 2)] {
            assert_ne!(checker.handle_event(publisher, number), Some(Verdict::Doubled));
        }
        assert_eq!(checker.missing(&[3, 4]), 0);
        assert_eq!(checker.missing(&[5, 4]), 2);
        assert_eq!(checker.handle_event(2, 1), None);
    }

    #[test]
    fn memory_is_bounded_and_the_count_stays_right() {
        let mut checker = Checker::new(1, 0);
        for number in (1..1_000).step_by(2) {
            assert_eq!(checker.handle_event(0, number), Some(Verdict::New));
        }
        assert_eq!((checker.holes.len(), checker.missing(&[1_000])), (HOLES_MAX, 500));
        assert_eq!(checker.handle_event(0, 0), Some(Verdict::OutOfOrder));
        assert_eq!(checker.missing(&[1_000]), 499);
    }
}
