//! What came for a group lately, noted as it came: whoever reads near the head looks there, and at nobody else's events.

use crate::Pos;
use crate::batch::{Batch, TopicRun};

/// Positions of the newest events that a group selects, those of whole batches.
#[derive(Debug)]
pub(super) struct Noted {
    /// From here on, all there are.
    since: Pos,
    /// In order, each once.
    at: Vec<Pos>,
}

impl Noted {
    /// Of a group that begins now: the next event will be at `next`.
    pub(super) fn new(next: Pos) -> Self {
        Noted { since: next, at: Vec::new() }
    }

    /// Notes the events of one topic of the newest batch. Where that makes more than `max`, it lets go of the batches before: whoever is
    /// at the head has read them. Of a batch that has more than that nothing is noted, for a search then finds much wherever it looks.
    pub(super) fn note(&mut self, batch: &Batch, run: &TopicRun, max: usize) {
        if self.at.len() + run.events.len() > max {
            self.at.drain(..self.at.partition_point(|at| *at < batch.first));
            let is_too_much = self.at.len() + run.events.len() > max;
            self.since = self.since.max(if is_too_much { batch.end() } else { batch.first });
        }
        if self.since > batch.first {
            self.at.clear();
            return;
        }
        for index in &run.events {
            let at = batch.first.plus(*index as usize);
            // Topics come one after the other, and an event may have several of them.
            if let Err(place) = self.at.binary_search(&at) {
                self.at.insert(place, at);
            }
        }
        assert!(self.at.len() <= max, "what is noted is bounded");
    }

    /// All that came from `pos` on, if all of that is noted.
    pub(super) fn from(&self, pos: Pos) -> Option<&[Pos]> {
        (self.since <= pos).then(|| &self.at[self.at.partition_point(|at| *at < pos)..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Epoch, Event, Seq, Tail, TopicName, Topics, UnixMillis};

    const MAX: usize = 4;

    /// Notes of a group that selects the topics a, b and c, with the tail whose batches it sees.
    struct Notes {
        tail: Tail,
        noted: Noted,
    }

    impl Notes {
        fn new() -> Self {
            let tail = Tail::new(Epoch::from_random(1), Seq(0), 1 << 20);
            Notes { tail, noted: Noted::new(Pos(0)) }
        }

        /// A batch of one event for each word, whose letters are its topics.
        fn batch(&mut self, words: &str) {
            let event = |word: &str| {
                let topics = word.chars().map(|c| TopicName::new(&c.to_string()).unwrap()).collect();
                let (topics, content) = (Topics::new(topics).unwrap(), Content::text("x"));
                Event { seq: None, time: UnixMillis(0), topics, event_type: None, content, expires: None }
            };
            let batch = self.tail.append(words.split(' ').map(event).collect());
            for run in batch.runs().iter().filter(|run| ["a", "b", "c"].contains(&run.topic.as_str())) {
                self.noted.note(&batch, run, MAX);
            }
        }

        #[track_caller]
        fn check(&self, from: u64, expect: Option<&[u64]>) {
            let found: Option<Vec<u64>> = self.noted.from(Pos(from)).map(|at| at.iter().map(|pos| pos.0).collect());
            assert_eq!(found.as_deref(), expect, "from {from}");
        }
    }

    #[test]
    fn events_of_several_topics_stand_in_order_and_once() {
        let mut notes = Notes::new();
        notes.batch("c x ba x");
        notes.batch("x b");
        notes.check(0, Some(&[0, 2, 5]));
        notes.check(1, Some(&[2, 5]));
        notes.check(5, Some(&[5]));
        notes.check(6, Some(&[]));
    }

    #[test]
    fn older_batches_go_first_and_the_newest_stays_whole() {
        let mut notes = Notes::new();
        notes.batch("a a");
        notes.batch("x a");
        // The fifth.
        notes.batch("b a");
        notes.check(3, None);
        notes.check(4, Some(&[4, 5]));
        notes.check(5, Some(&[5]));
    }

    #[test]
    fn a_batch_with_more_is_not_noted_and_the_next_one_is() {
        for words in ["a a a a a", "a a a b b", "a b c c c c c c", "a a a a a b"] {
            let mut notes = Notes::new();
            notes.batch("a");
            notes.batch(words);
            let end = notes.tail.events() as u64;
            notes.check(end - 1, None);
            notes.check(end, Some(&[]));
            notes.batch("x a");
            notes.check(end - 1, None);
            notes.check(end, Some(&[end + 1]));
        }
    }

    #[test]
    fn what_came_before_the_group_is_not_known() {
        let mut notes = Notes::new();
        notes.batch("a");
        notes.noted = Noted::new(Pos(1));
        notes.check(0, None);
        notes.check(1, Some(&[]));
    }
}
