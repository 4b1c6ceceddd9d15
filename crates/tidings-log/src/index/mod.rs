//! What is known of a segment without reading its records: marks, each topic's list of places, idempotency keys, damage.
//!
//! The active segment's is built record by record (`builder.rs`); a sealed segment's stands in a file beside it (`encode.rs`,
//! `directory.rs`), its lists read block by block when they are needed (`postings.rs`). What is lost is built anew from the segment
//! (`rebuild.rs`).

mod builder;
mod directory;
mod encode;
mod layout;
mod postings;
mod rebuild;
#[cfg(test)]
mod tests;

pub(crate) use builder::IndexBuilder;
pub(crate) use directory::Directory;
pub(crate) use encode::encode;
pub(crate) use postings::{Cursor, Lost, Postings};
pub(crate) use rebuild::{Rebuild, rebuild};

use crate::entry::Key;
use crate::storage::File;
use std::sync::Arc;

/// One mark is set every so many bytes of a segment: a look-up reads that much beside what it wants, at the most, and a segment of
/// 64 MiB has 2,048 of them, 48 KiB.
pub(crate) const MARK_EVERY: u64 = 32 * 1024;

/// A place in a segment, and what lies before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// A record starts here.
    pub(crate) offset: u64,
    /// The newest event's number before it.
    pub(crate) seq: u64,
    /// The newest record's time before it.
    pub(crate) time: u64,
}

/// A stretch of a segment that holds no whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The newest event's number before it.
    pub(crate) before: u64,
    /// The highest number that an event in it can have had; [`u64::MAX`]: nothing follows it in the segment.
    pub(crate) through: u64,
}

/// What holds for a segment as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Where its records end.
    pub(crate) end: u64,
    /// Events in it.
    pub(crate) events: u64,
    /// Its first event's number; 0 where there is none.
    pub(crate) first_seq: u64,
    /// Its newest event's number; where there is none, the newest before it.
    pub(crate) last_seq: u64,
    /// The time of its first record; where there is none, of the newest before it.
    pub(crate) first_time: u64,
    /// The time of its newest record; where there is none, of the newest before it.
    pub(crate) last_time: u64,
    /// The number of its last batch; where there is none, of the last before it.
    pub(crate) batch: u64,
    /// The highest number up to which its drops of unknown topics say that events are gone; 0: none does.
    pub(crate) forgotten_to: u64,
    /// In order; the first is at its first record.
    pub(crate) marks: Vec<Mark>,
    /// In order.
    pub(crate) damage: Vec<Stretch>,
}

/// What a segment says of one of its topics, beside where the events are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The topic's newest event in this segment; 0: it has none here.
    pub(crate) last_seq: u64,
    /// The highest number up to which drops in this segment say that its events are gone; 0: none does.
    pub(crate) dropped_to: u64,
}

/// The topics' lists, in memory. A list's number is its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists {
    /// Of each topic, where its events' records start, divided by 8.
    pub(crate) offsets: Vec<Vec<u32>>,
    pub(crate) ends: Vec<Ends>,
}

/// An event that bears an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) key: Key,
    pub(crate) seq: u64,
    pub(crate) time: u64,
}

/// What is large: in memory until it is written, then in the index file.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    Memory { lists: Lists, keys: Vec<KeyRow> },
    File(IndexFile),
}

/// Where an index file has what is not kept in memory.
#[derive(Clone, Debug)]
pub(crate) struct IndexFile {
    pub(crate) file: Arc<dyn File>,
    /// Where the blocks of places start.
    pub(crate) postings_at: u64,
    /// Of each list, how many places stand before its own; and, as the last, how many there are at all.
    pub(crate) starts: Vec<u32>,
    pub(crate) keys_at: u64,
    pub(crate) keys: usize,
}

impl Outline {
    /// Where its last whole record ends.
    pub(crate) fn whole_end(&self) -> u64 {
        let damage = self.damage.last().filter(|stretch| stretch.to == self.end);
        damage.map_or(self.end, |stretch| stretch.from)
    }

    /// The last mark that everything up to `seq` lies before.
    pub(crate) fn mark_by_seq(&self, seq: u64) -> Option<&Mark> {
        self.marks[..self.marks.partition_point(|mark| mark.seq <= seq)].last()
    }

    /// The last mark before which everything is older than `time`.
    pub(crate) fn mark_by_time(&self, time: u64) -> Option<&Mark> {
        self.marks[..self.marks.partition_point(|mark| mark.time < time)].last()
    }
}

impl Detail {
    /// How many events a list has.
    pub(crate) fn count(&self, list: u32) -> u32 {
        let list = list as usize;
        match self {
            Detail::Memory { lists, .. } => lists.offsets[list].len() as u32,
            Detail::File(file) => file.starts[list + 1] - file.starts[list],
        }
    }
}
