//! Segments are rewritten as one, without the events that are gone.
//!
//! An event goes when drop records say so of each of its topics; drops themselves have been written again behind these segments, so none
//! is kept. The new file bears the first one's number, and so its salt; its header says up to which number it holds the records, and
//! where it ends. At every moment of a crash the log is one or the other:
//!
//! 1. the new file is written and synced under a name that the next open removes;
//! 2. the first one's index goes (it would not be believed beside the new file either: it says another end);
//! 3. the new file gets the first one's name, and the directory is synced: from here on the others' records are in it twice, and an
//!    open removes the others;
//! 4. the others go; the new segment gets its index as every sealed one does.

use super::Upkeep;
use crate::header::{Header, RECORDS_AT};
use crate::index;
use crate::names::{self, REWRITE_TMP};
use crate::record::{ALIGN, Fields, Kind, View};
use crate::scan::{Found, Scan};
use crate::segment::{Segment, SegmentFile};
use crate::spare;
use crate::storage::File;
use std::io;
use std::sync::Arc;

/// When there was no space, it is tried again after so many milliseconds: an attempt may write a whole segment to no end.
pub(super) const RETRY_AFTER: u64 = 10_000;
/// Bytes that are written between two syncs: a batch that is synced meanwhile waits for so many at the most.
const CHUNK: usize = 1 << 20;
/// What was rewritten before is taken along as long as it is smaller than this part of a segment: so files do not grow in number for
/// ever, and a segment's rewriting copies at most so much more.
const NEIGHBOURS_PART: u64 = 8;

/// A file in the making.
struct Output {
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    /// Where the buffer goes.
    at: u64,
    /// The last thing in it is a damaged stretch.
    is_damaged: bool,
}

impl Upkeep {
    /// A segment, after those before it that were rewritten and are small.
    pub(super) fn with_neighbours(&self, sealed: &[Arc<Segment>], at: usize) -> Vec<Arc<Segment>> {
        let mut room = self.shared.options.segment_bytes / NEIGHBOURS_PART;
        let mut first = at;
        while let Some(before) = first.checked_sub(1).map(|before| &sealed[before]) {
            let fits = before.header.end > 0 && before.header.end - RECORDS_AT <= room;
            if !fits {
                break;
            }
            room -= before.header.end - RECORDS_AT;
            first -= 1;
        }
        sealed[first..=at].to_vec()
    }

    /// Rewrites segments, which follow one another, as one. False: there is no space for it.
    pub(super) fn rewrite(&self, segments: Vec<Arc<Segment>>) -> io::Result<bool> {
        let (first, last) = (segments[0].number(), segments[segments.len() - 1].header.last_number);
        let dir = &*self.shared.dir;
        let written = self.write(&segments).and_then(|file| {
            spare::remove_if_there(dir, &names::index(first))?;
            dir.rename(REWRITE_TMP, &names::segment(first))?;
            Ok(file)
        });
        let file = match written {
            Ok(file) => file,
            Err(error) if spare::is_no_space(&error) => {
                spare::remove_if_there(dir, REWRITE_TMP)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        dir.sync()?;
        let SegmentFile { header, file: stored } = &file;
        let record_max = usize::try_from(header.end).unwrap_or(usize::MAX);
        let directory = index::rebuild(&**stored, header, header.end, record_max, self.shared.options.hash_seed)?;
        let mut state = self.shared.lock();
        state.replace(first..=last, file, directory);
        state.counters.rewritten += segments.len() as u64;
        drop(state);
        for segment in segments.into_iter().skip(1) {
            self.discard(segment)?;
        }
        Ok(true)
    }

    /// Writes what is left of the segments to a file, and syncs it.
    fn write(&self, segments: &[Arc<Segment>]) -> io::Result<SegmentFile> {
        let last = &segments[segments.len() - 1].header;
        let header = Header { last_number: last.last_number, ..segments[0].header };
        let file = self.shared.dir.create(REWRITE_TMP)?;
        let mut output = Output { file, buffer: Vec::with_capacity(CHUNK), at: RECORDS_AT, is_damaged: false };
        for segment in segments {
            self.copy_live(segment, header.salt(), &mut output)?;
        }
        output.flush()?;
        let header = Header { end: output.at, ..header };
        let most: u64 = segments.iter().map(|segment| segment.outline.end - RECORDS_AT).sum();
        assert!(header.end - RECORDS_AT <= most, "rewriting makes nothing more");
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        output.file.write_at(&bytes, 0)?;
        output.file.sync()?;
        Ok(SegmentFile { header, file: output.file })
    }

    /// Copies a segment's events that are not gone.
    fn copy_live(&self, segment: &Segment, salt: u32, output: &mut Output) -> io::Result<()> {
        let end = segment.outline.end;
        let record_max = usize::try_from(end).unwrap_or(usize::MAX);
        let mut scan = Scan::new(&*segment.file, segment.salt, RECORDS_AT, end, segment.header.base, record_max);
        while let Some(found) = scan.next()? {
            match found {
                Found::Record { view, .. } if self.is_kept(&view) => output.push(&view, salt)?,
                Found::Record { .. } => {}
                Found::Damage { .. } => output.damage(),
            }
        }
        Ok(())
    }

    /// Whether an event is kept: one of its topics has no drop record that says it is gone.
    fn is_kept(&self, view: &View<'_>) -> bool {
        if view.head.kind == Kind::Drop {
            return false;
        }
        let state = self.shared.lock();
        let mut recorded = view.topics().map(|name| state.topic(name).map_or(0, |id| state.topics.get(id).recorded_to));
        recorded.any(|to| view.head.seq > to)
    }
}

impl Output {
    /// The record as it was, with the checksums of its new place.
    fn push(&mut self, view: &View<'_>, salt: u32) -> io::Result<()> {
        // An event has few topics; nothing that is kept is without one.
        let topics: Vec<&str> = view.topics().collect();
        let View { head, key, expires, body, .. } = *view;
        Fields { head, topics: &topics, key, expires, body }.encode(salt, &mut self.buffer);
        self.is_damaged = false;
        if self.buffer.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// What was lost stays lost, and who passes it is told: the shortest stretch that holds no record.
    fn damage(&mut self) {
        if !std::mem::replace(&mut self.is_damaged, true) {
            self.buffer.resize(self.buffer.len() + ALIGN, 0);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_at(&self.buffer, self.at)?;
            self.file.sync()?;
            self.at += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}
