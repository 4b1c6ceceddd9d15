//! A batch arrives: the window moves, those whose topics are in it wake, those it leaves behind are accounted for.

use super::subscription::{FrameOf, State};
use super::{Close, Shard};
use crate::Pos;
use crate::batch::Batch;
use std::sync::Arc;

impl Shard {
    /// The tail has a new batch. The cost is its matches and what leaves the window, however many topics and
    /// subscriptions there are.
    pub fn handle_batch(&mut self, batch: &Arc<Batch>) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        self.run = None;
        self.evict_before(batch.start);
        let (first, before) = (batch.first, batch.before);
        self.window.push(batch.clone());
        for run in batch.runs() {
            for key in self.topics.enter(run, first, &self.groups) {
                let group = self.groups.get_mut(*key);
                if let Some(noted) = &mut group.noted {
                    noted.note(batch, run, self.config.noted_max);
                }
                let (members, lane) = (&group.members, group.lane());
                self.counters.visited += members.len() as u64;
                for &index in members {
                    let sub = &mut self.subscriptions[index as usize];
                    // Who is behind already has this batch ahead; who was at the head has it next.
                    if let State::Live = sub.state {
                        sub.state = State::Tail { prompt: !sub.blocked };
                        (sub.pos, sub.seq) = (first, before);
                        if !sub.queued && !sub.blocked {
                            sub.queued = true;
                            self.ready.push_current(index, lane, self.now);
                        }
                    }
                }
            }
        }
        self.wake_parked();
    }

    /// A topic's history was deleted, and the tail holds what lies from `start` on ([`Tail::let_go`](crate::Tail::let_go)). What was
    /// read of history before is not offered any more either: it may have events that are gone.
    pub fn handle_let_go(&mut self, start: Pos) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        assert!(start <= self.window.next(), "the tail lets go of what every shard was handed");
        self.run = None;
        self.evict_before(start);
        self.give_pages_back();
        self.fetches.ask_again();
    }

    fn evict_before(&mut self, start: Pos) {
        while let Some(oldest) = self.window.pop_before(start) {
            self.evict(&oldest);
        }
    }

    /// Those who waited for a number that the tail now has.
    fn wake_parked(&mut self) {
        while let Some(&(target, index)) = self.parked.first().filter(|(target, _)| *target <= self.window.head()) {
            self.parked.remove(&(target, index));
            let sub = &mut self.subscriptions[index as usize];
            assert!(matches!(sub.state, State::Parked { target: t } if t == target), "who is listed as parked is");
            (sub.seq, sub.pos, sub.state) = (target, self.window.pos_after(target), State::Tail { prompt: false });
            if sub.opened {
                self.make_ready(index);
            } else {
                // The tail was faster than the engine's answer: the place is one.
                self.open(index, None);
            }
        }
    }

    fn evict(&mut self, batch: &Batch) {
        if batch.events().iter().any(|e| e.seq.is_none()) {
            self.count_lost(batch);
        }
        self.copy_partials(batch.end());
        self.topics.forget(batch);
    }

    /// Memory-only events leave for good: whoever had not read them is told how many. (Stored ones are in the log, and nobody misses
    /// what has expired.)
    fn count_lost(&mut self, batch: &Batch) {
        let wall = self.wall;
        let lost = batch.events().iter().enumerate().filter(|(_, e)| e.seq.is_none() && !e.is_expired(wall));
        for (i, event) in lost {
            let (pos, before) = (batch.first.plus(i), batch.seq_before(i));
            for key in self.topics.groups_of(event) {
                for &index in &self.groups.get(key).members {
                    let sub = &mut self.subscriptions[index as usize];
                    // Until a stream opens it has no start that something could be behind; some start ahead of the tail.
                    let start = match &sub.state {
                        State::Tail { .. } => sub.seq,
                        State::Cold(cold) => cold.until.unwrap_or(sub.seq),
                        State::Live | State::Parked { .. } | State::Ending { .. } => continue,
                    };
                    if sub.opened && sub.pos <= pos && start <= before {
                        sub.debt.more().lost += 1;
                    }
                }
            }
        }
    }

    /// Whoever is inside a frame that leaves the tail keeps that frame, and not the batch around it.
    fn copy_partials(&mut self, end: Pos) {
        for (pos, index) in self.held.take_before(end) {
            let format = self.groups.get(self.subscriptions[index as usize].group).format;
            let owed = self.subscriptions[index as usize].debt.get_mut();
            let partial = owed.and_then(|owed| owed.partial.as_mut()).expect("who is inside a frame has one");
            partial.frame = self.held.hold(pos, format, &partial.frame);
        }
        self.bound_held();
    }

    /// At the bound on held frames, the readers longest without progress pay for it.
    pub(super) fn bound_held(&mut self) {
        while self.held.bytes() > self.config.held_bytes_max {
            self.reset_longest_stalled();
        }
    }

    fn reset_longest_stalled(&mut self) {
        let holds = |index: u32| {
            let sub = &self.subscriptions[index as usize];
            let format = self.groups.get(sub.group).format;
            let is_held = match sub.debt.partial()?.frame_of {
                FrameOf::Tail(pos) => self.held.is_held(pos, format),
                FrameOf::History => true,
                FrameOf::Control => false,
            };
            is_held.then_some((sub.last_write, index))
        };
        let indexes = self.subscriptions.iter().map(|(index, _)| u32::try_from(index).expect("ids are 32 bits"));
        let (_, index) = indexes.filter_map(holds).min().expect("what is held is held for somebody");
        self.counters.reset_held += 1;
        self.close(index, Close::Reset);
    }
}
