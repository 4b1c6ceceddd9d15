//! Events in memory only that left the tail unread: their number must be right.

use super::{Model, View};
use crate::engine::Record;
use tidings_hub::Seq;

impl Model {
    /// `lost` events of memory-only topics left the tail unread.
    pub(super) fn hear_lagged(&mut self, lost: u64, resumed: Seq, view: View<'_>) -> Result<(), String> {
        let mut left = lost
            .checked_sub(self.missed)
            .ok_or_else(|| format!("{lost} lost, but {} were passed over", self.missed))?;
        self.missed = 0;
        if !self.wish.types.is_empty() {
            // Whether one whose type does not pass was passed over or lost, nobody can tell: only never more than there were.
            self.lost_told += lost;
            let unheard = |(place, r): &(usize, &Record)| {
                r.event.seq.is_none() && self.wish.wants_topics_of(&r.event) && !self.heard.contains(place)
            };
            let gone =
                view.records()[..view.window_start].iter().enumerate().skip(self.first_floor).filter(unheard).count();
            self.memory_floor = self.memory_floor.max(view.window_start);
            if self.lost_told > gone as u64 {
                return Err(format!("{} lost of {gone}", self.lost_told));
            }
            return self.serve(resumed, view);
        }
        let memory_floor = self.memory_floor.max(view.engine.place_from(self.start));
        while left > 0 {
            if self.at >= view.window_start && left <= self.unplaced(view) {
                break;
            }
            if self.at >= view.window_start {
                return Err(format!("{lost} lost: {left} more than have left the tail"));
            }
            let event = &view.records()[self.at].event;
            if event.seq.is_some() {
                self.pass(self.at + 1, view)?;
            } else {
                let owed = self.at >= memory_floor && self.wish.wants_topics_of(event) && view.is_loss(self.at);
                left -= u64::from(owed);
                self.at += 1;
            }
        }
        self.serve(resumed, view)
    }

    /// Memory-only events that stand where the start is, if that is no event's number: before it or behind it, as one likes.
    fn unplaced(&self, view: View<'_>) -> u64 {
        let (from, to) = (view.engine.place_after(self.start), view.engine.place_from(self.start));
        let unplaced = view.records()[from.min(to)..to].iter().filter(|r| self.wish.wants_topics_of(&r.event));
        unplaced.count() as u64
    }
}
