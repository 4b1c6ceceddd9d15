//! All subscribers, on one poll loop and one thread.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use super::checker::Checker;
use super::endpoint::{Endpoint, plain};
use super::latency::Latencies;
use super::mark::Marker;
use super::session::{Clock, Session, TURN_MAX};
use super::socket::connect;
use super::subscriber::{Progress, Seen, Subscriber};
use crate::exit::{Exit, Failure};

/// Subscriptions that are on their way at once: fewer than the 511 connections that most servers let wait to be accepted.
const OPENING_MAX: usize = 256;

/// A server that opens no further subscription for so long will open none.
const STUCK_AFTER: Duration = Duration::from_secs(20);

/// What somebody who has pressed Ctrl-C still waits for gladly.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sockets of which one turn of the loop tells.
const EVENTS_MAX: usize = 1_024;

/// Read at once: as much as a server sends at once, and several readers share it.
const BUFFER_BYTES: usize = 256 * 1_024;

/// Points of the line that says how many were open when.
const POINTS: usize = 200;

/// What is subscribed to, and what is expected of it.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// Subscriber `i` listens to topic `i` modulo their number.
    pub(super) topics: &'a [String],
    pub(super) publishers: usize,
    /// Come back behind this event, whose number was 0: the next is 1.
    pub(super) last_event_id: Option<&'a str>,
    /// So many events are all: when a subscriber has them, the time is noted.
    pub(super) all: Option<u32>,
}

impl Wanted<'_> {
    fn request(&self, topic: usize) -> Vec<u8> {
        let mut own = vec![("accept", "text/event-stream")];
        own.extend(self.last_event_id.map(|id| ("last-event-id", id)));
        self.endpoint.request(&self.topics[topic], &own, &[])
    }
}

/// How opening went.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) count: usize,
    pub(super) seconds: f64,
    /// Seconds of the run, and how many were open.
    pub(super) line: Vec<(f64, f64)>,
}

/// Subscribers and what they saw.
#[derive(Debug)]
pub(super) struct Swarm<'a> {
    wanted: Wanted<'a>,
    clock: Clock,
    marker: Marker,
    poll: Poll,
    /// Taken out while its events are handled.
    events: Option<Events>,
    buffer: Box<[u8]>,
    /// The request that was sent last.
    request: Vec<u8>,
    subscribers: Vec<Subscriber>,
    /// Subscriptions that were opened or refused.
    answered: usize,
    pub(super) seen: Seen,
    /// When each subscriber had all, counted from when the swarm was made.
    pub(super) caught_up: Latencies,
    began_nanos: u64,
    pub(super) refused: u64,
    /// Streams that the server ended after it had opened them.
    pub(super) closed: u64,
    /// Why the first one was refused or closed.
    pub(super) trouble: Option<String>,
}

impl<'a> Swarm<'a> {
    pub(super) fn new(wanted: Wanted<'a>, session: &Session) -> Result<Self, Failure> {
        let poll = Poll::new().map_err(|error| failed(&error))?;
        Ok(Self {
            wanted,
            clock: session.clock,
            marker: session.marker.clone(),
            poll,
            events: Some(Events::with_capacity(EVENTS_MAX)),
            buffer: vec![0; BUFFER_BYTES].into(),
            request: Vec::new(),
            subscribers: Vec::new(),
            answered: 0,
            seen: Seen::new(),
            caught_up: Latencies::new(),
            began_nanos: session.clock.nanos(),
            refused: 0,
            closed: 0,
            trouble: None,
        })
    }

    /// Opens `count` further subscriptions. It ends early when the server answers no more of them, or Ctrl-C is pressed.
    pub(super) fn open(&mut self, count: usize, session: &mut Session) -> Result<Opened, Failure> {
        let (before, refused_before, began) = (self.answered, self.refused, Instant::now());
        let (mut asked, mut done, mut moved) = (0, 0, began);
        let mut line = vec![self.point()];
        while done < count && !session.stop.is_wanted() {
            while asked < count && asked - done < OPENING_MAX {
                self.add()?;
                asked += 1;
            }
            self.turn(TURN_MAX)?;
            if self.answered - before > done {
                (done, moved) = (self.answered - before, Instant::now());
                if done * POINTS / count >= line.len() {
                    line.push(self.point());
                }
            }
            if moved.elapsed() > STUCK_AFTER {
                self.give_up();
                break;
            }
            session.tell(|| format!("opening: {done} of {count}"));
        }
        let seconds = began.elapsed().as_secs_f64();
        line.push(self.point());
        let refused = usize::try_from(self.refused - refused_before).unwrap_or(usize::MAX);
        Ok(Opened { count: (self.answered - before).saturating_sub(refused), seconds, line })
    }

    /// Goes on for so long, or until Ctrl-C.
    pub(super) fn run_for(&mut self, time: Duration, session: &mut Session, doing: &str) -> Result<(), Failure> {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !session.stop.is_wanted()) {
            self.turn(left.min(TURN_MAX))?;
            session.tell(|| format!("{doing}: {:.0} s left, {} open", left.as_secs_f64(), self.live()));
        }
        Ok(())
    }

    /// Goes on until `count` events have come in all, or none came for `quiet_max`. After Ctrl-C it goes on for a moment only, so
    /// that what is under way arrives; then the answer is false: what has not come may yet.
    pub(super) fn wait_for(&mut self, count: u64, quiet_max: Duration, session: &mut Session) -> Result<bool, Failure> {
        let (mut seen, mut stopped) = ((self.seen.received, Instant::now()), None);
        while self.seen.received < count && seen.1.elapsed() < quiet_max && self.live() > 0 {
            if session.stop.is_wanted() && stopped.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Ok(false);
            }
            self.turn(TURN_MAX)?;
            if self.seen.received > seen.0 {
                seen = (self.seen.received, Instant::now());
            }
            session.tell(|| format!("waiting for the last: {} of {count}", self.seen.received));
        }
        Ok(true)
    }

    /// Waits until something has come, at most for `wait`, and takes it.
    pub(super) fn turn(&mut self, wait: Duration) -> Result<(), Failure> {
        let mut events = self.events.take().expect("it is put back at the end of every turn");
        match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(failed(&error)),
            _ => {}
        }
        for event in &events {
            self.handle_ready(event);
        }
        self.events = Some(events);
        Ok(())
    }

    /// Open streams.
    pub(super) fn live(&self) -> usize {
        // Each that was answered is open, was refused, or was closed after it had been open.
        self.answered.saturating_sub(usize::try_from(self.refused + self.closed).unwrap_or(usize::MAX))
    }

    /// Seconds since the swarm was made, and how many streams are open now.
    pub(super) fn point(&self) -> (f64, f64) {
        (self.clock.nanos().saturating_sub(self.began_nanos) as f64 / 1e9, self.live() as f64)
    }

    /// For each topic, how many streams were opened, whether they still are or not.
    pub(super) fn opened_by_topic(&self) -> Vec<u64> {
        let mut counts = vec![0; self.wanted.topics.len()];
        self.opened().for_each(|subscriber| counts[subscriber.topic] += 1);
        counts
    }

    /// How many events did not come, over all streams that were opened; `ends[t][p]` is how many publisher `p` published to
    /// topic `t`.
    pub(super) fn missing(&self, ends: &[Vec<u32>]) -> u64 {
        self.opened().map(|subscriber| subscriber.missing(&ends[subscriber.topic])).sum()
    }

    fn opened(&self) -> impl Iterator<Item = &Subscriber> {
        self.subscribers.iter().filter(|subscriber| subscriber.opened)
    }

    /// Begins a subscription.
    fn add(&mut self) -> Result<(), Failure> {
        let place = self.subscribers.len();
        let mut stream = connect(self.wanted.endpoint.at, place).map_err(|error| failed(&error))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(place), interest).map_err(|error| failed(&error))?;
        let first = u32::from(self.wanted.last_event_id.is_some());
        let checker = Checker::new(self.wanted.publishers, first);
        self.subscribers.push(Subscriber::new(stream, place % self.wanted.topics.len(), checker));
        Ok(())
    }

    fn handle_ready(&mut self, event: &Event) {
        let Token(place) = event.token();
        if !self.subscribers[place].asked {
            if event.is_writable() || event.is_error() {
                self.ask(place);
            }
            return;
        }
        // A socket is told of once for all that has come, so it is read empty. A read that did not fill the buffer has emptied
        // it; only the end of a stream may stand behind it.
        while let Some(stream) = &mut self.subscribers[place].stream {
            match stream.read(&mut self.buffer) {
                Ok(0) => self.end(place, None),
                Ok(len) => {
                    self.take(place, len);
                    if len < self.buffer.len() && !event.is_read_closed() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.end(place, Some(plain(&error))),
            }
        }
    }

    /// The connection stands, or has failed: sends the request. A new socket takes a few hundred bytes whole.
    fn ask(&mut self, place: usize) {
        let subscriber = &mut self.subscribers[place];
        let Some(stream) = &mut subscriber.stream else { return };
        // Where there is one topic, all requests are the same.
        if self.request.is_empty() || self.wanted.topics.len() > 1 {
            self.request = self.wanted.request(subscriber.topic);
        }
        match stream.write_all(&self.request) {
            Ok(()) => subscriber.asked = true,
            Err(error) => self.end(place, Some(plain(&error))),
        }
    }

    /// Takes the first `len` bytes of the buffer.
    fn take(&mut self, place: usize, len: usize) {
        let subscriber = &mut self.subscribers[place];
        let (before, was_open, now) = (subscriber.received, subscriber.opened, self.clock.nanos());
        let progress = subscriber.handle_bytes(&self.buffer[..len], now, &self.marker, &mut self.seen);
        self.answered += usize::from(subscriber.opened && !was_open);
        match progress {
            Ok(Progress::Goes) => {}
            Ok(Progress::Refused(line)) => self.end(place, Some(line)),
            Ok(Progress::Ended) => self.end(place, None),
            Err(error) => self.end(place, Some(error.to_string())),
        }
        let now_has = self.subscribers[place].received;
        if self.wanted.all.is_some_and(|all| before < all && now_has >= all) {
            self.caught_up.record_nanos(now.saturating_sub(self.began_nanos));
        }
    }

    /// Ends all that were not answered.
    fn give_up(&mut self) {
        for place in 0..self.subscribers.len() {
            if self.subscribers[place].stream.is_some() && !self.subscribers[place].opened {
                self.end(place, Some(format!("no answer, and for {} s none at all", STUCK_AFTER.as_secs())));
            }
        }
    }

    /// A subscription is over: refused, or closed after it was open.
    fn end(&mut self, place: usize, why: Option<String>) {
        let subscriber = &mut self.subscribers[place];
        // Dropping it closes it, and takes it from the poller.
        subscriber.stream = None;
        let (count, what) = if subscriber.opened {
            (&mut self.closed, "a stream was closed")
        } else {
            self.answered += 1;
            (&mut self.refused, "a subscription was refused")
        };
        *count += 1;
        let why = why.unwrap_or_else(|| "the server closed the connection".into());
        self.trouble.get_or_insert_with(|| format!("{what}: {why}"));
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format_args!("cannot open or read connections: {}", plain(error)))
}
