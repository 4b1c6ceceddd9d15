//! A sealed segment gets its index, and gives back what it did not use.

use crate::index::{self, Detail, Directory};
use crate::names::{self, INDEX_TMP};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::spare;
use crate::storage::File;
use std::io;
use std::sync::Arc;

/// A segment that leaves more than this part of its file unused is cut: a log that is opened often would else fill the disk with
/// segments of a few records. A full one keeps its blocks, for it will be the spare again.
const UNUSED_PART: u64 = 8;

/// Writes the index of a sealed segment that has it in memory, and lets the memory go.
///
/// # Errors
/// The index could not be written. It is not missed: the memory stays, and the next open builds it anew.
pub(crate) fn write_index(shared: &Shared, segment: &Arc<Segment>) -> io::Result<()> {
    let Detail::Memory { lists, keys } = &segment.detail else { return Ok(()) };
    // Names are copied under the lock: writing takes longer than anybody may wait.
    let names: Vec<Arc<str>> = {
        let state = shared.lock();
        segment.topics.iter().map(|id| Arc::clone(&state.topics.get(*id).name)).collect()
    };
    let bytes = index::encode(&segment.header, &segment.outline, lists, keys, names.iter().map(|name| &**name));
    let file = write_file(shared, &bytes, &names::index(segment.number()))?;
    let written = Directory::load(&file, &segment.header)?;
    // What was written is not there: it would be no better at the next open.
    let written =
        written.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an index is not what was written"))?;
    trim(&*segment.file, segment.outline.end)?;
    let segment = Segment { detail: written.detail, ..Segment::clone(segment) };
    shared.lock().reindexed(Arc::new(segment));
    Ok(())
}

/// Makes a small file, under its final name when it is complete.
fn write_file(shared: &Shared, bytes: &[u8], name: &str) -> io::Result<Arc<dyn File>> {
    let made = shared.dir.create(INDEX_TMP).and_then(|file| {
        file.write_at(bytes, 0)?;
        file.sync()?;
        shared.dir.rename(INDEX_TMP, name)?;
        Ok(file)
    });
    if made.as_ref().is_err_and(spare::is_no_space) {
        spare::remove_if_there(&*shared.dir, INDEX_TMP)?;
    }
    let file = made?;
    shared.dir.sync()?;
    Ok(file)
}

/// Cuts what a segment did not use, if it is much. The index says where it ends, so a crash on the way changes nothing; the next open
/// finishes it. A file that may have been cut is never the spare again: who knows whether its bytes still have their place on the disk?
pub(crate) fn trim(file: &dyn File, end: u64) -> io::Result<()> {
    let len = file.len()?;
    // A file that something else has cut has nothing to give.
    let unused = len.saturating_sub(end);
    // A file with a second name belongs to a snapshot as well.
    if unused > len / UNUSED_PART && file.names()? == 1 {
        file.set_len(end)?;
        // A snapshot that is taken from now on must not see it grow again.
        file.sync()?;
    }
    Ok(())
}
