//! The log's threads: whatever becomes of the storage, every append is answered once, in the order of the log, and nobody hangs.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use std::{fs, iter};
use tidings_log::{
    Append, AppendError, Dir, DiskDir, Draft, Entry, From, Handle, Log, Opened, Options, Placed, Query, Retention,
    Submitted, TOLD_ALL, open, spawn,
};
use tidings_testkit::storage::{Disk, Sector};

/// Longer than anything here takes on a machine that is busy with other tests: who waits so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const SEGMENT: u64 = 64 << 10;

/// Who submitted, and which of its appends.
type Ticket = (usize, u64);
type Answer = (Ticket, Result<Placed, AppendError>);

/// A time that goes on by itself.
fn clock() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(1);
    NOW.fetch_add(1, Ordering::Relaxed)
}

fn options(bytes: u64) -> Options {
    Options {
        segment_bytes: SEGMENT,
        batch_bytes_max: 16 << 10,
        topics_max: 100,
        retention: Retention { bytes, age: None, events: None, rules: Vec::new() },
        name: 1,
        secret: 2,
        hash_seed: 3,
        now: 1,
    }
}

/// A log whose answers come out of a channel, in the order in which the sink got them.
fn spawned(dir: Arc<dyn Dir>, bytes: u64) -> (Log, Handle<Ticket>, Receiver<Answer>) {
    let opened: Opened = open(dir, options(bytes)).unwrap();
    let log = opened.log.clone();
    let (send, receive) = channel();
    let handle = spawn(opened, clock, move |group| group.into_iter().for_each(|answer| send.send(answer).unwrap()));
    (log, handle.unwrap(), receive)
}

fn append(who: usize, n: u64) -> Append {
    let body = format!("{n:0700}").into_bytes();
    let topics = vec![Arc::from(format!("topic-{who}"))];
    Append { at: None, entries: vec![Entry::Event(Draft { topics, body, key: None, expires: None })] }
}

/// Everybody submits so many at once; the answers, and at the end nobody is without one.
fn submit(handle: &Handle<Ticket>, answers: &Receiver<Answer>, who: usize, each: u64) -> Vec<Answer> {
    thread::scope(|scope| {
        for who in 0..who {
            scope.spawn(move || submit_each(handle, who, each));
        }
        let answers = iter::repeat_with(|| answers.recv_timeout(PATIENCE).expect("every append is answered"));
        answers.take(who * each as usize).collect()
    })
}

fn submit_each(handle: &Handle<Ticket>, who: usize, each: u64) {
    (0..each).for_each(|n| assert!(handle.submit(append(who, n), (who, n))));
}

/// Each one's appends were answered in order, and stand in the log in the order of the answers.
fn check_order(answers: &[Answer]) {
    let mut next = [0; 16];
    let mut last = 0;
    for ((who, n), result) in answers {
        assert_eq!(*n, next[*who], "each one's appends are answered in order, and once");
        next[*who] += 1;
        if let Ok(placed) = result {
            assert!(placed.first > last, "the sink sees the order of the log");
            last = placed.first;
        }
    }
}

fn bodies(log: &Log, who: usize) -> Vec<u64> {
    let topics = [Arc::from(format!("topic-{who}"))];
    let query = Query {
        topics: &topics,
        pattern: None,
        accept: &|_| true,
        from: From::After { seq: 0, told: TOLD_ALL },
        events_max: 100_000,
        bytes_max: 1 << 30,
        examined_max: 100_000,
        now: 0,
    };
    let page = log.read(&query).unwrap();
    page.records.iter().map(|record| String::from_utf8_lossy(&record.body).parse().unwrap()).collect()
}

fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("driver").join(name);
    // There is none the first time.
    let _ = fs::remove_dir_all(&path);
    path
}

#[test]
fn many_submit_and_each_is_answered_in_order() {
    let path = fresh("order");
    for round in 1..=3 {
        let (log, handle, answers) = spawned(Arc::new(DiskDir::open(&path).unwrap()), u64::MAX);
        let answers = submit(&handle, &answers, 4, 200);
        check_order(&answers);
        assert!(answers.iter().all(|(_, result)| result.is_ok()));
        let stats = log.stats();
        assert_eq!(stats.syncs, stats.batches, "one sync before each batch is answered");
        handle.close().unwrap();
        drop(log);
        let opened = open(Arc::new(DiskDir::open(&path).unwrap()), options(u64::MAX)).unwrap();
        assert_eq!((opened.found.torn, opened.found.events), (None, round * 800));
        assert_eq!(opened.found.rebuilt, [] as [u32; 0], "who closes seals");
        for who in 0..4 {
            let expect: Vec<u64> = (0..round).flat_map(|_| 0..200).collect();
            assert_eq!(bodies(&opened.log, who), expect);
        }
    }
}

#[test]
fn retention_goes_on_beside_the_writer() {
    let path = fresh("retention");
    let (log, handle, answers) = spawned(Arc::new(DiskDir::open(&path).unwrap()), 6 * SEGMENT);
    // What is submitted at once is one group, and upkeep's drops come behind it: so in turns.
    for _ in 0..40 {
        let answers = submit(&handle, &answers, 4, 50);
        check_order(&answers);
        assert!(answers.iter().all(|(_, result)| result.is_ok()));
    }
    // Upkeep waits for the disk, and is not waited for.
    let looks = iter::repeat_with(|| thread::park_timeout(Duration::from_millis(50)));
    assert!(looks.take(1_200).any(|()| log.stats().removed > 10), "{:?}", log.stats());
    handle.close().unwrap();
    for who in 0..4 {
        let kept = bodies(&log, who);
        let expect: Vec<u64> = (0..40).flat_map(|_| 0..50).collect();
        assert_eq!(kept, expect[expect.len() - kept.len()..]);
    }
}

#[test]
fn who_closes_at_once_has_everything_answered() {
    let path = fresh("close");
    for n in 0..20 {
        let (_, handle, answers) = spawned(Arc::new(DiskDir::open(&path).unwrap()), u64::MAX);
        (0..n).for_each(|n| assert!(handle.submit(append(0, n), (0, n))));
        handle.close().unwrap();
        let answers: Vec<Answer> = answers.into_iter().collect();
        assert_eq!(answers.len() as u64, n);
        check_order(&answers);
        assert!(answers.iter().all(|(_, result)| result.is_ok()));
    }
}

#[test]
fn a_storage_that_fails_stops_the_log_and_nobody_hangs() {
    for seed in 0..20 {
        let disk = Disk::new(seed, Sector::B4096);
        let (log, handle, answers) = spawned(disk.dir(), u64::MAX);
        let before = submit(&handle, &answers, 2, 20);
        assert!(before.iter().all(|(_, result)| result.is_ok()));
        if seed % 2 == 0 {
            disk.fail_sync_in(seed + 1);
        } else {
            disk.fail_write_in(seed + 1);
        }
        let mut acknowledged = 40;
        let answers = loop {
            let answers = submit(&handle, &answers, 4, 200);
            check_order(&answers);
            if answers.iter().any(|(_, result)| result.is_err()) {
                break answers;
            }
            // A slow machine makes groups so large that all went with fewer syncs than the one that fails.
            acknowledged += answers.len();
        };
        let first = answers.iter().position(|(_, result)| result.is_err()).expect("it failed");
        assert!(
            answers[first..].iter().all(|(_, result)| result.is_err()),
            "nothing is acknowledged after a failure (seed {seed}): {:?}",
            answers.iter().map(|(_, result)| result).collect::<Vec<_>>()
        );
        let unknown =
            answers[first..].iter().take_while(|(_, result)| *result == Err(AppendError::OutcomeUnknown)).count();
        let rest = &answers[first + unknown..];
        assert!(rest.iter().all(|(_, result)| *result == Err(AppendError::Stopped)));
        assert!(log.failed().is_some());
        acknowledged += first;
        assert_eq!((0..4).map(|who| bodies(&log, who).len()).sum::<usize>(), acknowledged, "readers go on");
        // What it could not seal the next open finds.
        let _ = handle.close();
    }
}

#[test]
fn space_that_comes_back_is_used() {
    let disk = Disk::new(1, Sector::B4096);
    disk.set_space(4 * SEGMENT);
    let (log, handle, answers) = spawned(disk.dir(), u64::MAX);
    let full = submit(&handle, &answers, 2, 500);
    check_order(&full);
    let stored = full.iter().filter(|(_, result)| result.is_ok()).count();
    assert!(stored > 100 && full.iter().all(|(_, result)| matches!(result, Ok(_) | Err(AppendError::NoSpace))));
    assert!(stored < 1_000 && log.failed().is_none());
    disk.set_space(64 * SEGMENT);
    // Upkeep looks once a second.
    let again = (0..).map(|_| {
        thread::park_timeout(Duration::from_millis(50));
        submit(&handle, &answers, 1, 1)
    });
    assert!(again.take(200).any(|answers| answers[0].1.is_ok()), "space came back");
    handle.close().unwrap();
}

/// Leaves one append after the other, and takes its turn where it is told to, as a thread that serves publishers does.
fn leave(handle: &Handle<Ticket>, who: usize, each: u64) {
    for n in 0..each {
        match handle.leave(append(who, n), (who, n)) {
            Submitted::Taken => {}
            Submitted::Left => handle.desk().settle(),
            Submitted::Refused => panic!("the log is open"),
        }
    }
}

#[test]
fn whoever_leaves_an_append_is_answered_by_his_own_hand_or_another() {
    let (log, handle, answers) = spawned(Disk::new(7, Sector::B512).dir(), 16 * SEGMENT);
    let (who, each) = (4, 500);
    thread::scope(|scope| {
        for who in 0..who {
            let handle = &handle;
            scope.spawn(move || if who == 0 { submit_each(handle, who, each) } else { leave(handle, who, each) });
        }
    });
    let answers: Vec<Answer> = iter::repeat_with(|| answers.recv_timeout(PATIENCE).expect("every append is answered"))
        .take(who * each as usize)
        .collect();
    check_order(&answers);
    assert!(answers.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(log.head(), who as u64 * each);
    handle.close().unwrap();
}

#[test]
fn one_who_is_alone_writes_with_his_own_thread() {
    let opened: Opened = open(Disk::new(8, Sector::B512).dir(), options(16 * SEGMENT)).unwrap();
    let (send, threads) = channel();
    let handle: Handle<Ticket> =
        spawn(opened, clock, move |_| send.send(thread::current().id()).expect("the test waits")).unwrap();
    let own = thread::current().id();
    // The storage is not known to be quick at first, and the writer's thread may be awake by chance: but some day he is alone.
    let alone = (0..10_000).any(|_| {
        leave(&handle, 0, 1);
        threads.recv_timeout(PATIENCE).expect("every append is answered") == own
    });
    assert!(alone);
    handle.close().unwrap();
}
