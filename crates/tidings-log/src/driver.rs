//! The threads under the machines: one writes, one keeps the log in order. The only module that starts any.
//!
//! The writer's thread takes everything that waits, commits it as one group, and hands the whole group to its sink; what arrives
//! meanwhile is the next group. So the batch grows with the load, and nobody waits for a timer.

use crate::entry::{Append, AppendError, Entry, Placed};
use crate::plan::append_bytes;
use crate::recovery::Opened;
use crate::upkeep::{Step, Upkeep};
use crate::writer::{GROUP_BYTES, Writer};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often upkeep looks whether an age has passed, or space has come back, when nothing wakes it.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// What became of the appends of one group, in the order of the log.
pub type Group<T> = Vec<(T, Result<Placed, AppendError>)>;

/// The way in to a log whose threads run.
#[derive(Debug)]
pub struct Handle<T> {
    queue: Arc<Queue<T>>,
    threads: Option<Threads>,
}

#[derive(Debug)]
struct Threads {
    writer: JoinHandle<io::Result<()>>,
    upkeep: JoinHandle<()>,
}

/// Between those who submit and the writer's thread.
#[derive(Debug)]
struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    /// Something waits, or the log is being closed.
    arrived: Condvar,
    /// Upkeep has something to look at, or an answer, or the log is being closed.
    upkeep: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    items: Vec<(Ticket<T>, Append)>,
    is_closing: bool,
    /// Upkeep is done: nothing more comes from it.
    is_kept: bool,
    /// A segment was begun, or drops were committed, since upkeep last looked.
    has_grown: bool,
    /// Whether upkeep's own append was taken, once that is known.
    dropped: Option<bool>,
}

/// Who is answered.
#[derive(Debug)]
enum Ticket<T> {
    Submitted(T),
    Upkeep,
}

/// Starts the threads. `clock` tells the time in milliseconds since 1970; `sink` is handed each group when it is on stable storage and
/// readers see it, and must not wait for the log.
///
/// # Errors
/// The system gives no thread.
pub fn spawn<T: Send + 'static>(
    opened: Opened,
    clock: fn() -> u64,
    sink: impl FnMut(Group<T>) + Send + 'static,
) -> io::Result<Handle<T>> {
    let Opened { writer, upkeep, .. } = opened;
    let waiting = Waiting { items: Vec::new(), is_closing: false, is_kept: false, has_grown: true, dropped: None };
    let queue = Arc::new(Queue { waiting: Mutex::new(waiting), arrived: Condvar::new(), upkeep: Condvar::new() });
    let (for_writer, for_upkeep) = (Arc::clone(&queue), Arc::clone(&queue));
    let writer =
        thread::Builder::new().name("log-writer".to_owned()).spawn(move || write(&for_writer, writer, clock, sink))?;
    let upkeep = thread::Builder::new().name("log-upkeep".to_owned()).spawn(move || keep(&for_upkeep, upkeep, clock));
    let upkeep = upkeep.inspect_err(|_| {
        // Without upkeep there is no log: the writer goes as well.
        let mut waiting = queue.lock();
        (waiting.is_closing, waiting.is_kept) = (true, true);
        queue.arrived.notify_one();
    })?;
    Ok(Handle { queue, threads: Some(Threads { writer, upkeep }) })
}

impl<T> Handle<T> {
    /// Puts an append into the queue. Never waits; the queue is bounded by those who submit. False: the log is being closed, and the
    /// append is given up.
    pub fn submit(&self, append: Append, ticket: T) -> bool {
        self.queue.submit(append, Ticket::Submitted(ticket))
    }

    /// Commits what waits, seals the log, and ends the threads.
    ///
    /// # Errors
    /// The last index could not be written. Nothing is lost: it is built anew.
    pub fn close(mut self) -> io::Result<()> {
        self.queue.close();
        self.threads.take().map_or(Ok(()), Threads::join)
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        self.queue.close();
        // Who wants to know how it ended calls `close`.
        let _ = self.threads.take().map(Threads::join);
    }
}

impl Threads {
    fn join(self) -> io::Result<()> {
        self.upkeep.join().unwrap_or_else(|_| unreachable!("a thread that panics ends the process"));
        self.writer.join().unwrap_or_else(|_| unreachable!("a thread that panics ends the process"))
    }
}

impl<T> Queue<T> {
    fn submit(&self, append: Append, ticket: Ticket<T>) -> bool {
        let mut waiting = self.lock();
        let is_open = !waiting.is_closing || matches!(ticket, Ticket::Upkeep);
        if is_open {
            waiting.items.push((ticket, append));
            // The writer sleeps only where nothing waits.
            if waiting.items.len() == 1 {
                self.arrived.notify_one();
            }
        }
        is_open
    }

    fn close(&self) {
        self.lock().is_closing = true;
        self.arrived.notify_one();
        self.upkeep.notify_one();
    }

    /// Moves a group out of the queue; waits for one. None: the log is being closed, and nothing more comes.
    fn take(&self, group: &mut Vec<(Ticket<T>, Append)>) -> bool {
        let mut waiting = self.lock();
        while waiting.items.is_empty() {
            if waiting.is_closing && waiting.is_kept {
                return false;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(|_| std::process::abort());
        }
        let mut bytes = 0;
        let fits = waiting.items.iter().take_while(|(_, append)| {
            bytes += append_bytes(append);
            bytes <= GROUP_BYTES
        });
        // One append goes in any case, however large.
        let count = fits.count().max(1);
        if count == waiting.items.len() {
            std::mem::swap(group, &mut waiting.items);
        } else {
            group.extend(waiting.items.drain(..count));
        }
        true
    }

    /// Commits what upkeep drops, and waits until that is done. False: it was not taken.
    fn commit_drops(&self, entries: Vec<Entry>) -> bool {
        self.lock().dropped = None;
        self.submit(Append { at: None, entries }, Ticket::Upkeep);
        let mut waiting = self.lock();
        loop {
            if let Some(dropped) = waiting.dropped.take() {
                // There is a next step at once.
                waiting.has_grown |= dropped;
                return dropped;
            }
            waiting = self.upkeep.wait(waiting).unwrap_or_else(|_| std::process::abort());
        }
    }

    /// Waits until there may be something to do: when time has passed, or, unless that would not help, when the log has grown.
    fn rest(&self, only_time: bool) {
        let waiting = self.lock();
        let idle = |waiting: &mut Waiting<T>| !waiting.is_closing && (only_time || !waiting.has_grown);
        let rested = self.upkeep.wait_timeout_while(waiting, UPKEEP_EVERY, idle);
        drop(rested.unwrap_or_else(|_| std::process::abort()));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        // A panic under the lock ends the process (invariant 12).
        self.waiting.lock().unwrap_or_else(|_| std::process::abort())
    }
}

/// On the stack of a thread that others wait for: where it panics, the process ends (invariant 12). Else they would wait for ever.
struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// The writer's thread.
fn write<T>(
    queue: &Queue<T>,
    mut writer: Writer,
    clock: fn() -> u64,
    mut sink: impl FnMut(Group<T>),
) -> io::Result<()> {
    let _vital = Vital;
    let (mut taken, mut appends, mut tickets) = (Vec::new(), Vec::new(), Vec::new());
    while queue.take(&mut taken) {
        for (ticket, append) in taken.drain(..) {
            tickets.push(ticket);
            appends.push(append);
        }
        let results = writer.commit(clock(), &appends);
        assert_eq!(results.len(), tickets.len(), "every append is answered");
        let mut group = Vec::with_capacity(results.len());
        let mut dropped = None;
        appends.clear();
        for (ticket, result) in tickets.drain(..).zip(results) {
            match ticket {
                Ticket::Submitted(ticket) => group.push((ticket, result)),
                Ticket::Upkeep => dropped = Some(result.is_ok()),
            }
        }
        if !group.is_empty() {
            sink(group);
        }
        // Between two segments there is nothing to keep but the time, which upkeep watches itself: waking it for each group would cost
        // as much as the group.
        if writer.has_begun() || dropped.is_some() {
            let mut waiting = queue.lock();
            waiting.has_grown = true;
            waiting.dropped = dropped.or(waiting.dropped);
            drop(waiting);
            queue.upkeep.notify_one();
        }
    }
    writer.close()
}

/// The thread of upkeep.
fn keep<T>(queue: &Queue<T>, mut upkeep: Upkeep, clock: fn() -> u64) {
    let _vital = Vital;
    loop {
        let mut waiting = queue.lock();
        if waiting.is_closing {
            break;
        }
        waiting.has_grown = false;
        drop(waiting);
        let rests = match upkeep.step(clock()) {
            Step::Did(_) => continue,
            Step::Drops(entries) => !queue.commit_drops(entries),
            Step::Idle => false,
            // Space comes back by itself, or it does not: batches do not bring it.
            Step::NoSpace => true,
        };
        queue.rest(rests);
    }
    queue.lock().is_kept = true;
    queue.arrived.notify_one();
}
