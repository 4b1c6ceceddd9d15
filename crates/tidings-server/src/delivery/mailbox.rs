//! A shard's mailbox: what it is told, by the pump, by front threads, by bodies, and by reads of history.

use super::places::Places;
use super::slot::Slot;
use super::sync::{Mutex, MutexGuard, Waker};
use super::taken::Taken;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tidings_hub::{Batch, FetchId, GapReason, History, HistoryError, Pos, ResumePoint, Spec, SubscriberId};
use tokio::sync::oneshot;

/// Batches that may wait in one mailbox. The pump waits for a place, and so do the publishers behind it. Two in `tests/shuttle`,
/// which tries what happens when there is none.
const BATCHES_MAX: usize = if cfg!(shuttle) { 2 } else { 256 };

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
    Take(Box<Taken>),
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
    /// Ends the shard's sleep in its poller.
    waker: Waker,
    places: Places,
}

#[derive(Default)]
struct Inbox {
    words: VecDeque<Word>,
    /// The shard sleeps, and nobody has called it yet: waking it costs a system call, so it is done once.
    is_asleep: bool,
}

impl Mailbox {
    /// The mailbox of the shard that `waker` wakes.
    pub(super) fn new(waker: Waker) -> Self {
        Mailbox(Arc::new(Shared { inbox: Mutex::default(), waker, places: Places::new(BATCHES_MAX) }))
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
            self.0.waker.wake().expect("the poller of a shard lives as long as the process");
        }
    }

    /// Says that the tail holds nothing before a position any more; leaves it as [`Mailbox::leave`] does.
    pub(super) fn let_go(&self, start: Pos) {
        drop(self.put(Word::LetGo(start)));
    }

    /// Asks for a subscription.
    pub(super) async fn subscribe(&self, spec: Spec, resume: ResumePoint, slot: Arc<Slot>) -> Subscribed {
        let (reply, answer) = oneshot::channel();
        self.send(Word::Subscribe { spec, resume, slot, reply });
        answer.await.expect("a shard lives as long as the process")
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

    /// For the shard, before it sleeps: whether it may, for nothing waits for it. From then on a word wakes it.
    pub(super) fn may_sleep(&self) -> bool {
        let mut inbox = self.lock();
        inbox.is_asleep = inbox.words.is_empty();
        inbox.is_asleep
    }

    /// For the shard, which is awake: moves up to `max` words to the end of `words`.
    pub(super) fn take(&self, words: &mut Vec<Word>, max: usize) {
        let mut inbox = self.lock();
        inbox.is_asleep = false;
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

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll, Token};

    fn positions(words: &[Word]) -> Vec<Pos> {
        let pos = |word: &Word| match word {
            Word::LetGo(pos) => *pos,
            _ => panic!("only positions are left here"),
        };
        words.iter().map(pos).collect()
    }

    fn mailbox() -> (Poll, Mailbox) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        (poll, Mailbox::new(waker))
    }

    fn is_woken(poll: &mut Poll) -> bool {
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn words_come_in_order_and_in_slices() {
        let (_poll, mailbox) = mailbox();
        (0..3).for_each(|n| mailbox.let_go(Pos(n)));
        let mut words = Vec::new();
        mailbox.take(&mut words, 2);
        assert_eq!(positions(&words), [Pos(0), Pos(1)]);
        assert!(!mailbox.may_sleep());
        mailbox.take(&mut words, 2);
        assert_eq!(positions(&words), [Pos(0), Pos(1), Pos(2)]);
        assert!(mailbox.may_sleep());
    }

    #[test]
    fn who_sleeps_is_woken_once_and_only_when_somebody_calls() {
        let (mut poll, mailbox) = mailbox();
        mailbox.let_go(Pos(0));
        mailbox.wake();
        assert!(!is_woken(&mut poll), "one that is awake looks by itself");
        mailbox.take(&mut Vec::new(), 9);
        assert!(mailbox.may_sleep());
        mailbox.wake();
        assert!(!is_woken(&mut poll), "there is nothing for it");
        mailbox.let_go(Pos(1));
        assert!(!is_woken(&mut poll), "what is left waits until somebody calls");
        mailbox.wake();
        assert!(is_woken(&mut poll));
        mailbox.wake();
        assert!(!is_woken(&mut poll), "it was woken already");
    }
}
