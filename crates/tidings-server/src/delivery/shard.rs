//! A shard's thread: owns the machine, tells it what happens, does what it wants done.
//!
//! The portable driver: no poller, no timer of its own. It sleeps in its mailbox, for as long as the machine allows.

use super::places::Places;
use super::slot::Slot;
use super::stats::ShardStats;
use crate::abort::AbortOnPanic;
use crate::engine::Engine;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tidings_hub::{
    Batch, FetchId, GapReason, History, HistoryError, Pos, ResumePoint, Shard, ShardConfig, Spec, SubscriberId, Time,
};
use tokio::sync::oneshot;

/// How long a shard sleeps at most: it turns at least so often, and `/healthz` watches that it does.
const TURN_MAX: Duration = Duration::from_secs(1);
/// Words taken from the mailbox, and offers made, before the other is looked at again: neither starves the other.
const SLICE: usize = 256;
/// Batches that may wait in one mailbox. The pump waits for a place, and so do the publishers behind it.
pub(super) const BATCHES_MAX: usize = 256;

/// What a shard is told. The mailbox has no bound of its own, for whoever writes to it is bounded: batches by
/// [`BATCHES_MAX`], all else by a few words a connection.
enum Word {
    Batch(Arc<Batch>),
    /// The tail holds nothing before this position any more.
    LetGo(Pos),
    Subscribe {
        spec: Spec,
        resume: ResumePoint,
        slot: Arc<Slot>,
        reply: oneshot::Sender<Subscribed>,
    },
    Writable(SubscriberId),
    Gone(SubscriberId),
    History(FetchId, Result<History, HistoryError>),
    Drain(Duration),
}

/// The answer to a subscription: its id at once, what is missing as soon as that is known.
pub(super) struct Subscribed {
    pub(super) id: SubscriberId,
    pub(super) opened: oneshot::Receiver<Option<GapReason>>,
}

/// The way to a shard.
#[derive(Clone)]
pub(super) struct Mailbox {
    sender: Sender<Word>,
    places: Arc<Places>,
}

impl Mailbox {
    /// Hands over a batch, once there is a place for it; answers whether it had to wait.
    pub(super) fn batch(&self, batch: Arc<Batch>) -> bool {
        let waited = self.places.take();
        self.send(Word::Batch(batch));
        waited
    }

    /// Says that the tail holds nothing before a position any more.
    pub(super) fn let_go(&self, start: Pos) {
        self.send(Word::LetGo(start));
    }

    /// Asks for a subscription; none if the shard has ended.
    pub(super) async fn subscribe(&self, spec: Spec, resume: ResumePoint, slot: Arc<Slot>) -> Option<Subscribed> {
        let (reply, answer) = oneshot::channel();
        self.send(Word::Subscribe { spec, resume, slot, reply });
        answer.await.ok()
    }

    pub(super) fn writable(&self, id: SubscriberId) {
        self.send(Word::Writable(id));
    }

    pub(super) fn gone(&self, id: SubscriberId) {
        self.send(Word::Gone(id));
    }

    pub(super) fn drain(&self, spread: Duration) {
        self.send(Word::Drain(spread));
    }

    fn send(&self, word: Word) {
        // A shard that has ended needs no words: the process is about to.
        let _ = self.sender.send(word);
    }
}

/// The thread's own state.
struct Driver {
    shard: Shard,
    words: Receiver<Word>,
    mailbox: Mailbox,
    origin: Instant,
    subscribers: HashMap<SubscriberId, Subscriber>,
    engine: Arc<dyn Engine>,
    runtime: tokio::runtime::Handle,
    stats: Arc<ShardStats>,
}

struct Subscriber {
    slot: Arc<Slot>,
    opened: Option<oneshot::Sender<Option<GapReason>>>,
}

/// Starts a shard's thread. It ends when the last mailbox is dropped.
pub(super) fn start(
    index: usize,
    config: ShardConfig,
    engine: Arc<dyn Engine>,
    stats: Arc<ShardStats>,
) -> std::io::Result<Mailbox> {
    let (sender, words) = channel();
    let mailbox = Mailbox { sender, places: Arc::new(Places::new(BATCHES_MAX)) };
    let driver_mailbox = mailbox.clone();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name(format!("tidings-shard-{index}")).spawn(move || {
        let shard = Shard::new(config, Time::from_millis(0), crate::clock::now());
        let subscribers = HashMap::new();
        let origin = Instant::now();
        Driver { shard, words, mailbox: driver_mailbox, origin, subscribers, engine, runtime, stats }.run();
    })?;
    Ok(mailbox)
}

impl Driver {
    fn run(mut self) {
        let _bomb = AbortOnPanic;
        loop {
            let Ok(first) = self.wait() else { return };
            self.shard.handle_timeout(self.now(), crate::clock::now());
            let mut word = first;
            for _ in 0..SLICE {
                match word.take() {
                    Some(word) => self.handle(word),
                    None => break,
                }
                word = self.words.try_recv().ok();
            }
            if let Some(word) = word {
                self.handle(word);
            }
            self.work();
            self.stats.publish(&self.shard, self.origin.elapsed());
        }
    }

    /// The next word, or none when the time has come to look after deadlines or after who is still ready.
    fn wait(&self) -> Result<Option<Word>, RecvTimeoutError> {
        let now = self.now();
        let sleep = match self.shard.poll_timeout() {
            _ if self.shard.holdings().ready > 0 => Duration::ZERO,
            Some(at) => at.since(now).min(TURN_MAX),
            None => TURN_MAX,
        };
        match self.words.recv_timeout(sleep) {
            Ok(word) => Ok(Some(word)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn now(&self) -> Time {
        Time::from_millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn handle(&mut self, word: Word) {
        match word {
            Word::Batch(batch) => {
                self.shard.handle_batch(&batch);
                self.mailbox.places.give_back();
            }
            Word::LetGo(start) => self.shard.handle_let_go(start),
            Word::Subscribe { spec, resume, slot, reply } => {
                let id = self.shard.subscribe(spec, resume);
                let (sender, opened) = oneshot::channel();
                self.subscribers.insert(id, Subscriber { slot, opened: Some(sender) });
                if reply.send(Subscribed { id, opened }).is_err() {
                    // The client went away before it was answered.
                    self.remove(id);
                }
            }
            Word::Writable(id) => self.shard.handle_writable(id),
            Word::Gone(id) => self.remove(id),
            Word::History(fetch, answer) => self.shard.handle_history(fetch, answer),
            Word::Drain(spread) => self.shard.drain(spread),
        }
    }

    fn remove(&mut self, id: SubscriberId) {
        self.subscribers.remove(&id);
        self.shard.handle_closed(id);
    }

    /// Does what the machine wants done: all that is quick, and a slice of the sending.
    fn work(&mut self) {
        for _ in 0..SLICE {
            let Some(transmit) = self.shard.poll_transmit() else { break };
            let taken = self.subscribers.get(&transmit.id).map_or(0, |s| s.slot.offer(&transmit.slices));
            self.shard.handle_wrote(transmit.id, taken);
        }
        while let Some((id, gap)) = self.shard.poll_opened() {
            if let Some(opened) = self.subscribers.get_mut(&id).and_then(|s| s.opened.take()) {
                // Nobody waits any more where the head went out without it.
                let _ = opened.send(gap);
            }
        }
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
        while let Some((id, close)) = self.shard.poll_close() {
            if let Some(subscriber) = self.subscribers.remove(&id) {
                subscriber.slot.close(close);
            }
        }
    }
}
