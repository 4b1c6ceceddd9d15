//! A segment among the others: where it ends is said by its index, by its own header, or by the one behind it.

use super::files::{Begun, Peek, peek};
use crate::header::{Header, RECORDS_AT};
use crate::index::Directory;
use crate::names;
use crate::scan::Scan;
use crate::storage::{Dir, File};
use crate::tail;
use std::io;
use std::sync::Arc;

/// A segment, and what stands around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Among<'a> {
    pub(crate) begun: &'a Begun,
    /// Whether a file has its index's name.
    pub(crate) has_index: bool,
    /// The header of the segment behind it.
    pub(crate) next: Option<&'a Header>,
    /// Where this one ends, as that header says.
    pub(super) end_by_next: Option<u64>,
}

/// What there is of an index.
#[derive(Debug)]
pub(super) enum Index {
    /// No file.
    None,
    /// A file that is not what was written.
    Damaged,
    Good(Box<Directory>),
}

impl Among<'_> {
    pub(crate) fn number(&self) -> u32 {
        self.begun.header.number
    }

    /// Whether nothing is written to it any more.
    pub(crate) fn is_sealed(&self) -> bool {
        self.next.is_some() || self.has_index
    }

    /// Whether the directory still has the segment as it was listed. What a server has removed or rewritten meanwhile was not damaged:
    /// its file's bytes belong to another life by now.
    pub(crate) fn is_still_there(&self, dir: &dyn Dir) -> io::Result<bool> {
        match peek(dir, self.number()) {
            Ok(Peek::Begun(begun)) => Ok(begun.header == self.begun.header),
            Ok(_) => Ok(self.begun.copies == 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open(&self, dir: &dyn Dir) -> io::Result<Arc<dyn File>> {
        dir.open(&names::segment(self.number()))
    }

    pub(super) fn index(&self, dir: &dyn Dir) -> io::Result<Index> {
        if !self.has_index {
            return Ok(Index::None);
        }
        let directory = Directory::load(&dir.open(&names::index(self.number()))?, &self.begun.header)?;
        Ok(directory.map_or(Index::Damaged, |directory| Index::Good(Box::new(directory))))
    }

    /// Where its records end, if anything but the records says so.
    pub(super) fn end(&self, index: &Index) -> Option<u64> {
        if let Index::Good(directory) = index {
            return Some(directory.outline.end);
        }
        Some(self.begun.header.end).filter(|end| *end > 0).or(self.end_by_next)
    }

    /// How the records end: the judgement of recovery.
    pub(crate) fn judge(&self, file: &dyn File) -> io::Result<tail::Tail> {
        tail::judge(file, &self.begun.header, tail::BATCH_BYTES_MAX)
    }

    /// Walks its records.
    pub(super) fn scan<'f>(&self, file: &'f dyn File, end: u64) -> Scan<'f> {
        let header = &self.begun.header;
        // No record is longer than what there is.
        let record_max = usize::try_from(end).unwrap_or(usize::MAX);
        Scan::new(file, header.salt(), RECORDS_AT, end, header.base, record_max)
    }
}
