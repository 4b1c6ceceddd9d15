//! What the log must hold: a `Vec` of everything appended, and what has become of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidings_log::{Append, AppendError, Draft, Entry, Key, Placed, Record, Retention, Rule};

/// An event that is in the log for certain.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) body: Vec<u8>,
    pub(crate) key: Option<Key>,
    pub(crate) expires: Option<u64>,
    /// A bit of it was flipped: it must not be served.
    pub(crate) is_rotten: bool,
}

/// Whether an event is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Served {
    Never,
    /// It may be, or not: a drop whose outcome is unknown may have come about.
    May,
    Must,
}

/// An append whose outcome is unknown, with the numbers it has if it is there.
#[derive(Clone, Debug)]
struct Unsure {
    placed: Placed,
    append: Append,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// In order.
    pub(crate) events: Vec<Event>,
    /// Up to where each topic has dropped its events, for certain.
    pub(crate) dropped: BTreeMap<Arc<str>, u64>,
    /// Where more may be dropped: drops of unknown outcome.
    pub(crate) perhaps_dropped: BTreeMap<Arc<str>, u64>,
    /// Topics of events that rot: a gap may be told of any of them.
    pub(crate) rotten: bool,
    unsure: Vec<Unsure>,
    /// The newest event's number and time.
    pub(crate) head: u64,
    pub(crate) time: u64,
    /// Every topic that ever was.
    pub(crate) topics: BTreeSet<Arc<str>>,
    rules: Vec<Rule>,
}

impl Ledger {
    pub(crate) fn new(retention: &Retention) -> Self {
        Ledger { rules: retention.rules.clone(), ..Ledger::default() }
    }

    /// What the writer answered to a group. `may_fail`: something was made to fail, so an outcome may be unknown.
    pub(crate) fn commit(
        &mut self,
        now: u64,
        group: &[Append],
        answers: &[Result<Placed, AppendError>],
        may_fail: bool,
    ) {
        assert_eq!(group.len(), answers.len(), "an answer each");
        if !self.unsure.is_empty() {
            // It has failed, and is not opened anew yet.
            let taken = group.iter().zip(answers).find(|(append, answer)| self.is_written(append) && answer.is_ok());
            assert!(taken.is_none(), "acknowledged after a failure: {taken:?}");
            return;
        }
        let (mut head, mut time) = (self.head, self.time);
        for (append, answer) in group.iter().zip(answers) {
            let events = append.entries.iter().filter(|entry| matches!(entry, Entry::Event(_))).count() as u64;
            let at = append.at.filter(|_| events > 0);
            let placed = Placed {
                first: if events == 0 { head } else { at.map_or(head + 1, |at| at.seq) },
                time: at.map_or(now, |at| at.time).max(time),
            };
            match answer {
                Ok(answer) => {
                    assert_eq!(answer.first, placed.first, "numbers follow one another: {append:?}");
                    assert!(events == 0 || answer.time == placed.time, "times never go back: {answer:?}");
                    self.keep(&placed, append);
                }
                Err(AppendError::OutcomeUnknown) => {
                    assert!(may_fail, "nothing was made to fail");
                    self.unsure.push(Unsure { placed, append: append.clone() });
                }
                Err(AppendError::NotAfterHead { head: said }) => {
                    assert!(
                        append.at.is_some_and(|at| at.seq <= head) && *said == head,
                        "{append:?} behind {head}, said {said}"
                    );
                    continue;
                }
                Err(_) => continue,
            }
            if events > 0 {
                (head, time) = (placed.first + events - 1, placed.time);
            }
        }
        // A group of several batches may get half way: never further.
        let unknown = answers.iter().position(|answer| *answer == Err(AppendError::OutcomeUnknown));
        let behind = group.iter().zip(answers).skip(unknown.unwrap_or(group.len()));
        for (append, answer) in behind.filter(|(append, _)| self.is_written(append)) {
            assert!(answer.is_err(), "{append:?} is acknowledged behind one whose outcome is unknown");
        }
    }

    /// Whether an append needs anything written: dropping nothing does not.
    pub(crate) fn is_written(&self, append: &Append) -> bool {
        append.entries.iter().any(|entry| match entry {
            Entry::Event(_) => true,
            Entry::Drop { topic, .. } => {
                topic.as_ref().is_some_and(|topic| self.newest(topic) > self.dropped_to(topic))
            }
        })
    }

    /// How many appends have an unknown outcome.
    pub(crate) fn unsure(&self) -> usize {
        self.unsure.len()
    }

    /// The log was opened anew, with `head`: says how many of the unsure appends are there, which must be the first ones.
    pub(crate) fn settle(&mut self, head: u64) -> u64 {
        let unsure = std::mem::take(&mut self.unsure);
        let (mut settled, mut left) = (0, unsure.into_iter().peekable());
        while self.head < head {
            let Some(Unsure { placed, append }) = left.next() else { break };
            self.keep(&placed, &append);
            settled += 1;
        }
        assert_eq!(self.head, head, "the log ends where an append does");
        // Drops leave no number: those of the appends behind may be there or not.
        for Unsure { append, .. } in left {
            let mut newest = BTreeMap::new();
            for entry in &append.entries {
                match entry {
                    Entry::Event(draft) => {
                        for topic in &draft.topics {
                            newest.insert(Arc::clone(topic), u64::MAX);
                        }
                    }
                    Entry::Drop { topic: Some(topic), to } if !newest.contains_key(topic) => {
                        let to = to.unwrap_or_else(|| self.newest(topic));
                        let perhaps = self.perhaps_dropped.entry(Arc::clone(topic)).or_default();
                        *perhaps = to.max(*perhaps);
                    }
                    Entry::Drop { .. } => {}
                }
            }
        }
        settled
    }

    /// What reading has shown of a topic whose drop had an unknown outcome: `read` are its events that were served.
    pub(crate) fn learn(&mut self, topic: &str, read: &BTreeSet<u64>, now: u64) {
        let Some(perhaps) = self.perhaps_dropped.get(topic).copied() else { return };
        let dropped = self.dropped_to(topic);
        let within: Vec<u64> = (self.events.iter())
            .filter(|event| event.seq > dropped && event.seq <= perhaps && event.topics.iter().any(|t| **t == *topic))
            .filter(|event| !event.is_rotten && event.expires.is_none_or(|expires| expires > now))
            .filter(|event| self.within_rule(event, topic, now) == Served::Must)
            .map(|event| event.seq)
            .collect();
        let there = within.iter().filter(|seq| read.contains(seq)).count();
        assert!(there == 0 || there == within.len(), "of {topic} some is dropped, some not: {within:?}");
        if there == 0 && !within.is_empty() {
            self.dropped.insert(topic.into(), perhaps);
        }
        if !within.is_empty() {
            self.perhaps_dropped.remove(topic);
        }
    }

    fn keep(&mut self, placed: &Placed, append: &Append) {
        let mut seq = placed.first;
        for entry in &append.entries {
            match entry {
                Entry::Event(Draft { topics, body, key, expires }) => {
                    assert!(seq > self.head, "numbers go up");
                    self.topics.extend(topics.iter().cloned());
                    self.events.push(Event {
                        seq,
                        time: placed.time,
                        topics: topics.clone(),
                        body: body.clone(),
                        key: *key,
                        expires: *expires,
                        is_rotten: false,
                    });
                    (self.head, self.time) = (seq, placed.time);
                    seq += 1;
                }
                Entry::Drop { topic: Some(topic), to } => {
                    let to = to.unwrap_or_else(|| self.newest(topic));
                    let dropped = self.dropped.entry(Arc::clone(topic)).or_default();
                    *dropped = to.max(*dropped);
                }
                Entry::Drop { topic: None, .. } => {}
            }
        }
    }

    /// A bit of this event was flipped.
    pub(crate) fn rot(&mut self, seq: u64) {
        let at = self.events.binary_search_by_key(&seq, |event| event.seq).expect("it was appended");
        self.events[at].is_rotten = true;
        self.rotten = true;
    }

    pub(crate) fn newest(&self, topic: &str) -> u64 {
        self.events.iter().rev().find(|event| event.topics.iter().any(|t| **t == *topic)).map_or(0, |event| event.seq)
    }

    pub(crate) fn dropped_to(&self, topic: &str) -> u64 {
        self.dropped.get(topic).copied().unwrap_or(0)
    }

    /// Whether an event is served to who wants topics that `wants` says.
    pub(crate) fn served(&self, event: &Event, wants: &dyn Fn(&str) -> bool, now: u64) -> Served {
        if event.is_rotten || event.expires.is_some_and(|expires| expires <= now) {
            return Served::Never;
        }
        let by_topic = |topic: &str| {
            if event.seq <= self.dropped_to(topic) {
                return Served::Never;
            }
            let perhaps = self.perhaps_dropped.get(topic).is_some_and(|to| event.seq <= *to);
            self.within_rule(event, topic, now).min(if perhaps { Served::May } else { Served::Must })
        };
        let wanted = event.topics.iter().filter(|topic| wants(topic));
        wanted.map(|topic| by_topic(topic)).max().unwrap_or(Served::Never)
    }

    /// What the rules say of an event of `topic`.
    fn within_rule(&self, event: &Event, topic: &str, now: u64) -> Served {
        let Some(rule) = self.rule(topic) else { return Served::Must };
        let by_age = match rule.age {
            Some(age) if event.time < now.saturating_sub(age) => Served::Never,
            _ => Served::Must,
        };
        let Some(keep_last) = rule.keep_last else { return by_age };
        let newer = || {
            self.events
                .iter()
                .rev()
                .take_while(|other| other.seq > event.seq)
                .filter(|other| other.topics.iter().any(|t| **t == *topic))
        };
        // Who counts what has expired or rots keeps fewer that are served.
        let alive = |other: &&Event| !other.is_rotten && other.expires.is_none_or(|expires| expires > now);
        let keep_last = keep_last as usize;
        if newer().count() < keep_last {
            by_age
        } else if newer().filter(alive).count() >= keep_last {
            Served::Never
        } else {
            by_age.min(Served::May)
        }
    }

    fn rule(&self, topic: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| (rule.matches)(topic))
    }

    /// Whether a gap must, and may, be told to who wants these topics and has read up to `seq`.
    pub(crate) fn gap(&self, topics: &[Arc<str>], seq: u64, now: u64) -> Served {
        let withheld = |topic: &Arc<str>| {
            let behind = self.events.iter().rev().take_while(|event| event.seq > seq);
            let mut behind = behind.filter(|event| event.topics.contains(topic) && !event.is_rotten);
            self.rule(topic).is_some() && behind.any(|event| self.within_rule(event, topic, now) == Served::Never)
        };
        let certain = topics.iter().any(|topic| self.dropped_to(topic) > seq || withheld(topic));
        let perhaps = self.rotten
            || topics
                .iter()
                .any(|topic| self.rule(topic).is_some() || self.perhaps_dropped.get(topic).is_some_and(|to| *to > seq));
        match (certain, perhaps) {
            (true, _) => Served::Must,
            (false, true) => Served::May,
            (false, false) => Served::Never,
        }
    }

    /// The topics that have dropped events behind a number, and how.
    pub(crate) fn why_gap(&self, topics: &[Arc<str>], seq: u64, now: u64) -> Vec<String> {
        let of = |topic: &&Arc<str>| self.gap(std::slice::from_ref(topic), seq, now) == Served::Must;
        let say =
            |topic: &Arc<str>| format!("{topic}: dropped to {}, rule {:?}", self.dropped_to(topic), self.rule(topic));
        topics.iter().filter(of).map(say).collect()
    }

    /// The event a record was made of; it must be that one to the letter.
    pub(crate) fn check(&self, record: &Record) -> &Event {
        let at = self.events.binary_search_by_key(&record.seq, |event| event.seq);
        let event = &self.events[at.unwrap_or_else(|_| panic!("{record:?} was never appended"))];
        let Event { time, topics, body, expires, .. } = event;
        assert_eq!((record.time, &record.topics, record.expires), (*time, topics, *expires), "#{}", record.seq);
        assert!(record.body == *body, "the body of #{} is another", record.seq);
        event
    }
}
