//! The type of an event, as a stream can carry it.
//!
//! Like an id it is one line, so CR and LF cannot stand in it. NUL could on the wire, but no browser has a use for
//! it and several libraries treat it differently, so it is refused with them. Which *names* a publisher may use
//! (`open` and `error` collide with the browser's own events) is the server's rule, not the format's.

use std::fmt;
use std::str::FromStr;

use crate::id::forbidden;

/// The type that an event without an `event:` field has.
pub(crate) const MESSAGE: &str = "message";

/// An event type: text of at least one character, without CR, LF and NUL.
///
/// It is never empty because an empty `event:` means `message`: the same type would have two names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Box<str>);

impl EventType {
    /// Takes `text` as an event type.
    ///
    /// # Errors
    ///
    /// [`EventTypeError`] when `text` is empty or holds a CR, LF or NUL.
    pub fn new(text: &str) -> Result<Self, EventTypeError> {
        match forbidden(text) {
            Some(at) => Err(EventTypeError::Forbidden { at }),
            None if text.is_empty() => Err(EventTypeError::Empty),
            None => Ok(Self(text.into())),
        }
    }

    /// The default type, `message`: the one that `onmessage` hears.
    pub fn message() -> Self {
        Self(MESSAGE.into())
    }

    /// The text of the type.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for EventType {
    fn default() -> Self {
        Self::message()
    }
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(text: &str) -> Result<Self, EventTypeError> {
        Self::new(text)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventType({:?})", self.0)
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.0.into()
    }
}

/// Why a text is not an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTypeError {
    /// It is empty.
    Empty,
    /// It holds a CR, LF or NUL.
    Forbidden {
        /// Where the first forbidden character stands, in bytes.
        at: usize,
    },
}

impl fmt::Display for EventTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an event type cannot be empty"),
            Self::Forbidden { at } => write!(f, "an event type cannot hold CR, LF or NUL (at byte {at})"),
        }
    }
}

impl std::error::Error for EventTypeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_cannot_carry_is_refused_and_located() {
        for (text, at) in [("a\rb", 1), ("\n", 0), ("x\0", 1), ("é\ndata: 2", 2)] {
            assert_eq!(EventType::new(text), Err(EventTypeError::Forbidden { at }), "{text:?}");
        }
        assert_eq!(EventType::new(""), Err(EventTypeError::Empty));
        assert_eq!(EventTypeError::Empty.to_string(), "an event type cannot be empty");
        let forbidden = EventTypeError::Forbidden { at: 7 };
        assert_eq!(forbidden.to_string(), "an event type cannot hold CR, LF or NUL (at byte 7)");
    }

    #[test]
    fn everything_else_is_kept_as_it_is() {
        for text in [" ", "price", "tidings.open", "…", "a:b"] {
            let event_type: EventType = text.parse().unwrap();
            assert_eq!(event_type.as_str(), text);
            assert_eq!(String::from(event_type), text);
        }
    }

    #[test]
    fn the_default_is_message() {
        assert_eq!(EventType::default(), EventType::new("message").unwrap());
    }
}
