//! Opening: what is found after crashes, of which files, and that the same is found twice.

use super::*;
use crate::entry::{Append, Draft, Entry};
use crate::header::RECORDS_AT;
use crate::memory::MemoryDir;
use crate::names;
use crate::options::Retention;
use crate::query::{From, Page, Query};
use crate::storage::File as _;
use std::ops::RangeInclusive;

const SEGMENT: u64 = 16 << 10;
/// What an event of these tests takes in its segment.
const EVENT: u64 = 1_048;

fn options() -> Options {
    let retention = Retention { bytes: u64::MAX, age: None, events: None, rules: Vec::new() };
    let (segment_bytes, batch_bytes_max, topics_max) = (SEGMENT, 4 << 10, 10);
    Options { segment_bytes, batch_bytes_max, topics_max, retention, name: 1, secret: 2, hash_seed: 3, now: 0 }
}

fn opened(dir: &MemoryDir) -> Opened {
    open(Arc::new(dir.clone()), options()).unwrap()
}

fn event() -> Append {
    let draft = Draft { topics: vec!["a".into()], body: vec![b'x'; 1_000], key: None, expires: None };
    Append { at: None, entries: vec![Entry::Event(draft)] }
}

/// A log of so many events of about a kilobyte, each a batch: seven fill a segment.
fn made(events: u64, closed: bool) -> MemoryDir {
    let dir = MemoryDir::default();
    let mut log = opened(&dir);
    for _ in 0..events {
        log.writer.commit(1, &[event()])[0].unwrap();
    }
    if closed {
        log.writer.close().unwrap();
    }
    dir
}

fn numbers(log: &Opened) -> Vec<u64> {
    page(log, 0, 1_000).records.iter().map(|record| record.seq).collect()
}

fn page(log: &Opened, seq: u64, events_max: usize) -> Page {
    let topics = ["a".into()];
    let (bytes_max, examined_max) = (1 << 20, 1_000);
    let from = From::After { seq, told: 0 };
    let query =
        Query { topics: &topics, pattern: None, accept: &|_| true, from, events_max, bytes_max, examined_max, now: 1 };
    log.log.read(&query).unwrap()
}

fn flip(dir: &MemoryDir, name: &str, at: u64) {
    dir.file(name).0.lock().unwrap()[at as usize] ^= 1;
}

fn cut(dir: &MemoryDir, name: &str, len: u64) {
    dir.file(name).0.lock().unwrap().truncate(len as usize);
}

/// The file of segment 2 or 5 ends behind so many of its events and bytes: this is what is told, at every opening, and what is read.
fn check_cut(closed: bool, (segment, events, bytes): (u32, u64, u64), from: u64, to: u64, lost: RangeInclusive<u64>) {
    let dir = made(30, closed);
    cut(&dir, &names::segment(segment), RECORDS_AT + events * EVENT + bytes);
    for _ in 0..3 {
        let mut log = opened(&dir);
        let (from, to) = (RECORDS_AT + from, RECORDS_AT + to);
        assert_eq!(log.found.damage, [Damage { segment, from, to }], "{closed} {segment} {events} {bytes}");
        assert_eq!((log.found.torn, log.log.head()), (None, 30));
        let left: Vec<u64> = (1..=30).filter(|seq| !lost.contains(seq)).collect();
        assert_eq!(numbers(&log), left);
        assert!(page(&log, 0, 1_000).gap && !page(&log, *lost.end(), 1_000).gap);
        // It gives the segment its index, where it has none: from then on that is what tells.
        while !matches!(log.upkeep.step(1), crate::upkeep::Step::Idle) {}
    }
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
fn a_file_that_was_cut_is_told_with_its_place() {
    for closed in [false, true] {
        check_cut(closed, (2, 3, 0), 3 * EVENT, 7 * EVENT, 11..=14);
        check_cut(closed, (2, 0, 0), 0, 7 * EVENT, 8..=14);
    }
    // An index says where the records end, and the file where they are cut; without one, whole records are all there is.
    check_cut(true, (2, 3, 500), 3 * EVENT + 500, 7 * EVENT, 11..=14);
    check_cut(false, (2, 3, 500), 3 * EVENT, 7 * EVENT, 11..=14);
    // The newest one too, if the log was closed; what it held is not numbered anew.
    check_cut(true, (5, 1, 0), EVENT, 2 * EVENT, 30..=30);
}

#[test]
fn where_nothing_says_its_end_an_older_segment_is_read_to_its_last_record() {
    let dir = MemoryDir::default();
    let mut log = opened(&dir);
    // Batches of three, of which two fit into a segment.
    let events: Vec<Append> = (0..30).map(|_| event()).collect();
    assert!(log.writer.commit(1, &events).iter().all(Result::is_ok));
    drop(log);
    for at in [20, 4096 + 20, RECORDS_AT + 4] {
        flip(&dir, &names::segment(2), at);
    }
    // In the newest segment the last batch would be torn here.
    flip(&dir, &names::segment(1), RECORDS_AT + 4 * EVENT + 100);
    let log = opened(&dir);
    let (from, to) = (RECORDS_AT + 4 * EVENT, RECORDS_AT + 5 * EVENT);
    assert_eq!((&log.found.headless[..], &log.found.damage[..]), (&[2][..], &[Damage { segment: 1, from, to }][..]));
    assert_eq!(numbers(&log), (1..=30).filter(|seq| *seq != 5 && !(7..=12).contains(seq)).collect::<Vec<_>>());
}

/// Three events are dropped, the drop's record is damaged, and a batch stands behind it. What was dropped is served again or not.
fn check_drop(closed: bool, told: usize, served: &[u64]) {
    let dir = made(3, false);
    let mut log = opened(&dir);
    let drops = Append { at: None, entries: vec![Entry::Drop { topic: Some("a".into()), to: None }] };
    for append in [drops, event()] {
        log.writer.commit(1, &[append])[0].unwrap();
    }
    let segment = dir.list().unwrap().pop().unwrap();
    if closed {
        log.writer.close().unwrap();
    }
    flip(&dir, &segment, RECORDS_AT + 20);
    let log = opened(&dir);
    assert_eq!((log.found.damage.len(), numbers(&log).as_slice()), (told, served));
    assert_eq!(log.log.head(), 4);
}

#[test]
fn a_damaged_drop_is_told_unless_its_index_still_says_it() {
    check_drop(true, 0, &[4]);
    check_drop(false, 1, &[1, 2, 3, 4]);
}

#[test]
fn a_file_that_was_being_cut_is_cut() {
    let dir = made(1, true);
    let name = names::segment(1);
    let cut = RECORDS_AT + EVENT;
    assert_eq!(dir.file(&name).len().unwrap(), cut);
    dir.file(&name).set_len(SEGMENT).unwrap();
    let log = opened(&dir);
    assert_eq!((dir.file(&name).len().unwrap(), numbers(&log)), (cut, vec![1]));
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
    cut(&dir, &names::segment(spare + 1), 1_000);
    drop(opened(&dir));
    assert!(newest(&dir) < Some(spare + 1));
}

#[test]
fn another_logs_segment_is_left_alone() {
    let dir = made(10, true);
    let other = MemoryDir::default();
    let mut log = open(Arc::new(other.clone()), Options { name: 9, ..options() }).unwrap();
    log.writer.commit(1, &[event()])[0].unwrap();
    let bytes = other.file(&names::segment(1)).0.lock().unwrap().clone();
    dir.create(&names::segment(1)).unwrap().write_at(&bytes, 0).unwrap();
    let log = opened(&dir);
    assert_eq!(log.found.headless, [1]);
    assert!(*dir.file(&names::segment(1)).0.lock().unwrap() == bytes);
    assert_eq!(numbers(&log), [8, 9, 10]);
}
