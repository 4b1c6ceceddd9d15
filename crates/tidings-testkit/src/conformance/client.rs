//! A client of the suite: reads as it is told, and keeps what it was told.

use super::{Arrival, Ask, Conn, Cut, Ending, Post, Transport};
use crate::{Dechunker, Heard, Listener, Told};
use std::time::Duration;
use tidings_hub::{Format, Framing};

/// What is asked for in one read, where nothing depends on it.
const READ_MAX: usize = 64 << 10;
/// Between two looks at a transport whose time is not ours.
const POLL: Duration = Duration::from_millis(5);
/// So many looks in vain are a failure: 10 s, longer than anything here takes on a busy machine.
const POLLS_MAX: usize = 2_000;

pub(super) struct Client {
    conn: Conn,
    listener: Listener,
    dechunker: Dechunker,
    framing: Framing,
    /// Every byte that came, as it came.
    pub(super) raw: Vec<u8>,
    /// The same without its framing.
    pub(super) body: Vec<u8>,
    pub(super) told: Vec<Told>,
    pub(super) ended: Option<Ending>,
}

impl Client {
    pub(super) fn open(t: &mut dyn Transport, ask: &Ask) -> Self {
        let framing = t.capabilities().framing;
        Client {
            conn: t.open(ask),
            listener: Listener::new(Format { form: ask.form, framing }),
            dechunker: Dechunker::default(),
            framing,
            raw: Vec::new(),
            body: Vec::new(),
            told: Vec::new(),
            ended: None,
        }
    }

    /// Opens, and reads until the stream says from where it starts.
    pub(super) fn opened(t: &mut dyn Transport, ask: &Ask) -> Self {
        let mut client = Client::open(t, ask);
        client.until(t, "tidings.open", |client| !client.told.is_empty());
        assert!(matches!(client.told[0], Told::Open { .. }), "a stream begins with tidings.open: {:?}", client.told);
        client
    }

    /// Reads once, at most so many bytes. Answers whether anything came.
    pub(super) fn hear(&mut self, t: &mut dyn Transport, max: usize) -> bool {
        match t.read(self.conn, max) {
            Arrival::Idle => false,
            Arrival::Ended(ending) => {
                self.ended = Some(ending);
                true
            }
            Arrival::Bytes(bytes) => {
                assert!(!bytes.is_empty() && bytes.len() <= max, "{} bytes for a read of {max}", bytes.len());
                match self.framing {
                    Framing::Chunked => self.dechunker.handle_bytes(&bytes, &mut self.body).expect("strict chunks"),
                    Framing::Bare => self.body.extend_from_slice(&bytes),
                }
                self.raw.extend_from_slice(&bytes);
                self.told.extend(self.listener.handle_bytes(&bytes).unwrap_or_else(|wrong| panic!("{wrong}")));
                true
            }
        }
    }

    /// Reads until it is so.
    pub(super) fn until(&mut self, t: &mut dyn Transport, what: &str, done: impl Fn(&Client) -> bool) {
        self.until_in_steps(t, READ_MAX, what, done);
    }

    /// Reads at most `step` bytes a time until it is so.
    pub(super) fn until_in_steps(
        &mut self,
        t: &mut dyn Transport,
        step: usize,
        what: &str,
        done: impl Fn(&Client) -> bool,
    ) {
        let owns_time = t.capabilities().owns_time;
        let mut polls = 0;
        while !done(self) {
            assert!(self.ended.is_none(), "ended {:?} before {what}: {}", self.ended, self.newest());
            if !self.hear(t, step) {
                // Where nothing is under way, waiting would bring heartbeats and nothing else.
                assert!(!owns_time && polls < POLLS_MAX, "waited for {what}: {}", self.newest());
                polls += 1;
                t.wait(POLL);
            }
        }
    }

    /// Reads until the stream has ended.
    pub(super) fn rest(&mut self, t: &mut dyn Transport) -> Ending {
        self.until(t, "its end", |client| client.ended.is_some());
        self.ended.expect("it was waited for")
    }

    /// Reads until so many events were heard.
    pub(super) fn until_heard(&mut self, t: &mut dyn Transport, events: usize) {
        self.until(t, &format!("{events} events"), |client| client.events().len() >= events);
    }

    /// That exactly these were heard, and nothing comes behind them but one more of `topic`.
    #[track_caller]
    pub(super) fn check_heard(&mut self, t: &mut dyn Transport, ids: &[String], topic: &str) {
        let last = t.publish(&[Post::text(topic, "the last one")]).remove(0);
        self.until(t, "the last one", |client| client.ids().last() == Some(&last));
        let mut expect = ids.to_vec();
        expect.push(last);
        assert_eq!(self.ids(), expect);
    }

    pub(super) fn events(&self) -> Vec<&Heard> {
        self.told.iter().filter_map(|told| if let Told::Event(heard) = told { Some(heard) } else { None }).collect()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.events().iter().map(|heard| heard.last_event_id.clone()).collect()
    }

    pub(super) fn data(&self) -> Vec<String> {
        self.events().iter().map(|heard| heard.data.clone()).collect()
    }

    /// The id with which it would return.
    pub(super) fn last_event_id(&self) -> String {
        let id = |told: &Told| match told {
            Told::Open { id } | Told::Checkpoint { id } => Some(id.clone()),
            Told::Gap(gap) => Some(gap.resumed.clone()),
            Told::Event(heard) => Some(heard.last_event_id.clone()),
            Told::Heartbeat | Told::End { .. } => None,
        };
        self.told.iter().rev().find_map(id).unwrap_or_default()
    }

    pub(super) fn is_at_boundary(&self) -> bool {
        self.listener.is_at_boundary()
    }

    pub(super) fn cut(self, t: &mut dyn Transport, cut: Cut) {
        t.cut(self.conn, cut);
    }

    /// What a failure prints.
    fn newest(&self) -> String {
        /// Enough to see where it went wrong.
        const SHOWN: usize = 3;
        format!("{} told, the newest {:?}", self.told.len(), &self.told[self.told.len().saturating_sub(SHOWN)..])
    }
}
