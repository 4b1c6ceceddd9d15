//! A log to read from, made by hand: what writer, upkeep and recovery do to the state, one step at a time, beside a plain list of what
//! was ever appended.

use crate::entry::Key;
use crate::header::{Header, RECORDS_AT};
use crate::index::{self, Detail, Directory};
use crate::memory::{MemoryDir, MemoryFile};
use crate::options::Options;
use crate::record::{Fields, Head, Kind};
use crate::scan::{Found, Scan};
use crate::segment::{Segment, SegmentFile};
use crate::shared::Shared;
use crate::state::State;
use crate::storage::Dir;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An event that was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) time: u64,
    pub(super) topics: Vec<Arc<str>>,
    pub(super) body: Vec<u8>,
    pub(super) expires: Option<u64>,
    pub(super) key: Option<Key>,
    /// Its record was damaged.
    pub(super) is_rotten: bool,
}

#[derive(Debug)]
pub(super) struct Made {
    pub(super) shared: Arc<Shared>,
    dir: MemoryDir,
    options: Options,
    number: u32,
    end: u64,
    pub(super) time: u64,
    pub(super) events: Vec<Event>,
    /// Where each event's record is.
    spots: BTreeMap<u64, (Arc<MemoryFile>, u64)>,
    /// What drop records say.
    pub(super) dropped: BTreeMap<Arc<str>, u64>,
    /// What limits of rules have dropped besides, in memory only.
    pub(super) limited: BTreeMap<Arc<str>, u64>,
    /// Segments were rewritten: between two records events may be missing.
    pub(super) is_rewritten: bool,
    pub(super) rebuilds: usize,
}

pub(super) const SALTY: u64 = 0x0123_4567_89ab_cdef;

fn file_name(number: u32) -> String {
    crate::names::segment(number)
}

impl Made {
    pub(super) fn new(options: Options) -> Self {
        let dir = MemoryDir::default();
        let state = State::new([7; 8], &options);
        let mut made = Made {
            shared: super::share(&dir, &options, state),
            dir,
            options,
            number: 0,
            end: 0,
            time: 1_000,
            events: Vec::new(),
            spots: BTreeMap::new(),
            dropped: BTreeMap::new(),
            limited: BTreeMap::new(),
            is_rewritten: false,
            rebuilds: 0,
        };
        made.roll();
        made
    }

    /// The next segment is begun.
    pub(super) fn roll(&mut self) {
        self.number += 1;
        let header = {
            let state = self.shared.lock();
            Header {
                number: self.number,
                last_number: self.number,
                epoch: [7; 8],
                secret: SALTY,
                base: state.head(),
                base_time: state.time(),
                batch: state.batch(),
                previous_end: self.end,
                end: 0,
            }
        };
        let file = self.dir.create(&file_name(self.number)).unwrap();
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        file.write_at(&bytes, 0).unwrap();
        self.end = RECORDS_AT;
        self.shared.lock().begin(SegmentFile { header, file });
    }

    pub(super) fn append(&mut self, topics: &[Arc<str>], body: Vec<u8>, key: Option<Key>, expires: Option<u64>) {
        let seq = self.shared.lock().head() + 1;
        let event = Event { seq, time: self.time, topics: topics.to_vec(), body, expires, key, is_rotten: false };
        let Event { ref body, .. } = event;
        let offset = self.write(Kind::Event, seq, topics, body, key, expires);
        self.spots.insert(seq, (self.dir.file(&file_name(self.number)), offset));
        self.events.push(event);
    }

    pub(super) fn drop_topic(&mut self, topic: &Arc<str>, to: u64) {
        let head = self.shared.lock().head();
        self.write(Kind::Drop, head, std::slice::from_ref(topic), &to.to_le_bytes(), None, None);
        let dropped = self.dropped.entry(topic.clone()).or_default();
        *dropped = to.max(*dropped);
    }

    fn write(
        &mut self,
        kind: Kind,
        seq: u64,
        topics: &[Arc<str>],
        body: &[u8],
        key: Option<Key>,
        expires: Option<u64>,
    ) -> u64 {
        let mut state = self.shared.lock();
        let head = Head { kind, opens_batch: true, ends_append: true, seq, batch: state.batch() + 1, time: self.time };
        let active = state.active().unwrap();
        let mut bytes = Vec::new();
        Fields { head, topics, key, expires, body }.encode(active.salt, &mut bytes);
        active.file.write_at(&bytes, self.end).unwrap();
        let offset = self.end;
        let to = (kind == Kind::Drop).then(|| u64::from_le_bytes(body.try_into().unwrap()));
        state.apply(offset, &head, topics.iter().map(|topic| &**topic), key, to);
        self.end += bytes.len() as u64;
        state.advance(self.end);
        offset
    }

    /// Writes the index of the oldest segment that has none, as upkeep does.
    pub(super) fn write_index(&mut self) {
        let Some(segment) = self.shared.lock().unindexed() else { return };
        let bytes = self.encode(&segment);
        let name = crate::names::index(segment.number());
        let file = self.dir.create(&name).unwrap();
        file.write_at(&bytes, 0).unwrap();
        let directory = Directory::load(&file, &segment.header).unwrap().expect("what was written is read");
        assert_eq!(directory.outline, segment.outline);
        let again = Segment { detail: directory.detail, ..(*segment).clone() };
        self.shared.lock().reindexed(Arc::new(again));
    }

    fn encode(&self, segment: &Segment) -> Vec<u8> {
        let state = self.shared.lock();
        let names = segment.topics.iter().map(|id| &*state.topics.get(*id).name);
        let Detail::Memory { lists, keys } = &segment.detail else { panic!("it has an index already") };
        index::encode(&segment.header, &segment.outline, lists, keys, names)
    }

    fn entries(&self, segment: &Segment) -> Vec<(Arc<str>, u64, u64)> {
        // What is removed or rewritten has an index on disk by then; the same from the segment says the same.
        let directory = self.rebuild(segment);
        directory.topics().map(|entry| (Arc::from(entry.name), entry.ends.last_seq, entry.ends.dropped_to)).collect()
    }

    fn rebuild(&self, segment: &Segment) -> Directory {
        index::rebuild(&*segment.file, &segment.header, segment.outline.end, 1 << 24, 1).unwrap()
    }

    /// The oldest sealed segment goes, its drops committed before.
    pub(super) fn remove_oldest(&mut self) {
        let Some(segment) = self.shared.lock().sealed().next().cloned() else { return };
        for (topic, last, dropped) in self.entries(&segment) {
            let to = last.max(dropped);
            if to >= self.dropped.get(&topic).copied().unwrap_or_default() {
                self.drop_topic(&topic, to);
            }
        }
        // What was damaged in it is nobody's any more.
        let gone = |event: &Event| event.is_rotten && event.seq <= segment.outline.last_seq;
        self.events.retain(|event| !gone(event));
        assert!(self.shared.lock().remove(segment.number()).is_some());
        self.dir.remove(&file_name(segment.number())).unwrap();
        let _ = self.dir.remove(&crate::names::index(segment.number()));
    }

    /// `count` sealed segments from `at` on become one, without what is dropped.
    pub(super) fn rewrite(&mut self, at: usize, count: usize) {
        let segments: Vec<Arc<Segment>> = self.shared.lock().sealed().skip(at).take(count).cloned().collect();
        let [first, .., last] = &segments[..] else { return };
        let number = first.number();
        // What goes by a limit must be known to be gone after a restart, too.
        let topics: Vec<_> = segments.iter().flat_map(|segment| self.entries(segment)).collect();
        for (topic, ..) in topics {
            let to = self.dropped_to(&topic);
            if to > self.dropped.get(&topic).copied().unwrap_or_default() {
                self.drop_topic(&topic, to);
            }
        }
        let mut out = vec![0; RECORDS_AT as usize];
        let salt = first.salt;
        for segment in &segments {
            let base = segment.header.base;
            let mut scan = Scan::new(&*segment.file, segment.salt, RECORDS_AT, segment.outline.end, base, 1 << 24);
            while let Some(found) = scan.next().unwrap() {
                let Found::Record { view, .. } = found else { return };
                let topics: Vec<&str> = view.topics().collect();
                let is_live = topics.iter().any(|topic| view.head.seq > self.dropped_to(topic));
                if view.head.kind == Kind::Event && !is_live {
                    continue;
                }
                if view.head.kind == Kind::Event {
                    self.spots.remove(&view.head.seq);
                }
                let (head, key, expires, body) = (view.head, view.key, view.expires, view.body);
                Fields { head, topics: &topics, key, expires, body }.encode(salt, &mut out);
            }
        }
        let header = Header { last_number: last.header.last_number, end: out.len() as u64, ..first.header };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        out[..bytes.len()].copy_from_slice(&bytes);
        let file = self.dir.create("rewrite").unwrap();
        file.write_at(&out, 0).unwrap();
        let directory = index::rebuild(&*file, &header, header.end, 1 << 24, 1).unwrap();
        for segment in &segments {
            self.dir.remove(&file_name(segment.number())).unwrap();
            let _ = self.dir.remove(&crate::names::index(segment.number()));
        }
        self.dir.rename("rewrite", &file_name(number)).unwrap();
        self.shared.lock().replace(number..=last.number(), SegmentFile { header, file }, directory);
        self.is_rewritten = true;
    }

    pub(super) fn dropped_to(&self, topic: &str) -> u64 {
        let of = |drops: &BTreeMap<Arc<str>, u64>| drops.get(topic).copied().unwrap_or_default();
        of(&self.dropped).max(of(&self.limited))
    }

    /// Flips a bit of an event's record.
    pub(super) fn rot(&mut self, seq: u64, bit: usize) {
        let Some((file, offset)) = self.spots.get(&seq) else { return };
        // Not its length: a record that claims another one's place is another story.
        file.0.lock().unwrap()[*offset as usize + bit / 8] ^= 1 << (bit % 8);
        if let Some(event) = self.events.iter_mut().find(|event| event.seq == seq) {
            event.is_rotten = true;
        }
        self.spots.remove(&seq);
    }

    /// Flips a bit somewhere in an index file.
    pub(super) fn rot_index(&mut self, rng: &mut fastrand::Rng) {
        let names: Vec<String> = self.dir.list().unwrap().into_iter().filter(|name| name.ends_with("index")).collect();
        let Some(name) = rng.choice(&names) else { return };
        let file = self.dir.file(name);
        let mut bytes = file.0.lock().unwrap();
        let at = rng.usize(..bytes.len());
        bytes[at] ^= 1 << rng.u8(..8);
    }

    /// As after a restart: what is known stands on disk.
    pub(super) fn reopen(&mut self) {
        self.roll();
        let segments: Vec<Arc<Segment>> = self.shared.lock().sealed().cloned().collect();
        let mut state = State::new([7; 8], &self.options);
        for Segment { header, file, outline, .. } in segments.iter().map(|segment| &**segment) {
            let index = self.dir.open(&crate::names::index(header.number)).ok();
            let loaded = index.and_then(|index| Directory::load(&index, header).unwrap());
            let loaded = loaded.filter(|directory| directory.outline.end == outline.end);
            self.rebuilds += usize::from(loaded.is_none());
            let rebuild = || index::rebuild(&**file, header, outline.end, 1 << 24, 1).unwrap();
            state.add_sealed(SegmentFile { header: *header, file: file.clone() }, loaded.unwrap_or_else(rebuild));
        }
        let file = {
            let old = self.shared.lock();
            let active = old.active().unwrap();
            SegmentFile { header: active.header, file: active.file.clone() }
        };
        state.begin(file);
        state.recovered();
        self.limited.clear();
        self.shared = super::share(&self.dir, &self.options, state);
    }

    pub(super) fn topics(&self) -> BTreeSet<Arc<str>> {
        self.events.iter().flat_map(|event| event.topics.iter().cloned()).collect()
    }
}
