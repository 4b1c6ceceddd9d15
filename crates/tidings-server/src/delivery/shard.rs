//! A shard's thread: owns the machine, tells it what happens, does what it wants done.
//!
//! It sleeps in its poller, for as long as the machine allows: sockets wake it, and words in its mailbox.

use super::HEAD_WAIT_MAX;
use super::gate::Latch;
use super::mailbox::{Mailbox, Subscribed, Word};
use super::pace::Pace;
use super::room::Room;
use super::slot::Slot;
use super::socket::{Gone, Socket};
use super::sockets::{Sockets, SocketsConfig};
use super::stats::ShardStats;
use super::subscribing::Subscribing;
use super::taken::Taken;
use super::waits::Waits;
use crate::abort::AbortOnPanic;
use crate::engine::Engine;
use mio::event::Event;
use mio::{Events, Poll, Token, Waker};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidings_hub::{EndReason, GapReason, HistoryError, ResumePoint, Shard, ShardConfig, Spec, SubscriberId, Time};
use tokio::sync::{Semaphore, oneshot};

/// How long a shard sleeps at most: it turns at least so often, and `/healthz` watches that it does.
const TURN_MAX: Duration = Duration::from_secs(1);
/// The same while somebody's grace runs, or a head waits: they are late by so much at most.
const LATE_MAX: Duration = Duration::from_millis(50);
/// Words taken from the mailbox, and offers made, before the other is looked at again: neither starves the other.
const SLICE: usize = 256;
/// The time after which a slice of offers ends all the same: what a publish or a topic with one subscriber waits for at most.
const SLICE_TIME: Duration = Duration::from_millis(2);
/// Offers between two looks at the time: a look costs a hundredth of so many sends.
const LOOK_EVERY: usize = 16;
/// Sockets told of in one look at the poller.
const EVENTS: usize = 1024;
/// How the poller names the mailbox: no id is so large.
const MAILBOX: Token = Token(usize::MAX);

/// What a shard is made of.
pub(super) struct ShardParts {
    pub(super) config: ShardConfig,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) stats: Arc<ShardStats>,
    pub(super) room: Room,
    pub(super) connections: Arc<Semaphore>,
    pub(super) heard_bytes_max: usize,
    pub(super) latch: Latch,
}

/// The thread's own state.
struct Driver {
    shard: Shard,
    mailbox: Mailbox,
    poll: Poll,
    /// Words that were taken and are handled next; kept for its memory.
    words: Vec<Word>,
    origin: Instant,
    sockets: Sockets,
    /// Subscriptions whose bytes go out through hyper.
    slots: HashMap<SubscriberId, SlotOf>,
    /// Heads that wait for what is missing.
    waits: Waits,
    /// Heads that became whole in this turn.
    whole: Vec<SubscriberId>,
    /// Whoever comes now is told to come back.
    is_draining: bool,
    pace: Pace,
    latch: Latch,
    engine: Arc<dyn Engine>,
    runtime: tokio::runtime::Handle,
    stats: Arc<ShardStats>,
}

struct SlotOf {
    slot: Arc<Slot>,
    opened: Option<oneshot::Sender<Option<GapReason>>>,
}

/// Starts a shard's thread. It lives as long as the process does.
pub(super) fn start(index: usize, parts: ShardParts) -> io::Result<Mailbox> {
    let poll = Poll::new()?;
    let mailbox = Mailbox::new(Waker::new(poll.registry(), MAILBOX)?);
    let ShardParts { config, engine, stats, room, connections, heard_bytes_max, latch } = parts;
    let end_grace = config.end_grace;
    let subscribers_max = config.subscriptions_max;
    let sockets = SocketsConfig { room, connections, heard_bytes_max, subscribers_max, end_grace };
    let sockets = Sockets::new(poll.registry().try_clone()?, sockets);
    let runtime = tokio::runtime::Handle::current();
    let driver_mailbox = mailbox.clone();
    std::thread::Builder::new().name(format!("tidings-shard-{index}")).spawn(move || {
        let shard = Shard::new(config, Time::from_millis(0), crate::clock::now());
        let driver = Driver {
            shard,
            mailbox: driver_mailbox,
            poll,
            words: Vec::new(),
            origin: Instant::now(),
            sockets,
            slots: HashMap::new(),
            waits: Waits::default(),
            whole: Vec::new(),
            is_draining: false,
            pace: Pace::new(),
            latch,
            engine,
            runtime,
            stats,
        };
        driver.run();
    })?;
    Ok(mailbox)
}

impl Driver {
    fn run(mut self) {
        let _bomb = AbortOnPanic;
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let sleep = self.sleep();
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result.expect("a poller of sockets and a waker can be asked"),
            }
            let mut words = std::mem::take(&mut self.words);
            self.mailbox.take(&mut words, SLICE);
            self.shard.handle_timeout(self.now(), crate::clock::now());
            events.iter().for_each(|event| self.handle_event(event));
            if words.iter().any(|word| matches!(word, Word::Batch(_))) {
                self.pace.take(self.origin.elapsed());
            }
            words.drain(..).for_each(|word| self.handle_word(word));
            self.words = words;
            self.work();
            self.latch.set(self.shard.is_behind());
            self.stats.publish(&self.shard, self.sockets.closed(), self.origin.elapsed());
        }
    }

    /// How long there is nothing to do unless somebody says so.
    fn sleep(&mut self) -> Duration {
        if self.shard.holdings().ready > 0 {
            return Duration::ZERO;
        }
        // Nobody need wake it out of this.
        let wait = self.pace.wait(self.origin.elapsed());
        if !wait.is_zero() {
            return wait;
        }
        if !self.mailbox.may_sleep() {
            return Duration::ZERO;
        }
        let now = self.now();
        let is_waiting = self.sockets.is_finishing() || !self.waits.is_empty();
        let most = if is_waiting { LATE_MAX } else { TURN_MAX };
        match self.shard.poll_timeout() {
            Some(at) => at.since(now).min(most),
            None => most,
        }
    }

    fn now(&self) -> Time {
        Time::from_millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn handle_event(&mut self, event: &Event) {
        if event.token() == MAILBOX {
            return;
        }
        let id = SubscriberId::from_u64(event.token().0 as u64);
        let read = if event.is_readable() || event.is_error() { self.sockets.handle_readable(id) } else { Ok(()) };
        let wrote = if event.is_writable() { self.sockets.handle_writable(id) } else { Ok(false) };
        match read.and(wrote) {
            Ok(true) => self.shard.handle_writable(id),
            Ok(false) => {}
            Err(why) => self.remove(id, why),
        }
    }

    fn handle_word(&mut self, word: Word) {
        match word {
            Word::Batch(batch) => {
                self.shard.handle_batch(&batch);
                self.mailbox.give_back();
            }
            Word::LetGo(start) => self.shard.handle_let_go(start),
            Word::Take(taken) => self.take(*taken),
            Word::Subscribe { spec, resume, slot, reply } => {
                let id = self.subscribe(spec, resume);
                let (sender, opened) = oneshot::channel();
                self.slots.insert(id, SlotOf { slot, opened: Some(sender) });
                if reply.send(Subscribed { id, opened }).is_err() {
                    // The client went away before it was answered.
                    self.remove(id, Gone::Peer);
                }
            }
            Word::Writable(id) => self.shard.handle_writable(id),
            Word::Gone(id) => self.remove(id, Gone::Peer),
            Word::History(fetch, answer) => self.shard.handle_history(fetch, answer),
            Word::Drain(spread) => {
                self.shard.drain(spread);
                self.is_draining = true;
            }
        }
    }

    fn subscribe(&mut self, spec: Spec, resume: ResumePoint) -> SubscriberId {
        let id = self.shard.subscribe(spec, resume);
        if self.is_draining {
            // It was let in before, and was on its way.
            self.shard.end(id, EndReason::Drain);
        }
        id
    }

    fn take(&mut self, taken: Taken) {
        let Taken { stream, heard, head, subscribing, permit } = taken;
        let Subscribing { spec, resume, place, guard } = subscribing;
        let socket = Socket::new(mio::net::TcpStream::from_std(stream), heard, head.framing());
        let id = self.subscribe(spec, resume);
        // From here on the table gives them back.
        place.into_count();
        permit.forget();
        self.waits.push(self.now() + HEAD_WAIT_MAX, id);
        if let Err(error) = self.sockets.insert(id, socket, head, guard) {
            tracing::warn!(%error, "a socket cannot be watched, and is closed");
            self.remove(id, Gone::Peer);
        }
    }

    fn remove(&mut self, id: SubscriberId, why: Gone) {
        self.slots.remove(&id);
        self.sockets.remove(id, why);
        self.shard.handle_closed(id);
    }

    /// Does what the machine wants done: all that is quick, and a slice of the sending.
    fn work(&mut self) {
        self.open_heads();
        self.send();
        self.send_heads();
        while let Some((fetch, read)) = self.shard.poll_fetch() {
            let (engine, mailbox) = (self.engine.clone(), self.mailbox.clone());
            self.runtime.spawn(async move {
                let answer = engine.read(read).await.map_err(|error| {
                    tracing::error!(%error, "history could not be read");
                    HistoryError
                });
                mailbox.send(Word::History(fetch, answer));
            });
        }
        let now = self.now();
        self.sockets.cut_late(now);
        while let Some((id, close)) = self.shard.poll_close() {
            self.sockets.close(id, close, now);
            if let Some(of) = self.slots.remove(&id) {
                of.slot.close(close);
            }
        }
    }

    /// Where a stream starts is known, or has been waited for long enough.
    fn open_heads(&mut self) {
        while let Some((id, gap)) = self.shard.poll_opened() {
            self.open_head(id, gap);
            if let Some(opened) = self.slots.get_mut(&id).and_then(|of| of.opened.take()) {
                // Nobody waits any more where the head went out without it.
                let _ = opened.send(gap);
            }
        }
        let now = self.now();
        while let Some(id) = self.waits.next_late(now, |id| self.sockets.is_waiting(id)) {
            self.open_head(id, None);
        }
    }

    fn open_head(&mut self, id: SubscriberId, gap: Option<GapReason>) {
        self.sockets.open(id, gap);
        self.whole.push(id);
    }

    /// Heads behind which nothing could be sent go out by themselves.
    fn send_heads(&mut self) {
        for id in std::mem::take(&mut self.whole) {
            if !self.sockets.has_head(id) {
                continue;
            }
            if self.shard.is_ready(id) {
                // It goes out with what its next turn brings, if that brings anything.
                self.whole.push(id);
            } else if let Err(why) = self.sockets.write(id, &[]) {
                self.remove(id, why);
            }
        }
    }

    fn send(&mut self) {
        let started = Instant::now();
        for count in 1..=SLICE {
            let Some(transmit) = self.shard.poll_transmit() else { return };
            let id = transmit.id;
            let taken = match self.slots.get(&id) {
                Some(of) => Ok(of.slot.offer(&transmit.slices)),
                None => self.sockets.write(id, &transmit.slices),
            };
            self.shard.handle_wrote(id, taken.unwrap_or(0));
            if let Err(why) = taken {
                self.remove(id, why);
            }
            if count % LOOK_EVERY == 0 && started.elapsed() >= SLICE_TIME {
                return;
            }
        }
    }
}
