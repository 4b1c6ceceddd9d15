//! Where the events that a group wants lie in the tail, from a position on. Of three ways to find them it takes the one with least to look at.

use super::groups::Group;
use super::topics::Topics;
use super::window::Window;
use crate::{Pos, TopicName};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

pub(super) enum Search<'a> {
    /// They were noted as they came.
    Noted(&'a [Pos]),
    /// Every position from the first to before the second is looked at, and most may be of others.
    All(Pos, Pos),
    /// Each of these topics is asked for its own from there on.
    Topics(&'a [TopicName], Pos),
}

impl<'a> Search<'a> {
    pub(super) fn new(window: &Window, group: &'a Group, from: Pos) -> Self {
        if let Some(at) = group.noted.as_ref().and_then(|noted| noted.from(from)) {
            return Search::Noted(at);
        }
        let (names, end) = (group.selection.topics(), window.next());
        // Of a pattern's topics there is no list; and where fewer events have come than there are topics, the events are less to look at.
        let is_all =
            !group.selection.patterns().is_empty() || (names.len() > 1 && end.offset_from(from) <= names.len());
        if is_all { Search::All(from, end) } else { Search::Topics(names, from) }
    }

    /// Whether it meets events that the group does not select.
    pub(super) fn meets_others(&self) -> bool {
        matches!(self, Search::All(..))
    }

    /// How many topics it asks.
    pub(super) fn asks(&self) -> usize {
        if let Search::Topics(names, _) = self { names.len() } else { 0 }
    }

    /// The positions to look at, in order, each once.
    pub(super) fn positions(&self, topics: &'a Topics) -> Box<dyn Iterator<Item = Pos> + 'a> {
        match *self {
            Search::Noted(at) => Box::new(at.iter().copied()),
            Search::All(from, end) => Box::new((from.0..end.0).map(Pos)),
            Search::Topics([name], from) => Box::new(behind(topics.index(name), from)),
            Search::Topics(names, from) => Box::new(merge(topics, names, from)),
        }
    }
}

fn behind(index: &VecDeque<Pos>, from: Pos) -> impl Iterator<Item = Pos> {
    let start = index.partition_point(|at| *at < from);
    index.range(start..).copied()
}

/// A k-way merge: the heap holds the next position of each topic that has one.
fn merge<'a>(topics: &'a Topics, names: &'a [TopicName], from: Pos) -> impl Iterator<Item = Pos> + 'a {
    let mut rest: Vec<_> = names.iter().map(|name| behind(topics.index(name), from)).collect();
    let mut heap: BinaryHeap<Reverse<(Pos, usize)>> =
        rest.iter_mut().enumerate().filter_map(|(i, it)| it.next().map(|at| Reverse((at, i)))).collect();
    let mut last = None;
    std::iter::from_fn(move || {
        loop {
            let Reverse((at, i)) = heap.pop()?;
            heap.extend(rest[i].next().map(|next| Reverse((next, i))));
            // An event of several topics stands in several indexes, and comes once.
            if last != Some(at) {
                last = Some(at);
                return Some(at);
            }
        }
    })
}
