//! What a page must say, by a plain list of events.

use super::log::{Event, Made};
use crate::keys;
use crate::query::{From, Page, Query, Record, TOLD_ALL};
use crate::read::read;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A question that can be asked again.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) topics: Vec<Arc<str>>,
    /// What a wanted topic begins with.
    pub(super) pattern: Option<&'static str>,
    pub(super) from: From,
    /// Numbers that are multiples of it are accepted.
    pub(super) modulus: u64,
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
    pub(super) examined_max: usize,
    pub(super) now: u64,
}

/// How a series of pages ended.
pub(super) enum Ending {
    /// At this version of drops.
    Told(u64),
    /// The question has no place to go on from.
    Other,
}

impl Asked {
    fn page(&self, made: &Made, from: From) -> Page {
        let modulus = self.modulus;
        self.page_with(made, from, &move |record| record.seq.is_multiple_of(modulus))
    }

    fn page_with(&self, made: &Made, from: From, accept: &(dyn Fn(&Record) -> bool + Sync)) -> Page {
        let shared = made.shared.clone();
        self.page_of(&shared, from, accept)
    }

    fn page_of(&self, shared: &crate::shared::Shared, from: From, accept: &(dyn Fn(&Record) -> bool + Sync)) -> Page {
        let matches = |name: &str| self.pattern.is_some_and(|prefix| name.starts_with(prefix));
        let query = Query {
            topics: &self.topics,
            pattern: self.pattern.is_some().then_some(&matches),
            accept,
            from,
            events_max: self.events_max,
            bytes_max: self.bytes_max,
            examined_max: self.examined_max,
            now: self.now,
        };
        read(shared, &query).unwrap()
    }

    fn selects(&self, topic: &Arc<str>) -> bool {
        self.topics.contains(topic) || self.pattern.is_some_and(|prefix| topic.starts_with(prefix))
    }

    /// The rules' limits, as they are at this time, for the topics that are read.
    fn limit(&self, made: &mut Made) {
        for topic in made.topics().into_iter().filter(|topic| self.selects(topic)) {
            let floor = floor(made, &topic, self.now);
            if floor > made.dropped_to(&topic) {
                made.limited.insert(topic, floor);
            }
        }
    }

    /// Whether the event is still to be had.
    fn is_kept(&self, made: &Made, event: &Event) -> bool {
        event.topics.iter().any(|topic| self.selects(topic) && event.seq > made.dropped_to(topic))
    }

    fn is_wanted(&self, made: &Made, event: &Event) -> bool {
        let expired = event.expires.is_some_and(|expires| expires <= self.now);
        self.is_kept(made, event) && !expired && event.seq.is_multiple_of(self.modulus) && !event.is_rotten
    }

    /// What a read that sees everything gets.
    fn expected(&self, made: &Made) -> Vec<Event> {
        made.events.iter().filter(|event| self.is_wanted(made, event)).cloned().collect()
    }

    /// For each topic of the query, up to where it has dropped events.
    fn dropped(&self, made: &Made) -> BTreeMap<Arc<str>, u64> {
        let topics = made.topics().into_iter().chain(self.topics.iter().cloned());
        let topics = topics.filter(|topic| self.selects(topic));
        topics.map(|topic| (topic.clone(), made.dropped_to(&topic))).collect()
    }
}

/// Up to where the rules of the tests drop a topic's events.
fn floor(made: &Made, topic: &Arc<str>, now: u64) -> u64 {
    let on_disk = made.shared.lock();
    let known = on_disk.topic(topic).is_some();
    drop(on_disk);
    let of_topic = || made.events.iter().rev().filter(|event| event.topics.contains(topic));
    let older = |age: u64| {
        let cut = now.saturating_sub(age);
        of_topic().find(|event| event.time < cut && !event.is_rotten).map_or(0, |event| event.seq)
    };
    let beyond = |keep: usize| of_topic().nth(keep).map_or(0, |event| event.seq);
    match made.shared.options.retention.rules.iter().position(|rule| (rule.matches)(topic)).filter(|_| known) {
        Some(0) => older(2_000),
        Some(1) => beyond(3),
        Some(2) => older(5_000).max(beyond(10)),
        _ => 0,
    }
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

fn assert_same(record: &Record, event: &Event, context: &str) {
    let Record { seq, time, topics, body, expires } = record;
    let same =
        (seq, time, topics, body, expires) == (&event.seq, &event.time, &event.topics, &event.body, &event.expires);
    assert!(same, "{context}: {record:?} is not {event:?}");
}

/// Reads page by page to the end.
pub(super) fn to_the_end(made: &mut Made, asked: &Asked, rots: bool, seed: u64) -> Ending {
    let context = format!("seed {seed}, {asked:?}");
    asked.limit(made);
    let expected = asked.expected(made);
    let head = made.shared.lock().head();
    let mut from = asked.from;
    let first = asked.page(made, from);
    let (mut at, mut wanted) = start(made, asked, &expected, &first, &context);
    let mut page = first;
    loop {
        assert_eq!(page.head, head, "{context}");
        assert_eq!(page.start, page.records.first().map_or(page.next, |record| record.seq - 1), "{context}");
        let due = wanted.iter().filter(|event| event.seq <= page.next).count();
        let due: Vec<Event> = wanted.drain(..due).collect();
        let due_seqs: Vec<u64> = due.iter().map(|event| event.seq).collect();
        assert_eq!(seqs(&page.records), due_seqs, "{context}: behind {at} up to {}", page.next);
        for (record, event) in page.records.iter().zip(&due) {
            assert_same(record, event, &context);
        }
        check_cut(asked, &page, wanted.first(), at, &context);
        check_gap(made, asked, from, at, &page, rots, &context);
        if !page.more {
            assert_eq!(page.next, head, "{context}");
            assert!(wanted.is_empty(), "{context}: {wanted:?} were left out");
            break;
        }
        assert!(page.next > at, "{context}: a page that is cut moves on");
        at = page.next;
        from = match asked.from {
            From::LastEach { .. } => From::LastEach { after: at },
            _ => From::After { seq: at, told: page.drops },
        };
        page = asked.page(made, from);
    }
    match asked.from {
        From::After { .. } => Ending::Told(page.drops),
        _ => Ending::Other,
    }
}

/// Where the pages begin, and which events they have to have.
fn start(made: &Made, asked: &Asked, expected: &[Event], first: &Page, context: &str) -> (u64, Vec<Event>) {
    let behind = |at: u64| expected.iter().filter(|event| event.seq > at).cloned().collect();
    match asked.from {
        From::After { seq, .. } => (seq, behind(seq)),
        From::Since(time) => {
            let older = made.events.iter().filter(|event| event.time < time).map(|event| event.seq).max();
            (older.unwrap_or_default(), behind(older.unwrap_or_default()))
        }
        From::Newest(count) => {
            let left_out = expected.len().saturating_sub(count as usize);
            assert_eq!(first.truncated, left_out > 0, "{context}");
            (0, expected[left_out..].to_vec())
        }
        From::LastEach { after } => {
            let newest = |topic: &Arc<str>| {
                let of = |event: &&Event| event.topics.contains(topic) && event.seq > made.dropped_to(topic);
                expected.iter().rev().find(of).filter(|event| event.seq > after).cloned()
            };
            let mut each: Vec<Event> = asked.topics.iter().filter_map(newest).collect();
            each.sort_by_key(|event| event.seq);
            each.dedup();
            (after, each)
        }
    }
}

/// A page ends early only because it is full.
fn check_cut(asked: &Asked, page: &Page, next: Option<&Event>, at: u64, context: &str) {
    let bytes: usize = page.records.iter().map(|record| record.body.len()).sum();
    assert!(page.records.len() <= asked.events_max, "{context}");
    assert!(bytes <= asked.bytes_max || page.records.len() == 1, "{context}");
    let is_full = page.records.len() == asked.events_max
        || next.is_some_and(|next| bytes + next.body.len() > asked.bytes_max)
        || page.next - at >= asked.examined_max as u64;
    assert!(!page.more || is_full, "{context}: {page:?}");
}

/// A gap is told if and only if something was dropped; one too many only where nobody can know.
fn check_gap(made: &Made, asked: &Asked, from: From, at: u64, page: &Page, rots: bool, context: &str) {
    let dropped = asked.dropped(made);
    let (must, may) = match from {
        From::After { seq, told: 0 } => {
            let must = dropped.values().any(|to| *to > seq);
            (must && asked.pattern.is_none(), must)
        }
        // Told before: nothing happened meanwhile.
        From::After { .. } | From::Newest(_) | From::LastEach { .. } => (false, false),
        From::Since(time) => {
            let newest = |topic: &Arc<str>, to: u64| {
                let of = |event: &&Event| event.topics.contains(topic) && event.seq <= to;
                made.events.iter().rev().find(of).map_or(0, |event| event.time)
            };
            let missed = dropped.iter().any(|(topic, to)| *to > 0 && newest(topic, *to) >= time);
            let oldest = made.shared.lock().sealed().next().map_or(0, |segment| segment.header.base_time);
            let unsure = time <= oldest || made.is_rewritten;
            (missed && asked.pattern.is_none() && !rots, missed || (unsure && dropped.values().any(|to| *to > 0)))
        }
    };
    // A limit of a topic that only a pattern matches is applied when an event of it is met.
    let is_limited = asked.pattern.is_some() && !made.shared.options.retention.rules.is_empty();
    let must_pattern = asked.pattern.is_some() && may && !is_limited && !matches!(from, From::Since(_));
    let lost = |event: &&Event| event.is_rotten && event.seq > at && event.seq <= page.next;
    let must_rot = made.events.iter().filter(lost).any(|event| {
        let all = event.topics.iter().all(|topic| !asked.selects(topic) || event.seq > made.dropped_to(topic));
        asked.is_kept(made, event) && all
    });
    let is_forward = matches!(from, From::After { .. } | From::Since(_));
    assert!(page.gap || !(must || must_pattern || (must_rot && is_forward)), "{context}: one gap too few, {page:?}");
    assert!(!page.gap || may || rots || is_limited, "{context}: one gap too many, {page:?}");
}

/// Who was told of everything is told of nothing again.
pub(super) fn told_once(made: &mut Made, asked: &Asked, told: u64, rots: bool, seed: u64) {
    let From::After { seq, .. } = asked.from else { return };
    let page = asked.page(made, From::After { seq, told });
    assert!(!page.gap || rots, "seed {seed}, {asked:?}: told again");
    let page = asked.page(made, From::After { seq, told: TOLD_ALL });
    assert!(!page.gap || rots, "seed {seed}, {asked:?}: told though it asked not to be");
}

/// Reads while the log changes under it: what is missing must be told.
pub(super) fn stirred(made: Made, asked: &Asked, change: impl FnMut(&mut Made) + Send, seed: u64) -> Made {
    let context = format!("seed {seed}, {asked:?}");
    let before: Vec<Event> = asked.expected(&made);
    let shared = made.shared.clone();
    let stirred = Mutex::new((made, change));
    let (mut at, mut told) = match asked.from {
        From::After { seq, told } => (seq, told),
        _ => (0, 0),
    };
    let modulus = asked.modulus;
    let accept = |record: &Record| {
        let (made, change) = &mut *stirred.lock().unwrap();
        // A reopen makes another log: this read is of the first one.
        if Arc::ptr_eq(&made.shared, &shared) && record.seq.is_multiple_of(3) && made.events.len() < 5_000 {
            change(made);
        }
        record.seq.is_multiple_of(modulus)
    };
    // What was dropped when a gap was told is told, also of events that only a later page would have had.
    let mut known: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for _ in 0..50 {
        let page = asked.page_of(&shared, From::After { seq: at, told }, &accept);
        let got = seqs(&page.records);
        assert!(got.is_sorted_by(|a, b| a < b) && got.iter().all(|seq| *seq > at && *seq <= page.next), "{context}");
        if page.gap {
            let state = shared.lock();
            let topics = before.iter().flat_map(|event| event.topics.iter());
            let dropped = |name: &Arc<str>| state.topic(name).map_or(0, |id| state.dropped_to(id));
            known.extend(topics.map(|name| (name.clone(), dropped(name))));
        }
        let is_told = |event: &Event| {
            let topics = || event.topics.iter().filter(|topic| asked.selects(topic));
            topics().all(|topic| known.get(topic).is_some_and(|to| event.seq <= *to))
        };
        let due = before.iter().filter(|event| event.seq > at && event.seq <= page.next);
        let missing = due.filter(|event| !got.contains(&event.seq));
        let is_missing = missing.into_iter().any(|event| !is_told(event));
        assert!(page.gap || !is_missing, "{context}: behind {at} up to {} only {got:?}, untold", page.next);
        (at, told) = (page.next, page.drops);
        if !page.more {
            break;
        }
    }
    stirred.into_inner().unwrap().0
}

/// Keys of recent events, newest first.
pub(super) fn keys(made: &Made, rng: &mut Rng, seed: u64) {
    let since = rng.u64(..=made.time);
    let max = [0, 1, 10, 100_000][rng.usize(..4)];
    let seen = keys::recent(&made.shared, since, max).unwrap();
    assert!(seen.is_sorted_by(|a, b| a.seq > b.seq) && seen.len() <= max, "seed {seed}");
    for key in &seen {
        assert!(key.time >= since, "seed {seed}");
        let event = made.events.iter().find(|event| event.seq == key.seq);
        assert!(event.is_none_or(|event| event.key == Some(key.key) && event.time == key.time), "seed {seed}");
    }
    let kept = |event: &&Event| event.topics.iter().any(|topic| event.seq > made.dropped_to(topic));
    let due = made.events.iter().rev().filter(|event| event.time >= since && !event.is_rotten).filter(kept);
    let due: Vec<u64> = due.filter(|event| event.key.is_some()).map(|event| event.seq).collect();
    let oldest = seen.last().map_or(u64::MAX, |key| key.seq);
    let complete = |seq: &u64| seen.len() == max && *seq < oldest || seen.iter().any(|key| key.seq == *seq);
    assert!(due.iter().all(complete), "seed {seed}: {due:?} are due, {seen:?}");
}
