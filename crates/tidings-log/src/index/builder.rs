//! An index that grows with its segment, record by record.

use super::{Ends, KeyRow, Lists, MARK_EVERY, Mark, Outline, Stretch};
use crate::entry::Key;
use crate::header::{Header, RECORDS_AT};
use crate::record::{ALIGN, Head, Kind};

#[derive(Clone, Debug)]
pub(crate) struct IndexBuilder {
    pub(crate) outline: Outline,
    pub(crate) lists: Lists,
    pub(crate) keys: Vec<KeyRow>,
}

impl IndexBuilder {
    /// Of a segment without records yet.
    pub(crate) fn new(header: &Header) -> Self {
        let outline = Outline {
            end: RECORDS_AT,
            last_seq: header.base,
            first_time: header.base_time,
            last_time: header.base_time,
            batch: header.batch,
            ..Outline::default()
        };
        IndexBuilder { outline, lists: Lists::default(), keys: Vec::new() }
    }

    /// A list for a topic that has none yet.
    pub(crate) fn add_list(&mut self) -> u32 {
        self.lists.offsets.push(Vec::new());
        self.lists.ends.push(Ends::default());
        u32::try_from(self.lists.ends.len() - 1).expect("topics are bounded")
    }

    /// The next record: an event goes into its topics' lists; a drop says something of its topic, or of all that are unknown.
    pub(crate) fn push(&mut self, offset: u64, head: &Head, lists: &[u32], key: Option<Key>, dropped_to: Option<u64>) {
        let outline = &mut self.outline;
        assert!(offset >= outline.end, "records are pushed in order");
        assert!(offset.is_multiple_of(ALIGN as u64), "records are aligned");
        if let Some(stretch) = outline.damage.last_mut().filter(|stretch| stretch.through == u64::MAX) {
            // A drop bears the number of the newest event before it.
            let through = if head.kind == Kind::Event { head.seq - 1 } else { head.seq };
            stretch.through = through.max(stretch.before);
        }
        if outline.marks.is_empty() {
            outline.first_time = head.time;
        }
        if outline.marks.last().is_none_or(|mark| mark.offset / MARK_EVERY != offset / MARK_EVERY) {
            outline.marks.push(Mark { offset, seq: outline.last_seq, time: outline.last_time });
        }
        outline.last_time = outline.last_time.max(head.time);
        outline.batch = outline.batch.max(head.batch);
        match head.kind {
            Kind::Event => self.push_event(offset, head, lists, key),
            Kind::Drop => self.push_drop(lists, dropped_to.unwrap_or_default()),
        }
    }

    /// No record can be read here.
    pub(crate) fn damage(&mut self, from: u64, to: u64) {
        assert!(from < to && from >= self.outline.end, "damage is told in order");
        let before = self.outline.last_seq;
        self.outline.damage.push(Stretch { from, to, before, through: u64::MAX });
    }

    /// Its records end here.
    pub(crate) fn finish(&mut self, end: u64) {
        assert!(end >= self.outline.end, "a segment only grows");
        self.outline.end = end;
    }

    fn push_event(&mut self, offset: u64, head: &Head, lists: &[u32], key: Option<Key>) {
        let outline = &mut self.outline;
        assert!(head.seq > outline.last_seq, "numbers increase");
        outline.last_seq = head.seq;
        outline.events += 1;
        if outline.first_seq == 0 {
            outline.first_seq = head.seq;
        }
        let place = u32::try_from(offset / ALIGN as u64).expect("a segment is smaller than 32 GiB");
        for list in lists {
            self.lists.offsets[*list as usize].push(place);
            self.lists.ends[*list as usize].last_seq = head.seq;
        }
        self.keys.extend(key.map(|key| KeyRow { key, seq: head.seq, time: head.time }));
        outline.end = offset + ALIGN as u64;
    }

    fn push_drop(&mut self, lists: &[u32], to: u64) {
        for list in lists {
            let ends = &mut self.lists.ends[*list as usize];
            ends.dropped_to = ends.dropped_to.max(to);
        }
        if lists.is_empty() {
            self.outline.forgotten_to = self.outline.forgotten_to.max(to);
        }
    }
}
