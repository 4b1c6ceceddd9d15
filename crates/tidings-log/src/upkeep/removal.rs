//! The oldest segments go when the log is too large or its events too old.
//!
//! What rules keep longer stays: such a segment is rewritten. Where that alone is too large for the log, the oldest goes in any case.

use super::needs::What;
use super::{Did, Step, Upkeep, share};
use crate::index::Detail;
use crate::names;
use crate::segment::Segment;
use crate::spare::Made;
use std::io;
use std::sync::Arc;

/// The log, as retention sees it.
#[derive(Debug)]
struct Extent {
    sealed: Vec<Arc<Segment>>,
    /// Of files, indexes and the spare included.
    bytes: u64,
    /// In all segments.
    events: u64,
}

impl Upkeep {
    /// Takes one step towards what retention wants.
    pub(super) fn remove(&mut self, now: u64) -> io::Result<Step> {
        let retention = self.shared.options.retention.clone();
        let Extent { sealed, bytes, mut events } = self.extent()?;
        self.settled.retain(|number, _| sealed.iter().any(|segment| segment.number() == *number));
        let too_large = bytes > retention.bytes;
        let mut no_space = false;
        for (at, segment) in sealed.iter().enumerate() {
            let outline = &segment.outline;
            let too_old = retention.age.is_some_and(|age| outline.last_time < now.saturating_sub(age));
            let too_many = retention.events.is_some_and(|max| events - outline.events >= max && outline.events > 0);
            if !(too_large || too_old || too_many) {
                return Ok(Step::Idle);
            }
            // What a rewrite left empty is needed by the segments before it, and takes no room.
            let is_empty = at > 0 && segment.header.end > 0 && outline.events == 0;
            if is_empty || self.is_settled(segment)? {
                // What outlives the others does not count among them.
                events -= outline.events;
                continue;
            }
            let segments = self.with_neighbours(&sealed, at);
            drop(sealed);
            match self.clear(segments, What::Default, now)? {
                Step::NoSpace => no_space = true,
                step => return Ok(step),
            }
            break;
        }
        let oldest = self.shared.lock().sealed().next().cloned();
        match oldest {
            // Nothing else can go, or there is no space to keep a part of it.
            Some(oldest) if too_large => self.clear(vec![oldest], What::All, now),
            _ if no_space => Ok(Step::NoSpace),
            _ => Ok(Step::Idle),
        }
    }

    /// Clears segments, which follow one another, of what is to go: they are removed, or rewritten as one.
    pub(super) fn clear(&mut self, segments: Vec<Arc<Segment>>, what: What, now: u64) -> io::Result<Step> {
        assert!(!segments.is_empty(), "there is something to clear");
        let (drops, keeps) = self.missing(&segments, what, now)?;
        if !drops.is_empty() {
            return Ok(Step::Drops(drops));
        }
        let (is_oldest, is_newest) = {
            let state = self.shared.lock();
            let is = |segment: Option<&Arc<Segment>>, number| segment.is_some_and(|it| it.number() == number);
            let is_newest =
                state.active().is_none() && is(state.sealed().next_back(), segments[segments.len() - 1].number());
            (is(state.sealed().next(), segments[0].number()), is_newest)
        };
        if is_newest {
            // Its header and its records alone say how far the log has come.
            return Ok(Step::Idle);
        }
        if is_oldest && !keeps && segments.len() == 1 {
            self.needs = None;
            return self.take_out(segments);
        }
        // The segments before one that is removed would not know where they end: it leaves an empty one behind.
        let number = segments[0].number();
        if now < self.rewrite_after || !self.rewrite(segments)? {
            self.rewrite_after = self.rewrite_after.max(now + super::rewrite::RETRY_AFTER);
            return Ok(Step::NoSpace);
        }
        self.needs = None;
        self.note_rewritten(number, now);
        Ok(Step::Did(Did::Rewrote))
    }

    /// Removes the oldest segment; nothing of it is missed.
    fn take_out(&mut self, segments: Vec<Arc<Segment>>) -> io::Result<Step> {
        let number = segments[0].number();
        drop(segments);
        let removed = {
            let mut state = self.shared.lock();
            state.counters.removed += 1;
            state.remove(number)
        };
        let mut recycled = false;
        if let Some(segment) = removed {
            recycled = self.discard(segment)? == Made::Spare;
        }
        Ok(Step::Did(Did::Removed { recycled }))
    }

    /// Gives up the files of a segment that is not in the state any more.
    pub(super) fn discard(&self, segment: Arc<Segment>) -> io::Result<Made> {
        crate::spare::remove_if_there(&*self.shared.dir, &names::index(segment.number()))?;
        self.shared.spares.recycle(&self.shared, segment)
    }

    /// Whether a segment holds nothing that goes before what its rules keep.
    fn is_settled(&mut self, segment: &Arc<Segment>) -> io::Result<bool> {
        let retention = &self.shared.options.retention;
        if !retention.rules.iter().any(|rule| share::outlives(rule, retention)) {
            return Ok(false);
        }
        let (number, end) = (segment.number(), segment.outline.end);
        if self.settled.get(&number) == Some(&end) {
            return Ok(true);
        }
        if self.is_at(std::slice::from_ref(segment), What::Default) {
            return Ok(false);
        }
        let is_rewritten = segment.header.end > 0;
        let (segment, ends) = self.ends(segment)?;
        let state = self.shared.lock();
        let mut others = segment.topics.iter().zip(&ends).filter(|(id, ends)| {
            // An event may live on in another topic: in this one it is dropped, and that is all there is to do.
            let is_gone = is_rewritten && ends.last_seq <= state.dropped_to(**id);
            !share::is_held(&state, retention, **id) && !is_gone
        });
        // A segment without events is of no use to anybody; drops alone are for those who come to remove it.
        let settled = segment.outline.events > 0 && others.next().is_none();
        drop(others);
        drop(state);
        if settled {
            self.settled.insert(number, end);
        }
        Ok(settled)
    }

    fn extent(&self) -> io::Result<Extent> {
        let (sealed, active) = {
            let state = self.shared.lock();
            let active = state.active().map(|active| (Arc::clone(&active.file), active.index.outline.events));
            (state.sealed().cloned().collect::<Vec<_>>(), active)
        };
        // The spare counts also where it is still to be made.
        let mut extent = Extent { sealed: Vec::new(), bytes: self.shared.options.segment_bytes, events: 0 };
        if let Some((file, events)) = active {
            // It is smaller than others where there was no space for more.
            (extent.bytes, extent.events) = (extent.bytes + file.len()?, events);
        }
        for segment in &sealed {
            extent.bytes += segment.file.len()?;
            if let Detail::File(index) = &segment.detail {
                extent.bytes += index.file.len()?;
            }
            extent.events += segment.outline.events;
        }
        Ok(Extent { sealed, ..extent })
    }
}
