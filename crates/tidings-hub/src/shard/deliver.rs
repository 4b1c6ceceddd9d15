//! The ready ring: one turn a subscription, one offer of everything it has not read, within the turn's bounds.

use super::Shard;
use super::run::{Expiry, Place, Run, TurnMax};
use super::subscription::{Partial, State, SubscriberId};
use crate::{EventId, Gap, GapReason};
use bytes::Bytes;
use std::sync::Arc;

/// Bytes for one subscription, in order. The transport takes as many as it can, from the front.
#[derive(Debug)]
pub struct Transmit {
    /// For whom.
    pub id: SubscriberId,
    /// What.
    pub slices: Vec<Bytes>,
}

/// Steps taken in one turn to where something can be read. Off a page and on to the next one that is there already, twice: whoever
/// is on its way for longer goes on in its next turn, and the others have theirs.
const STEPS_MAX: usize = 4;

/// What the transport was offered: how much of it stands before the run, and the run.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) index: u32,
    pub(super) lead: usize,
    pub(super) run: Option<Arc<Run>>,
}

impl Shard {
    /// The next offer. It must be answered by [`Shard::handle_wrote`] before anything else is called.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        assert!(self.offer.is_none(), "an offer is answered before the next is made");
        while let Some(index) = self.ready.pop() {
            // Who stood here may have gone, and another may have its slot: whoever is not queued has no turn.
            let Some(sub) = self.subscriptions.get_mut(index as usize).filter(|sub| sub.queued) else { continue };
            sub.queued = false;
            // One that was queued in the course of its own turn may have been blocked at the end of it.
            if sub.blocked {
                continue;
            }
            if let Some(transmit) = self.turn(index) {
                return Some(transmit);
            }
        }
        None
    }

    /// The transport takes bytes again.
    pub fn handle_writable(&mut self, id: SubscriberId) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        if let Some(index) = self.find(id) {
            let was_blocked = std::mem::take(&mut self.subscriptions[index as usize].blocked);
            self.blocked -= usize::from(was_blocked);
            self.make_ready(index);
        }
    }

    /// One subscription's turn: moves its cursor to where something can be read, and offers that.
    fn turn(&mut self, index: u32) -> Option<Transmit> {
        let run = self.next_run(index);
        let sub = &self.subscriptions[index as usize];
        let mut slices: Vec<Bytes> = Vec::new();
        if let Some(owed) = sub.debt.get() {
            slices.extend(owed.partial.as_ref().map(Partial::rest));
            slices.extend(owed.control.iter().cloned());
        }
        let lead = slices.iter().map(Bytes::len).sum();
        let run = run.filter(|run| slices.len() + run.slices.len() <= self.config.turn_slices_max);
        if let Some(run) = &run {
            slices.extend(run.slices.iter().cloned());
        }
        if slices.is_empty() {
            // Nothing it wants was found on the way: the cursor moves on all the same.
            if let Some(run) = run {
                self.move_cursor(index, run.to);
                self.after_turn(index);
            }
            return None;
        }
        self.offer = Some(Offer { index, lead, run });
        Some(Transmit { id: self.id_of(index), slices })
    }

    fn next_run(&mut self, index: u32) -> Option<Arc<Run>> {
        for _ in 0..STEPS_MAX {
            let sub = &self.subscriptions[index as usize];
            // What waits to be told goes out before more of it is made: a reader of a byte a turn that falls behind again and again
            // would heap up gap after gap.
            let is_told = sub.debt.is_told();
            match &sub.state {
                State::Live | State::Parked { .. } | State::Ending { .. } => return None,
                State::Tail { .. } if !is_told && (sub.debt.lost() > 0 || sub.pos < self.window.start()) => {
                    return None;
                }
                State::Tail { .. } if sub.pos < self.window.start() => self.fall_behind(index),
                State::Tail { prompt } => {
                    let expiry = if *prompt { Expiry::Ignored } else { Expiry::By(self.wall) };
                    if sub.debt.lost() > 0 {
                        self.tell_lost(index);
                    }
                    return Some(self.tail_run(index, expiry));
                }
                State::Cold(cold) if cold.waiting => return None,
                State::Cold(cold) => match &cold.page {
                    None if !is_told => return None,
                    None => self.ask(index),
                    Some(page) => {
                        let end = self.page_end(cold, page);
                        if cold.index < end {
                            let format = self.groups.get(sub.group).format;
                            let run = Run::from_page(page, format, cold.index, end, sub.seq, self.turn_max());
                            return Some(Arc::new(run));
                        }
                        if !is_told {
                            return None;
                        }
                        self.leave_page(index);
                    }
                },
            }
        }
        // Still on its way (pages that are there already, one behind the other): its next turn goes on.
        self.make_ready(index);
        None
    }

    fn tail_run(&mut self, index: u32, expiry: Expiry) -> Arc<Run> {
        let (key, pos, seq) = {
            let sub = &self.subscriptions[index as usize];
            (sub.group, sub.pos, sub.seq)
        };
        if let Some((of, from, by, run)) = &self.run
            && (*of, *from) == (key, pos)
            && (*by == expiry || !run.has_expiring)
        {
            return run.clone();
        }
        let group = self.groups.get(key);
        let run =
            Run::from_tail(&self.window, &self.topics, key, group, Place::Tail { pos, seq }, self.turn_max(), expiry);
        self.counters.looked += run.looked as u64;
        let run = Arc::new(run);
        self.run = Some((key, pos, expiry, run.clone()));
        run
    }

    fn turn_max(&self) -> TurnMax {
        TurnMax {
            bytes: self.config.turn_bytes_max,
            slices: self.config.turn_slices_max,
            scan: self.config.turn_scan_max,
        }
    }

    fn tell_lost(&mut self, index: u32) {
        let sub = &mut self.subscriptions[index as usize];
        let lost = sub.debt.get_mut().map_or(0, |owed| std::mem::take(&mut owed.lost));
        let resumed = EventId { epoch: self.config.epoch, seq: sub.seq };
        let gap = Gap { requested: None, resumed, reason: GapReason::Lagged, truncated: false, lost: Some(lost) };
        self.tell_gap(index, &gap);
    }
}
