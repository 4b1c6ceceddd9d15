//! What the log knows of itself, under one lock that is held shortly and never while something is read or written.

use crate::entry::Key;
use crate::header::Header;
use crate::index::{Detail, Directory, IndexBuilder};
use crate::options::Options;
use crate::places::Place;
use crate::record::{Head, Kind};
use crate::segment::{Segment, SegmentFile};
use crate::stats::Counters;
use crate::storage::File;
use crate::topics::{TopicId, Topics};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The log as of its newest record on stable storage.
#[derive(Debug)]
pub(crate) struct State {
    epoch: [u8; 8],
    pub(crate) topics: Topics,
    /// Oldest first, by rising numbers.
    sealed: VecDeque<Arc<Segment>>,
    active: Option<Active>,
    /// The newest event's number.
    head: u64,
    /// The newest record's time.
    time: u64,
    /// The last batch's number.
    batch: u64,
    topics_max: usize,
    pub(crate) counters: Counters,
    /// What the storage said when it last refused to be read.
    pub(crate) refusal: Option<String>,
}

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) header: Header,
    pub(crate) file: Arc<dyn File>,
    pub(crate) salt: u32,
    pub(crate) index: IndexBuilder,
    /// Whose each list is.
    pub(crate) topics: Vec<TopicId>,
}

impl State {
    pub(crate) fn new(epoch: [u8; 8], options: &Options) -> Self {
        State {
            epoch,
            topics: Topics::new(options.hash_seed, &options.retention.rules),
            sealed: VecDeque::new(),
            active: None,
            head: 0,
            time: 0,
            batch: 0,
            topics_max: options.topics_max,
            counters: Counters::default(),
            refusal: None,
        }
    }

    /// Recovery, oldest first: a sealed segment with its directory (read from its index file, or rebuilt).
    pub(crate) fn add_sealed(&mut self, file: SegmentFile, directory: Directory) {
        assert!(self.active.is_none(), "sealed segments come before the active one");
        assert!(self.sealed.back().is_none_or(|last| last.header.last_number < file.header.number), "oldest first");
        self.pass(&file.header);
        let segment = self.link(file, directory);
        self.sealed.push_back(Arc::new(segment));
    }

    /// A segment is begun; the one that was active, if any, is sealed at its end, its index in memory until upkeep has written it.
    pub(crate) fn begin(&mut self, file: SegmentFile) {
        self.seal();
        self.pass(&file.header);
        let SegmentFile { header, file } = file;
        assert!(self.sealed.back().is_none_or(|last| last.header.last_number < header.number), "numbers rise");
        let index = IndexBuilder::new(&header);
        self.active = Some(Active { salt: header.salt(), header, file, index, topics: Vec::new() });
    }

    /// The active segment is sealed: what follows is written to another one.
    pub(crate) fn seal(&mut self) {
        let Some(Active { header, file, salt, index, topics }) = self.active.take() else { return };
        let IndexBuilder { outline, lists, keys } = index;
        let detail = Detail::Memory { lists, keys };
        self.sealed.push_back(Arc::new(Segment { header, file, salt, outline, topics, detail }));
    }

    /// A record of the active segment that is on stable storage; in order.
    pub(crate) fn apply<'a>(
        &mut self,
        offset: u64,
        head: &Head,
        topics: impl Iterator<Item = &'a str>,
        key: Option<Key>,
        dropped_to: Option<u64>,
    ) {
        let active = self.active.as_mut().expect("records are written to a segment that was begun");
        let number = active.header.number;
        // A record has 16 topics at the most.
        let mut lists = [0; crate::record::TOPICS_MAX];
        let mut count = 0;
        for name in topics {
            let id = self.topics.intern(name);
            let list = self.topics.get(id).places.list_in(number).unwrap_or_else(|| {
                let list = active.index.add_list();
                active.topics.push(id);
                self.topics.places_mut(id).insert(Place { segment: number, list });
                list
            });
            lists[count] = list;
            count += 1;
            match (head.kind, dropped_to) {
                (Kind::Event, _) => self.topics.raise_newest(id, head.seq),
                (Kind::Drop, to) => self.topics.record_drop(id, to.unwrap_or_default(), number),
            }
        }
        active.index.push(offset, head, &lists[..count], key, dropped_to);
        if head.kind == Kind::Drop && count == 0 {
            self.topics.forget(dropped_to.unwrap_or_default(), self.topics_max);
        }
        self.head = self.head.max(head.seq);
        self.time = self.time.max(head.time);
        self.batch = self.batch.max(head.batch);
    }

    /// The active segment is synced up to here.
    pub(crate) fn advance(&mut self, end: u64) {
        self.active.as_mut().expect("records are written to a segment that was begun").index.finish(end);
    }

    /// Recovery is done: topics that may have been forgotten, and came back before the drop that says so (it was written again, behind
    /// them), are taken to have lost what lies before their first segment.
    pub(crate) fn recovered(&mut self) {
        let forgotten = self.topics.forgotten().to;
        let ids: Vec<TopicId> = if forgotten > 0 { self.topics.ids().collect() } else { Vec::new() };
        for id in ids {
            let first = self.topics.get(id).places.first_from(0);
            let base = first.and_then(|place| self.header_of(place.segment)).map(|header| header.base);
            // One gap too many is better than one too few.
            self.topics.raise_dropped(id, base.unwrap_or(forgotten).min(forgotten));
        }
    }

    pub(crate) fn epoch(&self) -> [u8; 8] {
        self.epoch
    }

    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    pub(crate) fn time(&self) -> u64 {
        self.time
    }

    pub(crate) fn batch(&self) -> u64 {
        self.batch
    }

    pub(crate) fn topic(&self, name: &str) -> Option<TopicId> {
        self.topics.find(name)
    }

    /// How many topics have events.
    pub(crate) fn stored_topics(&self) -> usize {
        self.topics.live()
    }

    /// A topic's newest event, dropped or not; 0: none.
    pub(crate) fn newest(&self, topic: TopicId) -> u64 {
        self.topics.get(topic).newest
    }

    /// Up to where a topic's events are dropped; 0: none is.
    pub(crate) fn dropped_to(&self, topic: TopicId) -> u64 {
        self.topics.get(topic).dropped.to
    }

    /// Oldest first.
    pub(crate) fn sealed(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> + ExactSizeIterator {
        self.sealed.iter()
    }

    pub(crate) fn segments(&self) -> &VecDeque<Arc<Segment>> {
        &self.sealed
    }

    pub(crate) fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }

    /// A sealed segment.
    pub(crate) fn sealed_by_number(&self, number: u32) -> Option<&Arc<Segment>> {
        self.sealed.get(self.position(number)?)
    }

    /// The oldest sealed segment whose index has to be written.
    pub(crate) fn unindexed(&self) -> Option<Arc<Segment>> {
        self.sealed.iter().find(|segment| segment.is_unindexed()).cloned()
    }

    /// The same segment, with an index in another place; nothing happens if it is not here any more.
    pub(crate) fn reindexed(&mut self, segment: Arc<Segment>) {
        let Some(position) = self.position(segment.number()) else { return };
        // It may have been rewritten meanwhile.
        if Arc::ptr_eq(&self.sealed[position].file, &segment.file) {
            self.sealed[position] = segment;
        }
    }

    /// A sealed segment's index was built anew: its lists may stand in another order, and damage may have come to light. None: the
    /// segment is not here any more, or was rewritten.
    pub(crate) fn rebuilt(&mut self, segment: &Segment, directory: Directory) -> Option<Arc<Segment>> {
        let position = self.position(segment.number())?;
        if !Arc::ptr_eq(&self.sealed[position].file, &segment.file) {
            return None;
        }
        self.remove(segment.number());
        let file = SegmentFile { header: segment.header, file: segment.file.clone() };
        let segment = Arc::new(self.link(file, directory));
        self.sealed.insert(position, segment.clone());
        Some(segment)
    }

    /// A sealed segment is taken out, after its drops are committed. Readers that have it read on.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Arc<Segment>> {
        let segment = self.sealed.remove(self.position(number)?)?;
        for id in &segment.topics {
            self.topics.places_mut(*id).remove(number);
        }
        Some(segment)
    }

    /// Sealed segments were rewritten as one, which bears the first one's number.
    pub(crate) fn replace(&mut self, numbers: RangeInclusive<u32>, file: SegmentFile, directory: Directory) {
        assert_eq!(file.header.number, *numbers.start(), "a rewritten segment bears the first number");
        let within = self.sealed.iter().map(|segment| segment.number()).filter(|number| numbers.contains(number));
        for number in within.collect::<Vec<_>>() {
            self.remove(number);
        }
        let segment = self.link(file, directory);
        let at = self.sealed.partition_point(|other| other.number() < segment.number());
        self.sealed.insert(at, Arc::new(segment));
    }

    /// What a header says of everything before it.
    fn pass(&mut self, header: &Header) {
        self.head = self.head.max(header.base);
        self.time = self.time.max(header.base_time);
        self.batch = self.batch.max(header.batch);
    }

    /// Makes a segment of a file and its directory, and its topics known.
    fn link(&mut self, file: SegmentFile, directory: Directory) -> Segment {
        let SegmentFile { header, file } = file;
        let mut topics = Vec::with_capacity(directory.ends.len());
        for (list, entry) in directory.topics().enumerate() {
            let id = self.topics.intern(entry.name);
            let place = Place { segment: header.number, list: u32::try_from(list).expect("topics are bounded") };
            self.topics.places_mut(id).insert(place);
            self.topics.raise_newest(id, entry.ends.last_seq);
            self.topics.record_drop(id, entry.ends.dropped_to, header.number);
            topics.push(id);
        }
        let Directory { outline, detail, .. } = directory;
        if outline.forgotten_to > 0 {
            self.topics.forget(outline.forgotten_to, self.topics_max);
        }
        self.head = self.head.max(outline.last_seq);
        self.time = self.time.max(outline.last_time);
        self.batch = self.batch.max(outline.batch);
        Segment { salt: header.salt(), header, file, outline, topics, detail }
    }

    fn position(&self, number: u32) -> Option<usize> {
        self.sealed.binary_search_by_key(&number, |segment| segment.number()).ok()
    }

    fn header_of(&self, number: u32) -> Option<&Header> {
        let active = self.active.as_ref().map(|active| &active.header).filter(|header| header.number == number);
        active.or_else(|| self.sealed_by_number(number).map(|segment| &segment.header))
    }
}
