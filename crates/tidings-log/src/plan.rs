//! What a batch will hold: numbers and times are given out and bounds are checked before a byte is written.

use crate::entry::{Append, AppendError, Draft, Entry, Placed};
use crate::map::{self, Map};
use crate::record::{Fields, Head, Kind};
use crate::state::State;
use std::sync::Arc;

/// The bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The most bytes of its records.
    pub(crate) bytes_max: usize,
    /// The most topics that have events.
    pub(crate) topics_max: usize,
    pub(crate) hash_seed: u64,
}

/// A batch in the making. Its lists are used again for the next one: nothing is allocated for a record.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) records: Vec<Planned>,
    /// Of each append that was looked at, in order.
    pub(crate) results: Vec<Result<Placed, AppendError>>,
    /// What the records take.
    pub(crate) bytes: usize,
    head: u64,
    time: u64,
    batch: u64,
    /// How often it names a topic: at the most so many are new in it.
    mentioned: usize,
    /// The topics that are new in it, once the bound is so close that it matters.
    new_topics: Option<Map<Arc<str>, ()>>,
}

/// One record of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) head: Head,
    /// Which append, and which of its entries.
    append: u32,
    entry: u32,
    /// For a drop, in its body's form.
    to: [u8; 8],
    pub(crate) len: usize,
}

impl Plan {
    /// Plans a batch of the first of these appends: as many as it holds, one at least.
    pub(crate) fn make(&mut self, state: &State, now: u64, appends: &[Append], bounds: Bounds) {
        self.records.clear();
        self.results.clear();
        (self.bytes, self.mentioned, self.new_topics) = (0, 0, None);
        (self.head, self.time, self.batch) = (state.head(), state.time(), state.batch() + 1);
        for (index, append) in appends.iter().enumerate() {
            let bytes = append_bytes(append);
            if !self.results.is_empty() && bytes <= bounds.bytes_max && bytes > bounds.bytes_max - self.bytes {
                break;
            }
            let result = if bytes > bounds.bytes_max {
                Err(AppendError::TooLarge { max: bounds.bytes_max })
            } else {
                self.add(state, now, appends, index, bounds)
            };
            self.results.push(result);
        }
        assert!(self.bytes <= bounds.bytes_max, "a batch is bounded");
        assert!(!self.results.is_empty() || appends.is_empty(), "a batch looks at one append at the least");
    }

    /// Whether it holds drops and nothing else.
    pub(crate) fn only_drops(&self) -> bool {
        !self.records.is_empty() && self.records.iter().all(|record| record.head.kind == Kind::Drop)
    }

    /// Adds an append whole, or not at all.
    fn add(
        &mut self,
        state: &State,
        now: u64,
        appends: &[Append],
        index: usize,
        bounds: Bounds,
    ) -> Result<Placed, AppendError> {
        let append = &appends[index];
        let events = append.entries.iter().filter(|entry| matches!(entry, Entry::Event(_))).count() as u64;
        let at = append.at.filter(|_| events > 0);
        let first = at.map_or(self.head + 1, |at| at.seq);
        if events > 0 && (first <= self.head || first.checked_add(events).is_none()) {
            return Err(AppendError::NotAfterHead { head: self.head });
        }
        self.check_topics(state, appends, index, bounds)?;
        let time = at.map_or(now, |at| at.time).max(self.time);
        let (start, mut next) = (self.records.len(), first);
        for (entry_index, entry) in append.entries.iter().enumerate() {
            let (kind, to) = match entry {
                Entry::Event(_) => (Kind::Event, 0),
                Entry::Drop { topic, to } => match to.unwrap_or_else(|| self.newest(state, appends, topic.as_ref())) {
                    // A topic without events has nothing to drop.
                    0 => continue,
                    to => (Kind::Drop, to),
                },
            };
            // A drop bears number and time of the newest event before it: it makes nothing younger.
            if kind == Kind::Event {
                (self.head, self.time) = (next, time);
                next += 1;
            }
            let head = Head {
                kind,
                opens_batch: self.records.is_empty(),
                ends_append: false,
                seq: self.head,
                batch: self.batch,
                time: self.time,
            };
            let (append, entry_index) = (index as u32, entry_index as u32);
            let mut planned = Planned { head, append, entry: entry_index, to: to.to_le_bytes(), len: 0 };
            planned.len = planned.fields(appends).encoded_len();
            self.bytes += planned.len;
            self.records.push(planned);
        }
        if let Some(last) = self.records[start..].last_mut() {
            last.head.ends_append = true;
        }
        Ok(Placed { first: if events > 0 { first } else { self.head }, time })
    }

    /// Whether there may be so many topics more.
    fn check_topics(
        &mut self,
        state: &State,
        appends: &[Append],
        index: usize,
        bounds: Bounds,
    ) -> Result<(), AppendError> {
        let mentioned = topics(&appends[index]).count();
        if self.new_topics.is_none() && state.stored_topics() + self.mentioned + mentioned <= bounds.topics_max {
            // Far from the bound nobody has to look at each topic.
            self.mentioned += mentioned;
            return Ok(());
        }
        let is_new = |name: &&Arc<str>| state.topic(name).is_none_or(|id| state.newest(id) <= state.dropped_to(id));
        let new_topics = self.new_topics.get_or_insert_with(|| {
            let planned = self.results.iter().zip(appends).filter(|(result, _)| result.is_ok());
            let mut before = map::map(bounds.hash_seed);
            before.extend(
                planned.flat_map(|(_, append)| topics(append)).filter(is_new).map(|name| (Arc::clone(name), ())),
            );
            before
        });
        let mut more: Vec<&Arc<str>> = topics(&appends[index]).filter(is_new).collect();
        more.retain(|name| !new_topics.contains_key(*name));
        more.sort_unstable();
        more.dedup();
        if !more.is_empty() && state.stored_topics() + new_topics.len() + more.len() > bounds.topics_max {
            return Err(AppendError::TooManyTopics { max: bounds.topics_max });
        }
        new_topics.extend(more.into_iter().map(|name| (Arc::clone(name), ())));
        Ok(())
    }

    /// A topic's newest event, those that stand before in this batch included; 0: none.
    fn newest(&self, state: &State, appends: &[Append], topic: Option<&Arc<str>>) -> u64 {
        let Some(topic) = topic else { return 0 };
        let planned = self.records.iter().rev().filter(|record| record.head.kind == Kind::Event);
        let mut here = planned.filter(|record| record.fields(appends).topics.contains(topic));
        let before = || state.topic(topic).map_or(0, |id| state.newest(id));
        here.next().map_or_else(before, |record| record.head.seq)
    }
}

impl Planned {
    /// What is written; `appends` are those the plan was made of.
    pub(crate) fn fields<'a>(&'a self, appends: &'a [Append]) -> Fields<'a, Arc<str>> {
        match &appends[self.append as usize].entries[self.entry as usize] {
            Entry::Event(draft) => Fields {
                head: self.head,
                topics: &draft.topics,
                key: draft.key,
                expires: draft.expires,
                body: &draft.body,
            },
            Entry::Drop { topic, .. } => {
                Fields { head: self.head, topics: topic.as_slice(), key: None, expires: None, body: &self.to }
            }
        }
    }

    /// For a drop: up to which number.
    pub(crate) fn dropped_to(&self) -> Option<u64> {
        (self.head.kind == Kind::Drop).then(|| u64::from_le_bytes(self.to))
    }
}

/// The topics an append has events for.
fn topics(append: &Append) -> impl Iterator<Item = &Arc<str>> {
    append.entries.iter().flat_map(|entry| match entry {
        Entry::Event(draft) => draft.topics.iter(),
        Entry::Drop { .. } => [].iter(),
    })
}

/// What an append takes on disk, drops of nothing included.
pub(crate) fn append_bytes(append: &Append) -> usize {
    let head = Head { kind: Kind::Event, opens_batch: false, ends_append: false, seq: 0, batch: 0, time: 0 };
    let len = |entry: &Entry| match entry {
        Entry::Event(Draft { topics, body, key, expires }) => {
            Fields { head, topics, key: *key, expires: *expires, body }.encoded_len()
        }
        Entry::Drop { topic, .. } => {
            Fields { head, topics: topic.as_slice(), key: None, expires: None, body: &[0; 8] }.encoded_len()
        }
    };
    append.entries.iter().map(len).sum()
}
