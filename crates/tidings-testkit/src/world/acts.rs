//! What happens: publishing, subscribing, stalling, history that answers late, time.

use super::{Sub, SubKey, World};
use crate::engine::Draft;
use crate::lane::{Delivered, Lane, Word};
use crate::listener::Listener;
use crate::model::{Model, ReadDone};
use crate::{Pipe, Wish};
use std::time::Duration;
use tidings_hub::{EndReason, Format, HistoryError, ResumePoint, Spec, Time};

impl World {
    // Publishing.

    /// Commits the drafts together. The tail has them after [`World::feed`].
    pub fn append(&mut self, drafts: &[Draft]) {
        self.step += 1;
        let time = self.wall();
        self.engine.append(drafts, time);
    }

    /// Hands the tail the next commit, or several merged; the shards have it after [`World::deliver`].
    pub fn feed(&mut self, merge: usize) -> bool {
        self.step += 1;
        if let Some(deletion) = self.engine.take_deletion() {
            let start = self.tail.let_go(&deletion.topic);
            for lane in &mut self.lanes {
                lane.inbox.push_back(Word::LetGo(start, deletion.clone()));
            }
            return true;
        }
        let Some(events) = self.engine.take_commit(merge) else { return false };
        let batch = self.tail.append(events);
        for lane in &mut self.lanes {
            lane.inbox.push_back(Word::Batch(batch.clone()));
        }
        true
    }

    /// Hands a shard the next of what the tail told and it was not.
    pub fn deliver(&mut self, lane: usize) -> bool {
        self.step += 1;
        let before = self.lanes[lane].window_start;
        let wall = self.wall();
        let Some(delivered) = self.lanes[lane].deliver(self.step, wall) else { return false };
        for sub in self.subs.iter_mut().filter(|sub| sub.lane == lane) {
            sub.model.moved(self.lanes[lane].view(&self.engine, self.step, wall));
            if sub.pipe.is_blocked() {
                sub.refused = self.step;
            }
            if delivered == Delivered::LetGo {
                sub.model.let_go(!sub.listener.is_at_boundary() || sub.pipe.unread() > 0);
            }
        }
        let has_let_go = delivered == Delivered::LetGo && self.lanes[lane].window_start > before;
        self.seen.deletions += u64::from(has_let_go);
        self.poll_opened(lane);
        self.poll_closes(lane);
        self.seen.held += u64::from(self.lanes[lane].shard.holdings().held_bytes > 0);
        true
    }

    /// A topic's history is dropped. The tail is told in its turn, by [`World::feed`].
    pub fn delete(&mut self, topic: &str) {
        self.step += 1;
        self.engine.delete(topic, self.step);
    }

    /// Commits, feeds, delivers to all and serves everybody.
    pub fn publish(&mut self, drafts: &[Draft]) {
        self.append(drafts);
        while self.feed(1) {}
        for lane in 0..self.lanes.len() {
            while self.deliver(lane) {}
            self.serve(lane, usize::MAX);
        }
    }

    /// History lets go of the events before `place`, in one topic or in all of them.
    pub fn drop_history(&mut self, place: usize, topic: Option<&str>) {
        self.step += 1;
        self.engine.drop_before(place, self.step, topic);
    }

    // Subscribing.

    /// Subscribes on a shard, to a transport that takes everything.
    pub fn subscribe(&mut self, lane: usize, wish: &Wish, format: Format, resume: ResumePoint) -> SubKey {
        let sub = self.subscribe_quietly(lane, wish, format, false, resume);
        self.serve(lane, usize::MAX);
        sub
    }

    /// Subscribes, and serves nobody yet.
    pub fn subscribe_quietly(
        &mut self,
        lane: usize,
        wish: &Wish,
        format: Format,
        bare_events: bool,
        resume: ResumePoint,
    ) -> SubKey {
        self.step += 1;
        let key = self.subs.len();
        let wall = self.wall();
        let place = &mut self.lanes[lane];
        let view = place.view(&self.engine, self.step, wall);
        let model = Model::new(wish.clone(), format, bare_events, resume.clone(), view);
        place.answered = None;
        let spec = Spec { selection: wish.selection(), format, bare_events };
        let id = place.shard.subscribe(spec, resume);
        assert!(place.keys.insert(id, key).is_none(), "an id is given once");
        self.subs.push(Sub {
            lane,
            id,
            format,
            bare_events,
            pipe: Pipe::open(),
            listener: Listener::new(format),
            is_read: true,
            told: Vec::new(),
            model,
            since: self.step,
            refused: 0,
            begun: None,
            closed: None,
            gone: false,
        });
        self.poll_opened(lane);
        key
    }

    /// From now on the transport takes `room` bytes, at most `per_call_max` a call; 0 stalls it.
    pub fn set_room(&mut self, sub: SubKey, room: usize, per_call_max: usize) {
        self.step += 1;
        let Sub { lane, id, pipe, .. } = &mut self.subs[sub];
        if pipe.set_room(room, per_call_max) {
            self.lanes[*lane].shard.handle_writable(*id);
        }
    }

    /// The client goes away.
    pub fn vanish(&mut self, sub: SubKey) {
        self.step += 1;
        let Sub { lane, id, gone, closed, .. } = &mut self.subs[sub];
        *gone = true;
        if closed.is_none() {
            self.lanes[*lane].keys.remove(id);
        }
        self.lanes[*lane].shard.handle_closed(*id);
    }

    /// The server ends one stream.
    pub fn end(&mut self, sub: SubKey, reason: EndReason) {
        self.step += 1;
        let Sub { lane, id, .. } = self.subs[sub];
        self.lanes[lane].shard.end(id, reason);
        self.poll_opened(lane);
        self.poll_closes(lane);
    }

    /// A shard ends all of its streams.
    pub fn drain(&mut self, lane: usize, spread: Duration) {
        self.step += 1;
        self.lanes[lane].shard.drain(spread);
    }

    /// The client reads what its transport took, at most `max` bytes: the model hears them, and they are the answer.
    pub fn read(&mut self, sub: SubKey, max: usize) -> Vec<u8> {
        let bytes = self.subs[sub].pipe.read(max);
        self.hear(sub, &bytes);
        bytes
    }

    /// From now on the client reads only when [`World::read`] says so.
    pub fn stop_reading(&mut self, sub: SubKey) {
        self.subs[sub].is_read = false;
    }

    /// Bytes the transport took and the client has not read.
    pub fn unread(&self, sub: SubKey) -> usize {
        self.subs[sub].pipe.unread()
    }

    // History.

    /// Reads that wait: (shard, index) of those that were not looked at, and of those that were.
    pub fn reads(&self, looked_at: bool) -> Vec<(usize, usize)> {
        let of = |(n, lane): (usize, &Lane)| -> Vec<(usize, usize)> {
            let reads = lane.reads.iter().enumerate().filter(|(_, r)| r.answer.is_some() == looked_at);
            reads.map(|(i, _)| (n, i)).collect()
        };
        self.lanes.iter().enumerate().flat_map(of).collect()
    }

    /// The engine looks; the answer stays on its way.
    pub fn look(&mut self, lane: usize, read: usize) {
        self.step += 1;
        let wall = self.wall();
        let pending = &mut self.lanes[lane].reads[read];
        let page = self.engine.read(&pending.read, wall);
        let done = ReadDone {
            from: pending.read.from,
            looked_at: self.step,
            wall,
            places: self.engine.records().len(),
            head: page.head,
            start: page.start,
            truncated: page.truncated,
        };
        pending.answer = Some((page, done));
    }

    /// An answer arrives, whichever was asked first.
    pub fn answer(&mut self, lane: usize, read: usize) {
        self.step += 1;
        let place = &mut self.lanes[lane];
        let pending = place.reads.remove(read);
        let (page, done) = pending.answer.expect("the engine looked at it");
        place.answered = Some(done);
        place.shard.handle_history(pending.id, Ok(page));
        self.seen.cold += 1;
        self.poll_opened(lane);
    }

    /// A read fails.
    pub fn fail(&mut self, lane: usize, read: usize) {
        self.step += 1;
        let pending = self.lanes[lane].reads.remove(read);
        self.lanes[lane].shard.handle_history(pending.id, Err(HistoryError));
        self.poll_closes(lane);
    }

    /// Looks at and answers every read of a shard, and those that follow.
    pub fn answer_all(&mut self, lane: usize) {
        loop {
            self.lanes[lane].take_fetches();
            if self.lanes[lane].reads.is_empty() {
                return;
            }
            if self.lanes[lane].reads[0].answer.is_none() {
                self.look(lane, 0);
            }
            self.answer(lane, 0);
            self.serve(lane, usize::MAX);
        }
    }

    // Time.

    /// Time passes; every shard is woken when it asked to be.
    pub fn advance(&mut self, duration: Duration) {
        self.step += 1;
        let end = self.now + duration;
        loop {
            let next = self.lanes.iter().filter_map(|lane| lane.shard.poll_timeout()).min();
            self.now = next.unwrap_or(Time::NEVER).min(end).max(self.now);
            let wall = self.wall();
            for lane in 0..self.lanes.len() {
                self.lanes[lane].shard.handle_timeout(self.now, wall);
                self.serve(lane, usize::MAX);
            }
            if self.now >= end {
                return;
            }
        }
    }
}
