//! A shard's mailbox: what it is told, by the pump, by bodies, and by reads of history.

use super::places::Places;
use super::slot::Slot;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use tidings_hub::{Batch, FetchId, GapReason, History, HistoryError, Pos, ResumePoint, Spec, SubscriberId};
use tokio::sync::oneshot;

/// Batches that may wait in one mailbox. The pump waits for a place, and so do the publishers behind it.
const BATCHES_MAX: usize = 256;

/// What a shard is told. The mailbox has no bound of its own, for whoever writes to it is bounded: batches by [`BATCHES_MAX`], all else
/// by a few words a connection.
pub(super) enum Word {
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

/// The way to a shard. A clone is the same mailbox.
#[derive(Clone)]
pub(super) struct Mailbox(Arc<Shared>);

struct Shared {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    places: Places,
}

#[derive(Default)]
struct Inbox {
    words: VecDeque<Word>,
    /// The shard sleeps, and nobody has called it yet: waking it costs a system call, so it is done once.
    is_asleep: bool,
}

impl Mailbox {
    pub(super) fn new() -> Self {
        Mailbox(Arc::new(Shared { inbox: Mutex::default(), arrived: Condvar::new(), places: Places::new(BATCHES_MAX) }))
    }

    /// Leaves a batch, once there is a place for it, without waking the shard: [`Mailbox::wake`] does. Answers whether it had to wait.
    pub(super) fn leave(&self, batch: Arc<Batch>) -> bool {
        let waits = !self.0.places.try_take();
        if waits {
            self.wake();
            self.0.places.take();
        }
        drop(self.put(Word::Batch(batch)));
        waits
    }

    /// Wakes the shard, if there is something for it.
    pub(super) fn wake(&self) {
        self.wake_with(self.lock());
    }

    fn wake_with(&self, mut inbox: MutexGuard<'_, Inbox>) {
        if inbox.is_asleep && !inbox.words.is_empty() {
            inbox.is_asleep = false;
            drop(inbox);
            self.0.arrived.notify_one();
        }
    }

    /// Says that the tail holds nothing before a position any more; leaves it as [`Mailbox::leave`] does.
    pub(super) fn let_go(&self, start: Pos) {
        drop(self.put(Word::LetGo(start)));
    }

    /// Asks for a subscription; none if the shard has ended.
    pub(super) async fn subscribe(&self, spec: Spec, resume: ResumePoint, slot: Arc<Slot>) -> Option<Subscribed> {
        let (reply, answer) = oneshot::channel();
        self.send(Word::Subscribe { spec, resume, slot, reply });
        answer.await.ok()
    }

    /// Leaves a word, and wakes the shard.
    pub(super) fn send(&self, word: Word) {
        self.wake_with(self.put(word));
    }

    fn put(&self, word: Word) -> MutexGuard<'_, Inbox> {
        let mut inbox = self.lock();
        inbox.words.push_back(word);
        inbox
    }

    /// For the shard: moves up to `max` words to the end of `words`; sleeps for `sleep` at most where there is none.
    pub(super) fn take(&self, words: &mut Vec<Word>, max: usize, sleep: Duration) {
        let mut inbox = self.lock();
        if inbox.words.is_empty() && !sleep.is_zero() {
            inbox.is_asleep = true;
            let idle = |inbox: &mut Inbox| inbox.is_asleep;
            let slept = self.0.arrived.wait_timeout_while(inbox, sleep, idle);
            inbox = slept.expect("nobody panics while holding a mailbox").0;
            inbox.is_asleep = false;
        }
        let count = inbox.words.len().min(max);
        words.extend(inbox.words.drain(..count));
    }

    /// For the shard: a batch was taken in, and there is a place for another.
    pub(super) fn give_back(&self) {
        self.0.places.give_back();
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.inbox.lock().expect("nobody panics while holding a mailbox")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Longer than any test runs.
    const LONG: Duration = Duration::from_secs(600);

    fn positions(words: &[Word]) -> Vec<Pos> {
        let pos = |word: &Word| match word {
            Word::LetGo(pos) => *pos,
            _ => panic!("only positions are left here"),
        };
        words.iter().map(pos).collect()
    }

    #[test]
    fn words_come_in_order_and_in_slices() {
        let mailbox = Mailbox::new();
        (0..3).for_each(|n| mailbox.let_go(Pos(n)));
        let mut words = Vec::new();
        mailbox.take(&mut words, 2, LONG);
        assert_eq!(positions(&words), [Pos(0), Pos(1)]);
        mailbox.take(&mut words, 2, LONG);
        assert_eq!(positions(&words), [Pos(0), Pos(1), Pos(2)]);
        mailbox.take(&mut words, 2, Duration::from_millis(1));
        assert_eq!(words.len(), 3, "it slept, and nothing came");
    }

    #[test]
    fn what_is_left_waits_until_somebody_wakes_the_shard() {
        let mailbox = Mailbox::new();
        mailbox.wake();
        let shard = thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                let mut words = Vec::new();
                mailbox.take(&mut words, 9, LONG);
                positions(&words)
            }
        });
        while !mailbox.lock().is_asleep {
            thread::yield_now();
        }
        mailbox.wake();
        mailbox.let_go(Pos(1));
        assert!(mailbox.lock().is_asleep, "there was nothing, and then nobody called");
        mailbox.let_go(Pos(2));
        mailbox.wake();
        assert_eq!(shard.join().unwrap(), [Pos(1), Pos(2)]);
    }
}
