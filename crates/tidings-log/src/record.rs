//! Records: what stands in a segment, byte by byte (docs/internals/log-format.md).
//!
//! Every checksum starts from the salt of the segment's life, so that what an earlier life left behind in a recycled file never
//! validates.

use crate::entry::Key;
use crc32c::crc32c_append;

/// Records start at multiples of this: after damage only these places are looked at.
pub(crate) const ALIGN: usize = 8;
/// Bytes of the fixed part.
pub(crate) const HEADER: usize = 40;
/// The most topics of an event.
pub(crate) const TOPICS_MAX: usize = 16;
/// The most bytes of a topic's name.
pub(crate) const TOPIC_BYTES_MAX: usize = 1024;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    /// Its body is the number up to which the topic's events are gone.
    Drop,
}

/// The fixed part, as far as it says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// The first record of its batch.
    pub(crate) opens_batch: bool,
    /// The last record of its append.
    pub(crate) ends_append: bool,
    /// An event's own number; for a drop the newest event's before it.
    pub(crate) seq: u64,
    /// Counts the batches of a log.
    pub(crate) batch: u64,
    pub(crate) time: u64,
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a, T> {
    pub(crate) head: Head,
    pub(crate) topics: &'a [T],
    pub(crate) key: Option<Key>,
    pub(crate) expires: Option<u64>,
    pub(crate) body: &'a [u8],
}

/// A record that was read and is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View<'a> {
    pub(crate) head: Head,
    pub(crate) key: Option<Key>,
    pub(crate) expires: Option<u64>,
    pub(crate) body: &'a [u8],
    /// Bytes in the file, a multiple of [`ALIGN`].
    pub(crate) len: usize,
    topics: u8,
    names: &'a [u8],
}

/// What the first bytes of a record say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    /// No record starts here.
    Damaged,
    /// The header is whole: the record takes so many bytes, its number is `seq`.
    Whole { len: usize, seq: u64 },
}

const OPENS_BATCH: u8 = 1;
const ENDS_APPEND: u8 = 2;
const HAS_KEY: u8 = 4;
const EXPIRES: u8 = 8;

impl<T: AsRef<str>> Fields<'_, T> {
    /// Bytes it takes in the file.
    pub(crate) fn encoded_len(&self) -> usize {
        self.unpadded_len().next_multiple_of(ALIGN)
    }

    fn unpadded_len(&self) -> usize {
        let names: usize = self.topics.iter().map(|topic| 2 + topic.as_ref().len()).sum();
        HEADER + self.expires.map_or(0, |_| 8) + self.key.map_or(0, |_| 32) + names + self.body.len()
    }

    /// Appends the record to `out`.
    pub(crate) fn encode(&self, salt: u32, out: &mut Vec<u8>) {
        assert!(self.topics.len() <= TOPICS_MAX, "an event has at most {TOPICS_MAX} topics");
        let start = out.len();
        let (unpadded, len) = (self.unpadded_len(), self.encoded_len());
        let Head { kind, opens_batch, ends_append, seq, batch, time } = self.head;
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&u32::try_from(len).expect("a record is smaller than a batch").to_le_bytes());
        out.push(match kind {
            Kind::Event => 1,
            Kind::Drop => 2,
        });
        out.push(
            flag(opens_batch, OPENS_BATCH)
                | flag(ends_append, ENDS_APPEND)
                | flag(self.key.is_some(), HAS_KEY)
                | flag(self.expires.is_some(), EXPIRES),
        );
        out.push(u8::try_from(self.topics.len()).expect("asserted above"));
        out.push(u8::try_from(len - unpadded).expect("less than ALIGN"));
        for number in [seq, batch, time].into_iter().chain(self.expires) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        if let Some(Key { id, body }) = self.key {
            out.extend_from_slice(&id);
            out.extend_from_slice(&body);
        }
        for topic in self.topics {
            let name = topic.as_ref().as_bytes();
            assert!(name.len() <= TOPIC_BYTES_MAX, "a topic's name has at most {TOPIC_BYTES_MAX} bytes");
            out.extend_from_slice(&(name.len() as u16).to_le_bytes());
            out.extend_from_slice(name);
        }
        out.extend_from_slice(self.body);
        out.resize(start + len, 0);
        let rest = crc32c_append(salt, &out[start + HEADER..]);
        out[start + 4..start + 8].copy_from_slice(&rest.to_le_bytes());
        let header = crc32c_append(salt, &out[start + 4..start + HEADER]);
        out[start..start + 4].copy_from_slice(&header.to_le_bytes());
    }
}

impl<'a> View<'a> {
    /// Looks at the header alone; `bytes` starts with it and may end before the record does.
    pub(crate) fn peek(bytes: &[u8], salt: u32) -> Peek {
        let Some(header) = bytes.get(..HEADER) else { return Peek::Damaged };
        let len = u32_at(header, 8) as usize;
        let is_plausible = Self::may_start(header) && len >= HEADER && len.is_multiple_of(ALIGN);
        if !is_plausible || crc32c_append(salt, &header[4..]) != u32_at(header, 0) {
            return Peek::Damaged;
        }
        Peek::Whole { len, seq: u64_at(header, 16) }
    }

    /// Whether a record may start with these bytes, [`HEADER`] at the least. Cheap: most places that are no record fail here, zeros
    /// all of them.
    pub(crate) fn may_start(bytes: &[u8]) -> bool {
        matches!(bytes[12], 1 | 2)
    }

    /// Reads the record that `bytes` starts with; none if it is not there whole and undamaged.
    pub(crate) fn parse(bytes: &'a [u8], salt: u32) -> Option<Self> {
        let Peek::Whole { len, .. } = Self::peek(bytes, salt) else { return None };
        let record = bytes.get(..len)?;
        if crc32c_append(salt, &record[HEADER..]) != u32_at(record, 4) {
            return None;
        }
        Self::read(record)
    }

    /// Reads a record whose checksums are known to be right. What then does not fit was written by nobody: none.
    pub(crate) fn read(record: &'a [u8]) -> Option<Self> {
        let (kind, flags, topics, padding) = (record[12], record[13], record[14], usize::from(record[15]));
        let (len, seq) = (record.len(), u64_at(record, 16));
        let head = Head {
            kind: if kind == 1 { Kind::Event } else { Kind::Drop },
            opens_batch: flags & OPENS_BATCH != 0,
            ends_append: flags & ENDS_APPEND != 0,
            seq,
            batch: u64_at(record, 24),
            time: u64_at(record, 32),
        };
        let mut rest = record[HEADER..].get(..(len - HEADER).checked_sub(padding)?)?;
        let mut take = |n: usize| rest.split_off(..n);
        let expires = if flags & EXPIRES != 0 { Some(u64_at(take(8)?, 0)) } else { None };
        let key = if flags & HAS_KEY != 0 {
            let (id, body) = (take(16)?.try_into().ok()?, take(16)?.try_into().ok()?);
            Some(Key { id, body })
        } else {
            None
        };
        let names_len = names_len(rest, topics)?;
        let (names, body) = rest.split_at(names_len);
        Some(View { head, key, expires, body, len, topics, names })
    }

    /// Its topics' names, in order.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &'a str> {
        let mut names = self.names;
        (0..self.topics).map(move |_| {
            let len = usize::from(u16::from_le_bytes([names[0], names[1]]));
            let name = &names[2..2 + len];
            names = &names[2 + len..];
            std::str::from_utf8(name).expect("names were checked when the record was parsed")
        })
    }

    /// For a drop: up to which number the topic's events are gone.
    pub(crate) fn dropped_to(&self) -> Option<u64> {
        let body = self.body.try_into().ok().filter(|_| self.head.kind == Kind::Drop)?;
        Some(u64::from_le_bytes(body))
    }
}

/// How many bytes the names take, if they are names.
fn names_len(bytes: &[u8], topics: u8) -> Option<usize> {
    let mut at = 0;
    for _ in 0..topics {
        let len = usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        std::str::from_utf8(bytes.get(at + 2..at + 2 + len)?).ok()?;
        at += 2 + len;
    }
    Some(at)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u32 = 0x1234_5678;

    fn head(kind: Kind) -> Head {
        Head { kind, opens_batch: true, ends_append: false, seq: 7, batch: 3, time: 1_700_000_000_000 }
    }

    fn check(topics: &[&str], key: Option<Key>, expires: Option<u64>, body: &[u8]) -> Vec<u8> {
        let fields = Fields { head: head(Kind::Event), topics, key, expires, body };
        let mut bytes = Vec::new();
        fields.encode(SALT, &mut bytes);
        assert_eq!(bytes.len(), fields.encoded_len());
        assert!(bytes.len().is_multiple_of(ALIGN));
        let view = View::parse(&bytes, SALT).expect("what was written is read");
        assert_eq!((view.head, view.key, view.expires, view.body), (head(Kind::Event), key, expires, body));
        assert_eq!(view.topics().collect::<Vec<_>>(), topics);
        assert_eq!(view.len, bytes.len());
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let key = Key { id: [1; 16], body: [2; 16] };
        check(&["a"], None, None, b"");
        check(&["a", "ü/b"], None, None, b"x");
        check(&["a"], Some(key), None, &[0; 100]);
        check(&["a"], None, Some(5), b"1234567");
        check(&["a", "b", "c"], Some(key), Some(u64::MAX), &[255; 1000]);
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let bytes = check(&["a", "b"], Some(Key { id: [1; 16], body: [2; 16] }), Some(9), b"some body");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(View::parse(&flipped, SALT), None, "bit {bit}");
        }
    }

    #[test]
    fn another_life_of_the_file_is_no_record() {
        let bytes = check(&["a"], None, None, b"x");
        assert_eq!(View::parse(&bytes, SALT ^ 1), None);
        assert_eq!(View::peek(&bytes, SALT ^ 1), Peek::Damaged);
    }

    #[test]
    fn a_record_that_is_cut_short_is_none() {
        let bytes = check(&["a"], None, None, b"some body that is long enough");
        for len in 0..bytes.len() {
            assert_eq!(View::parse(&bytes[..len], SALT), None, "{len}");
        }
    }

    #[test]
    fn a_drop_says_up_to_where() {
        let body = 42_u64.to_le_bytes();
        let fields = Fields { head: head(Kind::Drop), topics: &["a"], key: None, expires: None, body: &body };
        let mut bytes = Vec::new();
        fields.encode(SALT, &mut bytes);
        assert_eq!(View::parse(&bytes, SALT).unwrap().dropped_to(), Some(42));
    }
}
