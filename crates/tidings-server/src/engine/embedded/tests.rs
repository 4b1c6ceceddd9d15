//! The engine against a model that is nothing but a list of everything, its order under concurrent publishers, and what it does when
//! the disk fails, fills, or is read by another process.

use super::*;
use crate::engine::Commit;
use crate::testing::{disk, engine, engine_on, fail_next_batch, small};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tidings_hub::{Content, Event, Grant, Pattern, ReadFrom, Selection, Topics, UnixMillis};
use tidings_testkit::storage::Disk;
use tidings_wire::EventType;

const TOPICS: [&str; 5] = ["a", "b", "a/x", "a/y", "c"];
const SELECTIONS: [&str; 8] = ["a", "c", "a b", "a b a/x a/y c", "a/*", "**", "c a/**", "none"];

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn selection(names: &str, types: &[&str]) -> Arc<Selection> {
    let (patterns, topics): (Vec<&str>, Vec<&str>) = names.split(' ').partition(|name| name.contains('*'));
    let topics = topics.into_iter().map(topic).collect();
    let patterns = patterns.into_iter().map(|pattern| Pattern::new(pattern).unwrap()).collect();
    let types = types.iter().map(|name| EventType::new(name).unwrap()).collect();
    Arc::new(Selection::new(topics, patterns, types, Arc::new(Grant::local())).unwrap())
}

fn draft(topics: &[usize], is_up: bool, size: usize) -> Draft {
    let names = topics.iter().map(|index| topic(TOPICS[*index])).collect();
    Draft {
        topics: Topics::new(names).unwrap(),
        event_type: is_up.then(|| EventType::new("up").unwrap()),
        content: Content::text(&"x".repeat(size)),
        durable: true,
        expires: None,
        key: None,
    }
}

fn of_a(size: usize) -> Vec<Draft> {
    vec![draft(&[0], false, size)]
}

/// What a sink was handed.
type Seen = Arc<Mutex<Vec<Event>>>;

struct Keep(Seen);

impl Sink for Keep {
    fn commit(&mut self, commit: Commit) {
        if let Commit::Events(events) = commit {
            self.0.lock().unwrap().extend(events);
        }
    }

    fn wake(&mut self) {}
}

fn start(engine: &EmbeddedEngine) -> Seen {
    let seen = Seen::default();
    engine.start(Box::new(Keep(seen.clone()))).unwrap();
    seen
}

fn started(limits: &Limits) -> (Arc<EmbeddedEngine>, Seen) {
    let engine = engine(limits);
    let seen = start(&engine);
    (engine, seen)
}

async fn history(engine: &EmbeddedEngine, names: &str, from: ReadFrom) -> History {
    let read = Read { selection: selection(names, &[]), from, events_max: 100, bytes_max: 1 << 20 };
    engine.read(read).await.unwrap()
}

async fn numbers(engine: &EmbeddedEngine, names: &str) -> Vec<u64> {
    let from = ReadFrom::After { seq: Seq::START, told: ReadFrom::NONE_TOLD };
    history(engine, names, from).await.events.iter().map(|event| event.seq.unwrap().0).collect()
}

/// All that was ever appended, and which events of each topic are gone.
#[derive(Default)]
struct Model {
    events: Vec<Event>,
    dropped: BTreeMap<TopicName, Seq>,
}

impl Model {
    fn is_dropped(&self, event: &Event, topic: &TopicName) -> bool {
        self.dropped.get(topic).is_some_and(|upto| event.seq.unwrap() <= *upto)
    }

    /// Whether the event can be read by one of its topics that are selected.
    fn serves(&self, event: &Event, selection: &Selection) -> bool {
        event.topics.iter().any(|topic| selection.selects_topic(topic) && !self.is_dropped(event, topic))
    }

    /// What a read answers, all pages together, and whether events are missing.
    fn expected(&self, selection: &Selection, from: ReadFrom) -> (Vec<Event>, bool) {
        let wanted = |event: &&Event| selection.passes_type(event) && self.serves(event, selection);
        let wanted: Vec<Event> = self.events.iter().filter(wanted).cloned().collect();
        let is_missed = |event: &&Event| {
            event.topics.iter().any(|topic| selection.selects_topic(topic) && self.is_dropped(event, topic))
        };
        let mut missed = self.events.iter().filter(is_missed);
        match from {
            ReadFrom::After { seq, .. } => {
                let behind = wanted.into_iter().filter(|event| event.seq.unwrap() > seq);
                (behind.collect(), missed.any(|event| event.seq.unwrap() > seq))
            }
            ReadFrom::Since(time) => {
                let since = wanted.into_iter().filter(|event| event.time >= time);
                (since.collect(), missed.any(|event| event.time >= time))
            }
            ReadFrom::Newest(n) => (wanted[wanted.len().saturating_sub(n as usize)..].to_vec(), false),
            ReadFrom::LastEach { after } => {
                let newest = |name: &TopicName| {
                    let of_it = |event: &&Event| {
                        event.topics.iter().any(|topic| topic == name) && !self.is_dropped(event, name)
                    };
                    wanted.iter().rev().find(of_it).filter(|event| event.seq.unwrap() > after).cloned()
                };
                let mut events: Vec<Event> = selection.topics().iter().filter_map(newest).collect();
                events.sort_by_key(|event| event.seq);
                events.dedup_by_key(|event| event.seq);
                (events, false)
            }
        }
    }

    fn delete(&mut self, name: &TopicName) {
        let of_it = |event: &&Event| event.topics.iter().any(|topic| topic == name);
        if let Some(newest) = self.events.iter().rev().find(of_it) {
            self.dropped.insert(name.clone(), newest.seq.unwrap());
        }
    }
}

/// All pages of a read, one behind the other, with the first page.
async fn pages(engine: &EmbeddedEngine, mut read: Read) -> (Vec<Event>, History) {
    let first = engine.read(read.clone()).await.unwrap();
    let mut events: Vec<Event> = Vec::new();
    let mut page = first.clone();
    loop {
        assert!(page.events.len() <= read.events_max);
        assert_eq!(page.start, page.events.first().map_or(page.next, |event| event.seq.unwrap().before()));
        assert_eq!(page.head, engine.head());
        events.extend(page.events);
        assert!(events.last().is_none_or(|event| event.seq.unwrap() <= page.next));
        if !page.more {
            assert_eq!(page.next, engine.head());
            return (events, first);
        }
        read.from = match read.from {
            ReadFrom::LastEach { .. } => ReadFrom::LastEach { after: page.next },
            _ => ReadFrom::After { seq: page.next, told: page.drops },
        };
        page = engine.read(read.clone()).await.unwrap();
        assert!(!page.gap, "told once");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<(Vec<usize>, bool, usize)>, u64),
    Delete(usize),
    Restart,
    Read { selection: usize, filtered: bool, from: usize, place: u64, events_max: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let topics = prop::collection::btree_set(0..TOPICS.len(), 1..3).prop_map(|set| set.into_iter().collect());
    let events = prop::collection::vec((topics, any::<bool>(), 0..300_usize), 1..4);
    let read = (0..SELECTIONS.len(), any::<bool>(), 0..4_usize, 0..80_u64, 1..5_usize);
    prop_oneof![
        8 => (events, 0..3_u64).prop_map(|(events, passes)| Op::Append(events, passes)),
        1 => (0..TOPICS.len()).prop_map(Op::Delete),
        1 => Just(Op::Restart),
        8 => read.prop_map(|(selection, filtered, from, place, events_max)| {
            Op::Read { selection, filtered, from, place, events_max }
        }),
    ]
}

/// The model test's own clock: it stands still until a step lets time pass.
static NOW: AtomicU64 = AtomicU64::new(1_000);

fn open_with_clock(disk: &Disk, limits: &Limits) -> (EmbeddedEngine, Seen) {
    let parts = EngineParts { dir: disk.dir(), retention: &small(), limits, clock: || NOW.load(Ordering::Relaxed) };
    let engine = EmbeddedEngine::open(parts).unwrap();
    let seen = start(&engine);
    (engine, seen)
}

async fn run(ops: Vec<Op>) {
    let (disk, limits) = (disk(), Limits { page_examined_max: 4, ..Limits::DEFAULT });
    let (mut engine, mut seen) = open_with_clock(&disk, &limits);
    let mut model = Model::default();
    for op in ops {
        match op {
            Op::Append(events, passes) => {
                NOW.fetch_add(passes, Ordering::Relaxed);
                let drafts = events.iter().map(|(topics, up, size)| draft(topics, *up, *size)).collect();
                engine.append(drafts).await.unwrap();
                model.events.append(&mut seen.lock().unwrap());
                assert_eq!(engine.head(), Seq(model.events.len() as u64));
            }
            Op::Delete(index) => {
                engine.delete(topic(TOPICS[index])).await.unwrap();
                model.delete(&topic(TOPICS[index]));
            }
            Op::Restart => {
                let epoch = engine.epoch();
                engine.close().unwrap();
                drop(engine);
                (engine, seen) = open_with_clock(&disk, &limits);
                // A log without an event has no file that names it yet.
                assert!(engine.epoch() == epoch || model.events.is_empty());
                assert_eq!(engine.head(), Seq(model.events.len() as u64));
                assert_eq!(engine.found().len(), 1, "{:?}", engine.found());
            }
            Op::Read { selection: names, filtered, from, place, events_max } => {
                let selection = selection(SELECTIONS[names], if filtered { &["up"] } else { &[] });
                let time = model.events.get(usize::try_from(place).unwrap()).map_or(UnixMillis(0), |event| event.time);
                let from = match from {
                    0 => ReadFrom::After { seq: Seq(place), told: ReadFrom::NONE_TOLD },
                    1 => ReadFrom::Since(time),
                    2 => ReadFrom::Newest(u32::try_from(place).unwrap()),
                    _ => ReadFrom::LastEach { after: Seq::START },
                };
                let read = Read { selection: selection.clone(), from, events_max, bytes_max: 500 };
                let (events, first) = pages(&engine, read).await;
                let (expect, missed) = model.expected(&selection, from);
                assert_eq!(events, expect, "{from:?} of {}", SELECTIONS[names]);
                if matches!(from, ReadFrom::After { .. }) {
                    assert_eq!(first.gap, missed, "{from:?} of {}", SELECTIONS[names]);
                }
                if let ReadFrom::Newest(n) = from {
                    let all = ReadFrom::After { seq: Seq::START, told: ReadFrom::NONE_TOLD };
                    let kept = model.expected(&selection, all).0.len();
                    assert_eq!(first.truncated, kept > n as usize, "{from:?} of {}", SELECTIONS[names]);
                }
            }
        }
    }
    engine.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_read_answers_like_a_list_of_everything(ops in prop::collection::vec(op(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run(ops));
    }
}

#[tokio::test]
async fn the_sink_has_every_event_in_order_before_its_publisher_is_answered() {
    let (engine, seen) = started(&Limits { appends_queued_max: 2, ..Limits::DEFAULT });
    let publishers: Vec<_> = (0..8)
        .map(|_| {
            let (engine, seen) = (engine.clone(), seen.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    let seqs = engine.append(vec![draft(&[0], false, 1), draft(&[1], false, 1)]).await.unwrap();
                    let newest = seqs[0].map(|seq| Seq(seq.0 + 1));
                    assert_eq!(seqs[1], newest, "back to back");
                    assert!(seen.lock().unwrap().last().unwrap().seq >= newest, "answered before everybody has it");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let seen: Vec<_> = seen.lock().unwrap().iter().map(|event| event.seq.unwrap().0).collect();
    assert_eq!(seen, (1..=800).collect::<Vec<_>>());
    assert_eq!(engine.head(), Seq(800));
    let counts = engine.writer_counts();
    assert_eq!((counts.appends, counts.waiting), (400, 0));
    assert_eq!(engine.log_stats().batches, counts.groups, "one write for each group");
}

#[tokio::test]
async fn a_refused_append_says_so_and_its_neighbours_do_not_mind() {
    let (engine, seen) = started(&Limits { topics_max: 1, ..Limits::DEFAULT });
    let [first, second, third] = [0, 1, 0].map(|topic| engine.append(vec![draft(&[topic], false, 1)]));
    let (first, second, third) = tokio::join!(first, second, third);
    assert_eq!((first, third), (Ok(vec![Some(Seq(1))]), Ok(vec![Some(Seq(2))])));
    assert_eq!(second, Err(AppendError::TooManyTopics { max: 1 }));
    let too_large = engine.append(vec![draft(&[0], false, 1 << 20); 3]).await;
    assert!(matches!(too_large, Err(AppendError::TooLarge { .. })), "more than a small segment holds: {too_large:?}");
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_append_that_is_given_up_is_committed_all_the_same() {
    let (engine, seen) = started(&Limits::DEFAULT);
    // One poll puts it into the queue; its answer is not waited for.
    let _ = tokio::time::timeout(Duration::ZERO, engine.append(of_a(1))).await;
    engine.append(vec![draft(&[1], false, 1)]).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn events_that_are_not_stored_stand_in_the_same_order_and_need_no_disk() {
    let disk = disk();
    let engine = engine_on(disk.dir(), &Limits::DEFAULT);
    let seen = start(&engine);
    let passing = || vec![Draft { durable: false, ..draft(&[2], false, 1) }];
    engine.append(of_a(1)).await.unwrap();
    assert_eq!(engine.append(passing()).await, Ok(vec![None]));
    engine.append(of_a(1)).await.unwrap();
    fail_next_batch(&disk);
    assert_eq!(engine.append(of_a(1)).await, Err(AppendError::OutcomeUnknown));
    assert_eq!(engine.append(passing()).await, Ok(vec![None]), "also when the log has failed");
    let seqs: Vec<_> = seen.lock().unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [Some(Seq(1)), None, Some(Seq(2)), None]);
    assert_eq!(numbers(&engine, "**").await, [1, 2]);
}

#[tokio::test]
async fn what_one_process_stored_the_next_one_has_however_the_first_ended() {
    let disk = disk();
    let key = Key { id: [7; 16], body: [8; 16] };
    for killed in [false, true] {
        let engine = engine_on(disk.dir(), &Limits::DEFAULT);
        start(&engine);
        let first = engine.append(vec![Draft { key: Some(key), ..draft(&[0], true, 10) }]).await.unwrap()[0].unwrap();
        engine.append(vec![draft(&[1], false, 1)]).await.unwrap();
        engine.delete(topic("b")).await.unwrap();
        let (epoch, before) = (engine.epoch(), history(&engine, "a", ReadFrom::Newest(1)).await.events);
        if killed {
            disk.kill();
        } else {
            engine.close().unwrap();
        }
        drop(engine);
        let engine = engine_on(disk.dir(), &Limits::DEFAULT);
        assert_eq!((engine.epoch(), engine.head()), (epoch, Seq(first.0 + 1)));
        assert_eq!(history(&engine, "a", ReadFrom::Newest(1)).await.events, before);
        let of_b = history(&engine, "b", ReadFrom::After { seq: first, told: ReadFrom::NONE_TOLD }).await;
        assert!(of_b.events.is_empty() && of_b.gap, "deleted is deleted, and told");
        let keys = engine.keys(Duration::from_secs(60), 10).unwrap();
        assert_eq!(keys.last().map(|stored| (stored.key, stored.seq)), Some((key, first)));
        engine.close().unwrap();
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_readers_go_on() {
    let disk = disk();
    let engine = engine_on(disk.dir(), &Limits::DEFAULT);
    start(&engine);
    engine.append(of_a(1)).await.unwrap();
    assert_eq!(engine.health(), Health::default());
    fail_next_batch(&disk);
    assert_eq!(engine.append(of_a(1)).await, Err(AppendError::OutcomeUnknown));
    for _ in 0..3 {
        assert_eq!(engine.append(of_a(1)).await, Err(AppendError::Failed));
        assert_eq!(engine.delete(topic("a")).await, Err(AppendError::Failed));
    }
    assert_eq!(numbers(&engine, "a").await, [1]);
    assert!(engine.health().has_failed && engine.close().is_ok());
}

#[tokio::test]
async fn a_full_disk_is_said_and_publishing_goes_on_by_itself() {
    let disk = disk();
    let engine = engine_on(disk.dir(), &Limits::DEFAULT);
    start(&engine);
    engine.append(of_a(1 << 19)).await.unwrap();
    disk.set_space(disk.used());
    let full = loop {
        if let Err(error) = engine.append(of_a(1 << 19)).await {
            break error;
        }
    };
    assert_eq!(full, AppendError::NoSpace);
    assert_eq!(engine.health(), Health { is_full: true, ..Health::default() });
    assert!(engine.writer_counts().refused_for_space > 0);
    let head = engine.head();
    assert!(!numbers(&engine, "a").await.is_empty());
    disk.set_space(u64::MAX);
    let seqs = loop {
        match engine.append(of_a(1)).await {
            Ok(seqs) => break seqs,
            Err(error) => assert_eq!(error, AppendError::NoSpace),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(seqs, [Some(Seq(head.0 + 1))]);
    assert_eq!(engine.health(), Health::default());
}

#[tokio::test]
async fn what_has_expired_is_given_to_nobody() {
    let (engine, _) = started(&Limits::DEFAULT);
    let now = crate::clock::now().0;
    for expires in [now - 1, now + 60_000] {
        engine.append(vec![Draft { expires: Some(UnixMillis(expires)), ..draft(&[0], false, 1) }]).await.unwrap();
    }
    assert_eq!(numbers(&engine, "a").await, [2]);
    assert_eq!(history(&engine, "**", ReadFrom::Newest(5)).await.events.len(), 1);
}

#[tokio::test]
async fn equal_reads_are_made_once() {
    let (engine, _) = started(&Limits { log_reads_max: 1, ..Limits::DEFAULT });
    engine.append(of_a(1)).await.unwrap();
    let reads: Vec<_> = (0..20)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { numbers(&engine, "a").await })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), [1]);
    }
    let [reads, joined, unreadable] = engine.read_counts();
    assert_eq!((reads + joined, unreadable), (20, 0));
    assert!(joined > 0, "{reads} of 20");
}

#[tokio::test]
async fn a_search_finds_the_rare_event() {
    let (engine, _) = started(&Limits { page_examined_max: 3, ..Limits::DEFAULT });
    engine.append(vec![draft(&[0], true, 1)]).await.unwrap();
    for _ in 0..100 {
        engine.append(of_a(1)).await.unwrap();
    }
    for (names, from) in
        [("a", ReadFrom::Newest(1)), ("**", ReadFrom::Newest(1)), ("a", ReadFrom::LastEach { after: Seq(0) })]
    {
        let read = Read { selection: selection(names, &["up"]), from, events_max: 10, bytes_max: 1 << 20 };
        let history = engine.read(read).await.unwrap();
        let seqs: Vec<_> = history.events.iter().map(|event| event.seq.unwrap()).collect();
        assert_eq!(seqs, [Seq(1)], "{names} {from:?}");
    }
}

#[test]
fn a_directory_that_is_taken_says_so() {
    let disk = disk();
    let first = engine_on(disk.dir(), &Limits::DEFAULT);
    let limits = Limits::DEFAULT;
    let parts = EngineParts { dir: disk.dir(), retention: &small(), limits: &limits, clock: crate::clock::unix_millis };
    assert!(matches!(EmbeddedEngine::open(parts), Err(OpenError::Locked(_))));
    drop(first);
}
