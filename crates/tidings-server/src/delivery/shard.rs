//! A shard's thread: owns the machine, tells it what happens, does what it wants done.
//!
//! The portable driver: no poller, no timer of its own. It sleeps in its mailbox, for as long as the machine allows.

use super::mailbox::{Mailbox, Subscribed, Word};
use super::slot::Slot;
use super::stats::ShardStats;
use crate::abort::AbortOnPanic;
use crate::engine::Engine;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidings_hub::{GapReason, HistoryError, Shard, ShardConfig, SubscriberId, Time};
use tokio::sync::oneshot;

/// How long a shard sleeps at most: it turns at least so often, and `/healthz` watches that it does.
const TURN_MAX: Duration = Duration::from_secs(1);
/// Words taken from the mailbox, and offers made, before the other is looked at again: neither starves the other.
const SLICE: usize = 256;
/// The thread's own state.
struct Driver {
    shard: Shard,
    mailbox: Mailbox,
    /// Words that were taken and are handled next; kept for its memory.
    words: Vec<Word>,
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

/// Starts a shard's thread. It lives as long as the process does.
pub(super) fn start(
    index: usize,
    config: ShardConfig,
    engine: Arc<dyn Engine>,
    stats: Arc<ShardStats>,
) -> std::io::Result<Mailbox> {
    let mailbox = Mailbox::new();
    let driver_mailbox = mailbox.clone();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name(format!("tidings-shard-{index}")).spawn(move || {
        let shard = Shard::new(config, Time::from_millis(0), crate::clock::now());
        let (subscribers, words) = (HashMap::new(), Vec::new());
        let origin = Instant::now();
        Driver { shard, mailbox: driver_mailbox, words, origin, subscribers, engine, runtime, stats }.run();
    })?;
    Ok(mailbox)
}

impl Driver {
    fn run(mut self) {
        let _bomb = AbortOnPanic;
        loop {
            let mut words = std::mem::take(&mut self.words);
            self.mailbox.take(&mut words, SLICE, self.sleep());
            self.shard.handle_timeout(self.now(), crate::clock::now());
            words.drain(..).for_each(|word| self.handle(word));
            self.words = words;
            self.work();
            self.stats.publish(&self.shard, self.origin.elapsed());
        }
    }

    /// How long there is nothing to do unless somebody says so.
    fn sleep(&self) -> Duration {
        match self.shard.poll_timeout() {
            _ if self.shard.holdings().ready > 0 => Duration::ZERO,
            Some(at) => at.since(self.now()).min(TURN_MAX),
            None => TURN_MAX,
        }
    }

    fn now(&self) -> Time {
        Time::from_millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn handle(&mut self, word: Word) {
        match word {
            Word::Batch(batch) => {
                self.shard.handle_batch(&batch);
                self.mailbox.give_back();
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
