//! A sealed segment's index as it is read at open: everything but the places themselves and the keys.

use super::layout::{self, CRC, Counts, HEADER, MARK, STRETCH, TOPIC, u64_at};
use super::{Detail, Ends, IndexFile, Mark, Outline, Stretch};
use crate::header::Header;
use crate::storage::File;
use std::io;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) outline: Outline,
    pub(crate) names: Names,
    pub(crate) ends: Vec<Ends>,
    pub(crate) detail: Detail,
}

/// Names, back to back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
}

/// One topic of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// Its events in this segment.
    pub(crate) count: u32,
    pub(crate) ends: Ends,
}

impl Directory {
    /// Reads an index file. None: it is damaged, of another segment or of another format.
    ///
    /// # Errors
    /// The file could not be read.
    pub(crate) fn load(file: &Arc<dyn File>, segment: &Header) -> io::Result<Option<Directory>> {
        let mut header = [0; HEADER];
        let read = file.read_at(&mut header, 0)?;
        let Some((outline, counts)) = layout::decode_header(&header[..read], segment) else { return Ok(None) };
        // Before anything is allocated: the file must be as long as it says.
        if file.len()? != counts.len() {
            return Ok(None);
        }
        let len = usize::try_from(counts.directory_end()).map_err(io::Error::other)? - HEADER;
        let mut bytes = vec![0; len];
        if file.read_at(&mut bytes, HEADER as u64)? < len {
            return Ok(None);
        }
        Ok(Self::decode(file, outline, &counts, &bytes, segment.salt()))
    }

    /// The segment's topics, in the order of its lists.
    pub(crate) fn topics(&self) -> impl Iterator<Item = Entry<'_>> {
        let lists = (0..).zip(&self.ends);
        lists.map(|(list, ends)| Entry {
            name: self.names.get(list as usize),
            count: self.detail.count(list),
            ends: *ends,
        })
    }

    /// `bytes` are the sections that are read at open; `outline` gets what they say.
    fn decode(
        file: &Arc<dyn File>,
        mut outline: Outline,
        counts: &Counts,
        bytes: &[u8],
        salt: u32,
    ) -> Option<Directory> {
        let mut rest = bytes;
        let mut section = |len: usize| layout::unsealed(rest.split_off(..len + CRC)?, salt);
        let marks = section(counts.marks as usize * MARK)?;
        let topics = section(counts.topics_bytes as usize)?;
        let damage = section(counts.damage as usize * STRETCH)?;
        let mark = |b: &[u8]| Mark { offset: u64_at(b, 0), seq: u64_at(b, 8), time: u64_at(b, 16) };
        let stretch =
            |b: &[u8]| Stretch { from: u64_at(b, 0), to: u64_at(b, 8), before: u64_at(b, 16), through: u64_at(b, 24) };
        outline.marks = marks.chunks_exact(MARK).map(mark).collect();
        outline.damage = damage.chunks_exact(STRETCH).map(stretch).collect();
        let (names, ends, starts) = decode_topics(topics, counts)?;
        let detail = Detail::File(IndexFile {
            file: file.clone(),
            postings_at: counts.postings_at(),
            starts,
            keys_at: counts.keys_at(),
            keys: counts.keys as usize,
        });
        Some(Directory { outline, names, ends, detail })
    }
}

/// Names, ends and starts of the lists.
fn decode_topics(mut bytes: &[u8], counts: &Counts) -> Option<(Names, Vec<Ends>, Vec<u32>)> {
    let topics = counts.topics as usize;
    let mut names = Names { text: String::with_capacity(bytes.len()), ends: Vec::new() };
    // The section bounds how many there can be: a count that lies must not allocate more.
    let topics_max = bytes.len() / TOPIC;
    let (mut ends, mut starts) = (Vec::new(), Vec::with_capacity(topics.min(topics_max) + 1));
    let mut start = 0_u32;
    for _ in 0..topics {
        let fixed = bytes.split_off(..TOPIC)?;
        let len = usize::from(u16::from_le_bytes([fixed[0], fixed[1]]));
        let count = u32::from_le_bytes(fixed[2..6].try_into().expect("four bytes"));
        names.push(std::str::from_utf8(bytes.split_off(..len)?).ok()?);
        ends.push(Ends { last_seq: u64_at(fixed, 6), dropped_to: u64_at(fixed, 14) });
        starts.push(start);
        start = start.checked_add(count)?;
    }
    starts.push(start);
    (bytes.is_empty() && start == counts.places).then_some((names, ends, starts))
}

impl Names {
    pub(crate) fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    pub(crate) fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(u32::try_from(self.text.len()).expect("a segment's names are smaller than 4 GiB"));
    }
}
