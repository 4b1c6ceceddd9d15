//! Reads of history, on threads that may wait for a disk, so many at once; equal reads that are under way together are made once.
//!
//! Who joins a read must get what was committed before it asked. A read that waits for its thread has seen nothing yet, so anybody may
//! join; one that has begun may be joined as long as nothing was committed since.

use super::history;
use super::open_log::OpenLog;
use crate::abort::AbortOnPanic;
use crate::engine::ReadError;
use crate::limits::Limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tidings_hub::{History, Read};
use tokio::sync::{Semaphore, oneshot};

type Answer = Result<History, ReadError>;

/// The reads of one log. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Reads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Arc<OpenLog>,
    clock: fn() -> u64,
    /// Events looked at for one page.
    examined_max: usize,
    threads: Arc<Semaphore>,
    /// Counts commits: a read that began before the latest may lack it.
    commits: AtomicU64,
    flights: Mutex<Flights>,
    counters: Counters,
}

/// What was read, and what was not.
#[derive(Debug, Default)]
struct Counters {
    reads: AtomicU64,
    joined: AtomicU64,
    unreadable: AtomicU64,
}

/// Reads under way.
#[derive(Debug, Default)]
struct Flights {
    next: u64,
    /// The latest of each question: earlier ones cannot be joined any more.
    latest: HashMap<Read, u64>,
    flights: HashMap<u64, Flight>,
}

#[derive(Debug)]
struct Flight {
    /// The number of commits when it began; none while it waits for a thread.
    began: Option<u64>,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl Reads {
    pub(super) fn new(log: Arc<OpenLog>, clock: fn() -> u64, limits: &Limits) -> Self {
        Reads(Arc::new(Inner {
            log,
            clock,
            examined_max: limits.page_examined_max,
            threads: Arc::new(Semaphore::new(limits.log_reads_max)),
            commits: AtomicU64::new(0),
            flights: Mutex::default(),
            counters: Counters::default(),
        }))
    }

    /// Reads a page of what was committed before the call, at the least.
    pub(super) async fn read(&self, read: Read) -> Answer {
        let (answer, answered) = oneshot::channel();
        if let Some(flight) = self.lock().board(&read, answer, self.commits()) {
            tokio::spawn(self.clone().fly(flight, read));
        }
        // The task's only other end is a panic, which ends the process.
        answered.await.unwrap_or(Err(ReadError::Storage))
    }

    /// A commit is in the log, and about to be answered: reads that have begun are not joined any more.
    pub(super) fn committed(&self) {
        self.0.commits.fetch_add(1, Ordering::Release);
    }

    /// Reads made; readers who joined another's; events that were passed over because they could not be read.
    pub(super) fn counts(&self) -> [u64; 3] {
        let Counters { reads, joined, unreadable } = &self.0.counters;
        [reads, joined, unreadable].map(|counter| counter.load(Ordering::Relaxed))
    }

    async fn fly(self, flight: u64, read: Read) {
        let thread = self.0.threads.clone().acquire_owned().await.expect("the threads are never closed");
        self.lock().begin(flight, self.commits());
        let inner = self.0.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _bomb = AbortOnPanic;
            let (now, unreadable) = ((inner.clock)(), &inner.counters.unreadable);
            let answer = match inner.log.get() {
                Some(log) => history::read(&log, &read, inner.examined_max, now, unreadable),
                None => Err(ReadError::Stopped),
            };
            (answer, read)
        });
        // It fails when the runtime ends under it: then nobody waits.
        let Ok((answer, read)) = reading.await else { return };
        drop(thread);
        let mut waiting = self.lock().land(flight, &read);
        self.0.counters.reads.fetch_add(1, Ordering::Relaxed);
        self.0.counters.joined.fetch_add(waiting.len().saturating_sub(1) as u64, Ordering::Relaxed);
        let last = waiting.pop();
        // Nobody waits any more where a client has gone.
        for one in waiting {
            let _ = one.send(answer.clone());
        }
        if let Some(last) = last {
            let _ = last.send(answer);
        }
    }

    fn commits(&self) -> u64 {
        self.0.commits.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Flights> {
        self.0.flights.lock().expect("nobody panics while holding the reads under way")
    }
}

impl Flights {
    /// Joins the read that is under way, or answers the number of a new one, which the caller lets fly.
    fn board(&mut self, read: &Read, answer: oneshot::Sender<Answer>, commits: u64) -> Option<u64> {
        let latest = self.latest.get(read).and_then(|number| self.flights.get_mut(number));
        if let Some(flight) = latest.filter(|flight| flight.began.is_none_or(|began| began == commits)) {
            flight.waiting.push(answer);
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.latest.insert(read.clone(), number);
        self.flights.insert(number, Flight { began: None, waiting: vec![answer] });
        Some(number)
    }

    fn begin(&mut self, number: u64, commits: u64) {
        let flight = self.flights.get_mut(&number).expect("a read stays until it has landed");
        flight.began = Some(commits);
    }

    fn land(&mut self, number: u64, read: &Read) -> Vec<oneshot::Sender<Answer>> {
        if self.latest.get(read) == Some(&number) {
            self.latest.remove(read);
        }
        self.flights.remove(&number).expect("a read lands once").waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_hub::{Grant, ReadFrom, Selection, TopicName};

    fn read(topic: &str) -> Read {
        let topics = vec![TopicName::new(topic).unwrap()];
        let selection = Selection::new(topics, Vec::new(), Vec::new(), Arc::new(Grant::local())).unwrap();
        Read { selection: Arc::new(selection), from: ReadFrom::Newest(1), events_max: 1, bytes_max: 1 }
    }

    fn board(flights: &mut Flights, topic: &str, commits: u64) -> Option<u64> {
        flights.board(&read(topic), oneshot::channel().0, commits)
    }

    #[test]
    fn a_read_is_joined_until_something_was_committed_since_it_began() {
        let mut flights = Flights::default();
        let first = board(&mut flights, "a", 5).expect("nothing is under way");
        assert_eq!(board(&mut flights, "a", 6), None, "it has not begun");
        assert!(board(&mut flights, "b", 6).is_some(), "another question");
        flights.begin(first, 6);
        assert_eq!(board(&mut flights, "a", 6), None, "nothing was committed since");
        let second = board(&mut flights, "a", 7).expect("it may lack what was committed");
        assert_eq!(board(&mut flights, "a", 7), None);
        assert_eq!(flights.land(first, &read("a")).len(), 3);
        assert_eq!(board(&mut flights, "a", 7), None, "the second is still under way");
        assert_eq!(flights.land(second, &read("a")).len(), 3);
        assert!(board(&mut flights, "a", 7).is_some());
        assert_eq!(flights.flights.len(), 2);
    }
}
