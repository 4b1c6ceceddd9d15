//! Snapshots on a real file system, while a writer goes on and old segments are removed: each is one log, whole.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidings_log::{
    Append, Depth, DiskDir, Draft, Entry, From, IndexState, Opened, Options, Query, Retention, SnapshotError, Step,
    TOLD_ALL, open, snapshot, survey,
};

/// Snapshots are taken until so many events were published: a segment holds about 80, and old ones are removed from the 500th on.
const EVENTS: u64 = 1_000;

/// An empty directory of this test's.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("snapshot").join(name);
    // There is none the first time.
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn opened(path: &Path, bytes: u64) -> Opened {
    let retention = Retention { bytes, age: None, events: None, rules: Vec::new() };
    let options = Options {
        segment_bytes: 32 * 1024,
        batch_bytes_max: 8 * 1024,
        topics_max: 100,
        retention,
        name: 0x0123_4567_89ab_cdef,
        secret: 0xfedc_ba98_7654_3210,
        hash_seed: 1,
        now: 1,
    };
    open(Arc::new(DiskDir::open(path).unwrap()), options).unwrap()
}

/// An event that bears its number.
fn event(seq: u64) -> Append {
    let body = format!("{seq} ").repeat(50).into_bytes();
    let topics = vec![Arc::from(format!("t/{}", seq % 7))];
    Append { at: None, entries: vec![Entry::Event(Draft { topics, body, key: None, expires: None })] }
}

/// Commits one event, and does what there is to do beside it.
fn publish(opened: &mut Opened) -> u64 {
    let seq = opened.log.head() + 1;
    loop {
        match opened.upkeep.step(seq) {
            Step::Idle => break,
            Step::Did(_) => {}
            Step::Drops(entries) => {
                opened.writer.commit(seq, &[Append { at: None, entries }]).pop().unwrap().unwrap();
            }
            Step::NoSpace => panic!("the disk is full"),
        }
    }
    assert_eq!(opened.writer.commit(seq, &[event(seq)])[0].unwrap().first, seq);
    seq
}

/// Opens a log and reads it whole: every number from its oldest to its head is there once, with what was written. Answers both.
fn read(path: &Path) -> (u64, u64) {
    let Opened { log, found, .. } = opened(path, 1 << 30);
    assert_eq!((found.damage.len(), found.headless.len(), found.torn), (0, 0, None), "{found:?}");
    let every = |_: &str| true;
    let from = From::After { seq: 0, told: TOLD_ALL };
    let (events_max, bytes_max, examined_max) = (1 << 20, 1 << 30, 1 << 20);
    let query = Query {
        topics: &[],
        pattern: Some(&every),
        accept: &|_| true,
        from,
        events_max,
        bytes_max,
        examined_max,
        now: 2,
    };
    let page = log.read(&query).unwrap();
    let first = page.records.first().map_or(1, |record| record.seq);
    for (expect, record) in (first..).zip(&page.records) {
        assert_eq!(record.seq, expect);
        assert!(record.body.starts_with(format!("{expect} ").as_bytes()));
    }
    assert_eq!(page.records.len() as u64, log.head() + 1 - first);
    (first, log.head())
}

#[test]
fn a_snapshot_is_a_log() {
    let (from, to) = (fresh("log"), fresh("copy"));
    let mut opened = opened(&from, 1 << 30);
    while opened.log.head() < 300 {
        publish(&mut opened);
    }
    let taken = snapshot(&from, &to).unwrap();
    assert_eq!((taken.head, taken.copied, taken.epoch), (300, 1, Some(opened.log.epoch())));
    assert!(taken.linked >= 4 && taken.copied_bytes > 8192, "{taken:?}");
    let inode = |path: &Path| fs::metadata(path.join("0000000001.log")).unwrap().ino();
    assert_eq!(inode(&from), inode(&to), "sealed segments are shared");
    let listed = survey(&DiskDir::open_to_read(&to).unwrap(), Depth::Everything, &mut |_| {}).unwrap();
    let (newest, sealed) = listed.segments.split_last().unwrap();
    assert!(sealed.iter().all(|segment| segment.index == IndexState::Good && segment.damage.is_empty()), "{listed:?}");
    assert_eq!((newest.index, newest.end), (IndexState::Active, newest.bytes), "the copy ends where its records do");

    // Both go on by themselves.
    publish(&mut opened);
    assert_eq!(read(&to), (1, 300));
    drop(opened);
    assert_eq!(read(&from), (1, 301));
    assert!(matches!(snapshot(&from, &to), Err(SnapshotError::NotEmpty(_))));
}

#[test]
fn a_closed_log_is_linked_whole() {
    let (from, to) = (fresh("closed"), fresh("closed-copy"));
    let mut opened = opened(&from, 1 << 30);
    while opened.log.head() < 200 {
        publish(&mut opened);
    }
    assert!(opened.writer.close().is_ok());
    let taken = snapshot(&from, &to).unwrap();
    assert_eq!((taken.head, taken.copied), (200, 0));
    assert_eq!(read(&to), (1, 200));
}

#[test]
fn an_empty_log_is_an_empty_snapshot() {
    let (from, to) = (fresh("empty"), fresh("empty-copy"));
    let taken = snapshot(&from, &to).unwrap();
    assert_eq!((taken.epoch, taken.head, taken.linked, taken.copied), (None, 0, 0, 0));
    assert!(snapshot(&from.join("missing"), &to).is_err());
}

#[test]
fn while_a_writer_goes_on_each_snapshot_is_whole() {
    let from = fresh("busy");
    // Six segments: old ones go, and their files come back.
    let mut opened = opened(&from, 6 * 32 * 1024);
    let (acknowledged, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let oldest = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                acknowledged.store(publish(&mut opened), Ordering::SeqCst);
            }
        });
        let mut oldest = 0;
        let mut copies = Vec::new();
        loop {
            let to = fresh(&format!("busy-{}", copies.len()));
            let before = acknowledged.load(Ordering::SeqCst);
            if before > EVENTS {
                break;
            }
            let taken = snapshot(&from, &to).unwrap();
            assert!(taken.head >= before, "what was acknowledged is in it: {taken:?}, {before}");
            copies.push((to, taken.head));
            let seen = survey(&DiskDir::open_to_read(&from).unwrap(), Depth::Everything, &mut |_| {}).unwrap();
            let damaged: Vec<_> = seen.segments.iter().filter(|segment| !segment.damage.is_empty()).collect();
            assert!(
                damaged.is_empty() && seen.headless.is_empty(),
                "a survey of a live log finds no damage: {damaged:?}"
            );
        }
        done.store(true, Ordering::SeqCst);
        // Read only now: nothing that the writer did later may show in a file they share.
        for (to, head) in copies {
            let (first, last) = read(&to);
            assert_eq!(last, head);
            oldest = first;
            fs::remove_dir_all(&to).unwrap();
        }
        oldest
    });
    assert!(oldest > 1, "old segments were removed meanwhile, or the test shows nothing");
}
