//! Reading a list's places, a block at a time.

use super::layout::{self, BLOCK, KEY, PLACES, u64_at};
use super::{Detail, IndexFile, KeyRow, Lists};
use crate::entry::Key;
use crate::record::ALIGN;
use std::io;

/// Why an index file does not say what it should.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The storage refused.
    Refused(io::Error),
    /// A checksum is wrong: the index has to be built anew.
    Damaged,
}

/// A segment's lists, with the last block that was read: lists that lie in one block, one after the other, read it once.
#[derive(Debug)]
pub(crate) struct Postings<'s> {
    source: Source<'s>,
    block: Option<u32>,
    places: Vec<u32>,
}

#[derive(Debug)]
enum Source<'s> {
    Memory(&'s Lists),
    File { file: &'s IndexFile, salt: u32 },
}

/// A view of one list: the part of it that lies in one block.
#[derive(Debug)]
pub(crate) struct Cursor {
    list: u32,
    len: u32,
    /// The places from `start` on.
    window: Vec<u32>,
    start: u32,
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Lost::Refused(error)
    }
}

impl<'s> Postings<'s> {
    /// Of a sealed segment.
    pub(crate) fn new(detail: &'s Detail, salt: u32) -> Self {
        let source = match detail {
            Detail::Memory { lists, .. } => Source::Memory(lists),
            Detail::File(file) => Source::File { file, salt },
        };
        Postings { source, block: None, places: Vec::new() }
    }

    /// Of the active segment.
    pub(crate) fn of(lists: &'s Lists) -> Self {
        Postings { source: Source::Memory(lists), block: None, places: Vec::new() }
    }

    pub(crate) fn cursor(&self, list: u32) -> Cursor {
        let len = match &self.source {
            Source::Memory(lists) => lists.offsets[list as usize].len() as u32,
            Source::File { file, .. } => file.starts[list as usize + 1] - file.starts[list as usize],
        };
        Cursor { list, len, window: Vec::new(), start: 0 }
    }

    /// Where in the segment a list's event lies.
    pub(crate) fn get(&mut self, cursor: &mut Cursor, index: u32) -> Result<u64, Lost> {
        assert!(index < cursor.len, "a list is read within its length");
        if let Source::Memory(lists) = &self.source {
            return Ok(offset(lists.offsets[cursor.list as usize][index as usize]));
        }
        let window = index.checked_sub(cursor.start).and_then(|at| cursor.window.get(at as usize));
        if let Some(place) = window {
            return Ok(offset(*place));
        }
        self.load(cursor, index)?;
        Ok(offset(cursor.window[(index - cursor.start) as usize]))
    }

    /// How many of a list's events lie before a place in the segment.
    pub(crate) fn count_before(&mut self, cursor: &mut Cursor, place: u64) -> Result<u32, Lost> {
        let (mut low, mut high) = (0, cursor.len);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(cursor, middle)? < place { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Loads the part of the list around `index` that lies in one block.
    fn load(&mut self, cursor: &mut Cursor, index: u32) -> Result<(), Lost> {
        let Source::File { file, salt } = self.source else { return Ok(()) };
        let start = file.starts[cursor.list as usize];
        let block = (start + index) / PLACES;
        if self.block != Some(block) {
            self.block = None;
            let mut bytes = [0; BLOCK];
            let read = file.file.read_at(&mut bytes, file.postings_at + u64::from(block) * BLOCK as u64)?;
            let content = layout::unsealed(&bytes[..read], salt).filter(|_| read == BLOCK).ok_or(Lost::Damaged)?;
            self.places.clear();
            let places = content.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")));
            self.places.extend(places);
            self.block = Some(block);
        }
        let first = (block * PLACES).max(start);
        let last = ((block + 1) * PLACES).min(start + cursor.len);
        let within = (first - block * PLACES) as usize..(last - block * PLACES) as usize;
        cursor.start = first - start;
        cursor.window.clear();
        cursor.window.extend_from_slice(&self.places[within]);
        Ok(())
    }
}

impl Cursor {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

impl Detail {
    /// The keys of the segment's events, in order.
    pub(crate) fn keys(&self, salt: u32) -> Result<Vec<KeyRow>, Lost> {
        let file = match self {
            Detail::Memory { keys, .. } => return Ok(keys.clone()),
            Detail::File(file) => file,
        };
        let mut bytes = vec![0; file.keys * KEY + layout::CRC];
        let read = file.file.read_at(&mut bytes, file.keys_at)?;
        let content = layout::unsealed(&bytes, salt).filter(|_| read == bytes.len()).ok_or(Lost::Damaged)?;
        let row = |b: &[u8]| KeyRow {
            key: Key {
                id: b[..16].try_into().expect("sixteen bytes"),
                body: b[16..32].try_into().expect("sixteen bytes"),
            },
            seq: u64_at(b, 32),
            time: u64_at(b, 40),
        };
        Ok(content.chunks_exact(KEY).map(row).collect())
    }
}

fn offset(place: u32) -> u64 {
    u64::from(place) * ALIGN as u64
}
