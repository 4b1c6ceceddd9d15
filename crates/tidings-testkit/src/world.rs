//! One tail, several shards, an engine and their clients, on virtual time. After every step each client's bytes are compared with
//! the model.

use crate::engine::{Draft, FakeEngine};
use crate::lane::Lane;
use crate::listener::{Listener, Told};
use crate::model::{Model, ReadDone};
use crate::{Pipe, Seen, Wish};
use std::time::Duration;
use tidings_hub::{
    Close, Counters, EndReason, Epoch, EventId, Format, Framing, HistoryError, Holdings, ResumePoint, Seq, Shard,
    ShardConfig, Spec, Tail, Time, Transmit, UnixMillis,
};

/// Names a subscription of a world.
pub type SubKey = usize;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many shards.
    pub shards: usize,
    /// The tail's bound.
    pub tail_bytes_max: usize,
    /// Every shard's bounds; epoch, head and seeds are filled in.
    pub shard: ShardConfig,
    /// Greatest step between two events' numbers.
    pub seq_step_max: u64,
    /// Whether history cuts pages short at random.
    pub cuts_pages: bool,
    /// Where the monotonic clock starts.
    pub start: Time,
}

impl WorldConfig {
    /// Three shards with the product's bounds and a tail of 1 MiB.
    pub fn new(seed: u64) -> Self {
        WorldConfig {
            seed,
            shards: 3,
            tail_bytes_max: 1 << 20,
            shard: shard_config(),
            seq_step_max: 1,
            cuts_pages: false,
            // Long after its origin, as in a process that has run for a while.
            start: Time::from_millis(1_000_000),
        }
    }
}

/// The bounds that the design names, for tests that are about something else.
pub fn shard_config() -> ShardConfig {
    ShardConfig {
        epoch: Epoch::from_random(1),
        head: Seq::START,
        rng_seed: 1,
        hash_seed: 1,
        turn_bytes_max: 256 << 10,
        turn_slices_max: 1024,
        turn_scan_max: 4096,
        held_bytes_max: 32 << 20,
        replay_bytes_max: 32 << 20,
        fetches_max: 8,
        page_events_max: 1000,
        page_bytes_max: 1 << 20,
        heartbeat: Duration::from_secs(15),
        checkpoint_after: Duration::from_secs(60),
        max_age: None,
        end_grace: Duration::from_secs(1),
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(3),
    }
}

/// One client.
#[derive(Debug)]
struct Sub {
    lane: usize,
    id: tidings_hub::SubscriberId,
    format: Format,
    bare_events: bool,
    pipe: Pipe,
    listener: Listener,
    /// Whether the world reads its pipe; else the test does.
    is_read: bool,
    told: Vec<Told>,
    model: Model,
    closed: Option<Close>,
    gone: bool,
}

impl Sub {
    /// What a failure prints: the model, and what was heard last.
    fn explain(&self) -> String {
        /// Enough to see where it went wrong.
        const SHOWN: usize = 12;
        let mut text = format!("{:?}\n", self.model);
        for told in &self.told[self.told.len().saturating_sub(SHOWN)..] {
            let told = match told {
                Told::Event(heard) => format!("{:.9} at {}", heard.data.replace('\n', " "), heard.last_event_id),
                other => format!("{other:?}"),
            };
            text += &format!("  {told}\n");
        }
        text
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    /// Decides what the world leaves to chance; tests draw from it too.
    pub rng: fastrand::Rng,
    now: Time,
    /// Grows by one with every call that changes something.
    step: u64,
    engine: FakeEngine,
    tail: Tail,
    lanes: Vec<Lane>,
    subs: Vec<Sub>,
    digest: u64,
    seen: Seen,
}

/// The wall clock's start: 2025-05-20T04:21:01.969Z, and it runs with the other one.
const WALL_START: i64 = 1_747_714_861_969;

impl World {
    /// A world without history.
    pub fn new(config: WorldConfig) -> Self {
        World::with_history(config, &[])
    }

    /// A world whose log holds these events before the tail begins.
    pub fn with_history(config: WorldConfig, history: &[Draft]) -> Self {
        let epoch = config.shard.epoch;
        let mut engine = FakeEngine::new(epoch, config.seed, config.seq_step_max, config.cuts_pages);
        for draft in history {
            engine.append(std::slice::from_ref(draft), UnixMillis(WALL_START));
        }
        engine.skip_to_end();
        let lane = |n: usize| {
            let seed = config.seed.wrapping_mul(31).wrapping_add(n as u64);
            let head = engine.head();
            let shard = ShardConfig { head, rng_seed: seed, hash_seed: seed, ..config.shard.clone() };
            Lane::new(Shard::new(shard, config.start), engine.records().len())
        };
        World {
            rng: fastrand::Rng::with_seed(config.seed),
            now: config.start,
            step: 0,
            tail: Tail::new(epoch, engine.head(), config.tail_bytes_max),
            lanes: (0..config.shards).map(lane).collect(),
            subs: Vec::new(),
            digest: 0xcbf2_9ce4_8422_2325,
            seen: Seen::default(),
            engine,
            config,
        }
    }

    // What is there.

    /// The engine, with everything that was published.
    pub fn engine(&self) -> &FakeEngine {
        &self.engine
    }

    /// The tail.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The wall clock's time.
    pub fn wall(&self) -> UnixMillis {
        let passed = self.now.millis() - self.config.start.millis();
        UnixMillis(WALL_START + i64::try_from(passed).expect("a test lasts no age"))
    }

    /// An id of this history.
    pub fn event_id(&self, seq: Seq) -> EventId {
        EventId { epoch: self.engine.epoch(), seq }
    }

    /// What a shard holds.
    pub fn holdings(&self, lane: usize) -> Holdings {
        self.lanes[lane].shard.holdings()
    }

    /// What a shard counted.
    pub fn counters(&self, lane: usize) -> Counters {
        self.lanes[lane].shard.counters()
    }

    /// When a shard wants to be told the time.
    pub fn next_timeout(&self, lane: usize) -> Option<Time> {
        self.lanes[lane].shard.poll_timeout()
    }

    /// What was reached so far.
    pub fn seen(&self) -> Seen {
        Seen { steps: self.step, ..self.seen }
    }

    /// A digest of every byte that every client was sent, and of how its stream ended.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many subscriptions there ever were.
    pub fn subscriptions(&self) -> usize {
        self.subs.len()
    }

    /// Whether the subscription is open on both sides.
    pub fn is_open(&self, sub: SubKey) -> bool {
        self.subs[sub].closed.is_none() && !self.subs[sub].gone
    }

    /// How the shard ended it, if it did.
    pub fn closed(&self, sub: SubKey) -> Option<Close> {
        self.subs[sub].closed
    }

    /// Everything its client heard.
    pub fn told(&self, sub: SubKey) -> &[Told] {
        &self.subs[sub].told
    }

    /// The places of the events its client heard.
    pub fn heard(&self, sub: SubKey) -> &[usize] {
        self.subs[sub].model.heard()
    }

    /// Whether its start is known.
    pub fn is_opened(&self, sub: SubKey) -> bool {
        self.subs[sub].model.is_opened()
    }

    /// Whether nothing is half told to its client.
    pub fn is_at_boundary(&self, sub: SubKey) -> bool {
        self.subs[sub].listener.is_at_boundary()
    }

    /// Bytes its shard holds for it beyond the tail.
    pub fn held_for(&self, sub: SubKey) -> usize {
        self.lanes[self.subs[sub].lane].shard.held_for(self.subs[sub].id)
    }

    /// Which shard it lives on.
    pub fn lane_of(&self, sub: SubKey) -> usize {
        self.subs[sub].lane
    }

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
        let Some(events) = self.engine.take_commit(merge) else { return false };
        let batch = self.tail.append(events);
        for lane in &mut self.lanes {
            lane.inbox.push_back(batch.clone());
        }
        true
    }

    /// Hands a shard the next batch of those it was not handed.
    pub fn deliver(&mut self, lane: usize) -> bool {
        self.step += 1;
        let delivered = self.lanes[lane].deliver();
        self.poll_opened(lane);
        self.poll_closes(lane);
        if delivered && self.lanes[lane].shard.holdings().held_bytes > 0 {
            self.seen.held += 1;
        }
        delivered
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

    /// History lets go of the events before `place` whose own topic is `topic`, or of all of them.
    pub fn drop_history(&mut self, place: usize, topic: Option<&str>) {
        self.step += 1;
        self.engine.drop_before(place, self.step, |event| topic.is_none_or(|t| event.topic().as_str() == t));
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
        let place = &mut self.lanes[lane];
        let model = Model::new(wish.clone(), format, bare_events, resume.clone(), place.view(&self.engine, self.step));
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
        let pending = &mut self.lanes[lane].reads[read];
        let page = self.engine.read(&pending.read);
        let done = ReadDone {
            from: pending.read.from,
            looked_at: self.step,
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
            for lane in 0..self.lanes.len() {
                self.lanes[lane].shard.handle_timeout(self.now);
                self.serve(lane, usize::MAX);
            }
            if self.now >= end {
                return;
            }
        }
    }

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
        // Short though there was room, as a socket that took a part: it says so again later.
        let Sub { id, pipe, .. } = &mut self.subs[key];
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

    fn hear(&mut self, key: SubKey, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
        self.mix(key as u64);
        let sub = &mut self.subs[key];
        let lane = &self.lanes[sub.lane];
        let told = sub.listener.handle_bytes(bytes);
        for told in told.unwrap_or_else(|error| panic!("seed {}: subscription {key}: {error}", self.config.seed)) {
            let before = sub.model.heard().len();
            let result = sub.model.hear(&told, lane.view(&self.engine, self.step));
            sub.told.push(told);
            if let Err(error) = result {
                panic!("seed {}, step {}: subscription {key}: {error}\n{}", self.config.seed, self.step, sub.explain());
            }
            let from_tail = |place: &usize| *place >= lane.window_start && *place < lane.newest;
            self.seen.tail += sub.model.heard()[before..].iter().filter(|p| from_tail(p)).count() as u64;
            note(&mut self.seen, sub.told.last().expect("one was pushed"));
        }
    }

    fn poll_opened(&mut self, lane: usize) {
        while let Some((id, reason)) = self.lanes[lane].shard.poll_opened() {
            let place = &self.lanes[lane];
            // One that has gone since opened for nobody.
            let Some(&key) = place.keys.get(&id) else { continue };
            let sub = &mut self.subs[key];
            let result = sub.model.open(reason, place.answered, place.view(&self.engine, self.step));
            if let Err(error) = result {
                panic!("seed {}, step {}: subscription {key}: {error}\n{}", self.config.seed, self.step, sub.explain());
            }
            self.seen.live += u64::from(sub.model.is_live());
            self.seen.parked += u64::from(sub.model.is_parked());
        }
        self.lanes[lane].answered = None;
    }

    fn poll_closes(&mut self, lane: usize) {
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
        for (key, sub) in self.subs.iter_mut().enumerate() {
            let lane = &self.lanes[sub.lane];
            if sub.closed.is_some() || sub.gone || !sub.is_read {
                continue;
            }
            assert!(sub.listener.is_at_boundary(), "seed {}: subscription {key}: half told", self.config.seed);
            if let Err(error) = sub.model.rest(lane.view(&self.engine, self.step)) {
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
