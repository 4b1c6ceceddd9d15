//! Writing an index file.

use super::layout::{self, BLOCK, CRC, Counts, PLACES, TOPIC};
use super::{KeyRow, Lists, Outline};
use crate::header::Header;

/// The bytes of an index file. `names` are those of the lists, in their order.
pub(crate) fn encode<'a>(
    header: &Header,
    outline: &Outline,
    lists: &Lists,
    keys: &[KeyRow],
    names: impl Iterator<Item = &'a str>,
) -> Vec<u8> {
    let salt = header.salt();
    let topics = topics(lists, names);
    let places: usize = lists.offsets.iter().map(Vec::len).sum();
    let counts = Counts {
        marks: count(outline.marks.len()),
        topics: count(lists.ends.len()),
        topics_bytes: count(topics.len()),
        damage: count(outline.damage.len()),
        keys: count(keys.len()),
        places: count(places),
    };
    let mut out = Vec::with_capacity(usize::try_from(counts.len()).expect("an index is smaller than memory"));
    out.extend_from_slice(&layout::encode_header(header, outline, &counts));
    section(&mut out, salt, |out| {
        for mark in &outline.marks {
            numbers(out, [mark.offset, mark.seq, mark.time]);
        }
    });
    section(&mut out, salt, |out| out.extend_from_slice(&topics));
    section(&mut out, salt, |out| {
        for stretch in &outline.damage {
            numbers(out, [stretch.from, stretch.to, stretch.before, stretch.through]);
        }
    });
    section(&mut out, salt, |out| {
        for row in keys {
            out.extend_from_slice(&row.key.id);
            out.extend_from_slice(&row.key.body);
            numbers(out, [row.seq, row.time]);
        }
    });
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    blocks(&mut out, salt, lists);
    assert_eq!(out.len() as u64, counts.len(), "the counts say how long an index is");
    out
}

/// The section that names the topics.
fn topics<'a>(lists: &Lists, names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(lists.ends.len() * (TOPIC + 16));
    let mut named = 0;
    for ((name, offsets), ends) in names.zip(&lists.offsets).zip(&lists.ends) {
        let len = u16::try_from(name.len()).expect("names are shorter than 1,024 bytes");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&count(offsets.len()).to_le_bytes());
        numbers(&mut out, [ends.last_seq, ends.dropped_to]);
        out.extend_from_slice(name.as_bytes());
        named += 1;
    }
    assert_eq!(named, lists.ends.len(), "every list has a name");
    out
}

/// All lists' places, back to back, a checksum behind each block; the last block is filled up with zeros.
fn blocks(out: &mut Vec<u8>, salt: u32, lists: &Lists) {
    let mut start = out.len();
    for place in lists.offsets.iter().flatten() {
        out.extend_from_slice(&place.to_le_bytes());
        if out.len() - start == PLACES as usize * 4 {
            layout::seal(out, start, salt);
            start = out.len();
        }
    }
    if out.len() > start {
        out.resize(start + BLOCK - CRC, 0);
        layout::seal(out, start, salt);
    }
}

fn section(out: &mut Vec<u8>, salt: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    layout::seal(out, start, salt);
}

fn numbers<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("a segment is far too small for so many")
}
