//! Where the last segment ends: which damage in it is corruption, and which is the torn end of a batch that no crash let finish.
//!
//! A batch is written when the one before it is synced. So damage of a batch that a record of a later batch follows is damage of what
//! was synced: corruption, to be passed over. Damage that none follows may be a batch that was never acknowledged: the log ends there,
//! and before the append that was cut, so that an append is all or nothing.

use crate::header::{Header, RECORDS_AT};
#[cfg(planted)]
use crate::planted::{self, Bug};
use crate::record::{HEADER, Head, Peek, View};
use crate::scan::{Found, Scan};
use crate::storage::File;
use std::collections::VecDeque;
use std::io;

/// The most bytes a batch has taken in any version of the log: what follows a torn batch farther than this is none of it.
pub(crate) const BATCH_BYTES_MAX: usize = 16 << 20;

/// How the last segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Here; what follows is to be forgotten.
    pub(crate) end: u64,
    /// What lies between here and there may never have been synced: the last batch. All before it was.
    pub(crate) unsure_from: u64,
    /// What is cut off, if anything was recognised there.
    pub(crate) torn: Option<Cut>,
}

/// The end of a batch that was not written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Up to the end of the last record that can be recognised.
    pub(crate) bytes: u64,
    /// Its first event would have had this number, or a higher one.
    pub(crate) first_seq: u64,
}

/// Damage that may be a torn end.
#[derive(Debug)]
struct Suspect {
    from: u64,
    /// The batch of the last record before it.
    before: u64,
    /// Where the append starts that had not ended before it, and the newest number before that.
    append: (u64, u64),
    /// It belongs to this batch or an earlier one; none as long as no record follows.
    within: Option<u64>,
    /// The newest number before it.
    seq: u64,
    /// The batch of the first record behind it.
    after: Option<u64>,
}

/// Judges the end of a segment that may have been written last. `batch_bytes_max` is the most a batch takes now.
///
/// # Errors
/// The file could not be read.
pub(crate) fn judge(file: &dyn File, header: &Header, batch_bytes_max: usize) -> io::Result<Tail> {
    judge_while(file, header, batch_bytes_max, |_, _| ())
}

/// The same, for one who wants the records too, each with its place, those included that are then cut off: a segment is large, and is
/// best read once.
pub(crate) fn judge_while(
    file: &dyn File,
    header: &Header,
    batch_bytes_max: usize,
    mut read: impl FnMut(u64, &View<'_>),
) -> io::Result<Tail> {
    let len = file.len()?.max(RECORDS_AT);
    let record_max = usize::try_from(len).unwrap_or(usize::MAX);
    let search_max = batch_bytes_max.max(BATCH_BYTES_MAX) as u64;
    let mut scan = Scan::new(file, header.salt(), RECORDS_AT, len, header.base, record_max).search_max(search_max);
    let mut walk = Walk::new(header);
    while let Some(found) = scan.next()? {
        match found {
            Found::Damage { from, .. } => walk.damage(from),
            Found::Record { offset, view } => {
                walk.record(offset, view.len, &view.head);
                read(offset, &view);
            }
        }
    }
    let (end, seq) = walk.cut();
    // Nothing validates behind the cut: perhaps a record's header does, whose rest was not written.
    let mut recognised = walk.end;
    if recognised <= end {
        recognised = end + begun_record(file, header.salt(), end)?;
    }
    let torn = (recognised > end).then(|| Cut { bytes: recognised - end, first_seq: seq.saturating_add(1) });
    assert!(RECORDS_AT <= end && end <= len, "a log ends within its last segment");
    Ok(Tail { end, unsure_from: walk.batch_at.min(end), torn })
}

/// What is known on the way.
#[derive(Debug)]
struct Walk {
    suspects: VecDeque<Suspect>,
    /// Behind the last record.
    end: u64,
    seq: u64,
    batch: u64,
    /// Where the last batch starts; its segment's header is part of the first one.
    batch_at: u64,
    /// Where the append starts that has not ended, and the newest number before it.
    append: (u64, u64),
}

impl Walk {
    fn new(header: &Header) -> Self {
        let append = (RECORDS_AT, header.base);
        let (end, seq, batch) = (RECORDS_AT, header.base, header.batch);
        Walk { suspects: VecDeque::new(), end, seq, batch, batch_at: 0, append }
    }

    fn damage(&mut self, from: u64) {
        let (before, append, seq) = (self.batch, self.append, self.seq);
        self.suspects.push_back(Suspect { from, before, append, within: None, seq, after: None });
    }

    fn record(&mut self, offset: u64, len: usize, head: &Head) {
        if let Some(suspect) = self.suspects.back_mut().filter(|suspect| suspect.within.is_none()) {
            // Behind a record that opens its batch, damage can only be of the batch before.
            suspect.within = Some(if head.opens_batch { head.batch.saturating_sub(1) } else { head.batch });
            suspect.after = Some(head.batch);
        }
        #[cfg(planted)]
        let later = |_: &Suspect| !planted::is(Bug::CutInTheMiddle);
        #[cfg(not(planted))]
        let later = |_: &Suspect| true;
        while self
            .suspects
            .front()
            .is_some_and(|first| first.within.is_some_and(|batch| batch < head.batch) && later(first))
        {
            self.suspects.pop_front();
        }
        if head.batch != self.batch {
            // Whatever the batch before lacks was lost later: it was synced.
            self.append = (offset, self.seq);
            self.batch_at = if offset == RECORDS_AT { 0 } else { offset };
        }
        self.end = offset + len as u64;
        (self.seq, self.batch) = (head.seq, head.batch);
        if head.ends_append {
            self.append = (self.end, self.seq);
        }
    }

    /// Where the log ends, and the newest number before that.
    fn cut(&self) -> (u64, u64) {
        match self.suspects.front() {
            // The batch before was synced, for another one began: nothing of it is cut.
            Some(first) if first.after.is_some_and(|after| after > first.before) => (first.from, first.seq),
            Some(first) => first.append,
            None => self.append,
        }
    }
}

/// How long the record would be whose header stands at a place; 0: none does.
fn begun_record(file: &dyn File, salt: u32, at: u64) -> io::Result<u64> {
    let mut header = [0; HEADER];
    let read = file.read_at(&mut header, at)?;
    Ok(match View::peek(&header[..read], salt) {
        Peek::Whole { len, .. } => len as u64,
        Peek::Damaged => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryFile;
    use crate::record::{Fields, Kind};
    use std::sync::Mutex;

    const LEN: u64 = 56;

    fn header() -> Header {
        Header {
            number: 3,
            last_number: 3,
            epoch: *b"abcdefgh",
            secret: 99,
            base: 10,
            base_time: 0,
            batch: 4,
            previous_end: 0,
            end: 0,
        }
    }

    /// Records of 56 bytes each, from number 11 on: batches from 5 on stand between `|`, and in them `r` is a record, `e` one that ends
    /// its append; upper case are damaged, `.` is nothing at all.
    fn file(batches: &str) -> MemoryFile {
        let mut bytes = Vec::new();
        header().encode(&mut bytes);
        let mut seq = 10;
        for (batch, records) in (5..).zip(batches.split('|')) {
            for (at, letter) in records.chars().enumerate() {
                let start = bytes.len();
                seq += 1;
                let ends_append = letter.eq_ignore_ascii_case(&'e');
                let head = Head { kind: Kind::Event, opens_batch: at == 0, ends_append, seq, batch, time: 5 };
                Fields { head, topics: &["t"], key: None, expires: None, body: b"0123456789" }
                    .encode(header().salt(), &mut bytes);
                assert_eq!((bytes.len() - start) as u64, LEN);
                match letter {
                    'R' | 'E' => bytes[start + HEADER + 4] ^= 1,
                    '.' => bytes[start..].fill(0),
                    _ => assert!("re".contains(letter)),
                }
            }
        }
        MemoryFile(Mutex::new(bytes))
    }

    /// The log ends behind so many records, and what follows is or is not recognised as torn: so many records of it.
    fn check(batches: &str, end: u64, torn: u64) {
        for spare in [0, 8, 100_000] {
            let file = file(batches);
            let len = file.0.lock().unwrap().len();
            file.0.lock().unwrap().resize(len + spare, 0);
            let tail = judge(&file, &header(), 1 << 20).unwrap();
            let cut = Cut { bytes: torn * LEN, first_seq: 11 + end };
            let expect = (RECORDS_AT + end * LEN, (torn > 0).then_some(cut));
            assert_eq!((tail.end, tail.torn), expect, "{batches} and {spare} bytes");
        }
    }

    #[test]
    fn what_is_whole_is_kept() {
        check("", 0, 0);
        check("e", 1, 0);
        check("rre|e|ee", 6, 0);
        check("ee|e..", 3, 0);
    }

    #[test]
    fn the_last_batch_is_torn() {
        check("E", 0, 1);
        check("e|E", 1, 1);
        check("e|.e", 1, 2);
        check("e|eEe", 2, 2);
        check("e|eEE", 2, 1);
        check("e|ee.e.e.", 3, 4);
    }

    #[test]
    fn an_append_is_all_or_nothing() {
        check("e|rr", 1, 2);
        check("e|e|rrE", 2, 2);
        check("e|errE", 2, 2);
        check("e|erRre", 2, 4);
        check("rr.", 0, 2);
    }

    #[test]
    fn what_a_later_batch_follows_is_corruption() {
        check("E|e", 2, 0);
        check("eEe|e", 4, 0);
        check("ee|E|e", 4, 0);
        check("rRre|e", 5, 0);
        check("e|R|E|e|e", 5, 0);
        check("rrE|e", 4, 0);
    }

    #[test]
    fn corruption_first_and_then_a_torn_batch() {
        check("E|e|E", 2, 1);
        check("eE|e|rE", 3, 1);
        check("rE|re|r.", 4, 1);
        check("eE|Ee", 1, 3);
        check("eE|Ee|e", 5, 0);
        // The append before the damage was whole once: another batch began behind it.
        check("rrE|Ee", 2, 3);
    }
}
