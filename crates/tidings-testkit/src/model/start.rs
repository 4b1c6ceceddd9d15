//! Where a stream starts, and whether the reason it gives is one.

use super::{Model, ReadDone, View};
use crate::engine::Record;
use tidings_hub::{GapReason, ReadFrom, ResumePoint, Seq, UNKNOWN_EVENTS_MAX};

impl Model {
    /// The shard says where the stream starts; `read` is the history that decided it, if one did.
    pub fn open(&mut self, reason: Option<GapReason>, read: Option<ReadDone>, view: View<'_>) -> Result<(), String> {
        if std::mem::replace(&mut self.opened, true) {
            return Err("opened twice".into());
        }
        // A stream that ends before its history came opens without a start; nothing but the ending follows.
        self.start_error = self.start(reason, read, view).err();
        Ok(())
    }

    fn start(&mut self, reason: Option<GapReason>, read: Option<ReadDone>, view: View<'_>) -> Result<(), String> {
        (self.memory_floor, self.first_floor) = (view.window_start, view.window_start);
        (self.gap_due, self.opened_by) = (reason, read);
        let start = match self.resume.clone() {
            ResumePoint::Live | ResumePoint::Last(0) => self.expect_reason(reason, None).map(|()| self.served)?,
            ResumePoint::After(id) if id.epoch == view.engine.epoch() && reason != Some(GapReason::Unknown) => {
                if id.seq > view.engine.head() {
                    return Err(format!("{id} lies ahead of the engine, and no gap is told"));
                }
                id.seq
            }
            ResumePoint::After(id) => {
                if id.epoch == view.engine.epoch() && id.seq <= self.subscribed_head {
                    return Err(format!("{id} is known, and called unknown"));
                }
                self.expect_reason(reason, Some(GapReason::Unknown)).and_then(|()| self.read_start(read))?
            }
            ResumePoint::Unknown { .. } => {
                self.expect_reason(reason, Some(GapReason::Unknown)).and_then(|()| self.read_start(read))?
            }
            ResumePoint::All => Seq::START,
            ResumePoint::Last(_) => self.expect_reason(reason, None).and_then(|()| self.read_start(read))?,
            ResumePoint::Since(time) => {
                self.gap_from = view.records().iter().position(|r| r.event.time >= time);
                self.read_start(read)?
            }
            ResumePoint::LastEach => self.choose_last_each(read, view)?,
        };
        self.told = match read.map(|read| (read.from, read.looked_at)) {
            // These pages tell of no drops, and this read asked about none.
            Some((ReadFrom::LastEach { .. } | ReadFrom::After { told: ReadFrom::ALL_TOLD, .. }, _)) => (0, 0),
            // All drops before it were told, or lay before the place, or made no difference to which are the newest.
            Some((_, looked_at)) => (looked_at, looked_at),
            // A page that another reader still had tells of the drops before it was read; when that was, nobody kept.
            None if reason.is_some() => (0, view.step),
            None => (0, 0),
        };
        if !matches!(self.resume, ResumePoint::Live | ResumePoint::Last(0)) {
            self.at = view.engine.place_after(start);
        }
        self.served = start;
        self.start = start;
        Ok(())
    }

    fn expect_reason(&self, reason: Option<GapReason>, expect: Option<GapReason>) -> Result<(), String> {
        if reason == expect { Ok(()) } else { Err(format!("opened with gap {reason:?}, not {expect:?}")) }
    }

    fn read_start(&self, read: Option<ReadDone>) -> Result<Seq, String> {
        let read = read.ok_or_else(|| format!("{:?} opened without a read", self.resume))?;
        let fits = match (&self.resume, read.from) {
            (ResumePoint::Since(time), ReadFrom::Since(asked)) => *time == asked,
            (ResumePoint::Last(n), ReadFrom::Newest(asked)) => *n == asked,
            (ResumePoint::Unknown { .. } | ResumePoint::After(_), ReadFrom::Newest(n)) => n == UNKNOWN_EVENTS_MAX,
            _ => false,
        };
        if fits { Ok(read.start) } else { Err(format!("{:?} opened by {read:?}", self.resume)) }
    }

    /// The newest event of each exact topic as the engine saw them when it looked first, then everything behind its head.
    fn choose_last_each(&mut self, read: Option<ReadDone>, view: View<'_>) -> Result<Seq, String> {
        let read = read.ok_or("the newest of each topic without a read")?;
        let then = &view.records()[..read.places];
        let kept = |r: &Record, topic: &String| r.is_kept_after(read.looked_at, |t| t.as_str() == topic);
        let passes = |r: &Record| self.wish.passes_type(&r.event) && !r.event.is_expired(read.wall);
        let newest = |topic| then.iter().rposition(|r| kept(r, topic) && passes(r));
        let mut places: Vec<usize> = self.wish.topics.iter().filter_map(newest).collect();
        places.sort_unstable();
        places.dedup();
        self.choice = places.into();
        self.behind_choice = view.engine.place_after(read.head);
        Ok(if self.choice.is_empty() { read.head } else { read.start })
    }
}
