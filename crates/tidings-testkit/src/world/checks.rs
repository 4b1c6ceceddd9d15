//! What is checked: every offer, every byte that is heard, every ending, and that at rest nothing is owed.

use super::sub::Begun;
use super::{Sub, SubKey, World};
use crate::Seen;
use crate::listener::Told;
use tidings_hub::{Close, Framing, Transmit};

impl World {
    // Serving.

    /// Polls a shard until it wants nothing, or has made so many offers.
    pub fn serve(&mut self, lane: usize, offers_max: usize) {
        self.poll_opened(lane);
        let mut offers = 0;
        while offers < offers_max {
            let Some(transmit) = self.lanes[lane].shard.poll_transmit() else { break };
            offers += 1;
            self.transmit(lane, &transmit);
            self.poll_closes(lane);
        }
        self.poll_opened(lane);
        self.poll_closes(lane);
        self.lanes[lane].take_fetches();
    }

    fn transmit(&mut self, lane: usize, transmit: &Transmit) {
        let key = *self.lanes[lane].keys.get(&transmit.id).expect("an offer is for somebody who is there");
        let turn_slices_max = self.config.shard.turn_slices_max;
        let sub = &mut self.subs[key];
        assert!(transmit.slices.iter().all(|slice| !slice.is_empty()), "no slice is empty");
        assert!(!transmit.slices.is_empty(), "no offer is empty");
        assert!(transmit.slices.len() <= turn_slices_max, "{} slices in an offer", transmit.slices.len());
        let taken = sub.pipe.take(transmit);
        self.lanes[lane].shard.handle_wrote(transmit.id, taken);
        self.listen(key);
        let Sub { id, pipe, refused, model, .. } = &mut self.subs[key];
        if pipe.is_blocked() {
            *refused = self.step;
            model.refused();
        }
        // Short though there was room, as a socket that took a part: it says so again later.
        if self.lanes[lane].keys.contains_key(id) && pipe.take_writable() {
            self.lanes[lane].shard.handle_writable(*id);
        }
    }

    /// The client reads what its transport took.
    fn listen(&mut self, key: SubKey) {
        if self.subs[key].is_read {
            let bytes = self.subs[key].pipe.read(usize::MAX);
            self.hear(key, &bytes);
        }
    }

    pub(super) fn hear(&mut self, key: SubKey, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
        self.mix(key as u64);
        let wall = self.wall();
        let sub = &mut self.subs[key];
        let lane = &self.lanes[sub.lane];
        let now = Begun { wall, refused: sub.refused };
        let mut begun = sub.begun.take();
        let told = sub.listener.handle_bytes(bytes);
        for told in told.unwrap_or_else(|error| panic!("seed {}: subscription {key}: {error}", self.config.seed)) {
            let before = sub.model.heard().len();
            let begun = begun.take().unwrap_or(now);
            let mut result = sub.model.hear(&told, lane.view(&self.engine, self.step, wall));
            if let Some(place) = sub.model.heard().get(before) {
                let event = &self.engine.records()[*place].event;
                self.seen.late += u64::from(event.is_expired(wall));
                result = result.and_then(|()| sub.check_expiry(*place, event, begun, lane));
            }
            sub.told.push(told);
            if let Err(error) = result {
                panic!("seed {}, step {}: subscription {key}: {error}\n{}", self.config.seed, self.step, sub.explain());
            }
            let from_tail = |place: &usize| *place >= lane.window_start && *place < lane.newest;
            self.seen.tail += sub.model.heard()[before..].iter().filter(|p| from_tail(p)).count() as u64;
            note(&mut self.seen, sub.told.last().expect("one was pushed"));
        }
        sub.begun = if sub.listener.is_at_boundary() { None } else { begun.or(Some(now)) };
    }

    pub(super) fn poll_opened(&mut self, lane: usize) {
        let wall = self.wall();
        while let Some((id, reason)) = self.lanes[lane].shard.poll_opened() {
            let place = &self.lanes[lane];
            // One that has gone since opened for nobody.
            let Some(&key) = place.keys.get(&id) else { continue };
            let sub = &mut self.subs[key];
            let result = sub.model.open(reason, place.answered, place.view(&self.engine, self.step, wall));
            if let Err(error) = result {
                panic!("seed {}, step {}: subscription {key}: {error}\n{}", self.config.seed, self.step, sub.explain());
            }
            self.seen.live += u64::from(sub.model.is_live());
            self.seen.parked += u64::from(sub.model.is_parked());
        }
        self.lanes[lane].answered = None;
    }

    pub(super) fn poll_closes(&mut self, lane: usize) {
        while let Some((id, close)) = self.lanes[lane].shard.poll_close() {
            let key = self.lanes[lane].keys.remove(&id).expect("who is ended was there");
            self.mix(close as u64);
            let sub = &mut self.subs[key];
            assert!(sub.closed.replace(close).is_none(), "a stream is ended once");
            self.seen.reset += u64::from(close == Close::Reset);
            if close == Close::Clean {
                let whole = sub.listener.is_at_boundary() && (sub.model.is_ended() || sub.bare_events);
                assert!(whole || !sub.is_read, "seed {}: subscription {key} ended in the middle", self.config.seed);
                if sub.format.framing == Framing::Chunked {
                    sub.pipe.push(b"0\r\n\r\n");
                }
                self.listen(key);
            }
        }
    }

    /// Everything arrives: commits, batches, reads, bytes. Then nothing may be owed to anybody.
    pub fn rest(&mut self) {
        while self.feed(1) {}
        for key in 0..self.subs.len() {
            if self.is_open(key) {
                self.set_room(key, usize::MAX, usize::MAX);
            }
        }
        for lane in 0..self.lanes.len() {
            while self.deliver(lane) {
                self.serve(lane, usize::MAX);
            }
            self.serve(lane, usize::MAX);
            self.answer_all(lane);
            let holdings = self.lanes[lane].shard.holdings();
            assert_eq!((holdings.held_bytes, holdings.fetches, holdings.ready), (0, 0, 0), "at rest nothing is held");
        }
        let wall = self.wall();
        for (key, sub) in self.subs.iter_mut().enumerate() {
            let lane = &self.lanes[sub.lane];
            if sub.closed.is_some() || sub.gone || !sub.is_read {
                continue;
            }
            assert!(sub.listener.is_at_boundary(), "seed {}: subscription {key}: half told", self.config.seed);
            if let Err(error) = sub.model.rest(lane.view(&self.engine, self.step, wall)) {
                panic!("seed {}, at rest: subscription {key}: {error}\n{}", self.config.seed, sub.explain());
            }
        }
    }

    /// FNV-1a, for the transcript: any difference between two runs shows.
    fn mix(&mut self, value: u64) {
        self.digest = (self.digest ^ value).wrapping_mul(0x100_0000_01b3);
    }
}

fn note(seen: &mut Seen, told: &Told) {
    match told {
        Told::Event(_) => seen.events += 1,
        Told::Gap(gap) => match gap.reason.as_str() {
            "expired" => seen.expired += 1,
            "unknown" => seen.unknown += 1,
            _ => seen.lagged += 1,
        },
        Told::Checkpoint { .. } => seen.checkpoints += 1,
        Told::Heartbeat => seen.heartbeats += 1,
        Told::End { .. } => seen.ending += 1,
        Told::Open { .. } => {}
    }
}
