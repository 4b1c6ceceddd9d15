//! The writer: numbers, bounds, rolls, and what is answered when the storage fails or is full.

use super::*;
use crate::entry::{At, Draft, Entry};
use crate::memory::MemoryDir;
use crate::options::{Options, Retention};
use crate::query::{From, Query, TOLD_ALL};
use crate::recovery::{Opened, open};
use crate::storage::Dir;
use crate::upkeep::Step;

const SEGMENT: u64 = 64 << 10;

fn options() -> Options {
    Options {
        segment_bytes: SEGMENT,
        batch_bytes_max: 16 << 10,
        topics_max: 5,
        retention: Retention { bytes: 1 << 30, age: None, events: None, rules: Vec::new() },
        name: 3,
        secret: 1,
        hash_seed: 2,
        now: 0,
    }
}

fn opened(dir: &MemoryDir) -> Opened {
    open(Arc::new(dir.clone()), options()).unwrap()
}

fn event(topics: &[&str], body: &str) -> Entry {
    let topics = topics.iter().map(|topic| Arc::from(*topic)).collect();
    Entry::Event(Draft { topics, body: body.as_bytes().to_vec(), key: None, expires: None })
}

fn append(entries: Vec<Entry>) -> Append {
    Append { at: None, entries }
}

fn drop_of(topic: &str) -> Entry {
    Entry::Drop { topic: Some(topic.into()), to: None }
}

/// All events of some topics: number and body.
fn read(opened: &Opened, topics: &[&str]) -> Vec<(u64, String)> {
    let topics: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(*topic)).collect();
    let query = Query {
        topics: &topics,
        pattern: None,
        accept: &|_| true,
        from: From::After { seq: 0, told: TOLD_ALL },
        events_max: 10_000,
        bytes_max: 1 << 20,
        examined_max: 10_000,
        now: 0,
    };
    let page = opened.log.read(&query).unwrap();
    page.records.iter().map(|record| (record.seq, String::from_utf8(record.body.clone()).unwrap())).collect()
}

fn numbers(opened: &Opened, topics: &[&str]) -> Vec<u64> {
    read(opened, topics).into_iter().map(|(seq, _)| seq).collect()
}

#[test]
fn a_group_is_numbered_seen_and_there_again() {
    let dir = MemoryDir::default();
    let mut log = opened(&dir);
    let group =
        [append(vec![event(&["a"], "1"), event(&["b", "a"], "2")]), append(vec![]), append(vec![event(&["b"], "3")])];
    let answers = log.writer.commit(7, &group);
    let placed = |first| Ok(Placed { first, time: 7 });
    assert_eq!(answers, [placed(1), placed(2), placed(3)]);
    let epoch = log.log.epoch();
    for close in [false, true, false] {
        let expect = [(1, "1".to_owned()), (2, "2".to_owned())];
        assert_eq!(read(&log, &["a"]), expect);
        assert_eq!(numbers(&log, &["a", "b"]), [1, 2, 3]);
        if close {
            log.writer.close().unwrap();
        }
        log = opened(&dir);
        assert_eq!((log.log.epoch(), log.log.head()), (epoch, 3));
        assert_eq!((log.found.torn, log.found.damage.len(), log.found.events), (None, 0, 3));
    }
}

#[test]
fn time_never_runs_back() {
    let dir = MemoryDir::default();
    let mut log = opened(&dir);
    let mut times = Vec::new();
    for now in [50, 40, 60] {
        times.push(log.writer.commit(now, &[append(vec![event(&["a"], "")])])[0].unwrap().time);
    }
    assert_eq!(times, [50, 50, 60]);
    let mut log = opened(&dir);
    assert_eq!(log.writer.commit(1, &[append(vec![event(&["a"], "")])]), [Ok(Placed { first: 4, time: 60 })]);
}

#[test]
fn numbers_assigned_elsewhere_must_lie_behind_the_head() {
    let mut log = opened(&MemoryDir::default());
    let at = |seq, time| Append { at: Some(At { seq, time }), entries: vec![event(&["a"], ""), event(&["a"], "")] };
    let answers = log.writer.commit(1, &[at(10, 5), at(11, 6), at(12, 3), at(u64::MAX, 9)]);
    assert_eq!(answers[0], Ok(Placed { first: 10, time: 5 }));
    assert_eq!(answers[1], Err(AppendError::NotAfterHead { head: 11 }));
    assert_eq!(answers[2], Ok(Placed { first: 12, time: 5 }));
    assert_eq!(answers[3], Err(AppendError::NotAfterHead { head: 13 }));
    assert_eq!(numbers(&log, &["a"]), [10, 11, 12, 13]);
}

#[test]
fn what_is_too_large_or_too_many_is_refused_alone() {
    let mut log = opened(&MemoryDir::default());
    let large = "x".repeat(17 << 10);
    let group = [
        append(vec![event(&["a", "b", "c"], "")]),
        append(vec![event(&["a"], &large)]),
        append(vec![event(&["d", "e", "f"], ""), event(&["a"], "")]),
        append(vec![event(&["d", "d2"], "")]),
        append(vec![event(&["e"], "")]),
        append(vec![event(&["a"], "")]),
    ];
    let answers = log.writer.commit(1, &group);
    let errors: Vec<_> = answers.iter().map(|answer| answer.err()).collect();
    let (large, many) = (AppendError::TooLarge { max: 16 << 10 }, AppendError::TooManyTopics { max: 5 });
    assert_eq!(errors, [None, Some(large), Some(many), None, Some(many), None]);
    assert_eq!(log.writer.commit(1, &[append(vec![event(&["e"], "")])]), [Err(many)]);
    // A topic that has dropped all it had makes room.
    assert!(log.writer.commit(1, &[append(vec![drop_of("d2")])])[0].is_ok());
    assert!(log.writer.commit(1, &[append(vec![event(&["e"], "")])])[0].is_ok());
}

#[test]
fn a_drop_reaches_up_to_what_stands_before_it() {
    let dir = MemoryDir::default();
    let mut log = opened(&dir);
    log.writer.commit(1, &[append(vec![event(&["a"], ""), event(&["b"], "")])]);
    let group = [append(vec![event(&["a"], ""), event(&["b"], ""), drop_of("a"), event(&["a"], ""), drop_of("none")])];
    assert_eq!(log.writer.commit(1, &group), [Ok(Placed { first: 3, time: 1 })]);
    assert_eq!((numbers(&log, &["a"]), numbers(&log, &["b"])), (vec![5], vec![2, 4]));
    let log = opened(&dir);
    assert_eq!((numbers(&log, &["a"]), numbers(&log, &["b"])), (vec![5], vec![2, 4]));
}

#[test]
fn segments_follow_one_another() {
    let dir = MemoryDir::default();
    let mut log = opened(&dir);
    let body = "x".repeat(1000);
    for _ in 0..50 {
        let group: Vec<Append> = (0..10).map(|_| append(vec![event(&["a"], &body)])).collect();
        assert!(log.writer.commit(1, &group).iter().all(Result::is_ok));
        while !matches!(log.upkeep.step(1), Step::Idle) {}
    }
    assert_eq!(numbers(&log, &["a"]), (1..=500).collect::<Vec<u64>>());
    assert!(log.log.stats().segments >= 8);
    let log = opened(&dir);
    assert_eq!(log.found.rebuilt, [] as [u32; 0]);
    assert_eq!((log.found.events, log.found.torn), (500, None));
    assert_eq!(numbers(&log, &["a"]), (1..=500).collect::<Vec<u64>>());
}

#[test]
fn a_large_group_is_several_batches() {
    let mut log = opened(&MemoryDir::default());
    let body = "x".repeat(3000);
    let group: Vec<Append> = (0..100).map(|_| append(vec![event(&["a"], &body)])).collect();
    let answers = log.writer.commit(1, &group);
    assert!(answers.iter().zip(1..).all(|(answer, first)| *answer == Ok(Placed { first, time: 1 })));
    assert_eq!(log.log.stats().batches, 20);
}

#[test]
fn the_oldest_segment_goes_and_takes_what_it_says_along() {
    let dir = MemoryDir::default();
    let mut small = options();
    small.retention.bytes = 4 * SEGMENT;
    let mut log = open(Arc::new(dir.clone()), small.clone()).unwrap();
    let body = "x".repeat(1000);
    log.writer.commit(1, &[append(vec![event(&["old"], "first")])]);
    let mut recycled_any = false;
    for _ in 0..50 {
        let group: Vec<Append> = (0..10).map(|_| append(vec![event(&["a"], &body)])).collect();
        assert!(log.writer.commit(1, &group).iter().all(Result::is_ok));
        loop {
            match log.upkeep.step(1) {
                Step::Idle => break,
                Step::Drops(entries) => assert!(log.writer.commit(1, &[append(entries)])[0].is_ok()),
                Step::Did(crate::upkeep::Did::Removed { recycled }) => recycled_any |= recycled,
                Step::Did(_) => {}
                Step::NoSpace => panic!("there is space"),
            }
        }
    }
    assert!(recycled_any, "a removed file is the next spare");
    let files = dir.list().unwrap().iter().filter(|name| name.ends_with(".log")).count();
    assert!(files <= 4, "{files} files");
    for _ in 0..2 {
        let kept = numbers(&log, &["a"]);
        assert_eq!(*kept.last().unwrap(), 501);
        assert!(kept[0] > 2 && kept.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert_eq!(read(&log, &["old"]), []);
        let topics = ["old".into()];
        let page = log.log.read(&Query {
            topics: &topics,
            pattern: None,
            accept: &|_| true,
            from: From::After { seq: 0, told: 0 },
            events_max: 10,
            bytes_max: 1000,
            examined_max: 10,
            now: 1,
        });
        assert!(page.unwrap().gap, "what is gone is told");
        log = open(Arc::new(dir.clone()), small.clone()).unwrap();
    }
}
