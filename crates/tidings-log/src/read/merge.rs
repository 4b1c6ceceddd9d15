//! The lists of several topics as one, in the order of places, each event once.

use crate::index::{Cursor, Lost, Outline, Postings};
use std::collections::BinaryHeap;

/// One topic's list in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) list: u32,
    /// Which of the query's topics it is.
    pub(super) topic: usize,
    /// Of its events, none up to this number is wanted.
    pub(super) floor: u64,
}

/// An event that may be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) offset: u64,
    /// One of the query's topics that it has.
    pub(super) topic: usize,
    /// It is not wanted up to this number: the lowest floor of its topics.
    pub(super) floor: u64,
}

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Back,
}

#[derive(Debug)]
pub(super) struct Merge<'s> {
    postings: Postings<'s>,
    walks: Vec<Walk>,
    /// The next place of each list, as a key of which the greatest comes first, and which list.
    heap: BinaryHeap<(u64, usize)>,
    way: Way,
}

/// One list's part of the way: what is left of it.
#[derive(Debug)]
struct Walk {
    of: List,
    cursor: Cursor,
    from: u32,
    to: u32,
}

impl<'s> Merge<'s> {
    /// Walks over what may lie behind each list's floor, and at `from` or behind it and before `to` in the segment.
    pub(super) fn new(
        postings: Postings<'s>,
        outline: &Outline,
        lists: &[List],
        way: Way,
        within: std::ops::Range<u64>,
    ) -> Result<Self, Lost> {
        let walks = Vec::with_capacity(lists.len());
        let mut merge = Merge { postings, walks, heap: BinaryHeap::new(), way };
        let mut lists = lists.to_vec();
        // Neighbours share a block.
        lists.sort_unstable_by_key(|list| list.list);
        for of in lists {
            let mut cursor = merge.postings.cursor(of.list);
            let mark = outline.mark_by_seq(of.floor).map_or(0, |mark| mark.offset);
            let from = merge.postings.count_before(&mut cursor, mark.max(within.start))?;
            let to = if within.end == u64::MAX {
                cursor.len()
            } else {
                merge.postings.count_before(&mut cursor, within.end)?
            };
            merge.walks.push(Walk { of, cursor, from, to: to.max(from) });
            merge.advance(merge.walks.len() - 1)?;
        }
        Ok(merge)
    }

    /// The next event.
    pub(super) fn next(&mut self) -> Result<Option<Candidate>, Lost> {
        let Some((key, first)) = self.heap.pop() else { return Ok(None) };
        let List { topic, floor, .. } = self.walks[first].of;
        let mut candidate = Candidate { offset: self.turned(key), topic, floor };
        self.advance(first)?;
        // The same event in the lists of others of its topics.
        while let Some((_, other)) = self.heap.peek().copied().filter(|(other, _)| *other == key) {
            self.heap.pop();
            candidate.floor = candidate.floor.min(self.walks[other].of.floor);
            self.advance(other)?;
        }
        Ok(Some(candidate))
    }

    /// Up to so many of the next ones.
    pub(super) fn take(&mut self, count: usize, into: &mut Vec<Candidate>) -> Result<(), Lost> {
        into.clear();
        while into.len() < count {
            let Some(candidate) = self.next()? else { break };
            into.push(candidate);
        }
        Ok(())
    }

    /// Puts a list's next place into the heap.
    fn advance(&mut self, index: usize) -> Result<(), Lost> {
        let walk = &mut self.walks[index];
        if walk.from == walk.to {
            return Ok(());
        }
        let at = match self.way {
            Way::Forward => {
                walk.from += 1;
                walk.from - 1
            }
            Way::Back => {
                walk.to -= 1;
                walk.to
            }
        };
        let offset = self.postings.get(&mut walk.cursor, at)?;
        let key = self.turned(offset);
        self.heap.push((key, index));
        Ok(())
    }

    /// The heap gives the greatest first: places as they are, or with every bit turned.
    fn turned(&self, key: u64) -> u64 {
        match self.way {
            Way::Forward => !key,
            Way::Back => key,
        }
    }
}
