//! The tail: the newest events in memory, already encoded. One a node; it gives every event its position.

use crate::batch::Batch;
use crate::block::Gauge;
use crate::{Epoch, Event, Pos, Seq, TopicName, Topics};
use std::collections::VecDeque;
use std::sync::Arc;

/// Fed with the engine's batches in order, answers with what the shards get. It decides what is still held: a batch says
/// from which position on, and shards follow, so that all of them hold the same window.
#[derive(Debug)]
pub struct Tail {
    epoch: Epoch,
    bytes_max: usize,
    next: Pos,
    head: Seq,
    /// The batches that are held, oldest first.
    held: VecDeque<Arc<Batch>>,
    event_bytes: usize,
    gauge: Gauge,
}

impl Tail {
    /// An empty tail of the history `epoch`, whose newest stored event so far is `head`, holding at most `bytes_max` bytes
    /// of events and frames, and the newest batch in any case.
    pub fn new(epoch: Epoch, head: Seq, bytes_max: usize) -> Self {
        Tail { epoch, bytes_max, next: Pos(0), head, held: VecDeque::new(), event_bytes: 0, gauge: Gauge::default() }
    }

    /// Appends one commit's events, which must not be empty, and returns the batch that every shard is handed.
    pub fn append(&mut self, mut events: Vec<Event>) -> Arc<Batch> {
        let weight: usize = events.iter().map(Event::weight).sum();
        // Room is made first, so that the batch can say where the tail starts once it is in.
        while self.event_bytes + self.gauge.get() + 2 * weight > self.bytes_max && self.drop_oldest() {}
        let last = self.held.back().and_then(|batch| batch.events().last());
        share_topics(&mut events, last.map(|event| event.topics.clone()));
        let (first, start, gauge) = (self.next, self.start(), self.gauge.clone());
        let batch = Arc::new(Batch::new(self.epoch, first, start, self.head, events, weight, gauge));
        self.event_bytes += batch.event_bytes;
        self.next = batch.end();
        self.head = batch.head;
        self.held.push_back(batch.clone());
        batch
    }

    /// A topic's history was deleted. If the tail has an event of it, it lets go of everything, as at its bound: so whoever is behind
    /// goes on from history, which says what is gone. Coarse, and right: deletions are rare, and whoever is at the head notices nothing.
    ///
    /// Answers the oldest position that the tail holds now; every shard is told it by [`Shard::handle_let_go`](crate::Shard::handle_let_go),
    /// whether or not anything was let go of, and between the same two batches.
    pub fn let_go(&mut self, topic: &TopicName) -> Pos {
        if self.held.iter().any(|batch| batch.has_event_of(topic)) {
            while self.drop_oldest() {}
            assert_eq!((self.event_bytes, self.events()), (0, 0), "what holds nothing counts nothing");
        }
        self.start()
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.held.pop_front() else { return false };
        self.event_bytes -= oldest.event_bytes;
        oldest.block().retire();
        true
    }

    /// The oldest position held; the next one where nothing is.
    fn start(&self) -> Pos {
        self.held.front().map_or(self.next, |oldest| oldest.first)
    }

    /// Bytes of events and frames held now.
    pub fn bytes(&self) -> usize {
        self.event_bytes + self.gauge.get()
    }

    /// The newest stored event.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// How many events are held.
    pub fn events(&self) -> usize {
        self.held.front().map_or(0, |oldest| self.next.offset_from(oldest.first))
    }
}

/// Events that follow each other often have the same topics: then they share one list of them, `last` being that of the newest event before.
fn share_topics(events: &mut [Event], mut last: Option<Topics>) {
    for event in events {
        match &last {
            Some(topics) if *topics == event.topics => event.topics = topics.clone(),
            _ => last = Some(event.topics.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, UnixMillis};

    fn events(seqs: &[Option<u64>], size: usize) -> Vec<Event> {
        let event = |seq: &Option<u64>| Event {
            seq: seq.map(Seq),
            time: UnixMillis(0),
            topics: TopicName::new("t").unwrap().into(),
            event_type: None,
            content: Content::text(&"x".repeat(size)),
            expires: None,
        };
        seqs.iter().map(event).collect()
    }

    #[test]
    fn positions_are_dense_and_numbers_sparse() {
        let mut tail = Tail::new(Epoch::from_random(1), Seq(10), 1 << 20);
        let a = tail.append(events(&[Some(11), None, Some(20)], 1));
        let b = tail.append(events(&[None], 1));
        assert_eq!((a.first, a.end(), a.before, a.head), (Pos(0), Pos(3), Seq(10), Seq(20)));
        assert_eq!((b.first, b.end(), b.before, b.head), (Pos(3), Pos(4), Seq(20), Seq(20)));
        assert_eq!(a.pos_after(Seq(11)), Pos(1));
        assert_eq!(a.pos_after(Seq(15)), Pos(1), "a memory-only event behind a number belongs to what follows");
        assert_eq!(a.pos_after(Seq(20)), Pos(3));
        assert_eq!(a.seq_before(0), Seq(10));
        assert_eq!(a.seq_before(2), Seq(11));
    }

    #[test]
    fn events_that_follow_each_other_share_their_list_of_topics() {
        let mut tail = Tail::new(Epoch::from_random(1), Seq(0), 1 << 20);
        let a = tail.append(events(&[Some(1), Some(2)], 1));
        let mut next = events(&[Some(3), Some(4), Some(5)], 1);
        next[1].topics = TopicName::new("other").unwrap().into();
        let b = tail.append(next.clone());
        assert_eq!(b.events(), next, "the same events");
        let own = |batch: &Batch, index: usize| std::ptr::from_ref(batch.events()[index].topic());
        assert_eq!([own(&a, 1), own(&b, 0)], [own(&a, 0); 2]);
        assert_ne!(own(&b, 2), own(&a, 0), "one list is remembered, the last");
    }

    #[test]
    fn the_bound_drops_the_oldest_and_keeps_the_newest() {
        let mut tail = Tail::new(Epoch::from_random(1), Seq(0), 64 * 1024);
        let mut last = tail.append(events(&[Some(1)], 1));
        for seq in 2..100 {
            last = tail.append(events(&[Some(seq)], 4096));
            assert!(tail.bytes() <= 64 * 1024, "{} at {seq}", tail.bytes());
        }
        assert!(last.start > Pos(80) && last.start < Pos(99), "{:?}", last.start);
        let huge = tail.append(events(&[Some(100)], 1 << 20));
        assert_eq!(huge.start, huge.first, "alone, but there");
    }

    #[test]
    fn a_deleted_topic_takes_the_whole_tail_with_it_and_another_nothing() {
        let mut tail = Tail::new(Epoch::from_random(1), Seq(0), 64 * 1024);
        let old = tail.append(events(&[Some(1), Some(2)], 10));
        tail.append(events(&[Some(3)], 10));
        assert_eq!(tail.let_go(&TopicName::new("other").unwrap()), Pos(0));
        assert_eq!(tail.events(), 3);
        assert_eq!(tail.let_go(&TopicName::new("t").unwrap()), Pos(3));
        assert_eq!(
            (tail.events(), tail.bytes(), tail.head()),
            (0, 0, Seq(3)),
            "shards that still read a batch count for nothing"
        );
        drop(old);
        let next = tail.append(events(&[Some(4)], 10));
        assert_eq!((next.first, next.start, next.before), (Pos(3), Pos(3), Seq(3)));
    }

    #[test]
    #[should_panic(expected = "only grows")]
    fn a_number_that_goes_back_ends_the_process() {
        Tail::new(Epoch::from_random(1), Seq(10), 1024).append(events(&[Some(10)], 1));
    }
}
