//! What the log counts.

use crate::header::RECORDS_AT;
use crate::state::State;

/// Counted since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Damaged records and stretches that reads met.
    pub(crate) damaged: u64,
    /// Indexes that were built anew from their segment.
    pub(crate) rebuilt: u64,
    /// Reads that the storage refused.
    pub(crate) refused: u64,
    /// Batches that were written.
    pub(crate) batches: u64,
    /// Syncs that stood before a batch was shown and answered.
    pub(crate) syncs: u64,
    /// Segments that were removed.
    pub(crate) removed: u64,
    /// Segments that were rewritten.
    pub(crate) rewritten: u64,
}

/// How large the log is, and what happened to it since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments, the one that is written included.
    pub segments: usize,
    /// Events on disk, those that are dropped and not yet removed included.
    pub events: u64,
    /// Bytes of records on disk.
    pub bytes: u64,
    /// Topics that have events.
    pub topics: usize,
    /// Damaged records and stretches that reads met.
    pub damaged: u64,
    /// Indexes that were built anew from their segment.
    pub rebuilt: u64,
    /// Reads that the storage refused.
    pub refused: u64,
    /// Batches that were written, shown and answered.
    pub batches: u64,
    /// Syncs that stood before a batch was shown and answered: as many as batches.
    pub syncs: u64,
    /// Segments that were removed.
    pub removed: u64,
    /// Segments that were rewritten.
    pub rewritten: u64,
}

impl Stats {
    pub(crate) fn of(state: &State) -> Self {
        let sealed = state.sealed().map(|segment| &segment.outline);
        let outlines = sealed.chain(state.active().map(|active| &active.index.outline));
        let Counters { damaged, rebuilt, refused, batches, syncs, removed, rewritten } = state.counters;
        let topics = state.stored_topics();
        let empty = Stats { topics, damaged, rebuilt, refused, batches, syncs, removed, rewritten, ..Stats::default() };
        outlines.fold(empty, |stats, outline| Stats {
            segments: stats.segments + 1,
            events: stats.events + outline.events,
            bytes: stats.bytes + (outline.end - RECORDS_AT),
            ..stats
        })
    }
}
