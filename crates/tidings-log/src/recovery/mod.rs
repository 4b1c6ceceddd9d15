//! Opening a log: which files are its segments, where they end, and what was lost.
//!
//! Nothing is believed that was not synced, and everything that is served afterwards was. A crash on the way is followed by an open
//! that finds the same: the only bytes of segments that are written here are headers and the last batch, and they say what was there
//! before.

mod extent;
mod files;
#[cfg(test)]
mod tests;

use crate::index::Directory;
use crate::log::Log;
use crate::options::Options;
use crate::segment::SegmentFile;
use crate::shared::Shared;
use crate::spare::Spares;
use crate::state::State;
use crate::storage::Dir;
use crate::upkeep::Upkeep;
use crate::writer::Writer;
use files::Files;
use std::io;
use std::sync::Arc;

/// A log that is open.
#[derive(Debug)]
pub struct Opened {
    /// For readers.
    pub log: Log,
    /// For the one that appends.
    pub writer: Writer,
    /// What keeps it in order beside that.
    pub upkeep: Upkeep,
    /// What was found.
    pub found: Recovery,
}

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments that are begun.
    pub segments: usize,
    /// Events in them.
    pub events: u64,
    /// The end of a batch that was not written whole, and is cut off.
    pub torn: Option<Torn>,
    /// Stretches that held records and do not any more, in order.
    pub damage: Vec<Damage>,
    /// Files that lie among the segments and are none: their header is lost, and no record follows it. Left alone.
    pub headless: Vec<u32>,
    /// Segments whose header was damaged, in one copy or in both, and is whole again.
    pub repaired: Vec<u32>,
    /// Segments whose index was missing or damaged, and was built anew; the last one of a log that was not closed is not among them.
    pub rebuilt: Vec<u32>,
}

/// What is cut off the newest segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment's number.
    pub segment: u32,
    /// Where the log now ends in it.
    pub offset: u64,
    /// How many bytes of it can be recognised.
    pub bytes: u64,
    /// The first event that is cut off has this number or a higher one. It was never acknowledged.
    pub first_seq: u64,
}

/// A stretch of a segment that is damaged. What it held is lost; readers are told of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's number.
    pub segment: u32,
    /// The first damaged byte.
    pub from: u64,
    /// The first byte behind it.
    pub to: u64,
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the log is in use: {0}")]
    Locked(String),
    /// It was written by a newer version.
    #[error("the log was written by a newer Tidings (format {format}, this one reads {})", crate::header::FORMAT)]
    Newer {
        /// Its format.
        format: u16,
    },
    /// Its segments have been numbered up to the end.
    #[error("the log's segment numbers are used up")]
    NumbersUsedUp,
    /// The storage failed.
    #[error("the log's directory: {0}")]
    Storage(#[from] io::Error),
}

/// Opens the log in a directory, or begins one where there is none.
///
/// # Errors
/// See [`OpenError`]. Damage is none: it is passed over, and told in [`Opened::found`].
pub fn open(dir: Arc<dyn Dir>, options: Options) -> Result<Opened, OpenError> {
    let lock = dir.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(error.to_string()),
        _ => OpenError::Storage(error),
    })?;
    let mut found = Recovery::default();
    let mut files = Files::list(&*dir)?;
    let is_new = files.log().is_none();
    let (epoch, secret) = files.log().unwrap_or_else(|| (epoch(options.name), options.secret));
    let mut state = State::new(epoch, &options);
    let mut last: Option<(SegmentFile, Directory)> = None;
    for at in 0..files.len() {
        let Some(segment) = files.segment(at, last.as_ref().map(|(_, directory)| &directory.outline), &mut found)?
        else {
            continue;
        };
        let directory = extent::directory(&*dir, &files, at, &segment, &options, &mut found)?;
        note(&segment, &directory, &mut found)?;
        if let Some((segment, directory)) = last.replace((segment, directory)) {
            state.add_sealed(segment, directory);
        }
    }
    let previous_end = last.as_ref().map_or(0, |(_, directory)| directory.outline.end);
    if let Some((segment, directory)) = last {
        state.add_sealed(segment, directory);
    }
    state.recovered();
    state.counters.rebuilt += found.rebuilt.len() as u64;
    let spares: Spares = files.spares(&*dir, options.segment_bytes)?;
    let shared = Arc::new(Shared::new(dir, options, state, spares, lock));
    let mut writer = Writer::new(Arc::clone(&shared), secret, previous_end);
    if is_new && writer.begin().is_err() {
        let why = shared.failure().unwrap_or_default().to_owned();
        return Err(OpenError::Storage(io::Error::other(why)));
    }
    let upkeep = Upkeep::new(Arc::clone(&shared));
    Ok(Opened { log: Log::new(shared), writer, upkeep, found })
}

/// Adds a segment to what was found.
fn note(segment: &SegmentFile, directory: &Directory, found: &mut Recovery) -> io::Result<()> {
    found.segments += 1;
    let SegmentFile { header, file } = segment;
    let (segment, outline) = (header.number, &directory.outline);
    found.events += outline.events;
    found.damage.extend(outline.damage.iter().map(|stretch| Damage { segment, from: stretch.from, to: stretch.to }));
    // An index may tell of more than its file has: then something else has cut the file.
    let (from, to) = (file.len()?, outline.whole_end());
    if from < to {
        found.damage.push(Damage { segment, from, to });
    }
    Ok(())
}

/// The epoch of a new log. It stands in every event id.
fn epoch(random: u64) -> [u8; 8] {
    // Visible in every form of an id, and not to be mixed up: no 0, 1, l, o.
    const LETTERS: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
    std::array::from_fn(|at| LETTERS[(random >> (8 * at)) as usize % LETTERS.len()])
}
