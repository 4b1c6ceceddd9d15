//! Where the newest events of a query begin.

use super::page::{names, record};
use super::patterns;
use super::walk::{Met, Visitor, walk_back};
use crate::query::{Query, ReadError};
use crate::record::View;
use crate::shared::Shared;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The most that is read at once on the way back.
const AHEAD_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    /// The number before the oldest of them.
    pub(super) start: u64,
    /// There are older ones.
    pub(super) truncated: bool,
}

/// Looks back for the newest `count`, however rare they are, and for one more, to know whether there is one.
///
/// Only their place is kept, and they are read again in order: their bodies may be more than memory has.
pub(super) fn find(shared: &Shared, query: &Query<'_>, count: u32, head: u64) -> Result<Newest, ReadError> {
    let mut newest = Newest { start: head, truncated: false };
    let mut found = 0;
    let mut visit = |met: &Met| {
        if !met.wanted {
            return ControlFlow::Continue(());
        }
        if found == count {
            newest.truncated = true;
            return ControlFlow::Break(());
        }
        found += 1;
        newest.start = met.seq - 1;
        ControlFlow::Continue(())
    };
    match query.pattern {
        Some(pattern) => patterns::walk_back(shared, query, pattern, head, &mut visit)?,
        None => {
            let visitor = Visitor {
                ahead: (count as usize + 1).min(AHEAD_MAX),
                judge: &|view, name| is_wanted(query, view, names(view, name)),
                visit: &mut |_, met| visit(met),
            };
            walk_back(shared, query.topics, head, visitor)?;
        }
    }
    Ok(newest)
}

/// Whether an event that is not dropped is given to who asks.
pub(super) fn is_wanted(query: &Query<'_>, view: &View<'_>, names: Vec<Arc<str>>) -> bool {
    view.expires.is_none_or(|expires| expires > query.now) && (query.accept)(&record(view, names))
}
