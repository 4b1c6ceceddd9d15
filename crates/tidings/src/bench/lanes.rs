//! All publishers, on one thread: each sends its next event when the last is acknowledged and, at a given rate, when it is due.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::endpoint::plain;
use super::latency::Latencies;
use super::mark::{Mark, Marker};
use super::publisher::{Outcome, Publisher};
use super::publishing::{End, Plan, Published};
use super::session::{Clock, Session, Stop, TURN_MAX};

/// After a refusal a publisher waits so long, and sends the same event again.
const REFUSED_WAIT: Duration = Duration::from_millis(100);

/// After so many refusals in a row it gives up: the server does not mean "later".
const REFUSALS_MAX: u32 = 50;

/// How long the last answers are waited for.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(10);

/// Answers are small; a longer one takes several reads.
const BUFFER_BYTES: usize = 16 * 1024;

/// What the thread holds: a lane for each publisher.
#[derive(Debug)]
pub(super) struct Lanes {
    plan: Plan,
    poll: Poll,
    clock: Clock,
    stop: Stop,
    marker: Marker,
    began_nanos: u64,
    lanes: Vec<Lane>,
    published: Published,
    counter: Arc<AtomicU64>,
}

/// A publisher and its place in the plan.
#[derive(Debug)]
struct Lane {
    publisher: Publisher,
    /// Requests that were acknowledged.
    turns: u64,
    refusals: u32,
    /// When the request was written that is not answered yet.
    sent_nanos: Option<u64>,
    /// Nothing is sent before.
    not_before_nanos: u64,
}

impl Lanes {
    pub(super) fn new(plan: Plan, poll: Poll, session: &Session, counter: Arc<AtomicU64>) -> Self {
        let lane = |number| Lane {
            publisher: Publisher::new(number),
            turns: 0,
            refusals: 0,
            sent_nanos: None,
            not_before_nanos: 0,
        };
        let published = Published {
            events: 0,
            refused: 0,
            ends: vec![vec![plan.first; plan.publishers.into()]; plan.topics.len()],
            seconds: 0.0,
            answers: Latencies::new(),
            trouble: None,
        };
        let (clock, stop, marker) = (session.clock, session.stop.clone(), session.marker.clone());
        let lanes = (0..plan.publishers).map(lane).collect();
        Self { plan, poll, clock, stop, marker, began_nanos: clock.nanos(), lanes, published, counter }
    }

    /// Publishes to the end of the plan, to the first failure, or until Ctrl-C.
    pub(super) fn run(mut self) -> Published {
        if let Err(why) = self.publish() {
            self.published.trouble = Some(why);
        }
        self.published.seconds = self.elapsed().as_secs_f64();
        self.published
    }

    fn publish(&mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(self.lanes.len());
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut over_since = None;
        loop {
            let wait = if self.is_over() {
                let since = *over_since.get_or_insert_with(|| self.elapsed());
                if self.lanes.iter().all(|lane| lane.sent_nanos.is_none()) {
                    return Ok(());
                }
                if self.elapsed() - since > LAST_ANSWERS_MAX {
                    return Err(format!("{} s were not enough for the last answers", LAST_ANSWERS_MAX.as_secs()));
                }
                TURN_MAX
            } else {
                self.send_due()?
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(plain(&error)),
                _ => {}
            }
            for event in &events {
                let Token(place) = event.token();
                self.handle_ready(place, &mut buffer)?;
            }
        }
    }

    /// Sends whatever is due, and says how long nothing further will be.
    fn send_due(&mut self) -> Result<Duration, String> {
        let now = self.clock.nanos();
        let mut next = TURN_MAX;
        for place in 0..self.lanes.len() {
            if self.lanes[place].sent_nanos.is_some() {
                continue;
            }
            match self.due_nanos(place).checked_sub(now) {
                None | Some(0) => self.send(place)?,
                Some(wait) => next = next.min(Duration::from_nanos(wait)),
            }
        }
        Ok(next)
    }

    /// At a rate the publishers take turns, spread evenly.
    fn due_nanos(&self, place: usize) -> u64 {
        let lane = &self.lanes[place];
        let planned = self.plan.rate.map_or(0.0, |rate| {
            let turn = lane.turns as f64 * self.lanes.len() as f64 + place as f64;
            turn * 1e9 / rate
        });
        lane.not_before_nanos.max(self.began_nanos + planned as u64)
    }

    fn send(&mut self, place: usize) -> Result<(), String> {
        let topic = self.topic(place);
        let (number, together) = (self.published.ends[topic][place], self.together(place));
        let publisher = self.lanes[place].publisher.number;
        let sent_nanos = self.clock.nanos();
        let data: Vec<String> = (number..number + together)
            .map(|number| self.marker.data(Mark { publisher, number, sent_nanos }, self.plan.bytes))
            .collect();
        let request = self.plan.endpoint.request(&self.plan.topics[topic], &[], &data);
        let lane = &mut self.lanes[place];
        lane.sent_nanos = Some(sent_nanos);
        lane.publisher.send(request, &self.plan.endpoint, self.poll.registry())
    }

    fn handle_ready(&mut self, place: usize, buffer: &mut [u8]) -> Result<(), String> {
        let outcome = self.lanes[place].publisher.handle_ready(buffer)?;
        // Of a connection that waits for nothing there is nothing to tell.
        let Some(sent_nanos) = self.lanes[place].sent_nanos else { return Ok(()) };
        match outcome {
            Outcome::Waits => return Ok(()),
            Outcome::Acknowledged => {
                self.published.answers.record_nanos(self.clock.nanos().saturating_sub(sent_nanos));
                self.handle_acknowledged(place);
            }
            Outcome::Refused(line) => self.handle_refused(place, &line)?,
        }
        self.lanes[place].sent_nanos = None;
        // At once, rather than when all others have been looked at.
        if !self.is_over() && self.due_nanos(place) <= self.clock.nanos() { self.send(place) } else { Ok(()) }
    }

    fn handle_acknowledged(&mut self, place: usize) {
        let (topic, together) = (self.topic(place), self.together(place));
        self.published.ends[topic][place] += together;
        self.published.events += u64::from(together);
        self.counter.store(self.published.events, Ordering::Relaxed);
        let lane = &mut self.lanes[place];
        (lane.turns, lane.refusals) = (lane.turns + 1, 0);
    }

    fn handle_refused(&mut self, place: usize, line: &str) -> Result<(), String> {
        self.published.refused += 1;
        let lane = &mut self.lanes[place];
        lane.refusals += 1;
        lane.not_before_nanos = self.clock.nanos() + u64::try_from(REFUSED_WAIT.as_nanos()).unwrap_or(u64::MAX);
        let said = format!("a publish was refused: {line}");
        if lane.refusals == REFUSALS_MAX {
            return Err(format!("{REFUSALS_MAX} times in a row {said}"));
        }
        self.published.trouble.get_or_insert(said);
        Ok(())
    }

    /// Publishers begin at different topics, and each walks through all.
    fn topic(&self, place: usize) -> usize {
        let topics = self.plan.topics.len() as u64;
        usize::try_from((self.lanes[place].turns + place as u64) % topics).expect("less than the number of topics")
    }

    /// Events of the next request.
    fn together(&self, place: usize) -> u32 {
        let most = u32::try_from(self.plan.together).unwrap_or(u32::MAX);
        match self.plan.end {
            End::After(_) => most,
            End::Events(all) => most.min((self.plan.first + all).saturating_sub(self.published.ends[0][place])),
        }
    }

    fn is_over(&self) -> bool {
        let done = match self.plan.end {
            End::After(time) => self.elapsed() >= time,
            End::Events(all) => self.published.events >= u64::from(all),
        };
        done || self.stop.is_wanted()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.clock.nanos().saturating_sub(self.began_nanos))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::super::endpoint::{Content, Endpoint};
    use super::*;

    /// Lanes to nobody: what they plan can be seen all the same.
    fn lanes(publishers: u8, topics: u32, rate: Option<f64>, end: End) -> Lanes {
        let endpoint = Endpoint {
            template: "http://127.0.0.1/{topic}".parse().unwrap(),
            at: SocketAddr::from(([127, 0, 0, 1], 80)),
            method: "POST".into(),
            headers: Vec::new(),
            content: Content::Data,
        };
        let topics = (0..topics).map(|number| number.to_string()).collect();
        let plan = Plan { endpoint, topics, publishers, rate, end, bytes: 64, first: 1, together: 10 };
        Lanes::new(plan, Poll::new().unwrap(), &Session::quiet(), Arc::default())
    }

    #[test]
    fn publishers_take_turns_at_an_even_rate() {
        let mut lanes = lanes(4, 1, Some(8.0), End::After(Duration::from_secs(1)));
        let due = |lanes: &Lanes, place| (lanes.due_nanos(place) - lanes.began_nanos) / 1_000_000;
        assert_eq!((0..4).map(|place| due(&lanes, place)).collect::<Vec<_>>(), [0, 125, 250, 375]);
        lanes.handle_acknowledged(1);
        assert_eq!(due(&lanes, 1), 625);
        lanes.handle_refused(0, "503").unwrap();
        assert!((90..200).contains(&due(&lanes, 0)), "{}", due(&lanes, 0));
    }

    #[test]
    fn each_publisher_walks_through_all_topics() {
        let mut lanes = lanes(2, 3, None, End::After(Duration::from_secs(1)));
        let mut walked = Vec::new();
        for _ in 0..4 {
            walked.push((lanes.topic(0), lanes.topic(1)));
            (0..2).for_each(|place| lanes.handle_acknowledged(place));
        }
        assert_eq!(walked, [(0, 1), (1, 2), (2, 0), (0, 1)]);
        assert_eq!(lanes.published.ends, [[21, 11], [11, 21], [11, 11]], "ten together, and the first is 1");
        assert_eq!((lanes.published.events, lanes.counter.load(Ordering::Relaxed)), (80, 80));
    }

    #[test]
    fn the_last_batch_is_what_is_left() {
        let mut lanes = lanes(1, 1, None, End::Events(25));
        let mut batches = Vec::new();
        while !lanes.is_over() {
            batches.push(lanes.together(0));
            lanes.handle_acknowledged(0);
        }
        assert_eq!(batches, [10, 10, 5]);
    }

    #[test]
    fn who_is_always_refused_gives_up() {
        let mut lanes = lanes(1, 1, None, End::Events(1));
        let said: Vec<_> = (0..REFUSALS_MAX).map(|_| lanes.handle_refused(0, "429")).collect();
        assert!(
            said[..said.len() - 1].iter().all(Result::is_ok) && said.last().is_some_and(Result::is_err),
            "{said:?}"
        );
        assert_eq!(lanes.published.trouble.as_deref(), Some("a publish was refused: 429"));
    }

    #[test]
    fn a_server_that_is_gone_ends_the_run() {
        let at = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let mut lanes = lanes(1, 1, None, End::Events(1));
        lanes.plan.endpoint.at = at;
        let published = lanes.run();
        assert_eq!((published.events, published.trouble.as_deref()), (0, Some("connection refused")));
    }
}
