//! Under the lock: which segment comes next, and what of it.

use super::merge::{Candidate, List, Merge, Way};
use crate::index::{Lost, Postings};
use crate::segment::Segment;
use crate::state::{Active, State};
use crate::storage::File;
use crate::topics::TopicId;
use std::ops::Range;
use std::sync::Arc;

/// So many events of the active segment are looked up under one lock: about 100 microseconds of it, and few reads need more.
const ACTIVE_MAX: usize = 2_048;

/// The exact topics of a read, as far as they are known.
#[derive(Debug)]
pub(super) struct Wanted<'q> {
    names: &'q [Arc<str>],
    known: Vec<Option<(TopicId, Arc<str>)>>,
    /// How far in the active segment this read has come: its number, and the first (going back: the last) place looked at.
    passed: Option<(u32, u64)>,
}

/// Where records can be read without the lock.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: Arc<dyn File>,
    pub(crate) salt: u32,
    pub(crate) end: u64,
}

/// The next segment that has events of the topics.
#[derive(Debug)]
pub(super) enum Step {
    Sealed {
        segment: Arc<Segment>,
        lists: Vec<List>,
    },
    Active {
        place: Place,
        candidates: Vec<Candidate>,
        /// The newest number before the segment.
        base: u64,
        /// There is more of it behind these.
        more: bool,
    },
}

impl<'q> Wanted<'q> {
    pub(super) fn new(names: &'q [Arc<str>]) -> Self {
        Wanted { names, known: vec![None; names.len()], passed: None }
    }

    /// The next segment that has events behind a number.
    pub(super) fn forward(&mut self, state: &State, at: u64) -> Option<Step> {
        self.look_up(state);
        let sealed = state.sealed_behind(at).next().map(|segment| segment.number());
        let first = sealed.or_else(|| state.active().map(|active| active.header.number))?;
        let live = |topic: &(usize, TopicId)| state.newest(topic.1) > at.max(state.dropped_to(topic.1));
        let topics: Vec<_> = self.ids().filter(live).collect();
        let next = topics.iter().filter_map(|(_, id)| state.topics.get(*id).places.first_from(first));
        let number = next.map(|place| place.segment).min()?;
        self.step(state, number, &topics, Way::Forward, at)
    }

    /// The last segment that has events up to a number.
    pub(super) fn back(&mut self, state: &State, upto: u64) -> Option<Step> {
        self.look_up(state);
        let active = state.active().filter(|active| active.header.base < upto);
        let sealed = || state.last_up_to(upto).map(|segment| segment.number());
        let last = active.map(|active| active.header.number).or_else(sealed)?;
        let live = |topic: &(usize, TopicId)| state.dropped_to(topic.1) < upto.min(state.newest(topic.1));
        let topics: Vec<_> = self.ids().filter(live).collect();
        let next = topics.iter().filter_map(|(_, id)| state.topics.get(*id).places.last_up_to(last));
        let number = next.map(|place| place.segment).max()?;
        self.step(state, number, &topics, Way::Back, upto)
    }

    /// Topics may have come to be known, or be forgotten, since the last step.
    fn look_up(&mut self, state: &State) {
        for (name, known) in self.names.iter().zip(&mut self.known) {
            if known.as_ref().is_some_and(|(id, name)| state.topics.is(*id, name)) {
                continue;
            }
            *known = state.topic(name).map(|id| (id, state.topics.get(id).name.clone()));
        }
    }

    fn ids(&self) -> impl Iterator<Item = (usize, TopicId)> {
        self.known.iter().enumerate().filter_map(|(topic, known)| Some((topic, known.as_ref()?.0)))
    }

    fn step(&mut self, state: &State, number: u32, topics: &[(usize, TopicId)], way: Way, at: u64) -> Option<Step> {
        let list_of = |(topic, id): &(usize, TopicId)| {
            let list = state.topics.get(*id).places.list_in(number)?;
            let dropped = state.dropped_to(*id);
            let floor = if way == Way::Forward { dropped.max(at) } else { dropped };
            Some(List { list, topic: *topic, floor })
        };
        let lists: Vec<List> = topics.iter().filter_map(list_of).collect();
        match state.active().filter(|active| active.header.number == number) {
            None => {
                let segment = state.sealed_by_number(number).expect("topics have places in segments that are there");
                Some(Step::Sealed { segment: segment.clone(), lists })
            }
            Some(active) => self.step_active(active, &lists, way, at),
        }
    }

    fn step_active(&mut self, active: &Active, lists: &[List], way: Way, at: u64) -> Option<Step> {
        let number = active.header.number;
        let passed = self.passed.filter(|(passed, _)| *passed == number).map(|(_, offset)| offset);
        let within = match (way, passed) {
            (Way::Forward, passed) => passed.map_or(0, |offset| offset + 1)..u64::MAX,
            (Way::Back, Some(offset)) => 0..offset,
            (Way::Back, None) => places_up_to(&active.index.outline.marks, at),
        };
        let mut candidates = Vec::new();
        let merge = Merge::new(Postings::of(&active.index.lists), &active.index.outline, lists, way, within);
        let taken = merge.and_then(|mut merge| merge.take(ACTIVE_MAX, &mut candidates));
        match taken {
            Ok(()) => {}
            Err(Lost::Refused(_) | Lost::Damaged) => unreachable!("lists in memory are read without a file"),
        }
        let more = candidates.len() == ACTIVE_MAX;
        if let Some(last) = candidates.last() {
            self.passed = Some((number, last.offset));
        }
        Some(Step::Active { place: active.place(), candidates, base: active.header.base, more })
    }
}

impl Active {
    pub(crate) fn place(&self) -> Place {
        Place { file: self.file.clone(), salt: self.salt, end: self.index.outline.end }
    }
}

impl Segment {
    pub(crate) fn place(&self) -> Place {
        Place { file: self.file.clone(), salt: self.salt, end: self.outline.end }
    }
}

/// The places of a segment at which events up to a number may lie.
pub(super) fn places_up_to(marks: &[crate::index::Mark], upto: u64) -> Range<u64> {
    let behind = marks.get(marks.partition_point(|mark| mark.seq < upto));
    0..behind.map_or(u64::MAX, |mark| mark.offset)
}
