//! What files a directory holds, and which of them are begun segments.

use super::among::Among;
use super::{SurveyError, TRIES, restless};
use crate::header::{Found, Header};
use crate::names::{self, Name};
use crate::storage::Dir;
use std::collections::BTreeSet;
use std::io;

/// The files of a directory.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Segments that are begun, oldest first.
    pub(crate) begun: Vec<Begun>,
    /// Numbers with an index.
    pub(crate) indexes: BTreeSet<u32>,
    /// Files behind the newest begun segment, with their length.
    pub(crate) spares: Vec<(u32, u64)>,
    /// Files before the newest begun segment that have no header.
    pub(crate) headless: Vec<u32>,
    /// Files in the making.
    pub(crate) leftovers: Vec<String>,
    /// Files that are none of the log's.
    pub(crate) strangers: Vec<String>,
}

/// A segment that is begun. Its file is opened anew whenever it is read: a large log has more of them than a process may have open.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    /// What its header says.
    pub(crate) header: Header,
    /// How many of the header's copies are whole. Where none is, of the header only number and salt are right.
    pub(crate) copies: u8,
    /// The file's length.
    pub(crate) bytes: u64,
}

impl Files {
    /// Lists a directory, which a server may be changing.
    pub(crate) fn list(dir: &dyn Dir) -> Result<Self, SurveyError> {
        for _ in 0..TRIES {
            if let Some(files) = Self::try_list(dir)? {
                return Ok(files);
            }
        }
        Err(restless())
    }

    /// The segments, oldest first, each with what stands around it.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Among<'_>> {
        self.begun.iter().enumerate().map(|(at, begun)| {
            let next = self.begun.get(at + 1).map(|next| &next.header);
            // What the next one says of the end of the segment before it is of another one, if one is lost between them.
            let lost = |next: &Header| self.headless.iter().any(|n| (begun.header.number..next.number).contains(n));
            let end = next.filter(|next| !lost(next)).map(|next| next.previous_end).filter(|end| *end > 0);
            Among { begun, has_index: self.indexes.contains(&begun.header.number), next, end_by_next: end }
        })
    }

    /// None if a file went meanwhile.
    fn try_list(dir: &dyn Dir) -> Result<Option<Self>, SurveyError> {
        let names = dir.list().map_err(|error| SurveyError::Storage { what: "the directory".to_owned(), error })?;
        let mut files = Files::default();
        let mut numbers = Vec::new();
        for name in names {
            match names::parse(&name) {
                Name::Segment(number) => numbers.push(number),
                Name::Index(number) => drop(files.indexes.insert(number)),
                Name::Unfinished => files.leftovers.push(name),
                Name::Other if name == LOCK => {}
                Name::Other => files.strangers.push(name),
            }
        }
        numbers.sort_unstable();
        files.leftovers.sort_unstable();
        files.strangers.sort_unstable();
        let mut files = Files { begun: Vec::new(), ..files };
        let mut others = Vec::new();
        for number in numbers {
            match peek(dir, number) {
                Ok(Peek::Begun(begun)) => files.begun.push(begun),
                Ok(Peek::Other { bytes }) => others.push((number, bytes)),
                Ok(Peek::Newer(format)) => return Err(SurveyError::Newer { segment: number, format }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(SurveyError::Storage { what: names::segment(number), error }),
            }
        }
        files.set_foreign_aside();
        files.sort_out(dir, &others)?;
        Ok(Some(files.without_merged()))
    }

    /// Segments of other logs are strangers: the newest one says which log this is.
    fn set_foreign_aside(&mut self) {
        let Some(epoch) = self.begun.last().map(|newest| newest.header.epoch) else { return };
        let foreign = self.begun.extract_if(.., |begun| begun.header.epoch != epoch);
        self.strangers.extend(foreign.map(|begun| names::segment(begun.header.number)));
        self.strangers.sort_unstable();
    }

    /// What files without a header are: a segment that has lost both copies, and whose records are there; one that has lost those too;
    /// or a spare.
    fn sort_out(&mut self, dir: &dyn Dir, others: &[(u32, u64)]) -> Result<(), SurveyError> {
        let log = self.begun.last().map(|newest| newest.header);
        let newest = log.map_or(0, |log| log.number);
        for (number, bytes) in others.iter().copied() {
            let failed = |error| SurveyError::Storage { what: names::segment(number), error };
            let lost = log.map(|log| lost_header(dir, number, &log)).transpose().map_err(failed)?.flatten();
            match lost {
                Some(header) => self.begun.push(Begun { header, copies: 0, bytes }),
                None if number < newest => self.headless.push(number),
                None => self.spares.push((number, bytes)),
            }
        }
        self.begun.sort_by_key(|begun| begun.header.number);
        Ok(())
    }

    /// Without the segments whose records stand in one before them: a crash may leave them behind a rewrite.
    fn without_merged(mut self) -> Self {
        let spans: Vec<(u32, u32)> = self.begun.iter().map(|b| (b.header.number, b.header.last_number)).collect();
        let merged = |number: u32| spans.iter().any(|(first, last)| *first < number && number <= *last);
        self.begun.retain(|begun| !merged(begun.header.number));
        self.headless.retain(|number| !merged(*number));
        let apart = self.begun.is_sorted_by(|a, b| a.header.last_number < b.header.number);
        assert!(apart, "no two segments hold the records of one number");
        self
    }
}

/// The lock's file is the log's, though it bears no data.
const LOCK: &str = "lock";

/// What a file with a segment's name is.
pub(super) enum Peek {
    Begun(Begun),
    /// No header, or one of an earlier life.
    Other {
        bytes: u64,
    },
    Newer(u16),
}

/// Reads a file's header.
pub(super) fn peek(dir: &dyn Dir, number: u32) -> io::Result<Peek> {
    let file = dir.open(&names::segment(number))?;
    let bytes = file.len()?;
    Ok(match Header::read(&*file, number)? {
        Found::Header { header, copies } => Peek::Begun(Begun { header, copies, bytes }),
        Found::Nothing => Peek::Other { bytes },
        Found::Newer(format) => Peek::Newer(format),
    })
}

/// The header of a segment that has lost both copies, if it is one, and if it is still there. The next open writes it anew.
fn lost_header(dir: &dyn Dir, number: u32, log: &Header) -> io::Result<Option<Header>> {
    match dir.open(&names::segment(number)) {
        Ok(file) => Header::lost(&*file, number, log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
