//! Reading records at known places: those that lie close together in one go.

use crate::record::{HEADER, Peek, View};
use crate::storage::File;
use std::io;

/// What is read for a record whose length is not known yet: a page; most events are smaller.
const FIRST: u64 = 4096;
/// Records further apart than this are read one by one: a call costs about as much as copying so many bytes.
const NEAR: u64 = 4096;
/// The most that is read in one go.
const LARGE: u64 = 256 * 1024;

/// Reads records of one segment, in any order; in the order of places it reads each byte once.
#[derive(Debug)]
pub(crate) struct Fetch<'s> {
    file: &'s dyn File,
    salt: u32,
    /// Where the segment's records end.
    end: u64,
    buffer: Vec<u8>,
    /// Where in the file the buffer starts, and how much of it is filled.
    start: u64,
    filled: usize,
}

/// What stands where a record should.
#[derive(Debug)]
pub(crate) enum Fetched<'a> {
    Whole(View<'a>),
    /// No whole record; its number, if that much can be read.
    Damaged(Option<u64>),
}

impl<'s> Fetch<'s> {
    pub(crate) fn new(file: &'s dyn File, salt: u32, end: u64) -> Self {
        Fetch { file, salt, end, buffer: Vec::new(), start: 0, filled: 0 }
    }

    /// The record at `offset`; those at `upcoming` are asked for next.
    ///
    /// # Errors
    /// The file could not be read.
    pub(crate) fn get(&mut self, offset: u64, upcoming: impl Iterator<Item = u64>) -> io::Result<Fetched<'_>> {
        if self.have(offset) < HEADER {
            self.read(offset, extent(offset, upcoming))?;
        }
        let Peek::Whole { len, seq } = View::peek(self.rest(offset), self.salt) else {
            return Ok(Fetched::Damaged(None));
        };
        if len as u64 > self.end.saturating_sub(offset) {
            return Ok(Fetched::Damaged(Some(seq)));
        }
        if self.have(offset) < len {
            self.read(offset, len as u64)?;
        }
        let view = View::parse(self.rest(offset), self.salt);
        Ok(view.map_or(Fetched::Damaged(Some(seq)), Fetched::Whole))
    }

    fn rest(&self, offset: u64) -> &[u8] {
        let skipped = usize::try_from(offset - self.start).expect("the buffer starts before what it has");
        &self.buffer[skipped.min(self.filled)..self.filled]
    }

    /// How many bytes from a place on are in the buffer.
    fn have(&self, offset: u64) -> usize {
        let skipped = offset.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        skipped.map_or(0, |skipped| self.filled.saturating_sub(skipped))
    }

    fn read(&mut self, offset: u64, len: u64) -> io::Result<()> {
        let len = usize::try_from(len.min(self.end.saturating_sub(offset))).map_err(io::Error::other)?;
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        (self.start, self.filled) = (offset, 0);
        self.filled = self.file.read_at(&mut self.buffer[..len], offset)?;
        Ok(())
    }
}

/// How far to read from a place, so that what is asked for next comes along where it lies near.
fn extent(offset: u64, upcoming: impl Iterator<Item = u64>) -> u64 {
    let mut end = offset + FIRST;
    for next in upcoming {
        if next < offset || next > end + NEAR || next + FIRST > offset + LARGE {
            break;
        }
        end = end.max(next + FIRST);
    }
    end - offset
}
