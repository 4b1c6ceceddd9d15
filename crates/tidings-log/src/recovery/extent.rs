//! Where a segment ends, and what lies in it.

use super::files::Files;
use super::{Recovery, Torn};
use crate::header::RECORDS_AT;
use crate::index::{self, Directory, Rebuild};
use crate::names;
use crate::options::Options;
use crate::record::ALIGN;
use crate::seal;
use crate::segment::SegmentFile;
use crate::storage::{Dir, File};
use crate::tail;
use std::io;
use std::ops::Range;

/// No segment ends behind this: its places are counted in 32 bits, as multiples of [`ALIGN`]. What says more is not believed.
const END_MAX: u64 = (1 << 32) * ALIGN as u64;

/// The directory of a segment: from its index, or built anew. It may say of a segment that was cut that it ends behind its file.
pub(super) fn directory(
    dir: &dyn Dir,
    files: &Files,
    at: usize,
    segment: &SegmentFile,
    options: &Options,
    found: &mut Recovery,
) -> io::Result<Directory> {
    let SegmentFile { header, file } = segment;
    let is_end = |end: &u64| (RECORDS_AT..=END_MAX).contains(end) && end.is_multiple_of(ALIGN as u64);
    let has_index = files.has_index(header.number);
    if has_index {
        let index = dir.open(&names::index(header.number))?;
        let directory = Directory::load(&index, header)?;
        if let Some(directory) = directory.filter(|directory| is_end(&directory.outline.end)) {
            seal::trim(&**file, directory.outline.end)?;
            return Ok(directory);
        }
    }
    // The newest one has none unless the log was closed.
    if has_index || !files.is_newest(at) {
        found.rebuilt.push(header.number);
    }
    let known = Some(header.end).filter(|end| *end > 0).or_else(|| files.end_by_next(at));
    match known.filter(is_end) {
        Some(end) => rebuild(segment, end, options),
        None => judged(files.is_newest(at), segment, options, found),
    }
}

/// The directory of a segment of which nothing but its records says where it ends.
fn judged(is_newest: bool, segment: &SegmentFile, options: &Options, found: &mut Recovery) -> io::Result<Directory> {
    let SegmentFile { header, file } = segment;
    let mut records = Rebuild::new(header, options.hash_seed);
    let tail::Tail { end, unsure_from, torn } =
        tail::judge_while(&**file, header, options.batch_bytes_max, |offset, view| records.record(offset, view))?;
    if !is_newest {
        // What was begun after it followed a sync of all of it: nothing is torn, and what is not whole was so once.
        return Ok(records.finish(end + torn.map_or(0, |cut| cut.bytes)));
    }
    settle(&**file, unsure_from..end)?;
    found.torn =
        torn.map(|cut| Torn { segment: header.number, offset: end, bytes: cut.bytes, first_seq: cut.first_seq });
    // Reading it again is for those alone that have records behind the cut: a kill leaves hardly any, a power cut some.
    if records.end() > end { rebuild(segment, end, options) } else { Ok(records.finish(end)) }
}

/// A process that was killed leaves its last batch in the page cache: what is served from now on must survive a power cut. It is written
/// again first: where a sync has failed, the next one does not save what that one forgot.
fn settle(file: &dyn File, batch: Range<u64>) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(batch.end - batch.start).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, batch.start)?;
    file.write_at(&bytes[..read], batch.start)?;
    file.sync()
}

fn rebuild(SegmentFile { header, file }: &SegmentFile, end: u64, options: &Options) -> io::Result<Directory> {
    let record_max = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    index::rebuild(&**file, header, end, record_max, options.hash_seed)
}
