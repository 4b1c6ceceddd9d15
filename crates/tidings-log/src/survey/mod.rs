//! A look at a directory without opening it as a log: no lock is taken, no byte is changed, nothing is repaired. It is what an operator
//! has when something is wrong, and it works beside a server that runs on the same directory.
//!
//! - [`survey`]: which segments there are, what they hold, and what is damaged;
//! - [`walk`]: every event that is not dropped, in order.
//!
//! What a torn tail is, is decided by the function that recovery uses: there is no second judgement here.

mod among;
mod files;
mod places;
mod segment;
mod tally;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use among::Among;
pub(crate) use files::Files;
pub use places::Stretch;
pub use segment::{IndexState, SurveyedSegment};
pub use walk::{LiveEvent, Walked, walk};

use crate::header::{FORMAT, Header};
use crate::names;
use crate::storage::Dir;
use segment::Looked;
use std::collections::BTreeMap;
use std::io;

/// How often a directory that changes meanwhile is listed anew. A server seals a segment every few seconds at most.
const TRIES: usize = 16;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Headers and indexes, and whole only what has no good index: quick, also on a large log.
    Indexes,
    /// Every byte that holds something, with all its checksums.
    Everything,
}

/// What a directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The eight characters that name the log; none where no segment is begun.
    pub epoch: Option<[u8; 8]>,
    /// The segments, oldest first.
    pub segments: Vec<SurveyedSegment>,
    /// Files behind the newest segment, with their length: the spare.
    pub spares: Vec<(u32, u64)>,
    /// Files that lie before a begun segment, without a header, and without a record where the first one should be.
    pub headless: Vec<u32>,
    /// Files in the making, which the next open removes.
    pub leftovers: Vec<String>,
    /// Files that are none of the log's, and segments of other logs.
    pub strangers: Vec<String>,
    /// What the next open would cut off the newest segment. Where a server is writing, it is the batch on its way.
    pub torn: Option<TornTail>,
}

/// The unfinished end of the newest segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's number.
    pub segment: u32,
    /// Where the log would end.
    pub offset: u64,
    /// How many bytes would be cut, as far as something stands there.
    pub bytes: u64,
    /// The number of the first event that would be cut.
    pub first_seq: u64,
}

/// Looks at a directory, and tells `progress` how far it is.
///
/// # Errors
/// The directory could not be read, or a newer version wrote it. Damage is no error.
pub fn survey(dir: &dyn Dir, depth: Depth, progress: &mut dyn FnMut(Progress)) -> Result<Survey, SurveyError> {
    // By number, with the header and whether it was the newest: a segment for which either has changed is looked at again.
    let mut seen: BTreeMap<u32, (Header, bool, Looked)> = BTreeMap::new();
    let mut files = Files::list(dir)?;
    for _ in 0..TRIES {
        seen.retain(|_, (header, newest, _)| {
            files.segments().any(|among| among.begun.header == *header && among.next.is_none() == *newest)
        });
        let new: Vec<Among<'_>> =
            files.segments().filter(|among| !seen.contains_key(&among.begun.header.number)).collect();
        if new.is_empty() {
            break;
        }
        let mut told = Progress { done: 0, total: new.iter().map(|among| among.begun.bytes).sum() };
        progress(told);
        for among in new {
            let number = among.begun.header.number;
            match among.look(dir, depth) {
                Ok(Some(looked)) => drop(seen.insert(number, (among.begun.header, among.next.is_none(), looked))),
                // The next list says what became of it.
                Ok(None) => {}
                Err(error) => return Err(storage(&among, error)),
            }
            told.done += among.begun.bytes;
            progress(told);
        }
        files = Files::list(dir)?;
    }
    let torn = seen.values().rev().find_map(|(_, newest, looked)| looked.torn.filter(|_| *newest));
    Ok(Survey {
        epoch: files.begun.last().map(|begun| begun.header.epoch),
        segments: seen.into_values().map(|(_, _, looked)| looked.segment).collect(),
        spares: files.spares,
        headless: files.headless,
        leftovers: files.leftovers,
        strangers: files.strangers,
        torn,
    })
}

/// How far a survey is, in bytes of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Looked at.
    pub done: u64,
    /// To be looked at.
    pub total: u64,
}

/// Why a directory could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// A segment was written in a format that is not known yet.
    #[error("segment {segment} was written by a newer Tidings (format {format}, this one reads {FORMAT})")]
    Newer {
        /// The segment's number.
        segment: u32,
        /// Its format.
        format: u16,
    },
    /// The storage refused.
    #[error("{what}: {error}")]
    Storage {
        /// The file, or what else it was about.
        what: String,
        /// What the storage said.
        error: io::Error,
    },
}

fn storage(among: &Among<'_>, error: io::Error) -> SurveyError {
    SurveyError::Storage { what: names::segment(among.number()), error }
}

/// A directory that was never seen at rest.
fn restless() -> SurveyError {
    let error = io::Error::new(io::ErrorKind::ResourceBusy, "its segments go faster than they can be read");
    SurveyError::Storage { what: "the directory".to_owned(), error }
}
