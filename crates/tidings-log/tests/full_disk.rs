//! The fear: a disk that is full stays full. What retention lets go is told in the log first, and that takes space.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::sync::Arc;
use tidings_log::{
    Append, AppendError, Draft, Entry, From, Opened, Options, Page, Placed, Query, Retention, Step, open,
};
use tidings_testkit::storage::{Disk, Sector};

const SEGMENT: u64 = 64 << 10;
/// Neither a spare nor anything near it has room behind the last segment that fits.
const SPACE: u64 = 10 * SEGMENT + SEGMENT / 4;
const TOPICS: u64 = 40;

fn opened(disk: &Disk, bytes: u64, age: Option<u64>) -> Opened {
    let options = Options {
        segment_bytes: SEGMENT,
        batch_bytes_max: 32 << 10,
        topics_max: 1_000,
        retention: Retention { bytes, age, events: None, rules: Vec::new() },
        name: 1,
        secret: 2,
        hash_seed: 3,
        now: 1,
    };
    open(disk.dir(), options).unwrap()
}

fn topic(n: u64) -> Arc<str> {
    format!("topic-{}", n % TOPICS).into()
}

/// One event of a kilobyte; `n` says of which topic.
fn event(n: u64) -> Append {
    let draft = Draft { topics: vec![topic(n)], body: vec![b'x'; 1_000], key: None, expires: None };
    Append { at: None, entries: vec![Entry::Event(draft)] }
}

/// Upkeep until it rests; what it drops goes in one group with somebody's events. What became of the first of those.
fn tidy(log: &mut Opened, now: u64) -> Option<Result<Placed, AppendError>> {
    let mut first = None;
    for _ in 0..1_000 {
        match log.upkeep.step(now) {
            Step::Idle | Step::NoSpace => return first,
            Step::Did(_) => {}
            Step::Drops(entries) => {
                let results = log.writer.commit(now, &[event(0), Append { at: None, entries }, event(1)]);
                results[1].unwrap();
                first = first.or(Some(results[0]));
            }
        }
    }
    panic!("upkeep never rests");
}

/// Publishes until there is no space; how many events were taken.
fn fill(log: &mut Opened) -> u64 {
    for n in 1.. {
        match log.writer.commit(n, &[event(n)])[0] {
            Ok(placed) => assert_eq!(placed.first, n),
            Err(error) => {
                assert_eq!(error, AppendError::NoSpace);
                return n - 1;
            }
        }
        while matches!(log.upkeep.step(0), Step::Did(_)) {}
    }
    unreachable!("a disk is full at some time")
}

fn page(log: &Opened, topic: &Arc<str>) -> Page {
    let query = Query {
        topics: std::slice::from_ref(topic),
        pattern: None,
        accept: &|_| true,
        from: From::After { seq: 0, told: 0 },
        events_max: 10_000,
        bytes_max: 100 << 20,
        examined_max: 10_000,
        now: 1,
    };
    log.log.read(&query).unwrap()
}

/// Space comes back, publishing goes on, and after a power cut every topic that lost events says so.
fn check(disk: &Disk, mut log: Opened, filled: u64, now: u64) {
    assert_eq!(tidy(&mut log, now), Some(Err(AppendError::NoSpace)), "events have no room where drops have");
    assert!(log.log.stats().removed > 0 && log.log.failed().is_none(), "{:?}", log.log.stats());
    for n in 0..SEGMENT / 1_000 {
        log.writer.commit(now, &[event(n)])[0].unwrap();
        tidy(&mut log, now);
    }
    drop(log);
    disk.power_cut();
    let log = opened(disk, u64::MAX, None);
    assert_eq!(log.found.damage, []);
    let mut kept = 0;
    for n in 0..TOPICS {
        let page = page(&log, &topic(n));
        let first = page.records.first().map_or(u64::MAX, |record| record.seq);
        assert!(first > n + 1 && page.gap, "{n}");
        kept += page.records.iter().filter(|record| record.seq <= filled).count();
    }
    assert!(kept > 0, "not all of it had to go");
}

#[test]
fn a_smaller_bound_makes_room_after_a_restart() {
    let disk = Disk::new(1, Sector::B512);
    disk.set_space(SPACE);
    let mut log = opened(&disk, u64::MAX, None);
    let filled = fill(&mut log);
    drop(log);
    disk.kill();
    let mut log = opened(&disk, u64::MAX, None);
    assert_eq!(log.writer.commit(filled, &[event(0)])[0], Err(AppendError::NoSpace), "a restart alone is no help");
    drop(log);
    disk.kill();
    let log = opened(&disk, 6 * SEGMENT, None);
    check(&disk, log, filled, filled);
}

#[test]
fn what_becomes_too_old_makes_room_by_itself() {
    let disk = Disk::new(2, Sector::B4096);
    disk.set_space(SPACE);
    let mut log = opened(&disk, u64::MAX, Some(400));
    let filled = fill(&mut log);
    check(&disk, log, filled, 600);
}
