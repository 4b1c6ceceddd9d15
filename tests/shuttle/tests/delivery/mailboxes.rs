//! A mailbox: whatever is posted arrives, in its sender's order; one wake a sleep is enough; nobody sleeps over a full box.

use crate::explore::explore;
use crate::mailbox::{Mailbox, Word};
use crate::sync::Waker;
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tidings_hub::{Batch, Content, Epoch, Event, Pos, Seq, SubscriberId, Tail, TopicName, UnixMillis};

/// Batches of each turn at the log. The box has two places here: the first turn does not end before the shard has come.
const TURNS: [u64; 2] = [3, 2];
const BATCHES: u64 = 5;
const FRONTS: u64 = 2;
const WORDS_EACH: u64 = 2;
/// Fewer than may wait: a shard takes words in slices.
const SLICE: usize = 3;

/// How often the pump found the box full, and the shard slept, over all orders: else they show nothing.
static WAITS: AtomicUsize = AtomicUsize::new(0);
static SLEEPS: AtomicUsize = AtomicUsize::new(0);

/// What came out, by sender.
#[derive(Default)]
struct Arrived {
    batches: Vec<Pos>,
    let_go: Vec<Pos>,
    gone: [Vec<u64>; FRONTS as usize],
}

impl Arrived {
    fn is_all(&self) -> bool {
        let words: usize = self.gone.iter().map(Vec::len).sum();
        (self.batches.len() + self.let_go.len() + words) as u64 == BATCHES + TURNS.len() as u64 + FRONTS * WORDS_EACH
    }

    /// As a shard's driver does.
    fn handle(&mut self, word: Word, mailbox: &Mailbox) {
        match word {
            Word::Batch(batch) => {
                self.batches.push(batch.first);
                mailbox.give_back();
            }
            Word::LetGo(start) => self.let_go.push(start),
            Word::Gone(id) => self.gone[(id.as_u64() / WORDS_EACH) as usize].push(id.as_u64()),
            _ => panic!("nobody sent that"),
        }
    }
}

/// The pump with the log's turn: leaves what was committed, and wakes when all of it is left.
fn pump(mailbox: &Mailbox) {
    let mut tail = Tail::new(Epoch::from_random(1), Seq::START, 1 << 20);
    for batches in TURNS {
        for _ in 0..batches {
            let waited = mailbox.leave(batch(&mut tail));
            WAITS.fetch_add(usize::from(waited), Relaxed);
        }
        mailbox.let_go(Pos(batches));
        mailbox.wake();
    }
}

fn batch(tail: &mut Tail) -> Arc<Batch> {
    let (seq, topics) = (Some(Seq(tail.head().0 + 1)), TopicName::new("t").unwrap().into());
    let content = Content::text("x");
    tail.append(vec![Event { seq, time: UnixMillis(0), topics, event_type: None, content, expires: None }])
}

/// The shard's loop, until it has everything. Answers how often it slept.
fn serve(mailbox: &Mailbox, waker: &Waker) -> (Arrived, usize) {
    let (mut arrived, mut sleeps) = (Arrived::default(), 0);
    let mut words = Vec::new();
    while !arrived.is_all() {
        if mailbox.may_sleep() {
            waker.sleep();
            sleeps += 1;
        }
        mailbox.take(&mut words, SLICE);
        words.drain(..).for_each(|word| arrived.handle(word, mailbox));
    }
    (arrived, sleeps)
}

#[test]
fn whatever_is_posted_arrives() {
    explore(|| {
        let waker = Waker::default();
        let mailbox = Mailbox::new(waker.clone());
        let mut senders = vec![thread::spawn({
            let mailbox = mailbox.clone();
            move || pump(&mailbox)
        })];
        senders.extend((0..FRONTS).map(|front| {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                let ids = (0..WORDS_EACH).map(|n| SubscriberId::from_u64(front * WORDS_EACH + n));
                ids.for_each(|id| mailbox.send(Word::Gone(id)));
            })
        }));
        let (arrived, sleeps) = serve(&mailbox, &waker);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!(arrived.batches, (0..BATCHES).map(Pos).collect::<Vec<_>>());
        assert_eq!(arrived.let_go, TURNS.map(Pos));
        for (front, gone) in (0..).zip(&arrived.gone) {
            assert_eq!(*gone, (0..WORDS_EACH).map(|n| front * WORDS_EACH + n).collect::<Vec<_>>());
        }
        assert_eq!(waker.calls(), sleeps, "a call for each sleep, and none for who is awake");
        SLEEPS.fetch_add(sleeps, Relaxed);
    });
    let (waits, sleeps) = (WAITS.load(Relaxed), SLEEPS.load(Relaxed));
    assert!(waits > 1_000 && sleeps > 1_000, "the box was full {waits} times, and the shard slept {sleeps} times");
}
