//! The forms in which an event leaves, and how each is framed.

/// What an event's bytes look like. Each is encoded at most once an event while it is in the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A block of `text/event-stream`: type, id and data.
    Sse,
    /// The same with the JSON form of the event as its data: it says its topic and time.
    Enveloped,
    /// One JSON line an event.
    Ndjson,
}

impl Form {
    /// How many there are.
    pub const COUNT: usize = 3;
}

/// Who frames the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Framing {
    /// HTTP/1.1 chunks, one an event, written with the event: the transport sends bytes and nothing else.
    Chunked,
    /// No framing: the transport has its own (hyper, HTTP/2, WebSocket), or ends by close (HTTP/1.0).
    Bare,
}

/// A form and its framing: what one subscription is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Format {
    /// The bytes of an event.
    pub form: Form,
    /// What stands around them.
    pub framing: Framing,
}
