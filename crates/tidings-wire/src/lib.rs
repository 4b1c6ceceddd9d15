//! `text/event-stream`, exactly: an encoder and a decoder, without I/O, equal to Chromium on every rule.
//!
//! # The format in a screen
//!
//! A stream is UTF-8 text in lines; a line ends with LF, CR or CRLF. Lines up to a blank one are a **block**, and a
//! block with data becomes an event:
//!
//! ```text
//! retry: 2000             from now on, wait 2 s before reconnecting: counts as soon as the line has ended
//! : anything              a comment: ignored, but it shows that the connection lives
//! event: price            the type, `message` without this line; holds for this block only
//! id: k7.42               what to come back with (`Last-Event-ID`); holds until another block sets one
//! data: {"usd":           the data: one line for each line of it,
//! data:  17}              joined by LF
//!                         the blank line: the id is taken over, the event fires
//! ```
//!
//! What is easily got wrong, and is right here:
//!
//! - One space behind the colon belongs to the format, every other one to the value. Field names are exact; a line
//!   with any other name is ignored. A line without a colon is a field with an empty value.
//! - An empty `event:` means `message` again, an empty `id:` resets the id, an empty `retry:` the time.
//! - A block without data fires nothing, yet its id counts. The block that a connection cuts counts for nothing,
//!   its id neither: the client comes back with the id before, and gets that event again.
//! - A CR ends its line at once, whatever follows; an LF behind it then belongs to it.
//! - Bytes that are no UTF-8 become U+FFFD. One byte order mark at the start is dropped, a second is text.
//! - CR and LF cannot be written in an id or a type at all, and an id with NUL is ignored: [`Id`] and [`EventType`]
//!   cannot hold them, so nobody can smuggle a field through one.
//!
//! # Both ways
//!
//! ```
//! use tidings_wire::{Decoder, EventType, Frame, Id, Item};
//!
//! let (price, id) = (EventType::new("price")?, Id::new("k7.42")?);
//! let mut stream = Vec::new();
//! Frame { event: Some(&price), id: Some(&id), data: "17\n18" }.encode(&mut stream);
//! assert_eq!(stream, b"event: price\nid: k7.42\ndata: 17\ndata: 18\n\n");
//!
//! let mut decoder = Decoder::new(1 << 20);
//! for piece in stream.chunks(5) {
//!     decoder.handle_bytes(piece);
//!     while let Some(item) = decoder.poll_item() {
//!         let Item::Event(event) = item else { continue };
//!         assert_eq!((event.event_type.as_str(), event.data.as_str()), ("price", "17\n18"));
//!     }
//! }
//! assert_eq!(decoder.last_event_id(), "k7.42");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to read on
//!
//! [`Frame`] is the encoder. [`Decoder`] is a machine of three parts, in the order that bytes take: `line` finds the
//! line ends, `block` interprets the fields, `utf8` makes text. The standard is HTML, section 9.2 (server-sent events).

mod block;
mod decoder;
mod event_type;
mod frame;
mod id;
mod line;
mod retry;
mod utf8;

pub use decoder::{Decoder, Event, Item};
pub use event_type::{EventType, EventTypeError};
pub use frame::{Frame, HEARTBEAT, encode_comment, encode_retry};
pub use id::{Id, IdError};
pub use retry::Retry;

/// The README's example, run with the other documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
