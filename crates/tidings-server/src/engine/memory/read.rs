//! Reading history in slices: each looks at a bounded number of events, and goes on where the last one stopped.
//!
//! Reading forward takes one slice, for a page may end anywhere and say that there is more. Looking back for the newest events of a
//! selection has to find them, however rare they are, so it takes as many slices as it needs.

use super::store::Store;
use std::collections::BinaryHeap;
use std::sync::Arc;
use tidings_hub::{Event, History, Read, ReadFrom, Selection, Seq};

/// A read under way.
pub(super) struct Reading {
    read: Read,
    examined_max: usize,
    stage: Stage,
}

enum Stage {
    /// Nothing was looked at yet.
    New,
    /// Looking back for the newest events: everything behind `upto` was looked at.
    Back { upto: Seq, found: u32, start: Seq },
    /// Looking back for each topic's newest event, none newer than `head`; of `topic`, everything behind `upto` was looked at.
    Each { topic: usize, upto: Seq, head: Seq, found: Vec<Arc<Event>> },
}

impl Reading {
    pub(super) fn new(read: Read, examined_max: usize) -> Self {
        debug_assert!(read.events_max > 0 && examined_max > 0, "a read that takes nothing never ends");
        Reading { read, examined_max, stage: Stage::New }
    }

    /// One slice; the answer, once there is one.
    pub(super) fn step(&mut self, store: &Store) -> Option<History> {
        match (&self.stage, self.read.from) {
            (Stage::New, ReadFrom::After { seq, .. }) => return Some(self.forward(store, seq, false)),
            (Stage::New, ReadFrom::Since(time)) => return Some(self.forward(store, store.before_time(time), false)),
            (Stage::New, ReadFrom::Newest(_)) => {
                self.stage = Stage::Back { upto: store.head(), found: 0, start: store.head() };
            }
            (Stage::New, ReadFrom::LastEach { .. }) => {
                let head = store.head();
                self.stage = Stage::Each { topic: 0, upto: head, head, found: Vec::new() };
            }
            (Stage::Back { .. } | Stage::Each { .. }, _) => {}
        }
        match self.read.from {
            ReadFrom::Newest(wanted) => self.step_back(store, wanted),
            ReadFrom::LastEach { after } => self.step_each(store, after),
            ReadFrom::After { .. } | ReadFrom::Since(_) => unreachable!("these are answered by their first slice"),
        }
    }

    /// A page of what lies behind a position.
    fn forward(&self, store: &Store, from: Seq, truncated: bool) -> History {
        let mut page = Page::new(&self.read);
        let mut next = from;
        let mut more = false;
        for (examined, event) in candidates(store, &self.read.selection, from).enumerate() {
            let full = examined == self.examined_max;
            if full || (self.read.selection.selects(event) && !page.push(event)) {
                more = true;
                break;
            }
            next = seq_of(event);
        }
        self.answer(store, page.events, if more { next } else { store.head() }, more, truncated)
    }

    /// Looks for one more than is wanted, to know whether anything older is kept.
    fn step_back(&mut self, store: &Store, wanted: u32) -> Option<History> {
        let Stage::Back { upto, found, start } = &mut self.stage else { unreachable!("the caller looked") };
        let selection = &self.read.selection;
        let mut is_truncated = false;
        for (examined, event) in candidates_back(store, selection, *upto).enumerate() {
            if examined == self.examined_max {
                return None;
            }
            let before = seq_of(event).before();
            *upto = before;
            if selection.selects(event) {
                if *found == wanted {
                    is_truncated = true;
                    break;
                }
                (*found, *start) = (*found + 1, before);
            }
        }
        let start = *start;
        Some(self.forward(store, start, is_truncated))
    }

    fn step_each(&mut self, store: &Store, after: Seq) -> Option<History> {
        let Stage::Each { topic, upto, head, found } = &mut self.stage else { unreachable!("the caller looked") };
        let selection = &self.read.selection;
        let mut examined = 0;
        while let Some(name) = selection.topics().get(*topic) {
            let from = *upto;
            let seqs =
                store.seqs(name).into_iter().flat_map(|seqs| seqs.range(..seqs.partition_point(|s| *s <= from)).rev());
            for seq in seqs.take_while(|seq| **seq > after) {
                if examined == self.examined_max {
                    return None;
                }
                examined += 1;
                *upto = seq.before();
                let event = store.get(*seq).expect("a topic's index names kept events only");
                if selection.passes_type(event) {
                    found.push(event.clone());
                    break;
                }
            }
            (*topic, *upto) = (*topic + 1, *head);
        }
        let head = *head;
        let mut found = std::mem::take(found);
        // An event of several topics may be the newest of more than one.
        found.sort_unstable_by_key(|event| event.seq);
        found.dedup_by_key(|event| event.seq);
        let mut page = Page::new(&self.read);
        let more = !found.iter().all(|event| page.push(event));
        let next = if more { page.events.last().map_or(after, seq_of) } else { head };
        Some(self.answer(store, page.events, next, more, false))
    }

    fn answer(&self, store: &Store, events: Vec<Arc<Event>>, next: Seq, more: bool, truncated: bool) -> History {
        let (dropped_to, gap) = store.dropped(&self.read.selection, self.read.from);
        let start = events.first().map_or(next, |event| seq_of(event).before());
        History { events, start, next, more, gap, dropped_to, truncated, head: store.head() }
    }
}

/// A page being filled, within the read's bounds.
struct Page<'a> {
    read: &'a Read,
    events: Vec<Arc<Event>>,
    bytes: usize,
}

impl<'a> Page<'a> {
    fn new(read: &'a Read) -> Self {
        Page { read, events: Vec::new(), bytes: 0 }
    }

    /// Adds an event, if there is room; the first has room in any case.
    fn push(&mut self, event: &Arc<Event>) -> bool {
        let bytes = event.content.bytes().len();
        let fits = self.events.len() < self.read.events_max && self.bytes + bytes <= self.read.bytes_max;
        if fits || self.events.is_empty() {
            self.bytes += bytes;
            self.events.push(event.clone());
            return true;
        }
        false
    }
}

fn seq_of(event: &Arc<Event>) -> Seq {
    event.seq.expect("only stored events are kept")
}

/// Events behind a position that may be wanted, in order: by the index of each topic, or all of them where there are patterns.
fn candidates<'a>(
    store: &'a Store,
    selection: &'a Selection,
    from: Seq,
) -> Box<dyn Iterator<Item = &'a Arc<Event>> + 'a> {
    if !selection.patterns().is_empty() {
        return Box::new(store.after(from));
    }
    let seqs = selection.topics().iter().filter_map(|topic| store.seqs(topic));
    let sources = seqs.map(|seqs| seqs.range(seqs.partition_point(|seq| *seq <= from)..).copied());
    Box::new(Merge::new(sources, OLDEST_FIRST).filter_map(|seq| store.get(seq)))
}

/// The same up to and including a position, newest first.
fn candidates_back<'a>(
    store: &'a Store,
    selection: &'a Selection,
    upto: Seq,
) -> Box<dyn Iterator<Item = &'a Arc<Event>> + 'a> {
    if !selection.patterns().is_empty() {
        return Box::new(store.back_from(upto));
    }
    let seqs = selection.topics().iter().filter_map(|topic| store.seqs(topic));
    let sources = seqs.map(move |seqs| seqs.range(..seqs.partition_point(|seq| *seq <= upto)).rev().copied());
    Box::new(Merge::new(sources, NEWEST_FIRST).filter_map(|seq| store.get(seq)))
}

/// The heap gives the greatest key first: numbers as they are, or with every bit turned.
const NEWEST_FIRST: u64 = 0;
const OLDEST_FIRST: u64 = u64::MAX;

/// Several orderly lists of numbers as one, each number once.
struct Merge<I> {
    sources: Vec<I>,
    /// The next number of each source, as a key, and which.
    heap: BinaryHeap<(u64, usize)>,
    turn: u64,
    last: Option<Seq>,
}

impl<I: Iterator<Item = Seq>> Merge<I> {
    fn new(sources: impl Iterator<Item = I>, turn: u64) -> Self {
        let mut sources: Vec<I> = sources.collect();
        let firsts =
            sources.iter_mut().enumerate().filter_map(|(index, source)| Some((source.next()?.0 ^ turn, index)));
        Merge { heap: firsts.collect(), sources, turn, last: None }
    }
}

impl<I: Iterator<Item = Seq>> Iterator for Merge<I> {
    type Item = Seq;

    fn next(&mut self) -> Option<Seq> {
        loop {
            let (key, index) = self.heap.pop()?;
            if let Some(seq) = self.sources[index].next() {
                self.heap.push((seq.0 ^ self.turn, index));
            }
            let seq = Seq(key ^ self.turn);
            if self.last.replace(seq) != Some(seq) {
                return Some(seq);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_merge_both_ways_and_repeats_vanish() {
        let lists = [vec![1, 4, 6], vec![], vec![2, 4, 5], vec![6]];
        let forward = lists.iter().map(|list| list.iter().map(|n| Seq(*n)));
        assert_eq!(Merge::new(forward, OLDEST_FIRST).map(|seq| seq.0).collect::<Vec<_>>(), [1, 2, 4, 5, 6]);
        let back = lists.iter().map(|list| list.iter().rev().map(|n| Seq(*n)));
        assert_eq!(Merge::new(back, NEWEST_FIRST).map(|seq| seq.0).collect::<Vec<_>>(), [6, 5, 4, 2, 1]);
    }
}
