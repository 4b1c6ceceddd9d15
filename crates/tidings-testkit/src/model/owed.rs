//! What is owed: every wanted event that is passed over must be gone, and told.

use super::{Model, View};
use tidings_hub::Seq;

impl Model {
    /// All that was published has had its time to arrive.
    pub fn rest(&mut self, view: View<'_>) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        if !self.opened || !(self.heard_open || self.bare_events) {
            return Err("never opened".into());
        }
        self.end_choice(view)?;
        self.pass(view.records().len(), view)?;
        match self.missed {
            0 => Ok(()),
            n => Err(format!("{n} memory-only events are missing, and it was not told")),
        }
    }

    /// Everything up to `seq` is claimed to be served.
    pub(super) fn serve(&mut self, seq: Seq, view: View<'_>) -> Result<(), String> {
        self.end_choice(view)?;
        self.pass(view.engine.place_after(seq), view)?;
        self.served = self.served.max(seq);
        Ok(())
    }

    /// Moves over events that were not heard: none may be owed.
    pub(super) fn pass(&mut self, to: usize, view: View<'_>) -> Result<(), String> {
        let memory_floor = self.memory_floor.max(view.engine.place_from(self.start));
        for place in self.at..to.max(self.at) {
            let record = &view.records()[place];
            let passes = self.wish.passes_type(&record.event);
            if !self.wish.wants_topics_of(&record.event) {
                continue;
            }
            let is_expired = record.event.is_expired(view.wall) && !self.prompt;
            match (record.event.seq, record.gone_at(|topic| self.wish.wants_topic(topic))) {
                (Some(_), _) if is_expired => {}
                (Some(_), Some(step)) if step <= self.told.1 || !passes || self.bare_events => {}
                (Some(seq), Some(step)) => {
                    return Err(format!("event {place} ({seq}), dropped in step {step}, is missing without a gap"));
                }
                (Some(seq), None) if passes => return Err(format!("event {place} ({seq}) is missing")),
                (Some(_), None) => {}
                (None, _) if place < memory_floor || self.bare_events => {}
                (None, _) if place >= view.window_start && is_expired => {}
                (None, _) if place >= view.window_start && passes => {
                    return Err(format!("event {place}, memory-only and still in the tail, is missing"));
                }
                (None, _) => self.missed += u64::from(passes && view.is_loss(place)),
            }
        }
        self.at = self.at.max(to);
        Ok(())
    }
}
