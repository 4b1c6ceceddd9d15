//! Every topic that is known: its name, its newest event, what it has dropped, and where its events lie.

use crate::options::Rule;
use crate::places::Places;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::sync::Arc;

/// A topic that is known. Its number is given to another one after it was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicId(u32);

/// What is dropped: every event up to a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// The newest dropped event; 0: none.
    pub(crate) to: u64,
    /// The version of drops when it was: who was told of this version knows it.
    pub(crate) version: u64,
}

/// No rule matches.
const NO_RULE: u16 = u16::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    /// Its newest event, dropped or not; 0: none.
    pub(crate) newest: u64,
    pub(crate) dropped: Dropped,
    pub(crate) places: Places,
    /// Up to which number its newest drop record says that its events are gone (0: it has none), and the segment that stands in: it
    /// must be written again before that segment goes.
    pub(crate) recorded_to: u64,
    pub(crate) recorded_in: u32,
    /// Its place among the rules.
    rule: u16,
}

// What a topic costs beside its name, here: with its entry in the table (10 to 20), the counts before its name (16), its place in the
// order of drops (24) and a list in the active segment (60) it stays below 200 bytes.
const _: () = assert!(size_of::<Option<Topic>>() <= 80);

#[derive(Debug)]
pub(crate) struct Topics {
    /// Each topic's number, and its name's hash: growing the table reads no name.
    table: HashTable<(u32, u32)>,
    slots: Vec<Option<Topic>>,
    free: Vec<u32>,
    hasher: FixedState,
    rules: Vec<Rule>,
    /// Topics that have events that are not dropped.
    live: usize,
    /// The version of drops: how many there were.
    version: u64,
    /// Topics that have dropped events, those that did so last at the end.
    by_drop: BTreeSet<(u64, TopicId)>,
    /// What holds for topics that are not known any more.
    forgotten: Dropped,
}

impl Topics {
    pub(crate) fn new(hash_seed: u64, rules: &[Rule]) -> Self {
        assert!(rules.len() < usize::from(NO_RULE), "rules are counted in 16 bits");
        Topics {
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hasher: FixedState::with_seed(hash_seed),
            rules: rules.to_vec(),
            live: 0,
            version: 0,
            by_drop: BTreeSet::new(),
            forgotten: Dropped::default(),
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<TopicId> {
        self.find_hashed(name, self.hash(name))
    }

    /// The topic of this name; a new one is one of those not known any more, for all we know.
    pub(crate) fn intern(&mut self, name: &str) -> TopicId {
        let hash = self.hash(name);
        if let Some(id) = self.find_hashed(name, hash) {
            return id;
        }
        let rule = self.rules.iter().position(|rule| (rule.matches)(name)).map_or(NO_RULE, |rule| rule as u16);
        let (dropped, places) = (self.forgotten, Places::None);
        let topic = Topic { name: Arc::from(name), newest: 0, dropped, places, recorded_to: 0, recorded_in: 0, rule };
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("topics are bounded")
        });
        if topic.dropped.to > 0 {
            self.by_drop.insert((topic.dropped.version, TopicId(id)));
        }
        self.slots[id as usize] = Some(topic);
        self.table.insert_unique(spread(hash), (id, hash), |(_, hash)| spread(*hash));
        TopicId(id)
    }

    fn hash(&self, name: &str) -> u32 {
        self.hasher.hash_one(name) as u32
    }

    fn find_hashed(&self, name: &str, hash: u32) -> Option<TopicId> {
        let is_same = |id: u32| self.slots[id as usize].as_ref().is_some_and(|topic| &*topic.name == name);
        let found = self.table.find(spread(hash), |(id, other)| *other == hash && is_same(*id));
        found.map(|(id, _)| TopicId(*id))
    }

    pub(crate) fn get(&self, id: TopicId) -> &Topic {
        self.slots[id.0 as usize].as_ref().expect("only topics without events are forgotten")
    }

    pub(crate) fn places_mut(&mut self, id: TopicId) -> &mut Places {
        &mut self.slot(id).places
    }

    /// Whether this is still the topic it was: its number may have been given to another one.
    pub(crate) fn is(&self, id: TopicId, name: &Arc<str>) -> bool {
        self.slots.get(id.0 as usize).and_then(Option::as_ref).is_some_and(|topic| Arc::ptr_eq(&topic.name, name))
    }

    pub(crate) fn rule(&self, id: TopicId) -> Option<&Rule> {
        self.rules.get(usize::from(self.get(id).rule))
    }

    /// How many topics have events.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// How many are known.
    pub(crate) fn known(&self) -> usize {
        self.table.len()
    }

    /// The version of drops.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// What holds for topics that are not known.
    pub(crate) fn forgotten(&self) -> Dropped {
        self.forgotten
    }

    /// A topic has an event with this number.
    pub(crate) fn raise_newest(&mut self, id: TopicId, seq: u64) {
        let topic = self.slot(id);
        let was_live = topic.newest > topic.dropped.to;
        topic.newest = topic.newest.max(seq);
        let is_live = topic.newest > topic.dropped.to;
        self.live += usize::from(is_live && !was_live);
    }

    /// A topic's events up to `to` are gone.
    pub(crate) fn raise_dropped(&mut self, id: TopicId, to: u64) {
        let version = self.version + 1;
        let topic = self.slot(id);
        let before = topic.dropped;
        if to <= before.to {
            return;
        }
        let (was_live, is_live) = (topic.newest > before.to, topic.newest > to);
        topic.dropped = Dropped { to, version };
        self.version = version;
        self.live -= usize::from(was_live && !is_live);
        self.by_drop.remove(&(before.version, id));
        self.by_drop.insert((version, id));
    }

    /// A drop record says so, in this segment.
    pub(crate) fn record_drop(&mut self, id: TopicId, to: u64, segment: u32) {
        self.raise_dropped(id, to);
        let topic = self.slot(id);
        if to >= topic.recorded_to && to > 0 {
            (topic.recorded_to, topic.recorded_in) = (to, segment.max(topic.recorded_in));
        }
    }

    /// Topics that have dropped events since a version, in the order in which they did.
    pub(crate) fn dropped_since(&self, version: u64) -> impl DoubleEndedIterator<Item = TopicId> {
        let from = (version.saturating_add(1), TopicId(0));
        self.by_drop.range(from..).map(|(_, id)| *id)
    }

    /// Of the topics that nothing is left of, those beyond `max`: the ones that dropped their events longest ago.
    pub(crate) fn surplus(&self, max: usize) -> impl Iterator<Item = TopicId> {
        let surplus = (self.known() - self.live).saturating_sub(max);
        let empty = |id: &TopicId| matches!(self.get(*id).places, Places::None);
        self.by_drop.iter().map(|(_, id)| *id).filter(empty).take(surplus)
    }

    /// Topics that are not known have dropped their events up to `to`; the surplus of those that nothing is left of is now among them.
    pub(crate) fn forget(&mut self, to: u64, max: usize) {
        if to > self.forgotten.to {
            self.version += 1;
            self.forgotten = Dropped { to, version: self.version };
        }
        let surplus: Vec<TopicId> = self.surplus(max).filter(|id| self.get(*id).dropped.to <= to).collect();
        for id in surplus {
            let topic = self.slots[id.0 as usize].take().expect("a surplus topic is known");
            self.by_drop.remove(&(topic.dropped.version, id));
            let hash = self.hash(&topic.name);
            let entry = self.table.find_entry(spread(hash), |(other, _)| *other == id.0);
            entry.expect("a known topic is in the table").remove();
            self.free.push(id.0);
        }
    }

    /// All that are known.
    pub(crate) fn ids(&self) -> impl Iterator<Item = TopicId> {
        let known = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        known.map(|(id, _)| TopicId(id as u32))
    }

    fn slot(&mut self, id: TopicId) -> &mut Topic {
        self.slots[id.0 as usize].as_mut().expect("only topics without events are forgotten")
    }
}

/// The table looks at the highest bits and at the lowest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Place;

    /// A topic with one event, dropped up to `to`.
    fn add(topics: &mut Topics, name: &str, seq: u64, to: u64) -> TopicId {
        let id = topics.intern(name);
        topics.raise_newest(id, seq);
        topics.raise_dropped(id, to);
        id
    }

    #[test]
    fn topics_are_live_while_they_have_events() {
        let mut topics = Topics::new(1, &[]);
        let id = add(&mut topics, "a", 5, 4);
        assert_eq!((topics.live(), topics.known()), (1, 1));
        topics.raise_dropped(id, 5);
        topics.raise_dropped(id, 3);
        assert_eq!((topics.live(), topics.get(id).dropped), (0, Dropped { to: 5, version: 2 }));
        topics.raise_newest(id, 6);
        assert_eq!((topics.live(), topics.find("a"), topics.find("b")), (1, Some(id), None));
    }

    #[test]
    fn drops_are_found_by_their_version() {
        let mut topics = Topics::new(1, &[]);
        let (a, b) = (add(&mut topics, "a", 1, 1), add(&mut topics, "b", 2, 2));
        topics.raise_newest(a, 3);
        topics.raise_dropped(a, 3);
        assert_eq!(topics.dropped_since(0).collect::<Vec<_>>(), [b, a]);
        assert_eq!(topics.dropped_since(2).collect::<Vec<_>>(), [a]);
        assert_eq!(topics.dropped_since(u64::MAX).count(), 0);
    }

    #[test]
    fn those_that_dropped_their_events_longest_ago_are_forgotten_first() {
        let mut topics = Topics::new(1, &[]);
        for (name, seq) in [("d", 4), ("a", 1), ("held", 2), ("b", 3)] {
            add(&mut topics, name, seq, seq);
        }
        add(&mut topics, "live", 9, 0);
        let held = topics.find("held").unwrap();
        topics.places_mut(held).insert(Place { segment: 1, list: 0 });
        // Four have no events, two may stay; `held` still has records on disk.
        let surplus: Vec<&str> = topics.surplus(2).map(|id| &*topics.get(id).name).collect();
        assert_eq!(surplus, ["d", "a"]);
        topics.forget(4, 2);
        assert_eq!((topics.find("d"), topics.find("a"), topics.known()), (None, None, 3));
        assert_eq!(topics.forgotten().to, 4);
        let again = topics.intern("a");
        assert_eq!(topics.get(again).dropped.to, 4, "for all we know it was one of those forgotten");
        assert!(topics.find("held").is_some() && topics.find("b").is_some() && topics.find("live").is_some());
    }

    #[test]
    fn many_names_are_told_apart() {
        let mut topics = Topics::new(7, &[]);
        let ids: Vec<TopicId> = (0..20_000).map(|n| topics.intern(&n.to_string())).collect();
        assert!((0..20_000).all(|n| topics.find(&n.to_string()) == Some(ids[n])));
        assert_eq!(topics.known(), 20_000);
    }
}
