//! The id of an event, as a stream can carry it.
//!
//! An id is one line of a stream, so CR and LF would end it and let what follows pass for another field; clients
//! ignore an id with NUL (HTML 9.2.6). A value of [`Id`] therefore cannot hold them: whoever has one may encode it
//! unchecked.

use std::fmt;
use std::str::FromStr;

/// An event id: any text without CR, LF and NUL, of any length.
///
/// The empty id is legal and means something: it resets the client's last event id, so that it reconnects without a
/// `Last-Event-ID` header. What form ids have beyond this is the publisher's affair.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Box<str>);

impl Id {
    /// Takes `text` as an id.
    ///
    /// # Errors
    ///
    /// [`IdError`] when `text` holds a CR, LF or NUL.
    pub fn new(text: &str) -> Result<Self, IdError> {
        match forbidden(text) {
            Some(at) => Err(IdError { at }),
            None => Ok(Self(text.into())),
        }
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({:?})", self.0)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.into()
    }
}

/// Why a text is not an id: it holds a CR, LF or NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError {
    /// Where the first forbidden character stands, in bytes.
    pub at: usize,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event id cannot hold CR, LF or NUL (at byte {})", self.at)
    }
}

impl std::error::Error for IdError {}

/// Where the first character stands that neither an id nor an event type can carry.
///
/// All three are ASCII, so a search among bytes never stops inside a character.
pub(crate) fn forbidden(text: &str) -> Option<usize> {
    memchr::memchr3(b'\r', b'\n', b'\0', text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_cannot_carry_is_refused_and_located() {
        for (text, at) in [("a\rb", 1), ("\n", 0), ("x\0", 1), ("é\nid: 2", 2)] {
            assert_eq!(Id::new(text), Err(IdError { at }), "{text:?}");
        }
        assert_eq!(IdError { at: 3 }.to_string(), "an event id cannot hold CR, LF or NUL (at byte 3)");
    }

    #[test]
    fn everything_else_is_kept_as_it_is() {
        for text in ["", " ", "42", "k7hd2m9q.12", "…", "a:b", "\t\u{7f}\u{85}\u{2028}"] {
            let id: Id = text.parse().unwrap();
            assert_eq!(id.as_str(), text);
            assert_eq!(id.to_string(), text);
            assert_eq!(String::from(id), text);
        }
    }
}
