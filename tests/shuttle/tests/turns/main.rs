//! The log's turns, in many orders of steps: what is left at the desk is written in one group, once and in order, by whoever has the turn,
//! and everybody is answered, also when the log is closed meanwhile.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "../explore/mod.rs"]
mod explore;
mod publishers;
mod storage;

// The log's own directory in memory.
#[allow(dead_code, reason = "the log's unit tests use all of it")]
#[path = "../../../../crates/tidings-log/src/memory.rs"]
mod memory;

use crate::explore::explore;
use publishers::{Answers, Desks, EACH, Way, Writers};
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use tidings_log::{From, Log, Query, Record, TOLD_ALL};

/// Groups after which a storage that takes no time is known to be quick.
const GROUPS_UNTIL_QUICK: u64 = 7;

/// What is tried.
#[derive(Clone, Copy)]
struct Scenario {
    /// One publisher each.
    ways: &'static [Way],
    body_bytes: usize,
    /// Whether the storage is known to be quick when they begin.
    is_quick: bool,
    /// Whether the log is closed while they publish, or when they have.
    closes_meanwhile: bool,
}

/// All that meet at the log, a quick one.
const ALL: Scenario = Scenario {
    ways: &[Way::Leaves, Way::Leaves, Way::Submits],
    body_bytes: 1,
    is_quick: true,
    closes_meanwhile: false,
};

/// Everybody publishes; then all must be as it should. Answers what the log has removed, and who wrote.
fn run(scenario: Scenario) -> (u64, Writers) {
    let answers = Answers::default();
    let (log, desks) = Desks::open(&answers, scenario.body_bytes);
    let begun = if scenario.is_quick { GROUPS_UNTIL_QUICK } else { 0 };
    (0..begun).for_each(|event| assert!(desks.publish(Way::Submits, event, &answers)));
    answers.forget_writers();
    let publish = |(n, way): (u64, &'static Way)| {
        let (desks, answers) = (desks.clone(), answers.clone());
        let own = begun + n * EACH..begun + (n + 1) * EACH;
        thread::spawn(move || own.filter(|event| desks.publish(*way, *event, &answers)).collect::<Vec<u64>>())
    };
    let publishers: Vec<_> = (0..).zip(scenario.ways).map(publish).collect();
    if scenario.closes_meanwhile {
        desks.close();
    }
    let taken: Vec<Vec<u64>> = publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect();
    desks.close();
    let answered = answers.all();
    for own in &taken {
        let answered: Vec<u64> = answered.iter().copied().filter(|event| own.contains(event)).collect();
        assert_eq!(answered, *own, "each one's events are answered in his order, and once");
    }
    let count = begun as usize + taken.iter().map(Vec::len).sum::<usize>();
    assert_eq!(answered.len(), count, "what was taken is answered, and nothing else");
    let (stored, drops) = stored(&log);
    assert_eq!(stored, answered[answered.len() - stored.len()..], "the log has what was answered, in that order");
    assert!(drops > 0 || stored.len() == answered.len(), "all of it, but what retention dropped");
    (log.stats().removed, answers.writers())
}

/// What the log has, in its order, and how often it dropped something.
fn stored(log: &Log) -> (Vec<u64>, u64) {
    let query = Query {
        topics: &[Arc::from("t")],
        pattern: None,
        accept: &|_| true,
        from: From::After { seq: 0, told: TOLD_ALL },
        events_max: 1_000,
        bytes_max: 1 << 20,
        examined_max: 1_000,
        now: 0,
    };
    let page = log.read(&query).unwrap();
    let event = |record: &Record| String::from_utf8_lossy(&record.body).parse().unwrap();
    (page.records.iter().map(event).collect(), page.drops)
}

#[test]
fn publishers_and_the_writers_thread_take_turns() {
    // By publishers, and by the thread: where one of them never writes, nothing is shown.
    static SEEN: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
    explore(|| {
        let (_, writers) = run(ALL);
        SEEN[0].fetch_add(writers.publishers, Relaxed);
        SEEN[1].fetch_add(writers.thread, Relaxed);
    });
    let seen = SEEN.each_ref().map(|groups| groups.load(Relaxed));
    assert!(seen.iter().all(|groups| *groups > 1_000), "groups written: {seen:?}");
}

#[test]
fn a_slow_storage_is_left_to_the_writers_thread() {
    explore(|| {
        let (_, writers) = run(Scenario { is_quick: false, ..ALL });
        assert_eq!(writers.publishers, 0, "nobody waits for a storage that is not known to be quick");
    });
}

#[test]
fn upkeep_is_woken_when_segments_fill() {
    static REMOVED: AtomicU64 = AtomicU64::new(0);
    // Two events fill a segment.
    explore(|| {
        let (removed, _) = run(Scenario { body_bytes: 25_000, ..ALL });
        REMOVED.fetch_add(removed, Relaxed);
    });
    assert!(REMOVED.load(Relaxed) > 1_000, "{REMOVED:?} segments were removed");
}

#[test]
fn a_log_that_is_closed_answers_all_that_it_took() {
    explore(|| {
        run(Scenario { closes_meanwhile: true, ..ALL });
    });
}

#[test]
fn a_log_that_is_closed_writes_what_nobody_saw_to() {
    explore(|| {
        run(Scenario { ways: &[Way::GoesAway, Way::GoesAway], closes_meanwhile: true, ..ALL });
    });
}
