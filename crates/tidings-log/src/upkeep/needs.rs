//! What must be told before records go: a drop record for each topic that loses any stands in a newer segment, on stable storage.
//!
//! Then whoever asks for what was there is told of a gap, also after a crash; and what the drop records say is all that goes.

use super::{Upkeep, share};
use crate::entry::Entry;
use crate::header::RECORDS_AT;
use crate::index::{Detail, Directory, Ends};
use crate::limits;
use crate::options::Options;
use crate::segment::Segment;
use crate::state::State;
use crate::topics::TopicId;
use std::io;
use std::sync::Arc;

/// Drops that are committed at once: few enough that publishers do not wait for them long.
const DROPS_MAX: usize = 1024;
/// What a drop record takes beside its topic's name, at the most: header, length of the name, number, padding.
const DROP_BYTES: usize = 64;
/// Topics that are looked at under one lock: well below a millisecond of it.
const LOCKED_MAX: usize = 1024;

/// What goes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All of it.
    All,
    /// All but what rules keep longer.
    Default,
    /// What is dropped already, or beyond its rule's limits.
    Dropped,
}

/// What segments that are to go take along.
#[derive(Debug)]
pub(super) struct Needs {
    of: Key,
    /// Their topics, and up to which number a drop record must say that their events are gone.
    topics: Vec<(TopicId, u64)>,
    /// The same for all topics that are not known any more; 0: nothing.
    forgotten: u64,
    /// Whether something is left.
    pub(super) keeps: bool,
}

/// Which segments, and what of them: their numbers come back with other records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    first: u32,
    last: u32,
    end: u64,
    what: What,
}

impl Key {
    fn new(segments: &[Arc<Segment>], what: What) -> Self {
        let (first, last) = (&segments[0].header, &segments[segments.len() - 1].header);
        Key { first: first.number, last: last.last_number, end: segments[0].outline.end, what }
    }
}

impl Upkeep {
    /// The drops that are still to be committed before this goes of these segments, which follow one another; and whether something of
    /// them is kept.
    pub(super) fn missing(
        &mut self,
        segments: &[Arc<Segment>],
        what: What,
        now: u64,
    ) -> io::Result<(Vec<Entry>, bool)> {
        let of = Key::new(segments, what);
        if self.needs.as_ref().is_none_or(|needs| needs.of != of) {
            let mut needs = Needs { of, topics: Vec::new(), forgotten: 0, keeps: false };
            for segment in segments {
                self.add_needs(&mut needs, segment, segments[0].header.base, now)?;
            }
            self.needs = Some(needs);
        }
        let drops = self.missing_drops(of.last);
        Ok((drops, self.needs.as_ref().is_some_and(|needs| needs.keeps)))
    }

    /// Whether drops of these segments are being committed.
    pub(super) fn is_at(&self, segments: &[Arc<Segment>], what: What) -> bool {
        self.needs.as_ref().is_some_and(|needs| needs.of == Key::new(segments, what))
    }

    /// What one of the segments takes along. `base` is the newest number before all of them.
    fn add_needs(&self, needs: &mut Needs, segment: &Arc<Segment>, base: u64, now: u64) -> io::Result<()> {
        let (segment, ends) = self.ends(segment)?;
        assert_eq!(ends.len(), segment.topics.len(), "a list for each topic");
        if needs.of.what != What::All {
            self.apply_limits(&segment, now)?;
        }
        let retention = &self.shared.options.retention;
        let (mut topics, mut dead) = (Vec::new(), Vec::new());
        let (mut bytes, mut topics_bytes) = (0, 0);
        let listed: Vec<(TopicId, Ends)> = segment.topics.iter().copied().zip(ends).collect();
        needs.forgotten = needs.forgotten.max(segment.outline.forgotten_to);
        for part in listed.chunks(LOCKED_MAX) {
            let state = self.shared.lock();
            for (id, ends) in part {
                let dropped = state.dropped_to(*id);
                let goes = match needs.of.what {
                    What::All => true,
                    What::Default => !share::is_held(&state, retention, *id),
                    What::Dropped => false,
                };
                needs.keeps |= !goes && ends.last_seq > dropped;
                // What was dropped on reading alone becomes durable before it goes.
                let lost = if goes { ends.last_seq } else { Some(dropped).filter(|to| *to > base).unwrap_or(0) };
                let to = lost.max(ends.dropped_to);
                if is_recorded(&state, needs.of.last, *id, to) {
                    continue;
                }
                let takes = DROP_BYTES + state.topics.get(*id).name.len();
                bytes += takes;
                // As long as a record bears the topic's name, for another topic's sake perhaps, its own drop is what keeps it gone.
                let is_nowhere = state.topics.get(*id).places.as_slice().is_empty();
                if ends.last_seq == 0 && is_nowhere && state.newest(*id) <= dropped {
                    dead.push((*id, to));
                } else {
                    topics_bytes += takes;
                    topics.push((*id, to));
                }
            }
        }
        assert!(topics_bytes <= bytes, "the dead take their part");
        if bytes as u64 * 2 <= segment.outline.end - RECORDS_AT {
            topics.append(&mut dead);
        }
        // A log full of nothing but the drops of topics without events would write them again for ever: they then share one number.
        needs.forgotten = dead.iter().map(|(_, to)| *to).fold(needs.forgotten, u64::max);
        needs.topics.append(&mut topics);
        Ok(())
    }

    /// Drops what the rules of a segment's topics do not keep, where that may concern the segment.
    fn apply_limits(&self, segment: &Segment, now: u64) -> io::Result<()> {
        if self.shared.options.retention.rules.is_empty() {
            return Ok(());
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        let lists: Vec<(u32, TopicId)> = (0..).zip(segment.topics.iter().copied()).collect();
        for part in lists.chunks(LOCKED_MAX) {
            let state = self.shared.lock();
            let ruled = part.iter().filter(|(_, id)| state.topics.rule(*id).is_some());
            let beyond =
                ruled.filter(|(list, id)| share::live(&state, segment, *list, *id, now) < segment.detail.count(*list));
            names.extend(beyond.map(|(_, id)| Arc::clone(&state.topics.get(*id).name)));
        }
        limits::apply(&self.shared, &names, now).map_err(io::Error::other)
    }

    /// What a segment says of each of its topics; and the segment, whose index may have been built anew for it.
    pub(super) fn ends(&self, segment: &Arc<Segment>) -> io::Result<(Arc<Segment>, Vec<Ends>)> {
        let directory = match &segment.detail {
            Detail::Memory { lists, .. } => return Ok((Arc::clone(segment), lists.ends.clone())),
            Detail::File(index) => Directory::load(&index.file, &segment.header)?,
        };
        if let Some(directory) = directory {
            return Ok((Arc::clone(segment), directory.ends));
        }
        let rebuilt = self.shared.rebuild(segment).map_err(io::Error::other)?;
        let rebuilt = rebuilt.expect("upkeep alone removes segments");
        let Detail::Memory { lists, .. } = &rebuilt.detail else {
            unreachable!("an index that was built anew is in memory")
        };
        let ends = lists.ends.clone();
        Ok((rebuilt, ends))
    }

    /// The next drops that are still to be recorded behind the segment `last`.
    fn missing_drops(&mut self, last: u32) -> Vec<Entry> {
        let state = self.shared.lock();
        let needs = self.needs.as_mut().expect("they were just worked out");
        needs.topics.retain(|(id, to)| !is_recorded(&state, last, *id, *to));
        let bytes_max = self.shared.options.batch_bytes_max.min(segment_room(&self.shared.options)) / 2;
        let mut bytes = 0;
        let mut drops: Vec<Entry> = Vec::new();
        for (id, to) in needs.topics.iter().take(DROPS_MAX) {
            let topic = state.topics.get(*id);
            bytes += DROP_BYTES + topic.name.len();
            if bytes > bytes_max && !drops.is_empty() {
                break;
            }
            // What was dropped on reading alone becomes durable with it.
            drops.push(Entry::Drop { topic: Some(Arc::clone(&topic.name)), to: Some((*to).max(topic.dropped.to)) });
        }
        if drops.is_empty() && !is_forgotten(&state, last, needs.forgotten) {
            let to = needs.forgotten.max(state.topics.forgotten().to);
            drops.push(Entry::Drop { topic: None, to: Some(to) });
        }
        drops
    }
}

/// Whether a segment behind `last` says that a topic's events up to a number are gone.
fn is_recorded(state: &State, last: u32, id: TopicId, to: u64) -> bool {
    let topic = state.topics.get(id);
    to == 0 || (topic.recorded_to >= to && topic.recorded_in > last)
}

/// The same for all topics that are not known any more.
fn is_forgotten(state: &State, last: u32, to: u64) -> bool {
    let newer = state.sealed().filter(|other| other.number() > last).map(|other| &other.outline);
    let outlines = newer.chain(state.active().map(|active| &active.index.outline));
    to == 0 || outlines.map(|outline| outline.forgotten_to).any(|recorded| recorded >= to)
}

/// The most bytes of records that a new segment holds.
fn segment_room(options: &Options) -> usize {
    usize::try_from(options.segment_bytes.saturating_sub(RECORDS_AT)).unwrap_or(usize::MAX)
}
