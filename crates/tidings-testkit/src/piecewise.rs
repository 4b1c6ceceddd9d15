//! The hub as a transport of the suite: one shard over pipes that take a few bytes a call, on virtual time.

use crate::conformance::{Arrival, Ask, Capabilities, Chunks, Conn, Cut, Ending, Post, Start, Transport};
use crate::engine::FakeEngine;
use crate::{Pipe, shard_config};
use std::time::Duration;
use tidings_hub::{
    Close, EventId, Format, Framing, ResumePoint, Shard, ShardConfig, Spec, SubscriberId, Tail, Time, TopicName,
    Topics, UnixMillis,
};
use tidings_wire::EventType;

/// What a pipe holds of a client that does not read: several small frames, or a part of a large one.
const PIPE_BYTES_MAX: usize = 2 << 10;
/// A tail of a few events, so that clients return to places in it and behind it.
const TAIL_BYTES_MAX: usize = 16 << 10;
/// Greatest step between two events' numbers: clients must not count on dense ones.
const SEQ_STEP_MAX: u64 = 3;
/// Over how long a drain is spread.
const DRAIN_SPREAD: Duration = Duration::from_millis(500);
/// 2025-05-20T04:21:01.969Z.
const WALL_START: i64 = 1_747_714_861_969;

/// See the module's text.
#[derive(Debug)]
pub struct Piecewise {
    framing: Framing,
    /// Bytes a pipe takes in one call, at most; how many it takes is drawn.
    per_call_max: usize,
    rng: fastrand::Rng,
    now: Time,
    engine: FakeEngine,
    tail: Tail,
    shard: Shard,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    id: SubscriberId,
    pipe: Pipe,
    is_opened: bool,
    closed: Option<Close>,
}

/// Its wall clock stands still: no case of the suite has events that expire.
const WALL: UnixMillis = UnixMillis(0);

impl Piecewise {
    /// A hub without events, whose pipes take 1 to `per_call_max` bytes a call.
    pub fn new(seed: u64, per_call_max: usize, framing: Framing) -> Self {
        let config = shard_config();
        // Long after its origin, as in a process that has run for a while.
        let now = Time::from_millis(1_000_000);
        let engine = FakeEngine::new(config.epoch, seed, SEQ_STEP_MAX, true);
        Piecewise {
            framing,
            per_call_max,
            rng: fastrand::Rng::with_seed(seed),
            now,
            tail: Tail::new(config.epoch, engine.head(), TAIL_BYTES_MAX),
            shard: Shard::new(ShardConfig { rng_seed: seed, hash_seed: seed, ..config }, now, WALL),
            engine,
            clients: Vec::new(),
        }
    }

    /// Does what the shard wants done, until it wants nothing.
    fn work(&mut self) {
        loop {
            while let Some(transmit) = self.shard.poll_transmit() {
                let conn = self.find(transmit.id).expect("an offer is for somebody who is there");
                let per_call_max = self.rng.usize(1..=self.per_call_max);
                let pipe = &mut self.clients[conn].pipe;
                pipe.set_room(PIPE_BYTES_MAX - pipe.unread(), per_call_max);
                let taken = pipe.take(&transmit);
                self.shard.handle_wrote(transmit.id, taken);
                self.close();
                // Short though there was room, as a socket that took a part: it says so again.
                if self.clients[conn].closed.is_none() && self.clients[conn].pipe.take_writable() {
                    self.shard.handle_writable(transmit.id);
                }
            }
            self.close();
            while let Some((id, _)) = self.shard.poll_opened() {
                if let Some(conn) = self.find(id) {
                    self.clients[conn].is_opened = true;
                }
            }
            let mut is_asked = false;
            while let Some((fetch, read)) = self.shard.poll_fetch() {
                is_asked = true;
                let page = self.engine.read(&read, WALL);
                self.shard.handle_history(fetch, Ok(page));
            }
            if !is_asked {
                return;
            }
        }
    }

    fn close(&mut self) {
        while let Some((id, close)) = self.shard.poll_close() {
            let conn = self.find(id).expect("who is ended was there");
            let client = &mut self.clients[conn];
            client.closed = Some(close);
            if close == Close::Clean && self.framing == Framing::Chunked {
                client.pipe.push(b"0\r\n\r\n");
            }
        }
    }

    fn find(&self, id: SubscriberId) -> Option<Conn> {
        self.clients.iter().rposition(|client| client.id == id)
    }
}

impl Transport for Piecewise {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owns_time: true,
            framing: self.framing,
            chunks: if self.framing == Framing::Chunked { Chunks::OneEvent } else { Chunks::Unseen },
            swallowed_bytes_max: PIPE_BYTES_MAX,
        }
    }

    fn open(&mut self, ask: &Ask) -> Conn {
        let resume = match &ask.start {
            Start::Live => ResumePoint::Live,
            Start::All => ResumePoint::All,
            Start::LastEventId(id) => ResumePoint::from_client_id(id),
        };
        let format = Format { form: ask.form, framing: self.framing };
        let spec = Spec { selection: ask.wish.selection(), format, bare_events: false };
        let id = self.shard.subscribe(spec, resume);
        self.clients.push(Client { id, pipe: Pipe::open(), is_opened: false, closed: None });
        self.work();
        let conn = self.clients.len() - 1;
        assert!(self.clients[conn].is_opened, "a stream's start is known once the engine has answered");
        conn
    }

    fn publish(&mut self, posts: &[Post]) -> Vec<String> {
        let passed = i64::try_from(self.now.millis()).expect("a test lasts no age");
        let mut ids = Vec::new();
        for Post { topics, event_type, content } in posts {
            let topics = topics.iter().map(|t| TopicName::new(t).expect("a case names topics that are some"));
            let topics = Topics::new(topics.collect()).expect("a case names 1 to 16 different topics");
            let event_type = event_type.as_ref().map(|t| EventType::new(t).expect("a case names types"));
            let time = UnixMillis(WALL_START + passed);
            let seq = self.engine.append_content(topics, event_type, content.clone(), time);
            ids.push(EventId { epoch: self.engine.epoch(), seq }.to_string());
        }
        let events = self.engine.take_commit(posts.len()).expect("a case publishes something");
        let batch = self.tail.append(events);
        self.shard.handle_batch(&batch);
        self.work();
        ids
    }

    fn read(&mut self, conn: Conn, max: usize) -> Arrival {
        let client = &mut self.clients[conn];
        let bytes = client.pipe.read(max);
        if client.closed.is_none() && client.pipe.set_room(PIPE_BYTES_MAX - client.pipe.unread(), self.per_call_max) {
            self.shard.handle_writable(client.id);
            self.work();
        }
        match self.clients[conn].closed {
            _ if !bytes.is_empty() => Arrival::Bytes(bytes),
            Some(Close::Clean) => Arrival::Ended(Ending::Clean),
            Some(Close::Reset) => Arrival::Ended(Ending::Cut),
            None => Arrival::Idle,
        }
    }

    fn cut(&mut self, conn: Conn, _: Cut) {
        // Either way the driver learns that the client has gone, and nothing else.
        self.shard.handle_closed(self.clients[conn].id);
        self.work();
    }

    fn drain(&mut self) {
        self.shard.drain(DRAIN_SPREAD);
        // The grace of those who do not read, and the wheel's coarseness.
        self.wait(DRAIN_SPREAD + shard_config().end_grace * 2);
        assert_eq!(self.shard.holdings().subscriptions, 0, "a drain is over when it says");
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now = self.shard.poll_timeout().unwrap_or(Time::NEVER).min(end).max(self.now);
            self.shard.handle_timeout(self.now, WALL);
            self.work();
        }
    }
}
