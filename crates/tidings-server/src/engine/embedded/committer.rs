//! What happens to a group of appends once the log has it: their events get numbers and time, go to the sink, and then every one is
//! answered. Runs on the log's writer thread, which waits while a shard is far behind: so do the publishers behind it.

use super::answers::{Answers, Reply};
use super::history::unix_millis;
use super::reads::Reads;
use super::room::Held;
use super::stats::WriterStats;
use crate::engine::{AppendError, Commit, Draft, Sink};
use std::sync::Arc;
use std::time::Instant;
use tidings_hub::{Event, Seq, TopicName};
use tidings_log::{Log, Placed};

/// What waits while the log writes.
#[derive(Debug)]
pub(super) enum Ticket {
    /// Events, at least one.
    Events {
        drafts: Vec<Draft>,
        reply: Reply,
        /// Its share of the room, until it is answered.
        held: Held,
        /// When it was submitted.
        since: Instant,
    },
    /// The deletion of a topic's history.
    Deletion { topic: TopicName, reply: Reply },
}

/// Makes groups visible and answers them.
pub(super) struct Committer {
    pub(super) sink: Box<dyn Sink>,
    pub(super) log: Log,
    pub(super) reads: Reads,
    pub(super) stats: Arc<WriterStats>,
    pub(super) clock: fn() -> u64,
}

impl Committer {
    /// Takes what became of a group, in the order in which it was appended.
    pub(super) fn commit(
        &mut self,
        group: impl IntoIterator<Item = (Ticket, Result<Placed, tidings_log::AppendError>)>,
    ) {
        self.reads.committed();
        let (mut appends, mut first) = (0, None);
        let mut events: Vec<Event> = Vec::new();
        let mut answers = Answers::default();
        for (ticket, placed) in group {
            appends += 1;
            let placed = placed.map_err(|error| self.refuse(error));
            match ticket {
                Ticket::Events { drafts, reply, held, since } => {
                    first.get_or_insert(since);
                    // It takes no room in the queue any more: who is answered may come with the next.
                    drop(held);
                    let answer = match self.place(&drafts, placed) {
                        Ok(at) => Ok(number(drafts, at, &mut events)),
                        Err(error) => Err(error),
                    };
                    answers.push(reply, answer);
                }
                Ticket::Deletion { topic, reply } => {
                    if placed.is_ok() {
                        self.show(&mut events);
                        self.sink.commit(Commit::Deleted(topic));
                    }
                    answers.push(reply, placed.map(|_| Vec::new()));
                }
            }
        }
        self.show(&mut events);
        // First: who is answered finds nothing that waits for it.
        self.stats.answered(appends, first);
        answers.send();
        self.sink.wake();
    }

    fn show(&mut self, events: &mut Vec<Event>) {
        if !events.is_empty() {
            self.sink.commit(Commit::Events(std::mem::take(events)));
        }
    }

    /// Where an append's events stand. Those that are not stored need no log, whatever became of it.
    fn place(&self, drafts: &[Draft], placed: Result<Placed, AppendError>) -> Result<Placed, AppendError> {
        if drafts.iter().any(|draft| draft.durable) {
            self.stats.set_full(placed == Err(AppendError::NoSpace));
            return placed;
        }
        Ok(Placed { first: 0, time: (self.clock)() })
    }

    fn refuse(&self, error: tidings_log::AppendError) -> AppendError {
        use tidings_log::AppendError as Why;
        match error {
            Why::TooManyTopics { max } => AppendError::TooManyTopics { max },
            Why::TooLarge { max } => AppendError::TooLarge { max },
            Why::NoSpace => {
                self.stats.refused_for_space();
                AppendError::NoSpace
            }
            Why::OutcomeUnknown => {
                self.say_failed();
                AppendError::OutcomeUnknown
            }
            Why::Stopped => {
                self.say_failed();
                AppendError::Failed
            }
            Why::NotAfterHead { .. } => unreachable!("this engine assigns no numbers"),
        }
    }

    /// Once: whoever reads the server's log must find the cause, not a line for each publisher.
    fn say_failed(&self) {
        if let Some(reason) = self.log.failed()
            && self.stats.fails_first()
        {
            tracing::error!(%reason, "the log has failed: nothing is published any more, readers are served; look at the disk, then restart");
        }
    }
}

/// Makes events of drafts: numbered one by one where they are stored.
fn number(drafts: Vec<Draft>, at: Placed, events: &mut Vec<Event>) -> Vec<Option<Seq>> {
    let mut next = at.first;
    let mut seqs = Vec::with_capacity(drafts.len());
    for Draft { topics, event_type, content, durable, expires, key: _ } in drafts {
        let seq = durable.then_some(Seq(next));
        next += u64::from(durable);
        seqs.push(seq);
        events.push(Event { seq, time: unix_millis(at.time), topics, event_type, content, expires });
    }
    seqs
}
