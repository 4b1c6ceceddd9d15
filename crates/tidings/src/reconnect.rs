//! When to connect, when to wait, when to stop: what makes an event stream come back and miss nothing.
//!
//! A machine without I/O. The driver tells it what happened (`handle_*`), asks what to do ([`Reconnect::poll_action`]) and
//! prints what came ([`Reconnect::poll_item`]). Time and the seed of its jitter are arguments, so that a test is a script.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tidings_wire::{Decoder, Item};

/// The shortest wait: a server that says `retry: 0` gets ten connections a second, not thousands (sse-facts P18).
const WAIT_MIN: Duration = Duration::from_millis(100);

/// The longest wait that failures alone lead to: after a long outage a listener is back within half a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The longest wait that a server may ask for, by `retry` or `Retry-After`: the most that servers are advised to send
/// (sse-facts P24). A mistaken `retry: 4294967295` would be forty-nine days.
const ASKED_MAX: Duration = Duration::from_secs(600);

/// The range of the first wait where the server never sent `retry`: what Tidings itself would send (DESIGN.md 5.1).
const RETRY_UNTOLD_MILLIS: std::ops::RangeInclusive<u64> = 1_000..=3_000;

/// The longest time between the start of an attempt and its answer. A stream's head comes at once; behind a proxy that
/// holds it back, a minute is the proxy's own limit (sse-facts P2).
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The largest event: 1 MiB of control characters, each `\u0001` in JSON, is 6 MiB; other servers get some room.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the driver is to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Open a connection; with `Last-Event-ID` if the id is not empty. Any earlier connection is to be dropped.
    Connect { last_event_id: String },
    /// Read from the connection, until `poll_timeout`.
    Read,
    /// Do nothing until `poll_timeout`.
    Wait,
    /// End.
    Stop(Stop),
}

/// Why it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// 204: the server wants no further connection.
    NoContent,
    /// A status that a further attempt would not change.
    Refused,
    /// 200, but not `text/event-stream`.
    NotAStream,
}

/// The head of an answer, as far as it decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) is_event_stream: bool,
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Debug)]
enum State {
    Due,
    Connecting { until: Instant },
    Open { silent_until: Option<Instant> },
    Waiting { until: Instant },
    Stopped(Stop),
}

/// The life of one event source across its connections.
#[derive(Debug)]
pub(crate) struct Reconnect {
    state: State,
    decoder: Decoder,
    items: VecDeque<Item>,
    rng: Rng,
    /// What the server asked for last, or a first guess.
    retry: Duration,
    /// Connections in a row that brought no event.
    failures: u32,
    silence_max: Option<Duration>,
}

impl Reconnect {
    /// A source that is to connect at once. `silence_max`: after so long without a byte the connection counts as dead;
    /// only for servers that are known to send heartbeats.
    pub(crate) fn new(seed: u64, silence_max: Option<Duration>) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            state: State::Due,
            decoder: Decoder::new(EVENT_BYTES_MAX),
            items: VecDeque::new(),
            retry: Duration::from_millis(rng.u64(RETRY_UNTOLD_MILLIS)),
            rng,
            failures: 0,
            silence_max,
        }
    }

    /// The head of an answer came.
    ///
    /// One deviation from the browsers, who give up on every status but 200: what is bound to pass (408, 429 and 5xx)
    /// is tried again, since a restart behind a proxy answers 502.
    pub(crate) fn handle_answer(&mut self, now: Instant, answer: &Answer) {
        self.state = match answer.status {
            200 if answer.is_event_stream => State::Open { silent_until: self.silence_max.map(|max| now + max) },
            200 => State::Stopped(Stop::NotAStream),
            204 => State::Stopped(Stop::NoContent),
            408 | 429 | 500..=599 => return self.wait(now, answer.retry_after.unwrap_or_default()),
            _ => State::Stopped(Stop::Refused),
        };
    }

    /// Bytes of the stream came. There must be one: an answer that opened it, and no loss since.
    pub(crate) fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        assert!(matches!(self.state, State::Open { .. }), "bytes of a stream that is not open");
        self.state = State::Open { silent_until: self.silence_max.map(|max| now + max) };
        self.decoder.handle_bytes(bytes);
        self.take_items();
    }

    /// The attempt failed, or the stream ended, cleanly or not: an unfinished block is dropped, with its id.
    pub(crate) fn handle_lost(&mut self, now: Instant) {
        self.decoder.handle_eof();
        self.take_items();
        self.wait(now, Duration::ZERO);
    }

    /// The time that `poll_timeout` named has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|until| now < until) {
            return;
        }
        match self.state {
            State::Waiting { .. } => self.state = State::Due,
            _ => self.handle_lost(now),
        }
    }

    /// The next item of the stream, in order.
    pub(crate) fn poll_item(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// What to do now. To be asked after the items are taken; an attempt counts from this call on.
    pub(crate) fn poll_action(&mut self, now: Instant) -> Action {
        match self.state {
            State::Due => {
                self.state = State::Connecting { until: now + ANSWER_MAX };
                Action::Connect { last_event_id: self.decoder.last_event_id().to_owned() }
            }
            State::Connecting { .. } | State::Open { .. } => Action::Read,
            State::Waiting { .. } => Action::Wait,
            State::Stopped(stop) => Action::Stop(stop),
        }
    }

    /// When to call `handle_timeout`, if nothing else happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { until } | State::Waiting { until } => Some(until),
            State::Open { silent_until } => silent_until,
            State::Due | State::Stopped(_) => None,
        }
    }

    fn take_items(&mut self) {
        while let Some(item) = self.decoder.poll_item() {
            match item {
                Item::Retry(retry) => {
                    let asked = Duration::from_millis(u64::from(retry.millis()));
                    self.retry = asked.clamp(WAIT_MIN, ASKED_MAX);
                }
                Item::Event(_) => {
                    self.failures = 0;
                    self.items.push_back(item);
                }
                Item::Comment(_) | Item::TooLarge { .. } => self.items.push_back(item),
            }
        }
    }

    /// After a connection that brought events: what the server asked for, to the millisecond, as the standard says; it has
    /// drawn it for us. After failures: full jitter below a limit that doubles, so that those who were cut off together
    /// spread out; never earlier than a `Retry-After`.
    fn wait(&mut self, now: Instant, asked: Duration) {
        let wait = if self.failures == 0 {
            self.retry
        } else {
            let limit = self.retry.saturating_mul(2_u32.saturating_pow(self.failures)).min(BACKOFF_MAX.max(self.retry));
            Duration::from_millis(self.rng.u64(millis(WAIT_MIN)..=millis(limit)))
        };
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: now + wait.max(asked.min(ASKED_MAX)) };
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Answer = Answer { status: 200, is_event_stream: true, retry_after: None };

    /// A machine and its clock. What takes no time in a script takes none here.
    struct Script {
        machine: Reconnect,
        now: Instant,
    }

    impl Script {
        fn new(seed: u64) -> Self {
            Self { machine: Reconnect::new(seed, Some(Duration::from_secs(45))), now: Instant::now() }
        }

        /// The machine must want to connect; says with which id.
        fn connect(&mut self) -> String {
            match self.machine.poll_action(self.now) {
                Action::Connect { last_event_id } => last_event_id,
                other => panic!("{other:?} where a connection was due"),
            }
        }

        fn answer(&mut self, status: u16) -> Action {
            self.machine.handle_answer(self.now, &Answer { status, ..STREAM });
            self.machine.poll_action(self.now)
        }

        fn open(&mut self, bytes: &str) {
            assert_eq!(self.answer(200), Action::Read);
            self.machine.handle_bytes(self.now, bytes.as_bytes());
        }

        fn cut(&mut self) -> Duration {
            self.machine.handle_lost(self.now);
            self.wait()
        }

        /// The machine must want to wait; goes to the end of it and says how long it was.
        fn wait(&mut self) -> Duration {
            assert_eq!(self.machine.poll_action(self.now), Action::Wait);
            let until = self.machine.poll_timeout().unwrap();
            let wait = until - self.now;
            self.machine.handle_timeout(until - Duration::from_millis(1));
            assert_eq!(self.machine.poll_action(self.now), Action::Wait, "a wait must not end early");
            self.now = until;
            self.machine.handle_timeout(until);
            wait
        }

        fn data(&mut self) -> Vec<String> {
            let data = |item| if let Item::Event(event) = item { Some(event.data) } else { None };
            std::iter::from_fn(|| self.machine.poll_item()).filter_map(data).collect()
        }
    }

    #[test]
    fn it_returns_with_the_id_of_the_last_whole_block() {
        let mut script = Script::new(1);
        assert_eq!(script.connect(), "");
        script.open("retry: 1234\nid: a\ndata: 1\n\nid: b\ndata: 2\n");
        assert_eq!(script.cut(), Duration::from_millis(1234));
        assert_eq!(script.data(), ["1"]);
        assert_eq!(script.connect(), "a");
        script.open("id: b\ndata: 2\n\n");
        script.cut();
        assert_eq!(script.data(), ["2"]);
        assert_eq!(script.connect(), "b");
    }

    #[test]
    fn a_retry_counts_even_in_an_unfinished_block() {
        let mut script = Script::new(1);
        script.connect();
        script.open("data: 1\n\nretry: 7000\ndata: 2");
        assert_eq!(script.cut(), Duration::from_secs(7));
    }

    #[test]
    fn a_retry_has_a_floor_and_a_ceiling() {
        for (asked, wait) in [("0", WAIT_MIN), ("99", WAIT_MIN), ("4294967295", ASKED_MAX), ("600001", ASKED_MAX)] {
            let mut script = Script::new(1);
            script.connect();
            script.open(&format!("retry: {asked}\ndata: 1\n\n"));
            assert_eq!(script.cut(), wait, "retry: {asked}");
        }
    }

    #[test]
    fn failures_back_off_with_jitter_up_to_a_cap() {
        let mut longest = Duration::ZERO;
        let mut waits = Vec::new();
        for seed in 0..200 {
            let mut script = Script::new(seed);
            script.connect();
            script.open("retry: 1000\ndata: 1\n\n");
            script.cut();
            for failure in 1..=12 {
                script.connect();
                let wait = script.cut();
                let limit = Duration::from_secs(1 << failure).min(BACKOFF_MAX);
                assert!((WAIT_MIN..=limit).contains(&wait), "seed {seed}, failure {failure}: {wait:?}");
                longest = longest.max(wait);
                waits.push(wait);
            }
        }
        assert!(longest > BACKOFF_MAX.mul_f32(0.99), "{longest:?}: the whole range is used");
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 2_000, "{} different waits: who is cut off together must spread out", waits.len());
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let waits = |seed| {
            let mut script = Script::new(seed);
            std::iter::repeat_with(|| (script.connect(), script.cut()).1).take(10).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn a_server_that_accepts_and_says_nothing_is_a_failure() {
        let mut script = Script::new(3);
        let mut waits = Vec::new();
        for _ in 0..8 {
            script.connect();
            script.open(": ok\n\n");
            waits.push(script.cut());
        }
        assert!(waits.iter().any(|wait| *wait > Duration::from_secs(3)), "{waits:?}: it must back off");
        script.connect();
        script.open("retry: 500\ndata: 1\n\n");
        assert_eq!(script.cut(), Duration::from_millis(500), "an event ends the series");
    }

    #[test]
    fn what_ends_it_for_good() {
        for (status, is_event_stream, stop) in [
            (204, false, Stop::NoContent),
            (403, false, Stop::Refused),
            (404, false, Stop::Refused),
            (206, true, Stop::Refused),
            (200, false, Stop::NotAStream),
        ] {
            let mut script = Script::new(1);
            script.connect();
            script.machine.handle_answer(script.now, &Answer { status, is_event_stream, retry_after: None });
            assert_eq!(script.machine.poll_action(script.now), Action::Stop(stop), "{status}");
            assert_eq!(script.machine.poll_timeout(), None);
        }
    }

    #[test]
    fn what_will_pass_is_tried_again_after_the_time_that_was_asked_for() {
        for status in [408, 429, 500, 502, 503, 599] {
            let mut script = Script::new(1);
            script.connect();
            assert_eq!(script.answer(status), Action::Wait, "{status}");
        }
        for (asked, least) in [(20, 20), (100_000, 600)] {
            let mut script = Script::new(1);
            script.connect();
            let retry_after = Some(Duration::from_secs(asked));
            script.machine.handle_answer(script.now, &Answer { status: 503, is_event_stream: false, retry_after });
            assert_eq!(script.wait(), Duration::from_secs(least));
        }
    }

    #[test]
    fn a_silent_connection_is_dead_and_a_heartbeat_keeps_it() {
        let mut script = Script::new(1);
        script.connect();
        script.open("id: a\ndata: 1\n\n");
        for _ in 0..10 {
            script.now += Duration::from_secs(44);
            script.machine.handle_timeout(script.now);
            script.machine.handle_bytes(script.now, b":\n\n");
        }
        assert_eq!(script.machine.poll_action(script.now), Action::Read);
        script.now += Duration::from_secs(45);
        script.machine.handle_timeout(script.now);
        script.wait();
        assert_eq!(script.connect(), "a");
    }

    #[test]
    fn an_attempt_without_an_answer_ends() {
        let mut script = Script::new(1);
        script.connect();
        script.now = script.machine.poll_timeout().unwrap();
        script.machine.handle_timeout(script.now);
        script.wait();
        script.connect();
    }

    #[test]
    fn a_server_without_heartbeats_may_be_silent() {
        let mut machine = Reconnect::new(1, None);
        let now = Instant::now();
        machine.poll_action(now);
        machine.handle_answer(now, &STREAM);
        machine.handle_bytes(now, b"data: 1\n\n");
        assert_eq!(machine.poll_timeout(), None);
    }
}
