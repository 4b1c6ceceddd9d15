//! Looking back through the events of exact topics, newest first.

use super::fetch::{Fetch, Fetched};
use super::merge::{Candidate, Merge, Way};
use super::step::{Place, Step, Wanted, places_up_to};
use crate::index::{Lost, Postings};
use crate::query::ReadError;
use crate::record::View;
use crate::shared::Shared;
use std::ops::ControlFlow;
use std::sync::Arc;

/// An event that was met on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) seq: u64,
    pub(crate) offset: u64,
    /// What was judged of it.
    pub(crate) wanted: bool,
}

/// What a walk does with what it meets.
pub(crate) struct Visitor<'v> {
    /// So many records are read at once, the oldest of them first.
    pub(crate) ahead: usize,
    /// Says of an event that is not dropped whether it is wanted; gets one of the topics that it has.
    pub(crate) judge: &'v dyn Fn(&View<'_>, &Arc<str>) -> bool,
    /// Is told of every event, newest first, until it breaks.
    pub(crate) visit: &'v mut dyn FnMut(&Place, &Met) -> ControlFlow<()>,
}

/// Meets every event of the topics up to a number, newest first. Damaged records are counted and passed over.
pub(crate) fn walk_back(
    shared: &Shared,
    topics: &[Arc<str>],
    mut upto: u64,
    mut visitor: Visitor<'_>,
) -> Result<(), ReadError> {
    let mut wanted = Wanted::new(topics);
    while upto > 0 {
        let Some(step) = wanted.back(&shared.lock(), upto) else { return Ok(()) };
        let flow = match step {
            Step::Sealed { segment, lists } => {
                let within = places_up_to(&segment.outline.marks, upto);
                let postings = Postings::new(&segment.detail, segment.salt);
                let place = segment.place();
                let merge = Merge::new(postings, &segment.outline, &lists, Way::Back, within);
                match merge.and_then(|merge| walk_sealed(shared, topics, &place, merge, &mut upto, &mut visitor)) {
                    Ok(flow) => {
                        upto = upto.min(segment.header.base);
                        flow
                    }
                    Err(Lost::Damaged) => {
                        shared.rebuild(&segment)?;
                        ControlFlow::Continue(())
                    }
                    Err(Lost::Refused(error)) => return Err(shared.refused(&error)),
                }
            }
            Step::Active { place, candidates, base, more } => {
                let mut fetch = Fetch::new(&*place.file, place.salt, place.end);
                let mut flow = ControlFlow::Continue(());
                for part in candidates.chunks(visitor.ahead) {
                    let walked = walk_part(shared, topics, (&place, &mut fetch), part, &mut upto, &mut visitor);
                    flow = walked.map_err(|error| shared.refused(&error))?;
                    if flow.is_break() {
                        break;
                    }
                }
                if !more {
                    upto = upto.min(base);
                }
                flow
            }
        };
        if flow.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn walk_sealed(
    shared: &Shared,
    topics: &[Arc<str>],
    place: &Place,
    mut merge: Merge<'_>,
    upto: &mut u64,
    visitor: &mut Visitor<'_>,
) -> Result<ControlFlow<()>, Lost> {
    let mut fetch = Fetch::new(&*place.file, place.salt, place.end);
    let mut candidates = Vec::new();
    loop {
        merge.take(visitor.ahead, &mut candidates)?;
        if candidates.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        if walk_part(shared, topics, (place, &mut fetch), &candidates, upto, visitor)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Reads some candidates, given newest first, in the order of places, then tells of them newest first.
fn walk_part(
    shared: &Shared,
    topics: &[Arc<str>],
    (place, fetch): (&Place, &mut Fetch<'_>),
    candidates: &[Candidate],
    upto: &mut u64,
    visitor: &mut Visitor<'_>,
) -> std::io::Result<ControlFlow<()>> {
    let mut met = Vec::with_capacity(candidates.len());
    for (index, candidate) in candidates.iter().enumerate().rev() {
        match fetch.get(candidate.offset, candidates[..index].iter().rev().map(|next| next.offset))? {
            Fetched::Whole(view) => {
                let seq = view.head.seq;
                let is_kept = seq <= *upto && seq > candidate.floor;
                let wanted = is_kept && (visitor.judge)(&view, &topics[candidate.topic]);
                met.push(Met { seq, offset: candidate.offset, wanted });
            }
            Fetched::Damaged(_) => shared.lock().counters.damaged += 1,
        }
    }
    for met in met.iter().rev() {
        if met.seq > *upto {
            continue;
        }
        *upto = met.seq - 1;
        if (visitor.visit)(place, met).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
