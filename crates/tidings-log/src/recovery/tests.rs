//! Opening: what is found after crashes, of which files, and that the same is found twice.

use super::*;
use crate::entry::{Append, Draft, Entry};
use crate::header::RECORDS_AT;
use crate::memory::MemoryDir;
use crate::names;
use crate::options::Retention;
use crate::query::{From, Query};

const SEGMENT: u64 = 16 << 10;

fn options() -> Options {
    let retention = Retention { bytes: u64::MAX, age: None, events: None, rules: Vec::new() };
    let (segment_bytes, batch_bytes_max, topics_max) = (SEGMENT, 4 << 10, 10);
    Options { segment_bytes, batch_bytes_max, topics_max, retention, name: 1, secret: 2, hash_seed: 3, now: 0 }
}

fn opened(dir: &MemoryDir) -> Opened {
    open(Arc::new(dir.clone()), options()).unwrap()
}

/// A log of so many events of about a kilobyte: seven fill a segment.
fn made(events: u64, closed: bool) -> MemoryDir {
    let dir = MemoryDir::default();
    let mut log = opened(&dir);
    for _ in 0..events {
        let draft = Draft { topics: vec!["a".into()], body: vec![b'x'; 1_000], key: None, expires: None };
        log.writer.commit(1, &[Append { at: None, entries: vec![Entry::Event(draft)] }])[0].unwrap();
    }
    if closed {
        log.writer.close().unwrap();
    }
    dir
}

fn numbers(log: &Opened) -> Vec<u64> {
    let topics = ["a".into()];
    let (events_max, bytes_max, examined_max) = (1_000, 1 << 20, 1_000);
    let from = From::After { seq: 0, told: 0 };
    let query =
        Query { topics: &topics, pattern: None, accept: &|_| true, from, events_max, bytes_max, examined_max, now: 1 };
    log.log.read(&query).unwrap().records.iter().map(|record| record.seq).collect()
}

fn flip(dir: &MemoryDir, name: &str, at: u64) {
    dir.file(name).0.lock().unwrap()[at as usize] ^= 1;
}

#[test]
fn a_name_says_nothing_of_the_secret() {
    let epochs =
        [1, 2].map(|secret| open(Arc::new(MemoryDir::default()), Options { secret, ..options() }).unwrap().log.epoch());
    assert_eq!(epochs[0], epochs[1]);
    let other = open(Arc::new(MemoryDir::default()), Options { name: 2, ..options() }).unwrap().log.epoch();
    assert_ne!(other, epochs[0]);
}

#[test]
fn what_was_closed_or_killed_is_all_there() {
    for closed in [false, true] {
        let dir = made(30, closed);
        let log = opened(&dir);
        assert_eq!(numbers(&log), (1..=30).collect::<Vec<_>>());
        assert_eq!((log.found.torn, log.found.damage.len(), log.found.headless.len()), (None, 0, 0));
        // Without upkeep nobody wrote the others' indexes; the newest is expected to have none.
        assert_eq!(log.found.rebuilt.len(), if closed { 0 } else { 4 });
    }
}

#[test]
fn headers_are_mended_and_segments_without_them_found() {
    let dir = made(30, true);
    flip(&dir, &names::segment(2), 20);
    flip(&dir, &names::segment(3), 20);
    flip(&dir, &names::segment(3), 4096 + 20);
    let log = opened(&dir);
    assert_eq!(log.found.repaired, [2, 3]);
    assert_eq!(numbers(&log), (1..=30).collect::<Vec<_>>());
    assert_eq!(opened(&dir).found.repaired, [] as [u32; 0]);
    // Without its first record it cannot be told from any other file.
    let dir = made(30, true);
    for at in [20, 4096 + 20, RECORDS_AT + 4] {
        flip(&dir, &names::segment(2), at);
    }
    let log = opened(&dir);
    assert_eq!(log.found.headless, [2]);
    assert_eq!(numbers(&log).len(), 23);
}

#[test]
fn a_damaged_index_is_built_anew() {
    let dir = made(30, true);
    flip(&dir, &names::index(2), 40);
    dir.remove(&names::index(3)).unwrap();
    let log = opened(&dir);
    assert_eq!(log.found.rebuilt, [2, 3]);
    assert_eq!(numbers(&log), (1..=30).collect::<Vec<_>>());
}

#[test]
fn a_spare_gets_another_number_and_what_is_not_one_goes() {
    let dir = made(1, false);
    let mut log = opened(&dir);
    while !matches!(log.upkeep.step(1), crate::upkeep::Step::Idle) {}
    drop(log);
    for name in [names::SPARE_TMP, names::INDEX_TMP, names::REWRITE_TMP, "a stranger's"] {
        dir.create(name).unwrap();
    }
    let newest = |dir: &MemoryDir| {
        let names = dir.list().unwrap();
        names
            .iter()
            .filter_map(|name| if let names::Name::Segment(n) = names::parse(name) { Some(n) } else { None })
            .max()
    };
    let spare = newest(&dir).unwrap();
    // What the batch that should have begun it left there must not validate when it is begun again.
    drop(opened(&dir));
    assert_eq!(newest(&dir), Some(spare + 1));
    let left = dir.list().unwrap();
    assert!(left.contains(&"a stranger's".to_owned()) && !left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
    dir.file(&names::segment(spare + 1)).0.lock().unwrap().truncate(1_000);
    drop(opened(&dir));
    assert!(newest(&dir) < Some(spare + 1));
}

#[test]
fn another_logs_segment_is_left_alone() {
    let dir = made(10, true);
    let other = MemoryDir::default();
    let mut log = open(Arc::new(other.clone()), Options { name: 9, ..options() }).unwrap();
    let draft = Draft { topics: vec!["a".into()], body: Vec::new(), key: None, expires: None };
    log.writer.commit(1, &[Append { at: None, entries: vec![Entry::Event(draft)] }])[0].unwrap();
    let bytes = other.file(&names::segment(1)).0.lock().unwrap().clone();
    dir.create(&names::segment(1)).unwrap().write_at(&bytes, 0).unwrap();
    let log = opened(&dir);
    assert_eq!(log.found.headless, [1]);
    assert!(*dir.file(&names::segment(1)).0.lock().unwrap() == bytes);
    assert_eq!(numbers(&log), [8, 9, 10]);
}
