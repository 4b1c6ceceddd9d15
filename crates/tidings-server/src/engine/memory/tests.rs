//! The engine against a model that is nothing but a list of everything, and its order under concurrent publishers.

use super::read::Reading;
use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use tidings_hub::{Content, Event, Grant, Pattern, ReadFrom, Selection, TopicName, Topics};
use tidings_wire::EventType;

const TOPICS: [&str; 5] = ["a", "b", "a/x", "a/y", "c"];
const SELECTIONS: [&str; 8] = ["a", "c", "a b", "a b a/x a/y c", "a/*", "**", "c a/**", "none"];
/// So many are never forgotten, and gaps are exact.
const TOPICS_MAX: usize = 100;

fn selection(names: &str, types: &[&str]) -> Arc<Selection> {
    let (patterns, topics): (Vec<&str>, Vec<&str>) = names.split(' ').partition(|name| name.contains('*'));
    let topics = topics.into_iter().map(|topic| TopicName::new(topic).unwrap()).collect();
    let patterns = patterns.into_iter().map(|pattern| Pattern::new(pattern).unwrap()).collect();
    let types = types.iter().map(|name| EventType::new(name).unwrap()).collect();
    Arc::new(Selection::new(topics, patterns, types, Arc::new(Grant::local())).unwrap())
}

fn draft(topics: &[usize], is_up: bool, size: usize) -> Draft {
    let mut names: Vec<TopicName> = topics.iter().map(|topic| TopicName::new(TOPICS[*topic]).unwrap()).collect();
    names.dedup();
    let event_type = is_up.then(|| EventType::new("up").unwrap());
    Draft { topics: Topics::new(names).unwrap(), event_type, content: Content::text(&"x".repeat(size)), durable: true }
}

fn read_whole(store: &Store, read: &Read, examined_max: usize) -> History {
    let mut reading = Reading::new(read.clone(), examined_max);
    loop {
        if let Some(history) = reading.step(store) {
            return history;
        }
    }
}

/// All pages of a read, one behind the other, with the first page's gap.
fn pages(store: &Store, mut read: Read, examined_max: usize) -> (Vec<u64>, History) {
    let first = read_whole(store, &read, examined_max);
    let mut seqs: Vec<u64> = Vec::new();
    let mut page = first.clone();
    loop {
        assert!(page.events.len() <= read.events_max);
        let bytes: usize = page.events.iter().map(|event| event.content.bytes().len()).sum();
        assert!(page.events.len() == 1 || bytes <= read.bytes_max);
        assert_eq!(page.start, page.events.first().map_or(page.next, |event| event.seq.unwrap().before()));
        assert_eq!(page.head, store.head());
        seqs.extend(page.events.iter().map(|event| event.seq.unwrap().0));
        assert!(seqs.last().is_none_or(|seq| Seq(*seq) <= page.next));
        if !page.more {
            assert_eq!(page.next, store.head());
            return (seqs, first);
        }
        read.from = match read.from {
            ReadFrom::LastEach { .. } => ReadFrom::LastEach { after: page.next },
            _ => ReadFrom::After { seq: page.next, told: page.dropped_to },
        };
        page = read_whole(store, &read, examined_max);
        assert!(!page.gap, "told once");
    }
}

/// What the model says a read answers, all pages together, and whether events are missing.
fn expected(all: &[Arc<Event>], floor: Seq, selection: &Selection, from: ReadFrom) -> (Vec<u64>, bool) {
    let kept = |event: &&Arc<Event>| event.seq.unwrap() > floor;
    let number = |event: &Arc<Event>| event.seq.unwrap().0;
    let wanted: Vec<&Arc<Event>> = all.iter().filter(kept).filter(|event| selection.selects(event)).collect();
    let is_of_its_topics = |event: &&Arc<Event>| event.topics.iter().any(|topic| selection.selects_topic(topic));
    let dropped: Vec<&Arc<Event>> = all.iter().filter(|event| !kept(event)).filter(is_of_its_topics).collect();
    match from {
        ReadFrom::After { seq, told } => {
            let behind = wanted.into_iter().filter(|event| event.seq.unwrap() > seq);
            let missed = dropped.iter().any(|event| event.seq.unwrap() > seq.max(told));
            (behind.map(number).collect(), missed)
        }
        ReadFrom::Since(time) => {
            let missed = dropped.iter().any(|event| event.time >= time);
            (wanted.into_iter().filter(|event| event.time >= time).map(number).collect(), missed)
        }
        ReadFrom::Newest(n) => {
            let passed = wanted.len().saturating_sub(n as usize);
            (wanted[passed..].iter().map(|event| number(event)).collect(), false)
        }
        ReadFrom::LastEach { after } => {
            let newest = |topic: &TopicName| {
                let of_it = |event: &&&Arc<Event>| event.topics.iter().any(|t| t == topic);
                wanted.iter().rev().find(of_it).map(|event| number(event)).filter(|seq| *seq > after.0)
            };
            let mut seqs: Vec<u64> = selection.topics().iter().filter_map(newest).collect();
            seqs.sort_unstable();
            seqs.dedup();
            (seqs, false)
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<(Vec<usize>, bool, usize)>, i64),
    Read { selection: usize, filtered: bool, from: usize, place: u64, events_max: usize, examined_max: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let topics = prop::collection::btree_set(0..TOPICS.len(), 1..3).prop_map(|set| set.into_iter().collect());
    let events = prop::collection::vec((topics, any::<bool>(), 0..300_usize), 1..4);
    prop_oneof![
        (events, 0..50_i64).prop_map(|(events, time)| Op::Append(events, time)),
        (0..SELECTIONS.len(), any::<bool>(), 0..4_usize, 0..80_u64, 1..5_usize, 1..6_usize).prop_map(
            |(selection, filtered, from, place, events_max, examined_max)| Op::Read {
                selection,
                filtered,
                from,
                place,
                events_max,
                examined_max
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_read_answers_like_a_list_of_everything(ops in prop::collection::vec(op(), 1..80), forgets: bool) {
        let mut store = Store::new(6_000, if forgets { 3 } else { TOPICS_MAX });
        let mut all: Vec<Arc<Event>> = Vec::new();
        for op in ops {
            match op {
                Op::Append(events, time) => {
                    let drafts = events.iter().map(|(topics, up, size)| draft(topics, *up, *size)).collect();
                    match store.commit(drafts, UnixMillis(time)) {
                        Ok(events) => all.extend(events),
                        Err(error) => prop_assert!(forgets, "{}", error),
                    }
                    prop_assert_eq!(store.head(), Seq(all.len() as u64), "all or none");
                }
                Op::Read { selection: names, filtered, from, place, events_max, examined_max } => {
                    let selection = selection(SELECTIONS[names], if filtered { &["up"] } else { &[] });
                    let from = match from {
                        0 => ReadFrom::After { seq: Seq(place), told: Seq::START },
                        1 => ReadFrom::Since(UnixMillis(place.cast_signed())),
                        2 => ReadFrom::Newest(u32::try_from(place).unwrap()),
                        _ => ReadFrom::LastEach { after: Seq::START },
                    };
                    let read = Read { selection: selection.clone(), from, events_max, bytes_max: 500 };
                    let (seqs, first) = pages(&store, read, examined_max);
                    let (expect, missed) = expected(&all, store.floor(), &selection, from);
                    prop_assert_eq!(seqs, expect, "{:?} of {:?}", from, SELECTIONS[names]);
                    // Where topics are forgotten one gap too many is allowed, one too few never.
                    prop_assert!(first.gap == missed || (forgets && first.gap), "{:?} of {:?}, floor {}", from, SELECTIONS[names], store.floor());
                    if let ReadFrom::Newest(n) = from {
                        let kept = all.iter().filter(|e| e.seq.unwrap() > store.floor() && selection.selects(e)).count();
                        prop_assert_eq!(first.truncated, kept > n as usize);
                    }
                }
            }
        }
    }
}

#[test]
fn one_topic_is_read_without_looking_at_others() {
    let mut store = Store::new(1 << 20, TOPICS_MAX);
    store.commit(vec![draft(&[0], false, 1)], UnixMillis(0)).unwrap();
    for _ in 0..1_000 {
        store.commit(vec![draft(&[1], false, 1)], UnixMillis(0)).unwrap();
    }
    store.commit(vec![draft(&[0], false, 1)], UnixMillis(0)).unwrap();
    let from = ReadFrom::After { seq: Seq::START, told: Seq::START };
    let read = Read { selection: selection("a", &[]), from, events_max: 10, bytes_max: 1 << 20 };
    // Two events may be looked at, and they are enough.
    let history = read_whole(&store, &read, 2);
    assert_eq!((history.events.len(), history.more), (2, false));
}

#[tokio::test]
async fn the_tail_has_every_commit_in_order_whoever_publishes() {
    let engine = Arc::new(MemoryEngine::new(1, &Limits { commits_queued_max: 2, ..Limits::DEFAULT }));
    let mut tail = engine.tail();
    let publishers: Vec<_> = (0..8)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let receipts = engine.append(vec![draft(&[0], false, 1), draft(&[1], false, 1)]).await.unwrap();
                    assert_eq!(receipts.seqs[1], receipts.seqs[0].map(|seq| Seq(seq.0 + 1)), "back to back");
                }
            })
        })
        .collect();
    for number in 1..=400_u64 {
        let commit = tail.recv().await.unwrap();
        assert_eq!((commit.number, commit.events[0].seq), (number, Some(Seq(2 * number - 1))));
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert_eq!(engine.head(), Seq(800));
}

#[tokio::test]
async fn when_nobody_reads_the_tail_any_more_nothing_is_taken() {
    let engine = MemoryEngine::new(1, &Limits::DEFAULT);
    drop(engine.tail());
    assert_eq!(engine.append(vec![draft(&[0], false, 1)]).await, Err(AppendError::Stopped));
    assert_eq!(engine.head(), Seq::START);
}

#[tokio::test]
async fn a_search_that_takes_many_slices_finds_the_rare_event() {
    let engine = MemoryEngine::new(1, &Limits { page_examined_max: 3, ..Limits::DEFAULT });
    engine.append(vec![draft(&[0], true, 1)]).await.unwrap();
    for _ in 0..100 {
        engine.append(vec![draft(&[0], false, 1)]).await.unwrap();
    }
    for (names, from) in
        [("a", ReadFrom::Newest(1)), ("**", ReadFrom::Newest(1)), ("a", ReadFrom::LastEach { after: Seq(0) })]
    {
        let read = Read { selection: selection(names, &["up"]), from, events_max: 10, bytes_max: 1 << 20 };
        let history = engine.read(read).await.unwrap();
        assert_eq!(
            history.events.iter().map(|event| event.seq.unwrap()).collect::<Vec<_>>(),
            [Seq(1)],
            "{names} {from:?}"
        );
    }
}
