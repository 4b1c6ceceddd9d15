//! Walks the records of a stretch of a segment, and says where there is none.
//!
//! Damage never ends a walk: it goes on at the next place where a whole record validates. What to make of the damage (corruption, or
//! the end of the log) is for [`crate::recovery`] to say.

#[cfg(planted)]
use crate::planted::{self, Bug};
use crate::record::{ALIGN, HEADER, Head, Kind, Peek, View};
use crate::storage::File;
use std::io;

/// Bytes that are read at once: large enough that a walk is not slowed down by the calls, small enough for the cache.
const CHUNK: usize = 256 << 10;

/// A walk through the records of a file.
#[derive(Debug)]
pub(crate) struct Scan<'f> {
    file: &'f dyn File,
    salt: u32,
    at: u64,
    to: u64,
    /// The file ends here, or behind `to` for all that is known.
    file_end: u64,
    /// No record is longer: what claims to be is none.
    record_max: usize,
    /// So far behind the start of a damage is a next record looked for.
    search_max: u64,
    last_seq: u64,
    last_batch: u64,
    /// What was read, `start` its place in the file.
    buffer: Vec<u8>,
    start: u64,
}

/// What stands at a place.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A whole record.
    Record { offset: u64, view: View<'a> },
    /// No record from here to there.
    Damage { from: u64, to: u64 },
}

impl<'f> Scan<'f> {
    /// Walks from `from` (where a record starts) up to `to`, behind the number `after_seq`. No record is longer than `bytes_max`.
    pub(crate) fn new(file: &'f dyn File, salt: u32, from: u64, to: u64, after_seq: u64, bytes_max: usize) -> Self {
        assert!(from.is_multiple_of(ALIGN as u64), "records are aligned");
        let buffer = Vec::new();
        let (record_max, search_max) = (bytes_max, u64::MAX);
        Scan {
            file,
            salt,
            at: from,
            to,
            file_end: to,
            record_max,
            search_max,
            last_seq: after_seq,
            last_batch: 0,
            buffer,
            start: from,
        }
    }

    /// Gives a damage up where no record starts within so many bytes: it then reaches to the end.
    pub(crate) fn search_max(mut self, bytes: u64) -> Self {
        self.search_max = bytes;
        self
    }

    /// The next record or damage; none at the end.
    ///
    /// # Errors
    /// The file could not be read.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        let offset = self.at;
        if offset >= self.to {
            return Ok(None);
        }
        let Some(len) = self.record_at(offset)? else {
            self.at = self.search(offset)?;
            return Ok(Some(Found::Damage { from: offset, to: self.at }));
        };
        let start = self.index(offset);
        let view = View::read(&self.buffer[start..start + len]).expect("the record was read a moment ago");
        (self.last_seq, self.last_batch) = (view.head.seq, view.head.batch);
        self.at += len as u64;
        Ok(Some(Found::Record { offset, view }))
    }

    /// The length of the whole record at a place, if there is one. It then stands in the buffer.
    fn record_at(&mut self, at: u64) -> io::Result<Option<usize>> {
        self.fill(at, HEADER)?;
        if let Some(len) = self.whole_at(at) {
            return Ok(Some(len));
        }
        // Perhaps only its start was read yet.
        let Peek::Whole { len, .. } = View::peek(&self.buffer[self.index(at)..], self.salt) else { return Ok(None) };
        if len > self.record_max || len as u64 > self.file_end - at {
            return Ok(None);
        }
        self.fill(at, len)?;
        Ok(self.whole_at(at))
    }

    /// The same, as far as the buffer reaches.
    fn whole_at(&self, at: u64) -> Option<usize> {
        let view = View::parse(&self.buffer[self.index(at)..], self.salt)?;
        (view.len <= self.record_max && self.is_in_order(&view.head)).then_some(view.len)
    }

    /// Numbers increase, and batches never decrease: a record that breaks this was left behind by something else.
    fn is_in_order(&self, head: &Head) -> bool {
        #[cfg(planted)]
        if planted::is(Bug::StaleRecord) {
            return true;
        }
        let behind = match head.kind {
            Kind::Event => head.seq > self.last_seq,
            Kind::Drop => head.seq >= self.last_seq,
        };
        behind && head.batch >= self.last_batch
    }

    /// Where the damage at a place ends: at the next record, or at the end.
    fn search(&mut self, from: u64) -> io::Result<u64> {
        let limit = from.saturating_add(self.search_max);
        let mut at = from + ALIGN as u64;
        // The file may prove shorter on the way.
        while at < limit.min(self.file_end) {
            self.fill(at, HEADER)?;
            // Megabytes of zeros lie behind the end of every log: they are passed over as fast as they are read.
            let ahead = &self.buffer[self.index(at)..];
            let places = ahead.len().saturating_sub(HEADER - 1).div_ceil(ALIGN).max(1);
            let found = (0..places).find(|place| ahead.len() >= HEADER && View::may_start(&ahead[place * ALIGN..]));
            at += (found.unwrap_or(places) * ALIGN) as u64;
            if found.is_none() {
                continue;
            }
            if at < limit && self.record_at(at)?.is_some() {
                return Ok(at);
            }
            at += ALIGN as u64;
        }
        Ok(self.to)
    }

    /// Reads on until `len` bytes from a place on are in the buffer, or all there are.
    fn fill(&mut self, at: u64, len: usize) -> io::Result<()> {
        let have = self.buffer.len() - self.index(at).min(self.buffer.len());
        let want = usize::try_from(self.file_end - at).map_or(len, |left| left.min(len));
        if have >= want {
            return Ok(());
        }
        // Places only ever increase: what lies before this one is not asked for again, except by a search that failed, which ends.
        let from = self.buffer.len() - have;
        self.buffer.drain(..from);
        self.start = at;
        let more = usize::try_from(self.file_end - at).map_or(CHUNK.max(len), |left| left.min(CHUNK.max(len)));
        self.buffer.resize(more, 0);
        let read = self.file.read_at(&mut self.buffer[have..], at + have as u64)?;
        self.buffer.truncate(have + read);
        if self.buffer.len() < want {
            // It ends before it should: nothing that follows is a record.
            self.file_end = at + self.buffer.len() as u64;
        }
        Ok(())
    }

    /// Where a place of the file stands in the buffer.
    fn index(&self, at: u64) -> usize {
        usize::try_from(at - self.start).expect("the buffer follows the walk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryFile;
    use crate::record::Fields;
    use std::fmt::Write as _;
    use std::sync::Mutex;

    const SALT: u32 = 77;

    fn record(salt: u32, kind: Kind, seq: u64, batch: u64, body: usize) -> Vec<u8> {
        let head = Head { kind, opens_batch: true, ends_append: true, seq, batch, time: 5 };
        let mut bytes = Vec::new();
        Fields { head, topics: &["t"], key: None, expires: None, body: &vec![b'x'; body] }.encode(salt, &mut bytes);
        bytes
    }

    /// Each part is `E seq batch body`, `D seq batch`, `S seq batch body` (another life's), `zeros n`, `cut E …` (half of it), `rot E …`.
    fn bytes(parts: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts.split(", ") {
            let words: Vec<&str> = part.split(' ').collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            let (how, at) = if ["cut", "rot"].contains(&words[0]) { (words[0], 1) } else { ("", 0) };
            if words[0] == "zeros" {
                out.resize(out.len() + number(1) as usize, 0);
                continue;
            }
            let (salt, kind) = (
                if words[at] == "S" { SALT + 1 } else { SALT },
                if words[at] == "D" { Kind::Drop } else { Kind::Event },
            );
            let body = if kind == Kind::Drop { 8 } else { number(at + 3) as usize };
            let mut record = record(salt, kind, number(at + 1), number(at + 2), body);
            match how {
                "cut" => record.truncate((record.len() / 2).next_multiple_of(ALIGN)),
                "rot" => record[20] ^= 1,
                _ => {}
            }
            out.extend(record);
        }
        out
    }

    /// What a walk says: numbers of records, and `[bytes]` for damage.
    fn check(parts: &str, expect: &str) {
        check_within(parts, u64::MAX, expect);
    }

    fn check_within(parts: &str, search_max: u64, expect: &str) {
        let bytes = bytes(parts);
        let (len, file) = (bytes.len() as u64, MemoryFile(Mutex::new(bytes)));
        let mut scan = Scan::new(&file, SALT, 0, len, 0, 1 << 20).search_max(search_max);
        let (mut said, mut end) = (String::new(), 0);
        while let Some(found) = scan.next().unwrap() {
            match found {
                Found::Record { offset, view } => {
                    assert_eq!(offset, end, "a walk leaves nothing out");
                    end += view.len as u64;
                    write!(said, "{} ", view.head.seq).unwrap();
                }
                Found::Damage { from, to } => {
                    assert!(from == end && to > from);
                    end = to;
                    write!(said, "[{}] ", to - from).unwrap();
                }
            }
        }
        assert_eq!(end, len);
        assert_eq!(said.trim_end(), expect, "{parts}");
    }

    #[test]
    fn whole_records_in_order() {
        check("E 1 1 10, E 2 1 100, D 2 2, D 2 2, E 9 3 0", "1 2 2 2 9");
        check("E 1 1 300000, E 2 1 10, E 3 1 600000", "1 2 3");
    }

    #[test]
    fn damage_ends_at_the_next_whole_record() {
        check("E 1 1 10, rot E 2 1 10, E 3 2 10", "1 [56] 3");
        check("rot E 1 1 10, rot E 2 1 10, E 3 2 10", "[112] 3");
        check("E 1 1 10, cut E 2 1 100, E 3 2 10", "1 [72] 3");
        check("E 1 1 10, rot E 2 1 700000, E 3 2 10", "1 [700048] 3");
    }

    #[test]
    fn what_another_life_left_is_damage() {
        check("E 1 1 10, S 2 1 10, S 3 1 10", "1 [112]");
        check("E 1 1 10, zeros 4096", "1 [4096]");
        check("E 1 1 10, E 1 1 10, E 2 1 10", "1 [56] 2");
        check("E 5 3 10, E 6 2 10, D 4 3, D 5 3", "5 [112] 5");
    }

    #[test]
    fn a_search_gives_up_at_its_bound() {
        check_within("E 1 1 10, zeros 1000, E 2 2 10", 1000, "1 [1056]");
        check_within("E 1 1 10, zeros 992, E 2 2 10", 1000, "1 [992] 2");
    }

    #[test]
    fn a_record_that_is_too_long_is_none() {
        check("E 1 1 10, E 2 1 1048576, E 3 1 10", "1 [1048624] 3");
    }

    #[test]
    fn what_a_file_lacks_is_damage() {
        for parts in ["E 1 1 10", "E 1 1 10, cut E 2 1 100", "E 1 1 10, zeros 8"] {
            let file = MemoryFile(Mutex::new(bytes(parts)));
            let mut scan = Scan::new(&file, SALT, 0, 1 << 20, 0, 1 << 20);
            assert!(matches!(scan.next().unwrap(), Some(Found::Record { offset: 0, .. })));
            assert!(matches!(scan.next().unwrap(), Some(Found::Damage { from: 56, to: 0x10_0000 })), "{parts}");
            assert!(scan.next().unwrap().is_none());
        }
    }
}
