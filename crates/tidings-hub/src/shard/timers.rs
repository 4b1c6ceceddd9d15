//! Deadlines: heartbeats, checkpoints, ages, drains, endings. All of them data of the hub, looked at when the wheel says so.

use super::subscription::{State, SubscriberId};
use super::{Close, Shard};
use crate::control::Control;
use crate::{EndReason, EventId, Time, UnixMillis};
use std::time::Duration;

impl Shard {
    /// Tells the time, by both clocks: deadlines follow `now`, which never goes back, and events expire by `wall`, as the engine's do. The
    /// driver calls it before it tells anything else, and at [`Shard::poll_timeout`] at the latest.
    pub fn handle_timeout(&mut self, now: Time, wall: UnixMillis) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        (self.now, self.wall) = (self.now.max(now), wall);
        let mut due = Vec::new();
        self.wheel.expire(self.now, &mut due);
        for key in due {
            // One that has gone, or whose slot is another's now, is not found.
            if let Some(index) = self.find(SubscriberId::from_u64(key)) {
                self.look_at(index);
            }
        }
    }

    /// When the next deadline may have come.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.wheel.next()
    }

    /// Ends every stream at some moment of the next `spread`.
    pub fn drain(&mut self, spread: Duration) {
        let indexes: Vec<usize> = self.subscriptions.iter().map(|(index, _)| index).collect();
        for index in indexes {
            let at = self.now + spread.mul_f64(self.rng.f64());
            let sub = &mut self.subscriptions[index];
            if at < sub.expires_at {
                (sub.expires_at, sub.expires_for) = (at, EndReason::Drain);
            }
            self.schedule(u32::try_from(index).expect("ids are 32 bits"));
        }
    }

    /// Ends one stream now.
    pub fn end(&mut self, id: SubscriberId, reason: EndReason) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        if let Some(index) = self.find(id)
            && !matches!(self.subscriptions[index as usize].state, State::Ending { .. })
        {
            self.begin_ending(index, reason);
        }
    }

    pub(super) fn schedule(&mut self, index: u32) {
        let key = self.id_of(index).as_u64();
        let due = self.due(index);
        let sub = &mut self.subscriptions[index as usize];
        // An entry further ahead than the wheel turns is looked at on the way. An earlier entry that stands is enough.
        if sub.timer <= self.now || due < sub.timer {
            sub.timer = self.wheel.schedule(due, key);
        }
    }

    fn due(&self, index: u32) -> Time {
        let sub = &self.subscriptions[index as usize];
        // A beat that should have come and did not (a stalled reader's) is looked at one interval on, not at once.
        let beat = if sub.beat_at <= self.now { self.now + self.config.heartbeat } else { sub.beat_at };
        match sub.state {
            State::Ending { deadline } => deadline,
            _ => beat.min(sub.expires_at),
        }
    }

    fn look_at(&mut self, index: u32) {
        let sub = &self.subscriptions[index as usize];
        match sub.state {
            State::Ending { deadline } if deadline <= self.now => {
                self.counters.reset_grace += 1;
                return self.close(index, Close::Reset);
            }
            State::Ending { .. } => {}
            _ if sub.blocked && self.now.since(sub.last_write) >= self.config.stall_timeout => {
                self.counters.reset_stalled += 1;
                return self.close(index, Close::Reset);
            }
            _ if sub.expires_at <= self.now => {
                let reason = sub.expires_for;
                self.begin_ending(index, reason);
            }
            _ if sub.beat_at <= self.now => self.beat(index),
            _ => {}
        }
        if self.subscriptions.contains(index as usize) {
            self.schedule(index);
        }
    }

    /// A heartbeat, unless something is on its way anyway.
    fn beat(&mut self, index: u32) {
        let head = self.window.head();
        let sub = &mut self.subscriptions[index as usize];
        if sub.bare_events || !sub.opened || sub.blocked || sub.queued || !sub.debt.is_flushed() {
            return;
        }
        self.counters.heartbeats += 1;
        let quiet = self.now.since(sub.last_event) >= self.config.checkpoint_after;
        let control = if quiet && matches!(sub.state, State::Live) && sub.seq < head {
            // At the head nothing of this subscription lies before it: it has been served completely up to there.
            sub.seq = head;
            Control::Checkpoint(EventId { epoch: self.config.epoch, seq: head })
        } else {
            Control::Heartbeat
        };
        sub.debt.push_control(control.encode(self.groups.get(sub.group).format));
        self.make_ready(index);
    }

    fn begin_ending(&mut self, index: u32, reason: EndReason) {
        let row = reason.row();
        let retry = self.draw_retry(row.retry_min, row.retry_max);
        let deadline = self.now + self.config.end_grace;
        let sub = &mut self.subscriptions[index as usize];
        if let State::Parked { target } = sub.state {
            self.parked.remove(&(target, index));
        }
        sub.state = State::Ending { deadline };
        let (opened, bare_events) = (sub.opened, sub.bare_events);
        if !bare_events {
            let end = Control::End { reason, retry }.encode(self.groups.get(sub.group).format);
            self.subscriptions[index as usize].debt.push_control(end);
        }
        if !opened {
            // Its head has not gone out: it learns in the stream that it ends.
            self.subscriptions[index as usize].opened = true;
            let id = self.id_of(index);
            self.opened.push_back((id, None));
        }
        if self.subscriptions[index as usize].debt.is_flushed() {
            self.counters.ended += 1;
            return self.close(index, Close::Clean);
        }
        self.make_ready(index);
        self.schedule(index);
    }
}
