//! Publishing beside the subscribers: what is to be published, the thread that does it, and what it did.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::Poll;

use super::endpoint::{Endpoint, plain};
use super::lanes::Lanes;
use super::latency::Latencies;
use super::session::Session;
use crate::exit::{Exit, Failure};

/// What to publish.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) endpoint: Endpoint,
    pub(super) topics: Vec<String>,
    pub(super) publishers: u8,
    /// Events a second in all; `None`: as fast as answers come.
    pub(super) rate: Option<f64>,
    pub(super) end: End,
    pub(super) bytes: usize,
    /// The number of each publisher's first event in each topic.
    pub(super) first: u32,
    /// Events a request: one, unless the endpoint takes lines.
    pub(super) together: usize,
}

/// When it is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    After(Duration),
    /// After so many events, all of them one publisher's.
    Events(u32),
}

/// What was published.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) events: u64,
    pub(super) refused: u64,
    /// The number behind the last acknowledged event, for each topic and in it for each publisher.
    pub(super) ends: Vec<Vec<u32>>,
    pub(super) seconds: f64,
    pub(super) answers: Latencies,
    /// Why it ended early, or the first refusal.
    pub(super) trouble: Option<String>,
}

/// The thread, and how far it is.
#[derive(Debug)]
pub(super) struct Publishing {
    thread: JoinHandle<Published>,
    events: Arc<AtomicU64>,
}

impl Publishing {
    pub(super) fn start(plan: Plan, session: &Session) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(Exit::Failed, format_args!("cannot publish: {}", plain(&error)));
        let poll = Poll::new().map_err(failed)?;
        let events = Arc::new(AtomicU64::new(0));
        let lanes = Lanes::new(plan, poll, session, Arc::clone(&events));
        let thread = thread::Builder::new().name("publish".into()).spawn(move || lanes.run()).map_err(failed)?;
        Ok(Self { thread, events })
    }

    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Events acknowledged so far.
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Waits for the end.
    pub(super) fn join(self) -> Result<Published, Failure> {
        self.thread.join().map_err(|_| Failure::new(Exit::Failed, "the publishing thread panicked"))
    }
}
