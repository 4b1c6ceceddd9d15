//! Where what stands in an index file (docs/internals/log-format.md).
//!
//! A header, then sections back to back, each followed by its checksum: marks, topics, damage, keys. Behind them, from the next
//! multiple of a block's size on, the places of all lists, in blocks. Checksums start from the segment's salt: an index of another
//! log's segment never validates.

use super::Outline;
use crate::header::Header;
use crc32c::crc32c_append;

/// The format that is written, and the only one that is read: an index of another one is built anew.
const FORMAT: u16 = 1;
const MAGIC: &[u8; 8] = b"TIDINGSX";
/// Bytes of the header, its checksum included.
pub(super) const HEADER: usize = 128;
/// Bytes of a mark: offset, number, time.
pub(super) const MARK: usize = 24;
/// Bytes of a topic beside its name: the name's length, how many events, its newest, up to where it is dropped.
pub(super) const TOPIC: usize = 22;
/// Bytes of a damaged stretch: from, to, the number before it, the highest in it.
pub(super) const STRETCH: usize = 32;
/// Bytes of a key: id, digest of the body, number, time.
pub(super) const KEY: usize = 48;
/// Bytes of a checksum.
pub(super) const CRC: usize = 4;
/// Bytes of a block of places: a page, so that reading one touches one.
pub(super) const BLOCK: usize = 4096;
/// Places in a block.
pub(super) const PLACES: u32 = ((BLOCK - CRC) / 4) as u32;

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) marks: u32,
    pub(super) topics: u32,
    pub(super) topics_bytes: u32,
    pub(super) damage: u32,
    pub(super) keys: u32,
    pub(super) places: u32,
}

impl Counts {
    /// Where the sections end that are read at open.
    pub(super) fn directory_end(&self) -> u64 {
        let marks = u64::from(self.marks) * MARK as u64;
        let damage = u64::from(self.damage) * STRETCH as u64;
        (HEADER + 3 * CRC) as u64 + marks + u64::from(self.topics_bytes) + damage
    }

    /// Where the keys start.
    pub(super) fn keys_at(&self) -> u64 {
        self.directory_end()
    }

    /// Where the blocks of places start.
    pub(super) fn postings_at(&self) -> u64 {
        let keys = u64::from(self.keys) * KEY as u64 + CRC as u64;
        (self.keys_at() + keys).next_multiple_of(BLOCK as u64)
    }

    /// How long the file is.
    pub(super) fn len(&self) -> u64 {
        self.postings_at() + u64::from(self.places.div_ceil(PLACES)) * BLOCK as u64
    }
}

/// The header's bytes.
pub(super) fn encode_header(segment: &Header, outline: &Outline, counts: &Counts) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&segment.number.to_le_bytes());
    out.extend_from_slice(&segment.last_number.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let Outline { end, events, first_seq, last_seq, first_time, last_time, batch, forgotten_to, .. } = *outline;
    for number in [end, events, first_seq, last_seq, first_time, last_time, batch, forgotten_to] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let Counts { marks, topics, topics_bytes, damage, keys, places } = *counts;
    for count in [marks, topics, topics_bytes, damage, keys, places] {
        out.extend_from_slice(&count.to_le_bytes());
    }
    out.resize(HEADER - CRC, 0);
    seal(&mut out, 0, segment.salt());
    out
}

/// What the header says, if it is whole and this segment's.
pub(super) fn decode_header(bytes: &[u8], segment: &Header) -> Option<(Outline, Counts)> {
    let bytes = unsealed(bytes.get(..HEADER)?, segment.salt())?;
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64_at(bytes, at);
    let ours = bytes.starts_with(MAGIC)
        && u16::from_le_bytes([bytes[8], bytes[9]]) == FORMAT
        && (u32_at(12), u32_at(16)) == (segment.number, segment.last_number)
        // A segment that was rewritten keeps its number: an index of what it was before says another end.
        && (segment.end == 0 || segment.end == u64_at(24));
    let outline = Outline {
        end: u64_at(24),
        events: u64_at(32),
        first_seq: u64_at(40),
        last_seq: u64_at(48),
        first_time: u64_at(56),
        last_time: u64_at(64),
        batch: u64_at(72),
        forgotten_to: u64_at(80),
        ..Outline::default()
    };
    let counts = Counts {
        marks: u32_at(88),
        topics: u32_at(92),
        topics_bytes: u32_at(96),
        damage: u32_at(100),
        keys: u32_at(104),
        places: u32_at(108),
    };
    ours.then_some((outline, counts))
}

/// Appends the checksum of everything from `from` on.
pub(super) fn seal(out: &mut Vec<u8>, from: usize, salt: u32) {
    let crc = crc32c_append(salt, &out[from..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// What stands before the checksum at the end, if that is right.
pub(super) fn unsealed(bytes: &[u8], salt: u32) -> Option<&[u8]> {
    let (content, crc) = bytes.split_last_chunk()?;
    (crc32c_append(salt, content) == u32::from_le_bytes(*crc)).then_some(content)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
