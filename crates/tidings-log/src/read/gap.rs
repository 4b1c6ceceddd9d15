//! What a reader misses: a page says so, exactly.

use super::page::Filling;
use crate::query::{Page, Query};
use crate::shared::Shared;
use crate::state::State;
use crate::topics::Dropped;
use std::sync::Arc;

/// So many topics that have dropped something are gathered under one lock, to be matched with patterns without it.
const NAMES_AT_ONCE: usize = 1_000;

impl Filling<'_> {
    /// The page, once what it misses behind `from` is known. Drops up to the version `told` were told already.
    ///
    /// This is asked last: what was dropped while the page was filled is missing in it, and must be told with it.
    pub(super) fn answer(self, shared: &Shared, from: u64, told: u64) -> Page {
        let begun = self.begun();
        let query = self.query;
        let mut page = self.into_page();
        let mut seen = told;
        loop {
            let mut names = Vec::new();
            {
                let state = shared.lock();
                page.drops = state.topics.version();
                page.gap |= state.is_damaged_between(begun, page.next) || misses_exact(&state, query, from, told);
                if query.pattern.is_some() && !page.gap {
                    names = missed_names(&state, from, &mut seen);
                }
            }
            if let Some(pattern) = query.pattern {
                page.gap |= names.iter().any(|name| pattern(name));
            }
            if names.is_empty() || page.gap {
                return page;
            }
        }
    }
}

/// Whether exact topics, or ones that are not known any more, have dropped something.
fn misses_exact(state: &State, query: &Query<'_>, from: u64, told: u64) -> bool {
    let is_missed = |dropped: Dropped| dropped.to > from && dropped.version > told;
    let forgotten = state.topics.forgotten();
    let of = |name: &Arc<str>| state.topic(name).map_or(forgotten, |id| state.topics.get(id).dropped);
    // A topic that is not known may have matched.
    (query.pattern.is_some() && is_missed(forgotten)) || query.topics.iter().any(|name| is_missed(of(name)))
}

/// Some of the topics that have dropped events behind a number since version `seen`, which is then the last one that was looked at.
fn missed_names(state: &State, from: u64, seen: &mut u64) -> Vec<Arc<str>> {
    let mut names = Vec::new();
    let mut last = *seen;
    for id in state.topics.dropped_since(*seen) {
        let topic = state.topics.get(id);
        last = topic.dropped.version;
        if topic.dropped.to > from {
            names.push(topic.name.clone());
        }
        if names.len() == NAMES_AT_ONCE {
            break;
        }
    }
    *seen = last;
    names
}
