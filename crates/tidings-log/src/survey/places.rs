//! Damaged places, told as an operator needs them: where, how much, and between which events.

/// A damaged stretch of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where it starts in the file.
    pub from: u64,
    /// Where it ends: what follows is whole again.
    pub to: u64,
    /// The number of the newest event before it that is whole; 0 where there is none.
    pub after: u64,
    /// The number of the next event behind it that is whole, in the same segment.
    pub before: Option<u64>,
}

/// Collects stretches while a segment is walked in order.
#[derive(Debug, Default)]
pub(super) struct Places {
    stretches: Vec<Stretch>,
    /// How many of them wait for the event behind them.
    open: usize,
}

impl Places {
    /// Nothing whole from here to there; `after` is the newest event before it.
    pub(super) fn damage(&mut self, from: u64, to: u64, after: u64) {
        assert!(from < to, "a stretch has bytes");
        if let Some(last) = self.stretches.last_mut().filter(|last| last.to == from) {
            last.to = to;
            return;
        }
        self.stretches.push(Stretch { from, to, after, before: None });
        self.open += 1;
    }

    /// A whole event.
    pub(super) fn event(&mut self, seq: u64) {
        let first = self.stretches.len() - self.open;
        for stretch in &mut self.stretches[first..] {
            stretch.before = Some(seq);
        }
        self.open = 0;
    }

    /// The stretches, in order.
    pub(super) fn end(self) -> Vec<Stretch> {
        self.stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_knows_its_neighbours() {
        let mut places = Places::default();
        places.damage(0, 8, 4);
        places.damage(16, 24, 4);
        places.event(9);
        places.damage(48, 56, 9);
        let told: Vec<_> = places.end().into_iter().map(|s| (s.from, s.to, s.after, s.before)).collect();
        assert_eq!(told, [(0, 8, 4, Some(9)), (16, 24, 4, Some(9)), (48, 56, 9, None)]);
    }
}
