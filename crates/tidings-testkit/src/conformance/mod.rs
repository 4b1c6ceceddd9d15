//! What every transport must do, whatever it drives: one suite of named cases, and the seven things a transport is asked for.
//!
//! A transport is anything that carries a subscription to a client: the hub over a pipe of one byte a call, a whole server over
//! sockets. The suite sees what that client sees, bytes and how they end, and nothing else. A client that stalls is one that is
//! not read.

mod client;
mod endings;
mod forms;
mod places;
mod stream;

use crate::Wish;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tidings_hub::{Content, Form, Framing};

/// What a transport can do, so that no case has to know which one it runs on.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// Time passes only by [`Transport::wait`], and what a read does not bring has not been sent.
    pub owns_time: bool,
    /// How the bytes that [`Transport::read`] brings are framed.
    pub framing: Framing,
    /// What stands in a chunk, where chunks are seen.
    pub chunks: Chunks,
    /// Bytes that disappear on the way to a client that does not read: beyond so many, its stream surely stands still.
    pub swallowed_bytes_max: usize,
}

/// What a chunk is promised to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// Nothing is: there are none, or somebody on the way cuts them anew.
    Unseen,
    /// One event, whole.
    OneEvent,
    /// Whole events, as many as fit; only one that does not fit comes in several chunks.
    WholeEvents {
        /// The largest chunk.
        bytes_max: usize,
    },
}

/// Names a client's connection.
pub type Conn = usize;

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which events.
    pub wish: Wish,
    /// In which form.
    pub form: Form,
    /// From where.
    pub start: Start,
}

/// Where a client starts.
#[derive(Clone, Debug)]
pub enum Start {
    /// At the head.
    Live,
    /// At the oldest event kept.
    All,
    /// With this as the id it was told last, whatever it is.
    LastEventId(String),
}

impl Ask {
    /// For a wish, as plain server-sent events, from now on.
    pub fn new(wish: Wish) -> Self {
        Ask { wish, form: Form::Sse, start: Start::Live }
    }

    /// For exact topics.
    pub fn topics(topics: &[&str]) -> Self {
        Ask::new(Wish::topics(topics))
    }

    /// The same in a form.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Ask { form, ..self }
    }

    /// The same from an id on.
    #[must_use]
    pub fn after(self, id: &str) -> Self {
        Ask { start: Start::LastEventId(id.into()), ..self }
    }

    /// The same from the oldest event on.
    #[must_use]
    pub fn from_all(self) -> Self {
        Ask { start: Start::All, ..self }
    }
}

/// A stored event to be published.
#[derive(Clone, Debug)]
pub struct Post {
    /// Its topics, the first its own.
    pub topics: Vec<String>,
    /// Its type, if not `message`.
    pub event_type: Option<String>,
    /// Its data.
    pub content: Content,
}

impl Post {
    /// Text for one topic.
    pub fn text(topic: &str, text: &str) -> Self {
        Post { topics: vec![topic.into()], event_type: None, content: Content::text(text) }
    }

    /// The same, of a type.
    #[must_use]
    pub fn of_type(self, event_type: &str) -> Self {
        Post { event_type: Some(event_type.into()), ..self }
    }
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes of the body, framed as the transport's capabilities say; at least one.
    Bytes(Vec<u8>),
    /// Nothing yet.
    Idle,
    /// Nothing more.
    Ended(Ending),
}

/// How a stream ended, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As a whole: with the last chunk, or by FIN where the body has no frame of its own.
    Clean,
    /// In any other way: the client throws away what was unfinished.
    Cut,
}

/// How a client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// By FIN: it closed its side.
    Fin,
    /// By reset: its machine knows nothing of the connection any more.
    Reset,
}

/// The seven things. All of them return at once or soon; what fails panics.
pub trait Transport {
    /// What it can do. Never changes.
    fn capabilities(&self) -> Capabilities;
    /// Connects a client. Its response head, if there is one, is checked by the transport.
    fn open(&mut self, ask: &Ask) -> Conn;
    /// Publishes together, in order, and answers the ids. Who connects after it finds the events there.
    fn publish(&mut self, posts: &[Post]) -> Vec<String>;
    /// What a client's connection has for it now, at most `max` bytes.
    fn read(&mut self, conn: Conn, max: usize) -> Arrival;
    /// A client goes away. It reads nothing any more.
    fn cut(&mut self, conn: Conn, cut: Cut);
    /// The server stops; returns when every stream has been ended, or been cut because its client did not read.
    fn drain(&mut self);
    /// Lets time pass.
    fn wait(&mut self, duration: Duration);
}

/// A case: drives a fresh transport, and panics over what it should not do.
type Case = fn(&mut dyn Transport);

/// The suite.
const CASES: &[(&str, Case)] = &[
    ("the preamble comes first", stream::preamble),
    ("the bytes of a stream are these and no others", stream::exact_bytes),
    ("events come in order, each once, with their ids", stream::order),
    ("an event of several topics comes once, in its envelope", stream::several_topics),
    ("patterns", stream::patterns),
    ("a type filter passes its types and every control event", stream::types),
    ("data of several lines", forms::lines),
    ("binary data is a data: URL", forms::binary),
    ("NDJSON is the same in lines", forms::ndjson),
    ("chunks end where events do", forms::chunks),
    ("a resume at every id gets the rest", places::every_id),
    ("a client cut before its first event misses nothing", places::before_the_first),
    ("a client cut in mid-frame misses nothing and hears nothing twice", places::mid_frame),
    ("an unknown id gets a gap and the newest", places::unknown),
    ("a reader that stalls in mid-frame delays nobody and misses nothing", endings::stall),
    ("a drain ends every stream at an event's end, and says when to return", endings::drain),
    ("a stream that cannot be ended properly is cut", endings::drain_of_a_stalled),
    ("a silent stream beats", endings::silence),
    ("a quiet topic's checkpoint is a place to return to", endings::checkpoints),
];

/// Runs every case on a transport of its own, and panics with the names of those that failed and why. Each of them says what it
/// found on standard error too, as a panic does.
pub fn run(make: impl Fn() -> Box<dyn Transport>) {
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let result = catch_unwind(AssertUnwindSafe(|| case(&mut *make())));
        if let Err(panic) = result {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            failed.push(format!("{name}: {why}"));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases failed:\n{}", failed.len(), CASES.len(), failed.join("\n"));
}
