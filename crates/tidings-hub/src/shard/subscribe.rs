//! A subscription comes and goes: where it starts, and what it is told first.

use super::owed::Debt;
use super::subscription::{Cold, Spec, State, SubscriberId, Subscription};
use super::{Close, Shard};
use crate::control::Control;
use crate::{EndReason, EventId, Gap, GapReason, ReadFrom, ResumePoint, Seq, Time, UNKNOWN_EVENTS_MAX};
use std::time::Duration;
use tidings_wire::Retry;

impl Shard {
    /// Adds a subscription. [`Shard::poll_opened`] says when its start is known: at once where the tail has it, else once the
    /// history has answered.
    pub fn subscribe(&mut self, spec: Spec, resume: ResumePoint) -> SubscriberId {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        let (group, is_new) = self.groups.find_or_insert(spec.selection, spec.format, self.window.next());
        if is_new {
            self.counters.visited += self.topics.attach(group, &self.groups) as u64;
        }
        self.generation = self.generation.wrapping_add(1);
        let expires_at = self.config.max_age.map_or(Time::NEVER, |age| self.now + self.spread(age));
        let index = self.subscriptions.insert(Subscription {
            generation: self.generation,
            group,
            member: 0,
            bare_events: spec.bare_events,
            opened: false,
            queued: false,
            blocked: false,
            state: State::Live,
            pos: self.window.next(),
            seq: self.window.head(),
            debt: Debt::default(),
            last_write: self.now,
            beat_at: self.now + self.config.heartbeat.mul_f64(self.rng.f64()),
            last_event: self.now,
            expires_at,
            expires_for: EndReason::MaxAge,
            timer: Time::NEVER,
        });
        let index = u32::try_from(index).expect("a shard has far fewer than 2^32 subscriptions");
        self.subscriptions[index as usize].member = self.groups.join(group, index);
        self.schedule(index);
        self.resume(index, resume);
        self.id_of(index)
    }

    /// The transport says the client has gone. Of one that has been closed already, nothing more is heard: no error.
    pub fn handle_closed(&mut self, id: SubscriberId) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        if let Some(index) = self.find(id) {
            self.remove(index);
        }
    }

    fn resume(&mut self, index: u32, resume: ResumePoint) {
        match resume {
            ResumePoint::Live | ResumePoint::Last(0) => self.open(index, None),
            ResumePoint::After(id) if id.epoch != self.config.epoch => self.start_unknown(index, &id.to_string()),
            ResumePoint::After(id) if id.seq > self.window.head() => self.park(index, id),
            ResumePoint::After(id) if id.seq >= self.window.floor() => {
                let sub = &mut self.subscriptions[index as usize];
                (sub.pos, sub.seq) = (self.window.pos_after(id.seq), id.seq);
                sub.state = State::Tail { prompt: false };
                self.open(index, None);
            }
            ResumePoint::After(id) => {
                self.subscriptions[index as usize].seq = id.seq;
                let from = self.subscriptions[index as usize].read_on();
                let requested = Some(id.to_string().into());
                self.start_cold(index, Cold { requested, ..Cold::from(from) });
            }
            ResumePoint::Unknown { requested } => self.start_unknown(index, &requested),
            ResumePoint::Since(time) => self.start_cold(index, Cold::from(ReadFrom::Since(time))),
            ResumePoint::All => {
                self.subscriptions[index as usize].seq = Seq::START;
                self.start_cold(index, Cold::from(self.subscriptions[index as usize].read_on()));
            }
            ResumePoint::Last(n) => self.start_cold(index, Cold::from(ReadFrom::Newest(n))),
            ResumePoint::LastEach => self.start_cold(index, Cold::from(ReadFrom::LastEach { after: Seq::START })),
        }
    }

    /// A place that means nothing here: the newest events, behind a gap that says so.
    pub(super) fn start_unknown(&mut self, index: u32, requested: &str) {
        let from = ReadFrom::Newest(UNKNOWN_EVENTS_MAX);
        let requested = Some(requested.into());
        self.start_cold(index, Cold { requested, unknown: true, ..Cold::from(from) });
    }

    /// The client is ahead of this node. The engine is asked for its own last: only if that is lower too, the place is
    /// none.
    fn park(&mut self, index: u32, id: EventId) {
        self.subscriptions[index as usize].state = State::Parked { target: id.seq };
        self.parked.insert((id.seq, index));
        self.ask_about_parked(index, id.seq);
    }

    /// The start is known: says so, and lets the subscription be served.
    pub(super) fn open(&mut self, index: u32, gap: Option<&Gap>) {
        let sub = &self.subscriptions[index as usize];
        assert!(!sub.opened, "a stream opens once");
        let (id, format) = (EventId { epoch: self.config.epoch, seq: sub.seq }, self.groups.get(sub.group).format);
        if !sub.bare_events {
            let retry = self.draw_retry(self.config.retry_min, self.config.retry_max);
            let open = Control::Open { retry, id }.encode(format);
            self.subscriptions[index as usize].debt.push_control(open);
        }
        self.subscriptions[index as usize].opened = true;
        let id = self.id_of(index);
        self.opened.push_back((id, gap.map(|gap| gap.reason)));
        if let Some(gap) = gap {
            self.tell_gap(index, gap);
        }
        self.make_ready(index);
    }

    /// Queues a gap, to be sent before the next event.
    pub(super) fn tell_gap(&mut self, index: u32, gap: &Gap) {
        match gap.reason {
            GapReason::Expired => self.counters.gaps_expired += 1,
            GapReason::Unknown => self.counters.gaps_unknown += 1,
            GapReason::Lagged => self.counters.gaps_lagged += 1,
        }
        let format = self.groups.get(self.subscriptions[index as usize].group).format;
        let sub = &mut self.subscriptions[index as usize];
        if !sub.bare_events {
            sub.debt.push_control(Control::Gap(gap).encode(format));
        }
    }

    /// Ends a stream: the driver is told, the subscription is gone.
    pub(super) fn close(&mut self, index: u32, close: Close) {
        self.closes.push_back((self.id_of(index), close));
        self.remove(index);
    }

    fn remove(&mut self, index: u32) {
        let sub = self.subscriptions.remove(index as usize);
        self.blocked -= usize::from(sub.blocked);
        // Its place in the ready ring stays and is passed over: taking it out would cost a look at the whole ring.
        if let State::Parked { target } = sub.state {
            self.parked.remove(&(target, index));
        }
        if let Some(partial) = sub.debt.partial() {
            self.let_go(index, sub.group, partial);
        }
        if let Some(moved) = self.groups.leave(sub.group, index, sub.member) {
            self.subscriptions[moved as usize].member = sub.member;
        }
        if self.groups.get(sub.group).members.is_empty() {
            let group = self.groups.remove(sub.group);
            self.topics.detach(sub.group, &group.selection);
            self.run = None;
        }
    }

    /// A retry between two bounds, so that those who were cut together do not return together.
    pub(super) fn draw_retry(&mut self, min: Duration, max: Duration) -> Retry {
        let millis = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
        Retry::from_millis(self.rng.u32(millis(min)..=millis(max)))
    }

    /// A duration a fifth shorter or longer: deadlines that were set together come apart.
    pub(super) fn spread(&mut self, duration: Duration) -> Duration {
        duration.mul_f64(0.8 + 0.4 * self.rng.f64())
    }
}
