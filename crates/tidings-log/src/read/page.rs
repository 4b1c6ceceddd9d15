//! A page being filled, within the query's bounds.

use crate::query::{Page, Query, Record};
use crate::record::{Kind, View};
use std::ops::ControlFlow;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Filling<'q> {
    pub(super) query: &'q Query<'q>,
    records: Vec<Record>,
    bytes: usize,
    examined: usize,
    /// Where it was begun.
    from: u64,
    /// Everything up to here was looked at.
    at: u64,
    /// Nothing newer is looked at.
    pub(super) head: u64,
    more: bool,
    /// A damaged record was met, and its number is not known.
    doubtful: bool,
    gap: bool,
}

impl<'q> Filling<'q> {
    pub(super) fn new(query: &'q Query<'q>, from: u64, head: u64) -> Self {
        let (records, bytes, examined) = (Vec::new(), 0, 0);
        // A number that lies before the head of another history is not before this one's.
        let at = from.min(head);
        Filling { query, records, bytes, examined, from: at, at, head, more: false, doubtful: false, gap: false }
    }

    /// Everything up to here was looked at.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Where it was begun.
    pub(super) fn begun(&self) -> u64 {
        self.from
    }

    /// How many events it still takes.
    pub(super) fn room(&self) -> usize {
        (self.query.events_max - self.records.len()).max(1)
    }

    /// Whether an event of this number is still to be looked at.
    pub(super) fn is_ahead(&self, seq: u64) -> bool {
        seq > self.at && seq <= self.head
    }

    /// Looks at an event; `names` are its topics if it is one of the query's that are not dropped. Breaks when the page is full, or the
    /// event is newer than the head.
    pub(super) fn look(&mut self, view: &View<'_>, names: Option<Vec<Arc<str>>>) -> ControlFlow<()> {
        let seq = view.head.seq;
        if view.head.kind != Kind::Event || seq <= self.at {
            // What was damaged before it lies before it.
            self.doubtful &= seq > self.at;
            return ControlFlow::Continue(());
        }
        if seq > self.head {
            return ControlFlow::Break(());
        }
        if self.examined == self.query.examined_max {
            self.more = true;
            return ControlFlow::Break(());
        }
        self.gap |= std::mem::take(&mut self.doubtful) && seq > self.at + 1;
        self.examined += 1;
        let expired = view.expires.is_some_and(|expires| expires <= self.query.now);
        let record = names.filter(|_| !expired).map(|names| record(view, names));
        if let Some(record) = record.filter(|record| (self.query.accept)(record))
            && !self.push(record)
        {
            self.more = true;
            return ControlFlow::Break(());
        }
        self.at = seq;
        ControlFlow::Continue(())
    }

    /// Adds an event, if there is room; the first has room in any case.
    pub(super) fn push(&mut self, record: Record) -> bool {
        let bytes = record.body.len();
        let fits = self.records.len() < self.query.events_max && self.bytes + bytes <= self.query.bytes_max;
        if fits || self.records.is_empty() {
            self.bytes += bytes;
            self.records.push(record);
            return true;
        }
        false
    }

    /// A damaged record stands where one of the topics' should; its number, if it can be read. It is not wanted up to `floor`.
    pub(super) fn lose(&mut self, seq: Option<u64>, floor: u64) {
        match seq {
            Some(seq) => self.gap |= self.is_ahead(seq) && seq > floor,
            None => self.doubtful = true,
        }
    }

    /// Numbers from here up to `through` are lost: nobody knows whose they were.
    pub(super) fn lose_through(&mut self, through: u64) {
        self.gap |= through > self.at;
    }

    /// Everything up to here was looked at.
    pub(super) fn pass(&mut self, seq: u64) {
        self.gap |= std::mem::take(&mut self.doubtful);
        self.at = self.at.max(seq.min(self.head));
    }

    /// The page is cut behind its last event.
    pub(super) fn cut(&mut self) {
        self.more = true;
        self.at = self.records.last().map_or(self.at, |record| record.seq);
    }

    /// The page, but for what the state says of drops.
    pub(super) fn into_page(self) -> Page {
        let start = self.records.first().map_or(self.at, |record| record.seq - 1);
        assert!(!self.more || self.at > self.from, "a page that is cut moves on");
        Page {
            records: self.records,
            start,
            next: self.at,
            more: self.more,
            gap: self.gap,
            head: self.head,
            drops: 0,
            truncated: false,
        }
    }
}

/// An event, with its topics' names.
pub(super) fn record(view: &View<'_>, topics: Vec<Arc<str>>) -> Record {
    let View { head, expires, body, .. } = *view;
    Record { seq: head.seq, time: head.time, topics, body: body.to_vec(), expires }
}

/// An event's topics, by the query's names where it has them.
pub(super) fn names(view: &View<'_>, known: &Arc<str>) -> Vec<Arc<str>> {
    view.topics().map(|name| if name == &**known { known.clone() } else { Arc::from(name) }).collect()
}
