//! A segment's header: which segment this is, and what its records' checksums start from.
//!
//! It stands twice, in different sectors: a flipped bit must not cost a segment.

#[cfg(planted)]
use crate::planted::{self, Bug};
use crate::record::{self, Peek, View};
use crate::storage::File;
use crc32c::crc32c;
use std::io;

/// The format that is written, and the newest that is read.
pub const FORMAT: u16 = 1;
/// Where records start: behind the two copies, each in a block of its own.
pub(crate) const RECORDS_AT: u64 = 2 * COPY as u64;
/// From one copy to the next.
const COPY: usize = 4096;
/// Bytes of a copy that say something, its checksum included.
const LEN: usize = 84;
const MAGIC: &[u8; 8] = b"TIDINGS\0";

/// What a header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// The segment's number: that of its file, once it is begun.
    pub(crate) number: u32,
    /// The highest number whose records it holds; another than its own only after a rewrite of several.
    pub(crate) last_number: u32,
    /// Names the log.
    pub(crate) epoch: [u8; 8],
    /// The log's secret, from which salts are made.
    pub(crate) secret: u64,
    /// The newest event's number before this segment.
    pub(crate) base: u64,
    /// The newest event's time before this segment.
    pub(crate) base_time: u64,
    /// The number of the last batch before this segment.
    pub(crate) batch: u64,
    /// Where the segment before this one ends; 0 where there is none.
    pub(crate) previous_end: u64,
    /// Where this one ends, if it was rewritten; else 0.
    pub(crate) end: u64,
}

/// What was found where a header should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is whole; `copies` of the two are.
    Header { header: Header, copies: u8 },
    /// Nothing that is a header.
    Nothing,
    /// A header of a newer format.
    Newer(u16),
}

impl Header {
    /// What this segment's checksums start from. Of one secret no two numbers give the same, and without it nobody can say which.
    pub(crate) fn salt(&self) -> u32 {
        #[cfg(planted)]
        if planted::is(Bug::StaleRecord) {
            return 0;
        }
        let (low, high) = (self.secret as u32, (self.secret >> 32) as u32);
        // A product with an odd number loses nothing.
        (self.number ^ low).wrapping_mul(high | 1)
    }

    /// Appends both copies: [`RECORDS_AT`] bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for _ in 0..2 {
            let start = out.len();
            out.extend_from_slice(MAGIC);
            out.extend_from_slice(&FORMAT.to_le_bytes());
            out.extend_from_slice(&[0; 2]);
            out.extend_from_slice(&self.number.to_le_bytes());
            out.extend_from_slice(&self.last_number.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&self.epoch);
            let Header { secret, base, base_time, batch, previous_end, end, .. } = *self;
            for number in [secret, base, base_time, batch, previous_end, end] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            let crc = crc32c(&out[start..]);
            out.extend_from_slice(&crc.to_le_bytes());
            assert_eq!(out.len() - start, LEN, "the header's length is fixed");
            out.resize(start + COPY, 0);
        }
    }

    /// The header of the file that bears a number. One that says another number is of the file's former life, and is none.
    ///
    /// # Errors
    /// The file could not be read.
    pub(crate) fn read(file: &dyn File, number: u32) -> io::Result<Found> {
        let mut bytes = [0; 2 * COPY];
        let read = file.read_at(&mut bytes, 0)?;
        Ok(match Self::decode(&bytes[..read]) {
            Found::Header { header, .. } if header.number != number || header.last_number < number => Found::Nothing,
            found => found,
        })
    }

    /// The header of a segment that has lost both copies, as far as `log`, another one of its log, tells of it; if it is a segment: then
    /// its first record is where it should be.
    ///
    /// # Errors
    /// The file could not be read.
    pub(crate) fn lost(file: &dyn File, number: u32, log: &Header) -> io::Result<Option<Self>> {
        let Header { epoch, secret, .. } = *log;
        let header = Header { number, last_number: number, epoch, secret, ..Header::default() };
        let mut start = [0; record::HEADER];
        let read = file.read_at(&mut start, RECORDS_AT)?;
        Ok((View::peek(&start[..read], header.salt()) != Peek::Damaged).then_some(header))
    }

    /// Reads a file's first [`RECORDS_AT`] bytes, or as many as there are.
    pub(crate) fn decode(bytes: &[u8]) -> Found {
        let mut copies = bytes.chunks(COPY).take(2).map(Self::decode_copy);
        let (first, second) = (copies.next().unwrap_or(Found::Nothing), copies.next().unwrap_or(Found::Nothing));
        match (first, second) {
            (Found::Header { header, .. }, Found::Header { header: same, .. }) if header == same => {
                Found::Header { header, copies: 2 }
            }
            (found @ Found::Header { .. }, _) | (Found::Nothing, found) | (found @ Found::Newer(_), _) => found,
        }
    }

    fn decode_copy(bytes: &[u8]) -> Found {
        let Some(bytes) = bytes.get(..LEN).filter(|bytes| bytes.starts_with(MAGIC)) else { return Found::Nothing };
        let format = u16::from_le_bytes([bytes[8], bytes[9]]);
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        // Every format keeps its checksum here: without it a flipped bit would look like another format.
        if crc32c(&bytes[..LEN - 4]) != u32_at(LEN - 4) {
            return Found::Nothing;
        }
        if format != FORMAT {
            return Found::Newer(format);
        }
        let header = Header {
            number: u32_at(12),
            last_number: u32_at(16),
            epoch: bytes[24..32].try_into().expect("eight bytes"),
            secret: u64_at(32),
            base: u64_at(40),
            base_time: u64_at(48),
            batch: u64_at(56),
            previous_end: u64_at(64),
            end: u64_at(72),
        };
        Found::Header { header, copies: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn header() -> Header {
        Header {
            number: 42,
            last_number: 44,
            epoch: *b"abcdefgh",
            secret: 0x0123_4567_89ab_cdef,
            base: 1,
            base_time: 2,
            batch: 3,
            previous_end: 4,
            end: 5,
        }
    }

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        header().encode(&mut bytes);
        assert_eq!(bytes.len() as u64, RECORDS_AT);
        bytes
    }

    #[test]
    fn one_damaged_copy_costs_nothing() {
        assert_eq!(Header::decode(&encoded()), Found::Header { header: header(), copies: 2 });
        for at in 0..LEN {
            for copy in [0, COPY] {
                let mut bytes = encoded();
                bytes[copy + at] ^= 4;
                assert_eq!(Header::decode(&bytes), Found::Header { header: header(), copies: 1 }, "{copy} + {at}");
            }
        }
        let mut bytes = encoded();
        (bytes[0], bytes[COPY]) = (0, 0);
        assert_eq!(Header::decode(&bytes), Found::Nothing);
        assert_eq!(Header::decode(&[]), Found::Nothing);
    }

    #[test]
    fn a_newer_format_is_known_as_one() {
        let mut bytes = encoded();
        for copy in [0, COPY] {
            bytes[copy + 8] = 2;
            let crc = crc32c(&bytes[copy..copy + LEN - 4]);
            bytes[copy + LEN - 4..copy + LEN].copy_from_slice(&crc.to_le_bytes());
        }
        assert_eq!(Header::decode(&bytes), Found::Newer(2));
    }

    #[test]
    fn no_two_lives_share_a_salt() {
        let salts: BTreeSet<u32> = (0..10_000).map(|number| Header { number, ..header() }.salt()).collect();
        assert_eq!(salts.len(), 10_000);
    }
}
