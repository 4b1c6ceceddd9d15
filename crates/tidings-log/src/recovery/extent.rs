//! Where a segment ends, and what lies in it.

use super::files::Files;
use super::{Damage, Recovery, Torn};
use crate::header::RECORDS_AT;
use crate::index::{self, Directory};
use crate::names;
use crate::options::Options;
use crate::record::ALIGN;
use crate::segment::SegmentFile;
use crate::storage::Dir;
use crate::tail;
use std::io;

/// The directory of a segment: from its index, or built anew.
pub(super) fn directory(
    dir: &dyn Dir,
    files: &Files,
    at: usize,
    segment: &SegmentFile,
    options: &Options,
    found: &mut Recovery,
) -> io::Result<Directory> {
    let SegmentFile { header, file } = segment;
    let len = file.len()?;
    let has_index = files.has_index(header.number);
    if has_index {
        let index = dir.open(&names::index(header.number))?;
        let directory = Directory::load(&index, header)?;
        if let Some(directory) = directory.filter(|directory| (RECORDS_AT..=len).contains(&directory.outline.end)) {
            return Ok(directory);
        }
    }
    // The newest one has none unless the log was closed.
    if has_index || !files.is_newest(at) {
        found.rebuilt.push(header.number);
    }
    let end = end(files, at, segment, options, found)?;
    let record_max = usize::try_from(len).unwrap_or(usize::MAX);
    index::rebuild(&**file, header, end, record_max, options.hash_seed)
}

/// Where a segment's records end, if it has no index that says so.
fn end(files: &Files, at: usize, segment: &SegmentFile, options: &Options, found: &mut Recovery) -> io::Result<u64> {
    let SegmentFile { header, file } = segment;
    let len = file.len()?;
    let known = Some(header.end).filter(|end| *end > 0).or_else(|| files.end_by_next(at));
    let known = known.filter(|end| (RECORDS_AT..=len).contains(end) && end.is_multiple_of(ALIGN as u64));
    if let Some(end) = known {
        return Ok(end);
    }
    let tail::Tail { end, unsure_from, torn } = tail::judge(&**file, header, options.batch_bytes_max)?;
    if files.is_newest(at) {
        // A process that was killed leaves its last batch in the page cache: what is served from now on must survive a power cut.
        // It is written again first: where a sync has failed, the next one does not save what that one forgot.
        let mut batch = vec![0; usize::try_from(end - unsure_from).map_err(io::Error::other)?];
        let read = file.read_at(&mut batch, unsure_from)?;
        file.write_at(&batch[..read], unsure_from)?;
        file.sync()?;
        found.torn =
            torn.map(|cut| Torn { segment: header.number, offset: end, bytes: cut.bytes, first_seq: cut.first_seq });
    } else {
        // What followed it was synced behind it: then this was whole once.
        found.damage.extend(torn.map(|cut| Damage { segment: header.number, from: end, to: end + cut.bytes }));
    }
    Ok(end)
}
