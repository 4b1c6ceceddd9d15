//! The ready ring: one turn a subscription, one offer of everything it has not read, within the turn's bounds.

use super::groups::GroupKey;
use super::run::{Place, Run, TurnMax};
use super::subscription::{FrameOf, Partial, State, SubscriberId};
use super::{Close, Shard};
use crate::{EventId, Gap, GapReason, Pos};
use bytes::{Buf, Bytes};
use std::sync::Arc;

/// Bytes for one subscription, in order. The transport takes as many as it can, from the front.
#[derive(Debug)]
pub struct Transmit {
    /// For whom.
    pub id: SubscriberId,
    /// What.
    pub slices: Vec<Bytes>,
}

/// What the transport was offered: how much of it stands before the run, and the run.
#[derive(Debug)]
pub(super) struct Offer {
    index: u32,
    lead: usize,
    run: Option<Arc<Run>>,
}

impl Shard {
    /// The next offer. It must be answered by [`Shard::handle_wrote`] before anything else is called.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        assert!(self.offer.is_none(), "an offer is answered before the next is made");
        while let Some(index) = self.ready.pop_front() {
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

    /// The transport took the first `taken` bytes of the offer. If that is not all, it takes nothing more until
    /// [`Shard::handle_writable`] says so.
    pub fn handle_wrote(&mut self, id: SubscriberId, taken: usize) {
        let offer = self.offer.take().expect("an answer follows an offer");
        let index = offer.index;
        assert_eq!(self.find(id), Some(index), "the answer is about what was offered");
        let total = offer.lead + offer.run.as_ref().map_or(0, |run| run.bytes);
        assert!(taken <= total, "{taken} bytes were taken of {total}");
        self.counters.bytes += taken as u64;
        let sub = &mut self.subscriptions[index as usize];
        if taken > 0 {
            sub.last_write = self.now;
            sub.beat_at = self.now + self.config.heartbeat.mul_f64(phase(index));
        }
        sub.blocked = taken < total;
        let of_run = self.settle_lead(index, taken);
        if let Some(run) = &offer.run {
            self.settle_run(index, run, of_run);
        }
        self.after_turn(index);
        self.bound_held();
    }

    /// The transport takes bytes again.
    pub fn handle_writable(&mut self, id: SubscriberId) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        if let Some(index) = self.find(id) {
            self.subscriptions[index as usize].blocked = false;
            self.make_ready(index);
        }
    }

    /// One subscription's turn: moves its cursor to where something can be read, and offers that.
    fn turn(&mut self, index: u32) -> Option<Transmit> {
        let run = self.next_run(index);
        let sub = &self.subscriptions[index as usize];
        let mut slices: Vec<Bytes> = Vec::new();
        slices.extend(sub.partial.as_ref().map(|p| p.rest()));
        slices.extend(sub.control.iter().cloned());
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
        // Two steps at most are taken before there is something to read: off a page, and out of the window again.
        for _ in 0..4 {
            let sub = &self.subscriptions[index as usize];
            // What waits to be told goes out before more of it is made: a reader of a byte a turn that falls behind again and again
            // would heap up gap after gap.
            let is_told = sub.control.is_empty();
            match &sub.state {
                State::Live | State::Parked { .. } | State::Ending { .. } => return None,
                State::Tail if !is_told && (sub.lost > 0 || sub.pos < self.window.start()) => return None,
                State::Tail if sub.pos < self.window.start() => self.fall_behind(index),
                State::Tail => {
                    if sub.lost > 0 {
                        self.tell_lost(index);
                    }
                    return Some(self.tail_run(index));
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

    fn tail_run(&mut self, index: u32) -> Arc<Run> {
        let (key, pos, seq) = {
            let sub = &self.subscriptions[index as usize];
            (sub.group, sub.pos, sub.seq)
        };
        if let Some((of, from, run)) = &self.run
            && *of == key
            && *from == pos
        {
            return run.clone();
        }
        let group = self.groups.get(key);
        let run = Arc::new(Run::from_tail(&self.window, &self.topics, key, group, pos, seq, self.turn_max()));
        self.run = Some((key, pos, run.clone()));
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
        let lost = std::mem::take(&mut sub.lost);
        let resumed = EventId { epoch: self.config.epoch, seq: sub.seq };
        let gap = Gap { requested: None, resumed, reason: GapReason::Lagged, truncated: false, lost: Some(lost) };
        self.tell_gap(index, &gap);
    }

    /// Takes what was written off the half-sent frame and the control events; answers how much is left of it for the run.
    fn settle_lead(&mut self, index: u32, mut taken: usize) -> usize {
        let sub = &mut self.subscriptions[index as usize];
        if let Some(partial) = &mut sub.partial {
            let rest = partial.frame.len() - partial.taken;
            if taken < rest {
                partial.taken += taken;
                return 0;
            }
            taken -= rest;
            let (partial, group) = (sub.partial.take().expect("it was looked at"), sub.group);
            self.let_go(index, group, &partial);
        }
        let sub = &mut self.subscriptions[index as usize];
        while let Some(front) = sub.control.front_mut() {
            if taken < front.len() {
                if taken > 0 {
                    // A control event cut in the middle is finished before all else, as an event is.
                    front.advance(taken);
                    let frame = sub.control.pop_front().expect("the front was looked at");
                    sub.partial = Some(Box::new(Partial { frame, taken: 0, frame_of: FrameOf::Control }));
                }
                return 0;
            }
            taken -= front.len();
            sub.control.pop_front();
        }
        taken
    }

    /// Moves the cursor behind the frames that were written whole; one that was cut is kept until it is finished.
    fn settle_run(&mut self, index: u32, run: &Run, taken: usize) {
        let whole = run.frames.partition_point(|frame| frame.end <= taken);
        self.counters.delivered += whole as u64;
        if whole > 0 {
            self.subscriptions[index as usize].last_event = self.now;
        }
        if whole == run.frames.len() {
            // All of it, or nothing to be taken: then what stood before it must be out first.
            if self.subscriptions[index as usize].is_flushed() {
                self.move_cursor(index, run.to);
            }
            return;
        }
        let sent_before = if whole == 0 { 0 } else { run.frames[whole - 1].end };
        if taken > sent_before {
            self.counters.delivered += 1;
            let frame = run.frame(whole);
            self.keep_partial(index, frame, taken - sent_before, run.frames[whole].behind);
            self.move_cursor(index, run.frames[whole].behind);
        } else if whole > 0 {
            self.move_cursor(index, run.frames[whole - 1].behind);
        }
    }

    fn keep_partial(&mut self, index: u32, frame: Bytes, taken: usize, behind: Place) {
        let partial = match behind {
            Place::Tail { pos, .. } => {
                let pos = Pos(pos.0 - 1);
                self.held.enter(pos, index);
                Partial { frame, taken, frame_of: FrameOf::Tail(pos) }
            }
            // A slice would keep the page alive behind the bound on pages; only the rest of this frame is needed.
            Place::Page { .. } => {
                let frame = Bytes::copy_from_slice(&frame[taken..]);
                self.held.add_own(frame.len());
                Partial { frame, taken: 0, frame_of: FrameOf::History }
            }
        };
        self.subscriptions[index as usize].partial = Some(Box::new(partial));
    }

    /// A half-sent frame is finished, or its subscription is gone: nothing is held for it any more.
    pub(super) fn let_go(&mut self, index: u32, group: GroupKey, partial: &Partial) {
        match partial.frame_of {
            FrameOf::Tail(pos) => self.held.leave(pos, index, self.groups.get(group).format),
            FrameOf::History => self.held.remove_own(partial.frame.len()),
            FrameOf::Control => {}
        }
    }

    fn move_cursor(&mut self, index: u32, to: Place) {
        let next = self.window.next();
        let sub = &mut self.subscriptions[index as usize];
        match to {
            Place::Tail { pos, seq } => {
                (sub.pos, sub.seq) = (pos, seq);
                if pos == next {
                    sub.state = State::Live;
                }
            }
            Place::Page { index: at, seq } => {
                sub.seq = seq;
                let State::Cold(cold) = &mut sub.state else { unreachable!("a page is read by the cold only") };
                cold.index = at;
            }
        }
    }

    fn after_turn(&mut self, index: u32) {
        let sub = &self.subscriptions[index as usize];
        if matches!(sub.state, State::Ending { .. }) && sub.is_flushed() {
            self.counters.ended += 1;
            return self.close(index, Close::Clean);
        }
        if sub.blocked {
            self.give_page_back(index);
        }
        self.make_ready(index);
    }
}

/// The part of the heartbeat's interval after which this subscription beats, from four fifths to all of it: those who heard one
/// event together do not beat together. Fixed for a slot of the table, and spread evenly over slots (Knuth's multiplicative hash).
fn phase(index: u32) -> f64 {
    1.0 - 0.2 * f64::from(index.wrapping_mul(0x9E37_79B9)) / f64::from(u32::MAX)
}
