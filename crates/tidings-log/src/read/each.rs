//! The newest event of each topic.

use super::fetch::{Fetch, Fetched};
use super::newest::is_wanted;
use super::page::{Filling, names, record};
use super::step::Place;
use super::walk::{Visitor, walk_back};
use crate::query::{Query, ReadError};
use crate::shared::Shared;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Read at once on the way back: mostly the first one is it.
const AHEAD: usize = 4;

/// Where an event was found: it is read again in order, for all of them together may be more than memory has.
struct Spot<'q> {
    seq: u64,
    place: Place,
    offset: u64,
    topic: &'q Arc<str>,
}

/// A page of each topic's newest event behind `after`.
pub(super) fn fill<'q>(shared: &Shared, query: &'q Query<'q>, after: u64, head: u64) -> Result<Filling<'q>, ReadError> {
    let mut spots = Vec::new();
    for topic in query.topics {
        let visitor = Visitor {
            ahead: AHEAD,
            judge: &|view, name| is_wanted(query, view, names(view, name)),
            visit: &mut |place, met| {
                if met.wanted && met.seq > after {
                    spots.push(Spot { seq: met.seq, place: place.clone(), offset: met.offset, topic });
                }
                if met.wanted || met.seq <= after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        };
        walk_back(shared, std::slice::from_ref(topic), head, visitor)?;
    }
    // An event of several topics may be the newest of more than one.
    spots.sort_unstable_by_key(|spot| spot.seq);
    spots.dedup_by_key(|spot| spot.seq);
    let mut filling = Filling::new(query, after, head);
    for Spot { place, offset, topic, .. } in spots {
        let mut fetch = Fetch::new(&*place.file, place.salt, place.end);
        let fetched = fetch.get(offset, std::iter::empty()).map_err(|error| shared.refused(&error))?;
        // It was whole a moment ago.
        let Fetched::Whole(view) = fetched else { continue };
        if !filling.push(record(&view, names(&view, topic))) {
            filling.cut();
            return Ok(filling);
        }
    }
    filling.pass(head);
    Ok(filling)
}
