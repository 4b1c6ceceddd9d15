//! The files of a directory: which are segments, which is the spare, and what is left over.

use super::{OpenError, Recovery};
use crate::header::{Found, Header};
use crate::index::Outline;
use crate::names::{self, Name};
use crate::segment::SegmentFile;
use crate::spare::{Spare, Spares};
use crate::storage::{Dir, File};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Files {
    /// By rising numbers.
    files: Vec<Numbered>,
    /// Segments that have an index.
    indexes: BTreeSet<u32>,
    /// The highest number of a file.
    highest: u32,
}

/// A file that bears a segment's number.
#[derive(Debug)]
struct Numbered {
    number: u32,
    file: Arc<dyn File>,
    /// What its header says; none where it is not begun, or the header is lost.
    header: Option<Header>,
    /// A copy of the header is damaged.
    damaged: bool,
    /// It is of another log: somebody has put it here.
    foreign: bool,
}

impl Files {
    /// Reads all headers, and removes what an earlier process left unfinished.
    pub(super) fn list(dir: &dyn Dir) -> Result<Self, OpenError> {
        let (mut files, mut indexes, mut unfinished) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for name in dir.list()? {
            match names::parse(&name) {
                Name::Segment(number) => drop(files.insert(number, Numbered::open(dir, number)?)),
                Name::Index(number) => drop(indexes.insert(number)),
                Name::Unfinished => unfinished.push(name),
                Name::Other => {}
            }
        }
        // Only now: a log of a newer format was refused on the way, and is left as it is.
        for name in unfinished {
            dir.remove(&name)?;
        }
        let highest = files.last_key_value().map_or(0, |(number, _)| *number);
        let mut files = Files { files: files.into_values().collect(), indexes, highest };
        files.set_foreign_aside();
        files.remove_merged(dir)?;
        Ok(files)
    }

    /// Name and secret of the log, if there is one.
    pub(super) fn log(&self) -> Option<([u8; 8], u64)> {
        self.newest_header().map(|newest| (newest.epoch, newest.secret))
    }

    fn newest_header(&self) -> Option<Header> {
        self.files.iter().rev().find_map(|file| file.header)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn has_index(&self, number: u32) -> bool {
        self.indexes.contains(&number)
    }

    /// The segment in a file, if it is one, its header repaired where it was damaged. `before` is the segment before it.
    pub(super) fn segment(
        &mut self,
        at: usize,
        before: Option<&Outline>,
        found: &mut Recovery,
    ) -> io::Result<Option<SegmentFile>> {
        let log = self.newest_header();
        let newest = at + 1 == self.files.len();
        let file = &mut self.files[at];
        if let Some(log) = log.filter(|_| file.header.is_none() && !file.foreign) {
            file.header = file.restored(&log, before)?;
            file.damaged = true;
        }
        let Some(header) = file.header else {
            // The newest is the spare.
            if !newest || file.foreign {
                found.headless.push(file.number);
            }
            return Ok(None);
        };
        if file.damaged {
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            file.file.write_at(&bytes, 0)?;
            file.file.sync()?;
            found.repaired.push(file.number);
        }
        Ok(Some(SegmentFile { header, file: Arc::clone(&file.file) }))
    }

    /// Where a segment ends according to the one that was begun after it, if that is the next file.
    pub(super) fn end_by_next(&self, at: usize) -> Option<u64> {
        let next = self.files.get(at + 1)?.header?;
        Some(next.previous_end).filter(|end| *end > 0)
    }

    /// Whether no segment is newer.
    pub(super) fn is_newest(&self, at: usize) -> bool {
        self.files[at + 1..].iter().all(|file| file.header.is_none())
    }

    /// The spare, under a number of its own.
    pub(super) fn spares(mut self, dir: &dyn Dir, segment_bytes: u64) -> Result<Spares, OpenError> {
        let next = self.highest.checked_add(1).ok_or(OpenError::NumbersUsedUp)?;
        let Some(Numbered { number, file, .. }) =
            self.files.pop_if(|newest| newest.header.is_none() && !newest.foreign)
        else {
            return Ok(Spares::new(next, None));
        };
        if file.len()? != segment_bytes || next == u32::MAX {
            dir.remove(&names::segment(number))?;
            return Ok(Spares::new(next, None));
        }
        // The batch that was to begin it may have left records in it, though not its header: under the same number they would
        // validate again.
        dir.rename(&names::segment(number), &names::segment(next))?;
        dir.sync()?;
        Ok(Spares::new(next + 1, Some(Spare { number: next, file, len: segment_bytes })))
    }

    /// Leaves files of other logs alone: the newest segment says which log this is.
    fn set_foreign_aside(&mut self) {
        let epoch = self.newest_header().map(|newest| newest.epoch);
        for file in &mut self.files {
            if file.header.is_some_and(|header| Some(header.epoch) != epoch) {
                (file.header, file.foreign) = (None, true);
            }
        }
    }

    /// Removes segments that a rewritten one holds, and indexes without a segment: a crash came before they were removed.
    fn remove_merged(&mut self, dir: &dyn Dir) -> io::Result<()> {
        let mut last_number = 0;
        let mut merged = Vec::new();
        self.files.retain(|file| {
            let is_merged = file.number <= last_number;
            last_number = last_number.max(file.header.map_or(0, |header| header.last_number));
            if is_merged {
                merged.push(file.number);
            }
            !is_merged
        });
        for number in &merged {
            dir.remove(&names::segment(*number))?;
        }
        // They leave the disk before the one that holds their records does: else they would be there again without it.
        if !merged.is_empty() {
            dir.sync()?;
        }
        let numbers: BTreeSet<u32> = self.files.iter().map(|file| file.number).collect();
        for number in self.indexes.difference(&numbers) {
            dir.remove(&names::index(*number))?;
        }
        self.indexes.retain(|number| numbers.contains(number));
        Ok(())
    }
}

impl Numbered {
    fn open(dir: &dyn Dir, number: u32) -> Result<Self, OpenError> {
        let file = dir.open(&names::segment(number))?;
        let (header, copies) = match Header::read(&*file, number)? {
            Found::Header { header, copies } => (Some(header), copies),
            Found::Nothing => (None, 0),
            Found::Newer(format) => return Err(OpenError::Newer { format }),
        };
        Ok(Numbered { number, file, header, damaged: copies < 2, foreign: false })
    }

    /// The header of a segment that has lost both copies, if it is one.
    fn restored(&self, log: &Header, before: Option<&Outline>) -> io::Result<Option<Header>> {
        let before = before.cloned().unwrap_or_default();
        let (base, base_time, batch, previous_end) = (before.last_seq, before.last_time, before.batch, before.end);
        let lost = Header::lost(&*self.file, self.number, log)?;
        Ok(lost.map(|header| Header { base, base_time, batch, previous_end, ..header }))
    }
}
