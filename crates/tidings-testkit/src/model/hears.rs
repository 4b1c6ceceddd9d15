//! What the stream says about itself: openings, gaps, checkpoints, endings.

use super::{Model, View};
use crate::engine::Record;
use crate::listener::{GapTold, Told};
use tidings_hub::{EventId, GapReason, ResumePoint, Seq};

impl Model {
    /// The client heard something.
    pub fn hear(&mut self, told: &Told, view: View<'_>) -> Result<(), String> {
        let in_frame = std::mem::take(&mut self.in_frame);
        if !self.opened {
            return Err("bytes before the start is known".into());
        }
        if self.ended {
            return Err("something behind tidings.end".into());
        }
        if self.bare_events && !matches!(told, Told::Event(_)) {
            return Err("a control event on a stream of bare events".into());
        }
        match told {
            Told::End { .. } => {
                self.ended = true;
                return Ok(());
            }
            _ if self.start_error.is_some() => return Err(self.start_error.take().unwrap_or_default()),
            Told::Open { id } => return self.hear_open(id, view),
            _ if !self.heard_open && !self.bare_events => return Err("something before tidings.open".into()),
            Told::Gap(gap) => return self.hear_gap(gap, view),
            _ => {}
        }
        if let Some(reason) = self.gap_due.filter(|_| !self.bare_events) {
            return Err(format!("the gap {reason:?} that was announced does not come first"));
        }
        match told {
            Told::Event(heard) => self.hear_event(heard, in_frame, view),
            Told::Checkpoint { id } => {
                let seq = self.position(id, view)?;
                if seq <= self.served || seq > view.head() {
                    return Err(format!("a checkpoint at {seq}, served {} of {}", self.served, view.head()));
                }
                self.serve(seq, view)
            }
            _ => Ok(()),
        }
    }

    fn position(&self, id: &str, view: View<'_>) -> Result<Seq, String> {
        let id: EventId = id.parse().map_err(|_| format!("{id:?} is no id of ours"))?;
        if id.epoch != view.engine.epoch() {
            return Err(format!("{id} is of another history"));
        }
        Ok(id.seq)
    }

    fn hear_open(&mut self, id: &str, view: View<'_>) -> Result<(), String> {
        if std::mem::replace(&mut self.heard_open, true) {
            return Err("tidings.open twice".into());
        }
        let seq = self.position(id, view)?;
        let moved = self.gap_due == Some(GapReason::Expired) && seq >= self.served;
        if seq == self.served || moved {
            return Ok(());
        }
        Err(format!("opened at {seq}, but it starts behind {}", self.served))
    }

    fn hear_gap(&mut self, gap: &GapTold, view: View<'_>) -> Result<(), String> {
        let due = self.gap_due.take();
        if due.is_some_and(|reason| reason.as_str() != gap.reason) {
            return Err(format!("{due:?} was announced, and {} told", gap.reason));
        }
        self.end_choice(view)?;
        let resumed = self.position(&gap.resumed, view)?;
        if resumed < self.served {
            return Err(format!("a gap that goes back from {} to {resumed}", self.served));
        }
        match gap.reason.as_str() {
            "lagged" => self.hear_lagged(gap.lost.ok_or("lagged without a count")?, resumed, view),
            "expired" => {
                self.check_dropped(due, view)?;
                self.check_requested(due, gap)?;
                self.serve(resumed, view)
            }
            "unknown" if due.is_some() => {
                self.check_requested(due, gap)?;
                let read = self.opened_by.ok_or("an unknown place without a read")?;
                if (resumed, gap.truncated) != (read.start, read.truncated) {
                    return Err(format!("{gap:?} by {read:?}"));
                }
                Ok(())
            }
            other => Err(format!("a gap {other:?} (announced: {due:?})")),
        }
    }

    /// There is no gap without a drop that lies ahead and was not told.
    fn check_dropped(&mut self, due: Option<GapReason>, view: View<'_>) -> Result<(), String> {
        let from = self.gap_from.take().unwrap_or(self.at);
        // What is due was looked for before it was said to be due: all drops so far may be its reason.
        let told = if due.is_some() { 0 } else { self.told.0 };
        let untold = |r: &Record| r.dropped_after(told, |topic| self.wish.wants_topic(topic));
        let first = view.records()[from..].iter().filter_map(untold).min();
        let first = first.ok_or_else(|| format!("a gap where nothing was dropped after step {told}"))?;
        if due.is_none() {
            self.told = (first, view.step);
        } else if self.told.0 == 0 {
            self.told.0 = first;
        }
        Ok(())
    }

    /// A gap at the start quotes the place that was asked for; a later one may, until one has.
    fn check_requested(&self, due: Option<GapReason>, gap: &GapTold) -> Result<(), String> {
        let named = match &self.resume {
            ResumePoint::After(id) => Some(id.to_string()),
            ResumePoint::Unknown { requested } => Some(requested.to_string()),
            _ => None,
        };
        let quotes = gap.requested == named || (due.is_none() && gap.requested.is_none());
        if quotes { Ok(()) } else { Err(format!("{gap:?} should quote {named:?}")) }
    }
}
