//! Segments of which little is still wanted are rewritten: `keep_last` topics go on, topics are deleted, ages pass.

use super::needs::What;
use super::{Step, Upkeep, share};
use crate::segment::Segment;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// A segment is rewritten when less than this part of its events is wanted, in percent: then copying costs less than half of what it saves.
const LIVE_PERCENT: u64 = 30;
/// All segments are looked at when one has been sealed, or else so often (in milliseconds): it takes some 100 nanoseconds for each topic
/// of each segment.
const LOOK_EVERY: u64 = 60_000;
/// Topics that are looked at under one lock: well below a millisecond of it.
const LOCKED_MAX: usize = 1024;

/// When the log was looked through.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The newest sealed segment then, and the time. None: not yet.
    done: Option<(u32, u64)>,
    /// Of segments that were rewritten: where each ends, and how much of it was wanted then. An event of several topics counts in each
    /// of them, and stays for one: what was rewritten may look sparse for ever.
    rewritten: BTreeMap<u32, (u64, u64)>,
}

impl Upkeep {
    /// Rewrites the oldest segment of which little is wanted.
    pub(super) fn sweep(&mut self, now: u64) -> io::Result<Step> {
        let sealed: Vec<Arc<Segment>> = self.shared.lock().sealed().cloned().collect();
        let Some(newest) = sealed.last().map(|segment| segment.number()) else { return Ok(Step::Idle) };
        let is_done = |(number, time): (u32, u64)| number == newest && now < time.saturating_add(LOOK_EVERY);
        if self.sweep.done.is_some_and(is_done) || now < self.rewrite_after {
            return Ok(Step::Idle);
        }
        let sparse = sealed.iter().enumerate().position(|(at, segment)| self.is_sparse(segment, at == 0, now));
        if let Some(at) = sparse {
            let segments = self.with_neighbours(&sealed, at);
            drop(sealed);
            match self.clear(segments, What::Dropped, now)? {
                Step::Idle => {}
                step => return Ok(step),
            }
        }
        self.sweep.done = Some((newest, now));
        Ok(Step::Idle)
    }

    fn is_sparse(&self, segment: &Segment, is_oldest: bool, now: u64) -> bool {
        let (live, all) = self.weigh(segment, now);
        // What a rewrite left empty stays as long as older segments need it to know where they end.
        let is_empty = segment.header.end > 0 && all == 0 && is_oldest;
        let rewritten = self.sweep.rewritten.get(&segment.number()).filter(|(end, _)| *end == segment.outline.end);
        let all = rewritten.map_or(all, |(_, live)| *live);
        is_empty || live * 100 < all * LIVE_PERCENT
    }

    /// A segment was rewritten.
    pub(super) fn note_rewritten(&mut self, number: u32, now: u64) {
        let sealed: Vec<Arc<Segment>> = self.shared.lock().sealed().cloned().collect();
        self.sweep.rewritten.retain(|number, _| sealed.iter().any(|segment| segment.number() == *number));
        let segment = sealed.iter().find(|segment| segment.number() == number);
        let segment = segment.expect("a rewritten segment stands in the place of the first one");
        let (live, _) = self.weigh(segment, now);
        self.sweep.rewritten.insert(number, (segment.outline.end, live));
    }

    /// How many of a segment's events are wanted, and how many there are, each counted in every topic it has.
    fn weigh(&self, segment: &Segment, now: u64) -> (u64, u64) {
        let (mut live, mut all) = (0_u64, 0_u64);
        let lists: Vec<_> = (0..).zip(segment.topics.iter().copied()).collect();
        for part in lists.chunks(LOCKED_MAX) {
            let state = self.shared.lock();
            for (list, id) in part {
                let count = segment.detail.count(*list);
                // A topic's drop counts as an event that is wanted: rewriting does not make it less.
                live += u64::from(if count == 0 { 1 } else { share::live(&state, segment, *list, *id, now) });
                all += u64::from(count.max(1));
            }
        }
        assert!(live <= all, "no more is wanted than there is");
        (live, all)
    }
}
