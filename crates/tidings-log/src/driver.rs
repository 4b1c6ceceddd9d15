//! The threads under the machines: one writes, one keeps the log in order. The only module that starts any.
//!
//! Whoever has the turn takes everything that waits, commits it as one group, and hands the whole group to the sink; what arrives
//! meanwhile is the next group. So the batch grows with the load, and nobody waits for a timer. One who submits alone takes the turn himself
//! while the writer's thread sleeps: to wake it, and to be woken by it, takes a third as long as a sync.
//!
//! Locks are taken in this order: the turn, then the queue.

use crate::entry::{Append, AppendError, Entry, Placed};
use crate::plan::append_bytes;
use crate::recovery::Opened;
use crate::sync::{Condvar, Mutex, MutexGuard, TryLockError, thread};
use crate::turn::Turn;
use crate::upkeep::{Step, Upkeep};
use crate::writer::GROUP_BYTES;
use std::io;
use std::sync::Arc;
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

/// What became of an append that was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It will be committed.
    Taken,
    /// It will be committed once somebody calls [`Desk::settle`], soon: it is the first that waits, and nobody was woken for it.
    Left,
    /// The log is being closed, and the append is given up.
    Refused,
}

/// Where one who left an append takes his turn.
#[derive(Debug)]
pub struct Desk<T>(Arc<Queue<T>>);

#[derive(Debug)]
struct Threads {
    writer: thread::JoinHandle<io::Result<()>>,
    upkeep: thread::JoinHandle<()>,
}

/// Between those who submit and those who write.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// None once the log is closed.
    turn: Mutex<Option<Turn<T>>>,
    waiting: Mutex<Waiting<T>>,
    /// Something waits, or the log is being closed.
    arrived: Condvar,
    /// Upkeep has something to look at, or an answer, or the log is being closed.
    upkeep: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    items: Vec<(Ticket<T>, Append)>,
    /// The writer's thread sleeps, and nobody has called it yet.
    is_idle: bool,
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
pub(crate) enum Ticket<T> {
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
    let waiting = Waiting {
        items: Vec::new(),
        is_idle: false,
        is_closing: false,
        is_kept: false,
        has_grown: true,
        dropped: None,
    };
    let queue = Arc::new(Queue {
        turn: Mutex::new(Some(Turn::new(writer, clock, Box::new(sink)))),
        waiting: Mutex::new(waiting),
        arrived: Condvar::new(),
        upkeep: Condvar::new(),
    });
    let (for_writer, for_upkeep) = (Arc::clone(&queue), Arc::clone(&queue));
    let writer = thread::Builder::new().name("log-writer".to_owned()).spawn(move || write(&for_writer))?;
    let upkeep = thread::Builder::new().name("log-upkeep".to_owned()).spawn(move || keep(&for_upkeep, upkeep, clock));
    let upkeep = upkeep.inspect_err(|_| {
        // Without upkeep there is no log: the writer goes as well.
        let mut waiting = queue.lock();
        (waiting.is_closing, waiting.is_kept) = (true, true);
        queue.call(&mut waiting);
    })?;
    Ok(Handle { queue, threads: Some(Threads { writer, upkeep }) })
}

impl<T> Handle<T> {
    /// Puts an append into the queue, and wakes the writer's thread. Never waits; the queue is bounded by those who submit. False: the log
    /// is being closed, and the append is given up.
    pub fn submit(&self, append: Append, ticket: T) -> bool {
        self.queue.submit(append, Ticket::Submitted(ticket), true) != Submitted::Refused
    }

    /// The same without waking anybody: where the answer is [`Submitted::Left`], [`Desk::settle`] is to be called.
    pub fn leave(&self, append: Append, ticket: T) -> Submitted {
        self.queue.submit(append, Ticket::Submitted(ticket), false)
    }

    /// Where that is done.
    pub fn desk(&self) -> Desk<T> {
        Desk(Arc::clone(&self.queue))
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

impl<T> Desk<T> {
    /// Sees to what was left: commits it on this thread, if nobody else is at it, and groups are quick enough for so many; else has the writer's
    /// thread do it. May take as long as a sync.
    pub fn settle(&self) {
        let waiting = self.0.lock();
        // A writer that is awake looks at the queue before it sleeps.
        if waiting.items.is_empty() || !waiting.is_idle {
            return;
        }
        let is_alone = waiting.items.len() == 1;
        drop(waiting);
        match self.0.turn.try_lock() {
            Ok(mut turn) => {
                if let Some(turn) = turn.as_mut().filter(|turn| turn.is_quick(is_alone)) {
                    turn.run(&self.0);
                }
            }
            // Whoever has the turn looks at the queue when he has given it back, as is done here.
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Poisoned(_)) => std::process::abort(),
        }
        let mut waiting = self.0.lock();
        if !waiting.items.is_empty() {
            self.0.call(&mut waiting);
        }
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
    fn submit(&self, append: Append, ticket: Ticket<T>, calls: bool) -> Submitted {
        let mut waiting = self.lock();
        if waiting.is_closing && !matches!(ticket, Ticket::Upkeep) {
            return Submitted::Refused;
        }
        waiting.items.push((ticket, append));
        if calls {
            self.call(&mut waiting);
        }
        // Those behind it are seen to with the first.
        if waiting.is_idle && waiting.items.len() == 1 { Submitted::Left } else { Submitted::Taken }
    }

    /// Wakes the writer's thread, once.
    fn call(&self, waiting: &mut Waiting<T>) {
        if std::mem::take(&mut waiting.is_idle) {
            self.arrived.notify_one();
        }
    }

    fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closing = true;
        self.call(&mut waiting);
        drop(waiting);
        self.upkeep.notify_one();
    }

    /// For the writer's thread: sleeps until something waits. False: the log is being closed, and nothing more comes.
    fn wait(&self) -> bool {
        let mut waiting = self.lock();
        while waiting.items.is_empty() {
            if waiting.is_closing && waiting.is_kept {
                return false;
            }
            waiting.is_idle = true;
            let idle = |waiting: &mut Waiting<T>| waiting.is_idle;
            waiting = self.arrived.wait_while(waiting, idle).unwrap_or_else(|_| std::process::abort());
        }
        true
    }

    /// Moves a group out of the queue, if anything waits.
    pub(crate) fn take(&self, group: &mut Vec<(Ticket<T>, Append)>) {
        let mut waiting = self.lock();
        let mut bytes = 0;
        let fits = waiting.items.iter().take_while(|(_, append)| {
            bytes += append_bytes(append);
            bytes <= GROUP_BYTES
        });
        // One append goes in any case, however large.
        let count = fits.count().max(1).min(waiting.items.len());
        if count == waiting.items.len() {
            std::mem::swap(group, &mut waiting.items);
        } else {
            group.extend(waiting.items.drain(..count));
        }
    }

    /// A segment was begun, or upkeep's own append is answered: it has something to look at.
    pub(crate) fn grown(&self, dropped: Option<bool>) {
        let mut waiting = self.lock();
        waiting.has_grown = true;
        waiting.dropped = dropped.or(waiting.dropped);
        drop(waiting);
        self.upkeep.notify_one();
    }

    /// Commits what upkeep drops, and waits until that is done. False: it was not taken.
    fn commit_drops(&self, entries: Vec<Entry>) -> bool {
        self.lock().dropped = None;
        self.submit(Append { at: None, entries }, Ticket::Upkeep, true);
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

    fn turn(&self) -> MutexGuard<'_, Option<Turn<T>>> {
        self.turn.lock().unwrap_or_else(|_| std::process::abort())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        // A panic under the lock ends the process (invariant 12).
        self.waiting.lock().unwrap_or_else(|_| std::process::abort())
    }
}

/// On the stack of a thread that others wait for: where it panics, the process ends (invariant 12). Else they would wait for ever.
pub(crate) struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// The writer's thread.
fn write<T>(queue: &Queue<T>) -> io::Result<()> {
    let _vital = Vital;
    while queue.wait() {
        queue.turn().as_mut().expect("this thread alone closes the log").run(queue);
    }
    queue.turn().take().map_or(Ok(()), Turn::close)
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
    let mut waiting = queue.lock();
    waiting.is_kept = true;
    queue.call(&mut waiting);
}
