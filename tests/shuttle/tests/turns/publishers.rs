//! Who publishes, in the ways in which the server does, and what is answered.

use crate::storage::WatchedDir;
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use shuttle::thread;
use std::sync::Arc;
use tidings_log::{Append, Draft, Entry, Group, Handle, Log, Options, Retention, Submitted, open, spawn};

/// Events of each publisher, one after the other.
pub(crate) const EACH: u64 = 2;

/// As small as the log's own tests have them: each is filled with zeros first.
const SEGMENT_BYTES: u64 = 64 << 10;

/// How one publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Wakes the writer's thread, and waits for the answer.
    Submits,
    /// Leaves it at the desk, sees to it where he is asked to, and waits for the answer.
    Leaves,
    /// Leaves it at the desk, is asked to see to it, and never does.
    GoesAway,
}

/// What was answered, in order. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Answered>);

#[derive(Default)]
struct Answered {
    so_far: Mutex<SoFar>,
    more: Condvar,
}

#[derive(Default)]
struct SoFar {
    events: Vec<u64>,
    /// The newest event's number in the log.
    head: u64,
    writers: Writers,
}

/// Who wrote how many groups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writers {
    pub(crate) publishers: usize,
    pub(crate) thread: usize,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.0.so_far.lock().unwrap()
    }

    /// The log's sink.
    fn take(&self, group: Group<u64>) {
        assert!(!group.is_empty(), "a group has an answer");
        let mut so_far = self.lock();
        for (event, placed) in group {
            let placed = placed.expect("the storage does not fail");
            assert_eq!(placed.first, so_far.head + 1, "groups come in the log's order, whole");
            so_far.head = placed.first;
            so_far.events.push(event);
        }
        let is_thread = thread::current().name() == Some("log-writer");
        so_far.writers.thread += usize::from(is_thread);
        so_far.writers.publishers += usize::from(!is_thread);
        self.0.more.notify_all();
    }

    fn wait_for(&self, event: u64) {
        drop(self.0.more.wait_while(self.lock(), |so_far| !so_far.events.contains(&event)).unwrap());
    }

    pub(crate) fn all(&self) -> Vec<u64> {
        self.lock().events.clone()
    }

    pub(crate) fn writers(&self) -> Writers {
        self.lock().writers
    }

    pub(crate) fn forget_writers(&self) {
        self.lock().writers = Writers::default();
    }
}

/// The way in to a log until it is closed, as the server's engine keeps it. A clone is the same.
#[derive(Clone)]
pub(crate) struct Desks {
    handle: Arc<Mutex<Option<Handle<u64>>>>,
    body_bytes: usize,
}

impl Desks {
    /// A new log whose threads run, for events of so many bytes. It keeps three segments, of which the newest is being written and one
    /// is the spare.
    pub(crate) fn open(answers: &Answers, body_bytes: usize) -> (Log, Self) {
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            batch_bytes_max: SEGMENT_BYTES as usize / 2,
            topics_max: 10,
            retention: Retention { bytes: 3 * SEGMENT_BYTES, age: None, events: None, rules: Vec::new() },
            name: 1,
            secret: 2,
            hash_seed: 3,
            now: 1,
        };
        let opened = open(Arc::new(WatchedDir::default()), options).unwrap();
        let (log, answers) = (opened.log.clone(), answers.clone());
        let handle = spawn(opened, || 1, move |group| answers.take(group)).unwrap();
        (log, Desks { handle: Arc::new(Mutex::new(Some(handle))), body_bytes })
    }

    /// Publishes an event. False: the log is closed.
    pub(crate) fn publish(&self, way: Way, event: u64, answers: &Answers) -> bool {
        let body = format!("{event:0width$}", width = self.body_bytes).into_bytes();
        let draft = Draft { topics: vec![Arc::from("t")], body, key: None, expires: None };
        let append = Append { at: None, entries: vec![Entry::Event(draft)] };
        let left = {
            let handle = self.handle.lock().unwrap();
            let Some(handle) = &*handle else { return false };
            if way == Way::Submits {
                assert!(handle.submit(append, event));
                None
            } else {
                match handle.leave(append, event) {
                    Submitted::Taken => None,
                    Submitted::Left => Some(handle.desk()),
                    Submitted::Refused => panic!("a log that runs is not being closed: that takes the handle"),
                }
            }
        };
        if way == Way::GoesAway {
            return true;
        }
        // Others go on before he does.
        if let Some(desk) = left {
            desk.settle();
        }
        answers.wait_for(event);
        true
    }

    /// Closes the log, unless somebody did.
    pub(crate) fn close(&self) {
        let handle = self.handle.lock().unwrap().take();
        if let Some(handle) = handle {
            handle.close().unwrap();
        }
    }
}
