//! Where in the order of numbers a time lies.

use super::step::Place;
use crate::index::Mark;
use crate::query::ReadError;
use crate::record::Kind;
use crate::scan::{Found, Scan};
use crate::shared::Shared;
use crate::state::State;

/// Where a time begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Everything up to this number is older; what is kept behind it is not.
    pub(super) seq: u64,
    /// A dropped event behind this number may be of this time or later: the same, or 0 where the time lies before what is kept, for
    /// then nobody knows.
    pub(super) missed_after: u64,
}

/// Where events of this time or later begin.
pub(super) fn start_of(shared: &Shared, time: u64) -> Result<Start, ReadError> {
    let (place, mark) = match locate(&shared.lock(), time) {
        Located::At(start) => return Ok(start),
        Located::Behind(place, mark) => (place, mark),
    };
    let mut seq = mark.seq;
    let Place { file, salt, end } = place;
    let mut scan = Scan::new(&*file, salt, mark.offset, end, mark.seq, shared.options.batch_bytes_max);
    while let Some(found) = scan.next().map_err(|error| shared.refused(&error))? {
        let Found::Record { view, .. } = found else { continue };
        if view.head.time >= time {
            break;
        }
        if view.head.kind == Kind::Event {
            seq = view.head.seq;
        }
    }
    Ok(Start { seq, missed_after: seq })
}

enum Located {
    At(Start),
    /// Somewhere behind this mark, before the next one.
    Behind(Place, Mark),
}

fn locate(state: &State, time: u64) -> Located {
    let at = |seq, missed_after| Located::At(Start { seq, missed_after });
    let sealed = state.sealed().map(|segment| (&segment.header, &segment.outline, segment.place()));
    let active = state.active().map(|active| (&active.header, &active.index.outline, active.place()));
    let mut is_first = true;
    for (header, outline, place) in sealed.chain(active) {
        let is_oldest = std::mem::take(&mut is_first);
        if outline.last_time < time {
            continue;
        }
        return match outline.mark_by_time(time) {
            Some(mark) => Located::Behind(place, *mark),
            // Its first record is no older.
            None if is_oldest => at(header.base, 0),
            None => at(header.base, header.base),
        };
    }
    at(state.head(), state.head())
}
