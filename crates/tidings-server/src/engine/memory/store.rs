//! The kept events in their order, and an index of each topic's, without lock or clock.
//!
//! Numbers are dense here, so that an event's place follows from its number. The oldest events are dropped in order when the bytes
//! run out. A topic whose events have all been dropped stays known, with its mark, for as long as there is room: a reader that
//! returns after a quiet weekend then learns that it missed nothing. Beyond that, forgotten topics share one mark.

use super::marks::Mark;
use crate::engine::{AppendError, Draft};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use tidings_hub::{Event, Pattern, ReadFrom, Segment, Selection, Seq, TopicName, UnixMillis};

/// What a topic costs beside its name: its entry in the table, a share of the tree's nodes, the name's own header, and the smallest
/// index there is.
const TOPIC_BYTES: usize = 200;
/// What an event costs beside its weight: its pointer, its place in the index of each topic (one, mostly), the allocation's header.
const EVENT_BYTES: usize = 48;
/// Topics without events may hold a quarter of the bytes before the oldest of them is forgotten.
const EMPTY_SHARE: usize = 4;

#[derive(Debug)]
pub(super) struct Store {
    bytes_max: usize,
    topics_max: usize,
    /// Kept events in order; their numbers are without a hole and end at `head`.
    events: VecDeque<Arc<Event>>,
    head: Seq,
    /// The time of the newest event: times never go back, so that a time is a place in the order.
    time: UnixMillis,
    topics: BTreeMap<TopicName, Topic>,
    /// Topics without events, by the number of their last.
    empty: BTreeSet<(Seq, TopicName)>,
    empty_bytes: usize,
    bytes: usize,
    /// The newest event that was dropped at all.
    dropped: Mark,
    /// The same of the topics that are not known any more.
    forgotten: Mark,
}

#[derive(Debug)]
struct Topic {
    /// Its kept events' numbers, in order.
    seqs: VecDeque<Seq>,
    dropped: Mark,
}

impl Store {
    pub(super) fn new(bytes_max: usize, topics_max: usize) -> Self {
        Store {
            bytes_max,
            topics_max,
            events: VecDeque::new(),
            head: Seq::START,
            time: UnixMillis::default(),
            topics: BTreeMap::new(),
            empty: BTreeSet::new(),
            empty_bytes: 0,
            bytes: 0,
            dropped: Mark::default(),
            forgotten: Mark::default(),
        }
    }

    /// The newest stored event.
    pub(super) fn head(&self) -> Seq {
        self.head
    }

    /// The position before the oldest kept event.
    pub(super) fn floor(&self) -> Seq {
        Seq(self.head.0 - self.events.len() as u64)
    }

    /// Takes the drafts, all or none: those that are durable get the next numbers and are kept, the others pass through.
    pub(super) fn commit(&mut self, drafts: Vec<Draft>, now: UnixMillis) -> Result<Vec<Arc<Event>>, AppendError> {
        self.make_room_for_topics(&drafts)?;
        self.time = self.time.max(now);
        let mut events = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let Draft { topics, event_type, content, durable } = draft;
            let seq = durable.then(|| Seq(self.head.0 + 1));
            let event = Arc::new(Event { seq, time: self.time, topics, event_type, content });
            if let Some(seq) = seq {
                self.keep(seq, event.clone());
            }
            events.push(event);
        }
        self.drop_surplus();
        Ok(events)
    }

    /// Kept events behind a position, in order.
    pub(super) fn after(&self, seq: Seq) -> impl Iterator<Item = &Arc<Event>> {
        self.events.range(self.count_to(seq)..)
    }

    /// Kept events up to and including a position, newest first.
    pub(super) fn back_from(&self, seq: Seq) -> impl Iterator<Item = &Arc<Event>> {
        self.events.range(..self.count_to(seq)).rev()
    }

    /// How many kept events lie up to and including a position.
    fn count_to(&self, seq: Seq) -> usize {
        let passed = usize::try_from(seq.0.saturating_sub(self.floor().0)).unwrap_or(usize::MAX);
        passed.min(self.events.len())
    }

    /// A kept event.
    pub(super) fn get(&self, seq: Seq) -> Option<&Arc<Event>> {
        let index = seq.0.checked_sub(self.floor().0 + 1)?;
        self.events.get(usize::try_from(index).ok()?)
    }

    /// The numbers of a topic's kept events, in order, if it is known.
    pub(super) fn seqs(&self, topic: &TopicName) -> Option<&VecDeque<Seq>> {
        self.topics.get(topic).map(|topic| &topic.seqs)
    }

    /// The position before the first kept event of this time or later; the head where there is none.
    pub(super) fn before_time(&self, time: UnixMillis) -> Seq {
        let earlier = self.events.partition_point(|event| event.time < time);
        Seq(self.floor().0 + earlier as u64)
    }

    /// How far the selection's topics have dropped events, and whether that is behind the place a read asks for.
    ///
    /// For exact topics both are exact, but for those that were forgotten. Where there are patterns, the first is that of all topics:
    /// drops happen in the order of numbers, so a reader who was told of everything up to there misses no later one.
    pub(super) fn dropped(&self, selection: &Selection, from: ReadFrom) -> (Seq, bool) {
        let marks = selection.topics().iter().map(|topic| self.topics.get(topic).map_or(self.forgotten, |t| t.dropped));
        let mut highest = Mark::default();
        for mark in marks {
            highest.raise(mark);
        }
        if selection.patterns().is_empty() {
            return (highest.seq, highest.is_missed_from(from));
        }
        let missed = self.dropped.is_missed_from(from)
            && (highest.is_missed_from(from)
                || self.forgotten.is_missed_from(from)
                || selection.patterns().iter().any(|pattern| self.has_missed_match(pattern, selection, from)));
        (self.dropped.seq, missed)
    }

    /// Whether a known topic that the pattern matches has dropped events behind the place. Looks only at topics that begin like it.
    fn has_missed_match(&self, pattern: &Pattern, selection: &Selection, from: ReadFrom) -> bool {
        let prefix = literal_prefix(pattern);
        let start = TopicName::new(&prefix).map_or(Bound::Unbounded, Bound::Included);
        self.topics
            .range((start, Bound::Unbounded))
            .take_while(|(topic, _)| topic.as_str().starts_with(&prefix))
            .any(|(topic, state)| state.dropped.is_missed_from(from) && selection.selects_topic(topic))
    }

    fn keep(&mut self, seq: Seq, event: Arc<Event>) {
        self.head = seq;
        self.bytes += EVENT_BYTES + event.weight();
        for topic in event.topics.iter() {
            let state = match self.topics.get_mut(topic) {
                Some(state) => state,
                None => {
                    self.bytes += topic_bytes(topic);
                    // It may be one of those that were forgotten.
                    let fresh = Topic { seqs: VecDeque::new(), dropped: self.forgotten };
                    self.topics.entry(topic.clone()).or_insert(fresh)
                }
            };
            if state.seqs.is_empty() && self.empty.remove(&(state.dropped.seq, topic.clone())) {
                self.empty_bytes -= topic_bytes(topic);
            }
            state.seqs.push_back(seq);
        }
        self.events.push_back(event);
    }

    fn drop_surplus(&mut self) {
        while self.bytes > self.bytes_max {
            let oldest_empty = self.empty.first().cloned();
            // The newest event is kept in any case: it was just acknowledged.
            let may_drop = self.events.len() > 1;
            match oldest_empty {
                Some(place) if !may_drop || self.empty_bytes > self.bytes_max / EMPTY_SHARE => self.forget(&place),
                _ if may_drop => self.drop_oldest_event(),
                _ => return,
            }
        }
    }

    fn drop_oldest_event(&mut self) {
        let Some(event) = self.events.pop_front() else { return };
        let seq = event.seq.expect("only stored events are kept");
        self.bytes -= EVENT_BYTES + event.weight();
        self.dropped = Mark { seq, time: event.time };
        for topic in event.topics.iter() {
            let state = self.topics.get_mut(topic).expect("a topic with events is known");
            let first = state.seqs.pop_front();
            debug_assert_eq!(first, Some(seq), "every topic drops in the order of numbers");
            state.dropped = self.dropped;
            if state.seqs.is_empty() {
                // Its next event may be long in coming, or never come: what its busy times needed is given back.
                state.seqs = VecDeque::new();
                self.empty.insert((seq, topic.clone()));
                self.empty_bytes += topic_bytes(topic);
            }
        }
    }

    /// Forgets topics without events until the drafts' new topics fit; if they cannot, nothing is taken.
    fn make_room_for_topics(&mut self, drafts: &[Draft]) -> Result<(), AppendError> {
        let names = drafts.iter().filter(|draft| draft.durable).flat_map(|draft| draft.topics.iter());
        let named: HashSet<&TopicName> = names.collect();
        let new = named.iter().filter(|topic| !self.topics.contains_key(**topic)).count();
        let surplus = (self.topics.len() + new).saturating_sub(self.topics_max);
        if surplus == 0 {
            return Ok(());
        }
        // A topic that the drafts name is about to have events again.
        let forgettable = self.empty.iter().filter(|(_, topic)| !named.contains(topic));
        let places: Vec<_> = forgettable.take(surplus).cloned().collect();
        if places.len() < surplus {
            return Err(AppendError::TooManyTopics { max: self.topics_max });
        }
        for place in places {
            self.forget(&place);
        }
        Ok(())
    }

    fn forget(&mut self, place: &(Seq, TopicName)) {
        self.empty.remove(place);
        let topic = &place.1;
        let state = self.topics.remove(topic).expect("a topic without events is known until it is forgotten");
        self.forgotten.raise(state.dropped);
        self.empty_bytes -= topic_bytes(topic);
        self.bytes -= topic_bytes(topic);
    }
}

fn topic_bytes(topic: &TopicName) -> usize {
    TOPIC_BYTES + topic.as_str().len()
}

/// What every topic that a pattern matches begins with: `a/b` of `a/b/*/c`, nothing of `**/z`.
fn literal_prefix(pattern: &Pattern) -> String {
    let literals = pattern.segments().map_while(|segment| match segment {
        Segment::Literal(literal) => Some(literal),
        Segment::One | Segment::Any => None,
    });
    literals.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tidings_hub::{Content, Grant, Topics};

    fn draft(topics: &str, size: usize) -> Draft {
        let topics = topics.split(' ').map(|topic| TopicName::new(topic).unwrap()).collect();
        let content = Content::text(&"x".repeat(size));
        Draft { topics: Topics::new(topics).unwrap(), event_type: None, content, durable: true }
    }

    fn commit(store: &mut Store, topics: &str, size: usize) -> Result<u64, AppendError> {
        store.commit(vec![draft(topics, size)], UnixMillis(1)).map(|events| events[0].seq.unwrap().0)
    }

    /// Whether one who has read up to `seq` is told of a gap.
    fn misses(store: &Store, names: &str, seq: u64) -> bool {
        let (patterns, topics): (Vec<&str>, Vec<&str>) = names.split(' ').partition(|name| name.contains('*'));
        let topics = topics.into_iter().map(|topic| TopicName::new(topic).unwrap()).collect();
        let patterns = patterns.into_iter().map(|pattern| Pattern::new(pattern).unwrap()).collect();
        let selection = Selection::new(topics, patterns, vec![], Arc::new(Grant::local())).unwrap();
        store.dropped(&selection, ReadFrom::After { seq: Seq(seq), told: Seq::START }).1
    }

    #[test]
    fn the_oldest_go_first_and_only_their_topics_miss_them() {
        let mut store = Store::new(8_000, 100);
        assert_eq!(commit(&mut store, "old", 100).unwrap(), 1);
        for _ in 0..20 {
            commit(&mut store, "busy", 500).unwrap();
            assert!(store.bytes <= 8_000);
        }
        assert!(store.floor() > Seq(5));
        assert!(misses(&store, "old", 0));
        assert!(!misses(&store, "old", 1), "a quiet weekend is no gap");
        assert!(!misses(&store, "never", 0), "a topic without events misses none");
        assert!(misses(&store, "busy", 1) && !misses(&store, "busy", store.floor().0));
        assert!(misses(&store, "never old", 0) && !misses(&store, "never old", 1));
        assert!(misses(&store, "*", 1) && misses(&store, "old/**", 0));
        assert!(!misses(&store, "old/**", 1) && !misses(&store, "b/**", 0) && !misses(&store, "bus/*", 0));
        assert!(misses(&store, "**", 1));
    }

    #[test]
    fn one_event_is_kept_however_large() {
        let mut store = Store::new(1_000, 100);
        commit(&mut store, "a", 10).unwrap();
        commit(&mut store, "b", 5_000).unwrap();
        assert_eq!((store.events.len(), store.floor(), store.topics.len()), (1, Seq(1), 1), "a was forgotten for it");
    }

    #[test]
    fn topics_are_bounded_and_those_without_events_make_room() {
        let mut store = Store::new(4_000, 3);
        for topic in ["a", "b", "c"] {
            commit(&mut store, topic, 1).unwrap();
        }
        assert_eq!(commit(&mut store, "d", 1), Err(AppendError::TooManyTopics { max: 3 }));
        assert_eq!(store.head(), Seq(3), "nothing was taken");
        // a and b get newer events, until c loses its only one.
        while store.empty.is_empty() {
            commit(&mut store, "a b", 300).unwrap();
        }
        let newest = commit(&mut store, "d", 1).unwrap();
        assert_eq!(commit(&mut store, "c", 1), Err(AppendError::TooManyTopics { max: 3 }));
        assert!(misses(&store, "c", 0), "forgotten, and still told");
        assert!(misses(&store, "never", 0), "nobody knows whether it was one of those forgotten");
        assert!(misses(&store, "c/**", 0) && misses(&store, "z/*", 0), "nor whether a pattern matched it");
        assert!(!misses(&store, "d", newest - 1), "but not after the newest event of theirs");
    }

    #[test]
    fn a_topic_that_comes_back_still_misses_what_it_had_before_it_was_forgotten() {
        let mut store = Store::new(4_000, 1);
        for topic in ["a", "b"] {
            commit(&mut store, topic, 1).unwrap();
            // With its only event gone the topic makes room for the next.
            store.drop_oldest_event();
        }
        commit(&mut store, "a", 1).unwrap();
        assert!(misses(&store, "a", 0), "the first event of all");
        assert!(!misses(&store, "a", 2), "but nothing behind the last that was forgotten");
    }

    #[test]
    fn a_topic_without_events_that_is_named_is_not_forgotten_for_its_neighbour() {
        let mut store = Store::new(1_500, 2);
        commit(&mut store, "a", 1).unwrap();
        commit(&mut store, "b", 900).unwrap();
        assert_eq!(store.empty.len(), 1, "a is without events");
        assert_eq!(commit(&mut store, "a c", 1), Err(AppendError::TooManyTopics { max: 2 }));
        assert_eq!(commit(&mut store, "c", 1), Ok(3));
    }

    #[test]
    fn what_is_not_durable_passes_through() {
        let mut store = Store::new(4_000, 1);
        let events =
            store.commit(vec![Draft { durable: false, ..draft("a", 1) }, draft("b", 1)], UnixMillis(5)).unwrap();
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [None, Some(Seq(1))]);
        assert_eq!((store.events.len(), store.topics.len()), (1, 1));
    }

    #[test]
    fn times_never_go_back() {
        let mut store = Store::new(4_000, 1);
        for (now, expect) in [(10, 10), (5, 10), (20, 20)] {
            let events = store.commit(vec![draft("a", 1)], UnixMillis(now)).unwrap();
            assert_eq!(events[0].time, UnixMillis(expect));
        }
        for (time, expect) in [(0, 0), (10, 0), (11, 2), (20, 2), (21, 3)] {
            assert_eq!(store.before_time(UnixMillis(time)), Seq(expect), "{time}");
        }
    }
}
