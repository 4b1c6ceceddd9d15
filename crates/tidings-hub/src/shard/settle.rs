//! What the transport took of an offer: the cursor moves behind the frames that went whole, and one that was cut is kept.

use super::groups::GroupKey;
use super::run::{Place, Run};
use super::subscription::{FrameOf, Partial, State, SubscriberId};
use super::{Close, SHARE, Shard};
use crate::Pos;
use bytes::{Buf, Bytes};

impl Shard {
    /// The transport took the first `taken` bytes of the offer. If that is not all, it takes nothing more until
    /// [`Shard::handle_writable`] says so.
    pub fn handle_wrote(&mut self, id: SubscriberId, taken: usize) {
        let offer = self.offer.take().expect("an answer follows an offer");
        let index = offer.index;
        assert_eq!(self.find(id), Some(index), "the answer is about what was offered");
        let total = offer.lead + offer.run.as_ref().map_or(0, |run| run.bytes);
        assert!(taken <= total, "{taken} bytes were taken of {total}");
        self.counters.bytes += taken as u64;
        self.usual_bytes = (self.usual_bytes * (SHARE - 1) + taken) / SHARE;
        let sub = &mut self.subscriptions[index as usize];
        if taken > 0 {
            sub.last_write = self.now;
            sub.beat_at = self.now + self.config.heartbeat.mul_f64(phase(index));
        } else if self.now.since(sub.last_write) >= self.config.stall_timeout {
            // The first refusal after a long silence: it stalls from now on.
            sub.last_write = self.now;
        }
        assert!(!sub.blocked, "who takes nothing is offered nothing");
        sub.blocked = taken < total;
        self.blocked += usize::from(taken < total);
        let of_run = self.settle_lead(index, taken);
        if let Some(run) = &offer.run {
            self.settle_run(index, run, of_run);
        }
        self.after_turn(index);
        self.bound_held();
    }

    /// Takes what was written off the half-sent frame and the control events; answers how much is left of it for the run.
    fn settle_lead(&mut self, index: u32, mut taken: usize) -> usize {
        let sub = &mut self.subscriptions[index as usize];
        let Some(owed) = sub.debt.get_mut() else { return taken };
        if let Some(partial) = &mut owed.partial {
            let rest = partial.frame.len() - partial.taken;
            if taken < rest {
                partial.taken += taken;
                return 0;
            }
            taken -= rest;
            let (partial, group) = (owed.partial.take().expect("it was looked at"), sub.group);
            self.let_go(index, group, &partial);
        }
        let debt = &mut self.subscriptions[index as usize].debt;
        let Some(owed) = debt.get_mut() else { unreachable!("it is settled below alone") };
        while let Some(front) = owed.control.front_mut() {
            if taken < front.len() {
                if taken > 0 {
                    // A control event cut in the middle is finished before all else, as an event is.
                    front.advance(taken);
                    let frame = owed.control.pop_front().expect("the front was looked at");
                    owed.partial = Some(Partial { frame, taken: 0, frame_of: FrameOf::Control });
                }
                return 0;
            }
            taken -= front.len();
            owed.control.pop_front();
        }
        debt.settle();
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
            if self.subscriptions[index as usize].debt.is_flushed() {
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
        assert!(0 < taken && taken < frame.len(), "a frame is half sent, or it is not");
        assert!(
            self.subscriptions[index as usize].debt.is_flushed(),
            "nothing is begun before what was begun is finished"
        );
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
        self.subscriptions[index as usize].debt.more().partial = Some(partial);
    }

    /// A half-sent frame is finished, or its subscription is gone: nothing is held for it any more.
    pub(super) fn let_go(&mut self, index: u32, group: GroupKey, partial: &Partial) {
        match partial.frame_of {
            FrameOf::Tail(pos) => self.held.leave(pos, index, self.groups.get(group).format),
            FrameOf::History => self.held.remove_own(partial.frame.len()),
            FrameOf::Control => {}
        }
    }

    pub(super) fn move_cursor(&mut self, index: u32, to: Place) {
        let next = self.window.next();
        let sub = &mut self.subscriptions[index as usize];
        match to {
            Place::Tail { pos, seq } => {
                assert!(pos >= sub.pos, "a cursor never goes back");
                // It may have started behind a number that is no event's, and higher than the last one that is.
                (sub.pos, sub.seq) = (pos, sub.seq.max(seq));
                if pos == next {
                    sub.state = State::Live;
                    // The idle are many: what is told of drops behind them is not kept.
                    if let Some(owed) = sub.debt.get_mut() {
                        owed.told.take_if(|told| told.head <= seq);
                        sub.debt.settle();
                    }
                }
            }
            Place::Page { index: at, seq } => {
                assert!(seq >= sub.seq, "a cursor never goes back");
                sub.seq = seq;
                let State::Cold(cold) = &mut sub.state else { unreachable!("a page is read by the cold only") };
                cold.index = at;
            }
        }
    }

    /// One whose transport takes nothing for now is behind from here on: what expires meanwhile is not for it.
    fn fall_back(&mut self, index: u32) {
        if let State::Tail { prompt } = &mut self.subscriptions[index as usize].state {
            *prompt = false;
        }
        self.give_page_back(index);
    }

    pub(super) fn after_turn(&mut self, index: u32) {
        let sub = &self.subscriptions[index as usize];
        if matches!(sub.state, State::Ending { .. }) && sub.debt.is_flushed() {
            self.counters.ended += 1;
            return self.close(index, Close::Clean);
        }
        if sub.blocked {
            self.fall_back(index);
        }
        self.make_ready(index);
    }
}

/// The part of the heartbeat's interval after which this subscription beats, from four fifths to all of it: those who heard one
/// event together do not beat together. Fixed for a slot of the table, and spread evenly over slots (Knuth's multiplicative hash).
fn phase(index: u32) -> f64 {
    1.0 - 0.2 * f64::from(index.wrapping_mul(0x9E37_79B9)) / f64::from(u32::MAX)
}
