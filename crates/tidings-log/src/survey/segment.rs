//! A look at one segment.

use super::among::{Among, Index};
use super::places::Stretch;
use super::tally::Tally;
use super::{Depth, TornTail};
use crate::index::{Directory, Lost, Postings};
use crate::scan::Found;
use crate::storage::{Dir, File};
use std::io;

/// What a segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedSegment {
    /// Its number, which its file is named by.
    pub number: u32,
    /// The highest number whose records it holds; another than its own only after a rewrite of several.
    pub last_number: u32,
    /// The file's length.
    pub bytes: u64,
    /// Where its records end.
    pub end: u64,
    /// Events in it, dropped ones too.
    pub events: u64,
    /// Batches that it was written in. Of a rewritten one, with only its index read: those it was once written in.
    pub batches: u64,
    /// Different topics of its events and drops.
    pub topics: u64,
    /// The numbers of its first and its newest event, if it has events.
    pub seqs: Option<(u64, u64)>,
    /// The times of its first and its newest record, in milliseconds since 1970.
    pub times: (u64, u64),
    /// Its index.
    pub index: IndexState,
    /// How many of its header's two copies are whole. Without one, its number in the file's name and its records still say enough.
    pub copies: u8,
    /// What is damaged in it, in order. Where only its index was read: what was damaged when the index was made.
    pub damage: Vec<Stretch>,
}

/// What became of a segment's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// It has none yet: it is the newest segment, and was not closed.
    Active,
    /// It is whole.
    Good,
    /// It should have one. The next open makes it anew.
    Missing,
    /// It is not what was written. It is made anew by the next open, or by who reads it.
    Damaged,
}

/// What a look at a segment brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) segment: SurveyedSegment,
    pub(super) torn: Option<TornTail>,
}

/// The newest segment is looked at so often where it seems damaged: a server that writes it may have been seen between two batches, of
/// which the second was read whole. What is damaged stays so.
const LOOKS: usize = 3;

impl Among<'_> {
    /// Looks at the segment; none if a server has removed or rewritten it meanwhile.
    pub(super) fn look(&self, dir: &dyn Dir, depth: Depth) -> io::Result<Option<Looked>> {
        let looked = match self.try_look(dir, depth) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            looked => looked?,
        };
        let whole = looked.segment.damage.is_empty() && looked.segment.index != IndexState::Damaged;
        if !whole && !self.is_still_there(dir)? { Ok(None) } else { Ok(Some(looked)) }
    }

    fn try_look(&self, dir: &dyn Dir, depth: Depth) -> io::Result<Looked> {
        let file = self.open(dir)?;
        let index = self.index(dir)?;
        let state = match &index {
            Index::None if self.next.is_none() => IndexState::Active,
            Index::None => IndexState::Missing,
            Index::Damaged => IndexState::Damaged,
            // Without its header it is not known how many batches were before it; and a file that was cut has lost what its index says.
            Index::Good(directory)
                if depth == Depth::Indexes && self.begun.copies > 0 && directory.outline.end <= self.begun.bytes =>
            {
                return Ok(Looked { segment: self.by_index(directory), torn: None });
            }
            Index::Good(_) => IndexState::Good,
        };
        if let Some(end) = self.end(&index) {
            let mut segment = self.by_records(&*file, state, end)?;
            if let Index::Good(directory) = &index
                && !self.is_true(directory, &segment)?
            {
                segment.index = IndexState::Damaged;
            }
            return Ok(Looked { segment, torn: None });
        }
        if self.next.is_some() {
            // Nothing says where it ends, and what stood there was synced before the next one was begun: nothing is torn.
            let mut looked = self.by_judgement(&*file, state)?;
            let after = looked.segment.seqs.map_or(self.begun.header.base, |(_, last)| last);
            let lost = looked.torn.take().map(|TornTail { offset, bytes, .. }| (offset, offset + bytes));
            looked.segment.damage.extend(lost.map(|(from, to)| Stretch { from, to, after, before: None }));
            return Ok(looked);
        }
        let mut looked = self.by_judgement(&*file, state)?;
        for _ in 1..LOOKS {
            if looked.segment.damage.is_empty() {
                break;
            }
            looked = self.by_judgement(&*file, state)?;
        }
        Ok(looked)
    }

    /// A segment of which only the records say where it ends.
    fn by_judgement(&self, file: &dyn File, index: IndexState) -> io::Result<Looked> {
        let tail = self.judge(file)?;
        let segment = self.number();
        let torn =
            tail.torn.map(|cut| TornTail { segment, offset: tail.end, bytes: cut.bytes, first_seq: cut.first_seq });
        Ok(Looked { segment: self.by_records(file, index, tail.end)?, torn })
    }

    /// Whether an index says what was found. Reads its keys and lists too, whose checksums nobody looks at before they are needed.
    fn is_true(&self, directory: &Directory, found: &SurveyedSegment) -> io::Result<bool> {
        let outline = &directory.outline;
        // What is damaged now may have been whole when the index was made.
        let counts = found.seqs.is_none_or(|(first, last)| (first, last) == (outline.first_seq, outline.last_seq))
            && found.events == outline.events;
        let salt = self.begun.header.salt();
        match read_lists(directory, salt).and_then(|()| directory.detail.keys(salt)) {
            Ok(_) => Ok(counts || !found.damage.is_empty()),
            Err(Lost::Damaged) => Ok(false),
            Err(Lost::Refused(error)) => Err(error),
        }
    }

    fn by_index(&self, Directory { outline, ends, .. }: &Directory) -> SurveyedSegment {
        let header = &self.begun.header;
        let damage = outline.damage.iter().map(|stretch| Stretch {
            from: stretch.from,
            to: stretch.to,
            after: stretch.before,
            before: (stretch.through != u64::MAX).then(|| stretch.through + 1),
        });
        SurveyedSegment {
            number: header.number,
            last_number: header.last_number,
            bytes: self.begun.bytes,
            end: outline.end,
            events: outline.events,
            batches: outline.batch - header.batch,
            topics: ends.len() as u64,
            seqs: Some((outline.first_seq, outline.last_seq)).filter(|_| outline.events > 0),
            times: (outline.first_time, outline.last_time),
            index: IndexState::Good,
            copies: self.begun.copies,
            damage: damage.collect(),
        }
    }

    /// Reads the records, up to where they end.
    fn by_records(&self, file: &dyn File, index: IndexState, end: u64) -> io::Result<SurveyedSegment> {
        let header = &self.begun.header;
        let mut tally = Tally::new(header);
        let len = file.len()?;
        let mut scan = self.scan(file, end.min(len));
        while let Some(found) = scan.next()? {
            match found {
                Found::Record { view, .. } => tally.record(&view),
                Found::Damage { from, to } => tally.damage(from, to),
            }
        }
        if len < end {
            tally.damage(len, end);
        }
        Ok(SurveyedSegment {
            number: header.number,
            last_number: header.last_number,
            bytes: self.begun.bytes,
            end,
            events: tally.events,
            batches: tally.batches,
            topics: tally.topics(),
            seqs: tally.seqs,
            times: tally.times.unwrap_or((header.base_time, header.base_time)),
            index,
            copies: self.begun.copies,
            damage: tally.damaged(),
        })
    }
}

/// Reads every block of places.
fn read_lists(directory: &Directory, salt: u32) -> Result<(), Lost> {
    let mut postings = Postings::new(&directory.detail, salt);
    for (list, entry) in (0..).zip(directory.topics()) {
        let mut cursor = postings.cursor(list);
        for index in 0..entry.count {
            postings.get(&mut cursor, index)?;
        }
    }
    Ok(())
}
