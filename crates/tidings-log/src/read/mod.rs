//! Answering questions to the log.
//!
//! A read takes the state's lock for as long as it takes to find the next segment that has what it wants, then reads that segment
//! without the lock. Its place is a number, never an offset: segments may be sealed, removed or rewritten between two of its steps.

mod each;
mod fetch;
mod forward;
mod gap;
mod merge;
mod newest;
mod page;
mod patterns;
mod step;
#[cfg(test)]
mod tests;
mod time;
mod walk;

pub(crate) use fetch::{Fetch, Fetched};
pub(crate) use step::Place;
pub(crate) use walk::{Visitor, walk_back};

use crate::query::{From, Page, Query, ReadError};
use crate::shared::Shared;
use page::Filling;

/// Answers a question.
pub(crate) fn read(shared: &Shared, query: &Query<'_>) -> Result<Page, ReadError> {
    assert!(query.events_max > 0 && query.examined_max > 0, "a read that takes nothing never ends");
    crate::limits::apply(shared, query.topics, query.now)?;
    let head = shared.lock().head();
    match query.from {
        From::After { seq, told } => {
            let filling = fill(shared, query, seq, head)?;
            Ok(filling.answer(shared, seq, told))
        }
        From::Since(since) => {
            let start = time::start_of(shared, since)?;
            let filling = fill(shared, query, start.seq, head)?;
            Ok(filling.answer(shared, start.missed_after, 0))
        }
        From::Newest(wanted) => {
            let newest = newest::find(shared, query, wanted, head)?;
            let filling = fill(shared, query, newest.start, head)?;
            // No place was named behind which something could have been dropped.
            let page = filling.answer(shared, newest.start, crate::query::TOLD_ALL);
            Ok(Page { truncated: newest.truncated, ..page })
        }
        From::LastEach { after } => {
            let filling = each::fill(shared, query, after, head)?;
            Ok(filling.answer(shared, head, crate::query::TOLD_ALL))
        }
    }
}

/// A page of what lies behind a number, none of it newer than `head`.
fn fill<'q>(shared: &Shared, query: &'q Query<'q>, from: u64, head: u64) -> Result<Filling<'q>, ReadError> {
    let mut filling = Filling::new(query, from, head);
    match query.pattern {
        None => forward::fill(shared, &mut filling)?,
        Some(pattern) => patterns::fill(shared, &mut filling, pattern)?,
    }
    Ok(filling)
}
