//! Counts what a segment's records are, one by one.

use super::places::{Places, Stretch};
use crate::header::Header;
use crate::record::{Kind, View};
use std::collections::BTreeSet;

/// What was counted so far.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) batches: u64,
    pub(super) seqs: Option<(u64, u64)>,
    pub(super) times: Option<(u64, u64)>,
    topics: BTreeSet<Box<str>>,
    places: Places,
    /// The newest event's number, and the last batch's, of this segment or before it.
    seq: u64,
    batch: u64,
}

impl Tally {
    /// Of a segment whose records have not been read yet.
    pub(super) fn new(header: &Header) -> Self {
        Tally {
            events: 0,
            batches: 0,
            seqs: None,
            times: None,
            topics: BTreeSet::new(),
            places: Places::default(),
            seq: header.base,
            batch: header.batch,
        }
    }

    /// The next record.
    pub(super) fn record(&mut self, view: &View<'_>) {
        let head = view.head;
        if head.batch != self.batch {
            self.batch = head.batch;
            self.batches += 1;
        }
        self.times = Some((self.times.map_or(head.time, |(first, _)| first), head.time));
        for name in view.topics() {
            if !self.topics.contains(name) {
                self.topics.insert(name.into());
            }
        }
        if head.kind == Kind::Event {
            self.events += 1;
            self.seq = head.seq;
            self.seqs = Some((self.seqs.map_or(head.seq, |(first, _)| first), head.seq));
            self.places.event(head.seq);
        }
    }

    /// No record from here to there.
    pub(super) fn damage(&mut self, from: u64, to: u64) {
        self.places.damage(from, to, self.seq);
    }

    pub(super) fn topics(&self) -> u64 {
        self.topics.len() as u64
    }

    /// What is damaged, in order.
    pub(super) fn damaged(self) -> Vec<Stretch> {
        self.places.end()
    }
}
