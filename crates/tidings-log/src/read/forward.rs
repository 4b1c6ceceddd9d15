//! Reading exact topics in order, by their lists.

use super::fetch::{Fetch, Fetched};
use super::merge::{Candidate, Merge, Way};
use super::page::{Filling, names};
use super::step::{Place, Step, Wanted};
use crate::index::{Lost, Postings};
use crate::query::ReadError;
use crate::segment::Segment;
use crate::shared::Shared;
use std::ops::ControlFlow;

/// So many places are looked up before the first of them is read, so that near ones come in one go. At 256 bytes an event 256 of them
/// lie within one read of 64 KiB.
const AHEAD: usize = 256;

/// Fills a page from where it stands.
pub(super) fn fill(shared: &Shared, filling: &mut Filling<'_>) -> Result<(), ReadError> {
    let mut wanted = Wanted::new(filling.query.topics);
    while filling.at() < filling.head {
        let step = wanted.forward(&shared.lock(), filling.at());
        let flow = match step {
            None => {
                filling.pass(filling.head);
                ControlFlow::Continue(())
            }
            Some(Step::Sealed { segment, lists }) => {
                let merge = Merge::new(
                    Postings::new(&segment.detail, segment.salt),
                    &segment.outline,
                    &lists,
                    Way::Forward,
                    0..u64::MAX,
                );
                match merge.and_then(|merge| read_sealed(shared, filling, &segment, merge)) {
                    Ok(flow) => flow,
                    Err(Lost::Damaged) => {
                        shared.rebuild(&segment)?;
                        ControlFlow::Continue(())
                    }
                    Err(Lost::Refused(error)) => return Err(shared.refused(&error)),
                }
            }
            Some(Step::Active { place, candidates, more, .. }) => {
                let mut fetch = Fetch::new(&*place.file, place.salt, place.end);
                let flow = look(shared, filling, &mut fetch, &candidates).map_err(|error| shared.refused(&error))?;
                if flow.is_continue() && !more {
                    filling.pass(filling.head);
                }
                flow
            }
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn read_sealed(
    shared: &Shared,
    filling: &mut Filling<'_>,
    segment: &Segment,
    mut merge: Merge<'_>,
) -> Result<ControlFlow<()>, Lost> {
    let Place { file, salt, end } = segment.place();
    let mut fetch = Fetch::new(&*file, salt, end);
    let mut candidates = Vec::new();
    loop {
        // One more than there is room for: the one that no longer fits shows that there is more.
        merge.take(AHEAD.min(filling.room() + 1), &mut candidates)?;
        if candidates.is_empty() {
            filling.pass(segment.outline.last_seq);
            return Ok(ControlFlow::Continue(()));
        }
        if look(shared, filling, &mut fetch, &candidates)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Looks at candidates one by one.
fn look(
    shared: &Shared,
    filling: &mut Filling<'_>,
    fetch: &mut Fetch<'_>,
    candidates: &[Candidate],
) -> std::io::Result<ControlFlow<()>> {
    for (index, candidate) in candidates.iter().enumerate() {
        match fetch.get(candidate.offset, candidates[index + 1..].iter().map(|next| next.offset))? {
            Fetched::Whole(view) => {
                let is_kept = filling.is_ahead(view.head.seq) && view.head.seq > candidate.floor;
                let names = is_kept.then(|| names(&view, &filling.query.topics[candidate.topic]));
                if filling.look(&view, names).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Fetched::Damaged(seq) => {
                shared.lock().counters.damaged += 1;
                filling.lose(seq, candidate.floor);
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}
