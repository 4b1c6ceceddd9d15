//! Which byte of which file belongs to what.

use crate::support::ledger::{Event, Ledger};
use std::collections::BTreeMap;
use tidings_testkit::storage::Disk;

/// From one copy of a segment's header to the next, and how much of it says something (docs/internals/log-format.md).
const HEADER_COPY: u64 = 4096;
const HEADER_BYTES: u64 = 84;
const RECORDS_AT: usize = 8192;
/// What an index is divided in.
const PAGE: usize = 4096;

/// What a byte belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// The record of this event.
    Record(u64),
    /// One copy of a segment's header.
    Header,
    Index,
}

/// One byte.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) file: String,
    pub(crate) at: u64,
    pub(crate) what: What,
}

/// Where a record lies in its file, and a number.
type Placed = (std::ops::Range<usize>, u64);

/// Everything on a disk that may be hit.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Segments that have events: where each record starts and ends.
    segments: Vec<(String, Vec<Placed>)>,
    indexes: Vec<(String, Vec<u8>)>,
    newest: u64,
}

impl Places {
    /// Records from number `newest` on are none: they are the newest batch.
    pub(crate) fn of(disk: &Disk, ledger: &Ledger, newest: u64) -> Self {
        // Every body begins with a mark that stands nowhere else.
        let events: BTreeMap<&[u8], &Event> = ledger.events.iter().map(|event| (&event.body[..MARK], event)).collect();
        let mut places = Places { newest, ..Places::default() };
        for file in disk.names() {
            let bytes = disk.bytes(&file).expect("it was listed");
            if file.ends_with(".index") {
                places.indexes.push((file, bytes));
            } else if file.ends_with(".log") {
                let records = records(&bytes, &events, ledger.rotten);
                if !records.is_empty() {
                    places.segments.push((file, records));
                }
            }
        }
        places
    }

    pub(crate) fn without_indexes(self) -> Self {
        Places { indexes: Vec::new(), ..self }
    }

    pub(crate) fn draw(&self, rng: &mut fastrand::Rng) -> Option<Spot> {
        if rng.u8(..4) == 0 {
            let (file, bytes) = rng.choice(&self.indexes)?;
            let at = rng.usize(..bytes.len());
            // Up to the next page there may be nothing but what fills it up: nobody reads that.
            let page = &bytes[at..(at + 1).next_multiple_of(PAGE).min(bytes.len())];
            let says = page.iter().any(|byte| *byte != 0);
            return says.then(|| Spot { file: file.clone(), at: at as u64, what: What::Index });
        }
        let (file, records) = rng.choice(&self.segments)?;
        if rng.u8(..6) == 0 {
            // Always the same copy: with both of them gone more than a header is lost.
            let copy = if file.len().is_multiple_of(2) { 0 } else { HEADER_COPY };
            return Some(Spot { file: file.clone(), at: copy + rng.u64(..HEADER_BYTES), what: What::Header });
        }
        let (place, seq) = rng.choice(records).filter(|(_, seq)| *seq < self.newest)?;
        let at = rng.usize(place.clone()) as u64;
        Some(Spot { file: file.clone(), at, what: What::Record(*seq) })
    }
}

/// `<`, sixteen digits, `>`.
const MARK: usize = 18;

/// The records of a segment, which stand back to back: those whose mark can still be read.
fn records(bytes: &[u8], events: &BTreeMap<&[u8], &Event>, rotten: bool) -> Vec<Placed> {
    let mut records = Vec::new();
    let (mut start, mut at) = (RECORDS_AT, RECORDS_AT);
    while at + MARK <= bytes.len() {
        let event = if bytes[at] == b'<' { events.get(&bytes[at..at + MARK]) } else { None };
        let Some(event) = event else {
            at += 1;
            continue;
        };
        let end = (at + event.body.len()).next_multiple_of(8);
        // Where some are hit already, one that cannot be told may stand before it: then only its body is its own for certain.
        let from = if rotten { at } else { start };
        records.push((from..end, event.seq));
        (start, at) = (end, end);
    }
    records
}
