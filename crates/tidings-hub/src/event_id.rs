//! An event's id on the wire, `<epoch>.<seq>`. Only this file knows that form; clients treat ids as opaque.

use crate::Seq;
use std::fmt;
use std::str::FromStr;
use tidings_wire::Id;

/// Names one history: a log or a broker's stream that is created anew has another, so an id of the old one is never
/// mistaken for a position of the new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; Epoch::LEN]);

impl Epoch {
    /// Characters of an epoch. 36^8 is 2.8 * 10^12 histories: two of one operator never meet.
    pub const LEN: usize = 8;
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    /// The epoch that a random number names; the caller draws it once for a new history.
    pub fn from_random(mut random: u64) -> Self {
        let mut chars = [0; Self::LEN];
        for c in &mut chars {
            *c = Self::ALPHABET[usize::try_from(random % 36).expect("a remainder of 36")];
            random /= 36;
        }
        Epoch(chars)
    }

    /// The eight characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an epoch is made of ASCII letters and digits only")
    }
}

impl FromStr for Epoch {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let chars: [u8; Self::LEN] = text.as_bytes().try_into().map_err(|_| EventIdError)?;
        if chars.iter().all(|c| Self::ALPHABET.contains(c)) { Ok(Epoch(chars)) } else { Err(EventIdError) }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// A position in one history. As an event's id it means: served up to and including this event.
///
/// At most 29 visible ASCII characters without `"():<>?@[\]{}`: such an id survives every browser and every CORS rule
/// (Chromium ends an `EventSource` for good over ids that cannot stand in a header).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    /// The history this id belongs to.
    pub epoch: Epoch,
    /// The position in it.
    pub seq: Seq,
}

/// The text is no id of ours. It bears no detail: ids come from strangers, and the answer to a bad one is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id of the form <epoch>.<seq>")]
pub struct EventIdError;

impl EventId {
    /// The longest id that is looked at, in bytes. Longer ones are unknown without being parsed.
    pub const BYTES_MAX: usize = 128;

    /// The id as the wire format's type.
    pub fn to_wire(self) -> Id {
        Id::new(Text::of(self).as_str()).expect("an event id has no CR, LF or NUL")
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(*self).as_str())
    }
}

/// An id's characters, at the end of a buffer. Every event has one, and the formatting machinery would cost more than all else that
/// is done to encode an event.
struct Text {
    bytes: [u8; Text::LEN_MAX],
    start: usize,
}

impl Text {
    /// An epoch, a dot, and the 20 digits of the largest number.
    const LEN_MAX: usize = Epoch::LEN + 1 + 20;

    fn of(EventId { epoch, seq: Seq(mut seq) }: EventId) -> Self {
        let mut text = Text { bytes: [0; Self::LEN_MAX], start: Self::LEN_MAX };
        loop {
            text.prepend(&[b'0' + u8::try_from(seq % 10).expect("a remainder of 10")]);
            seq /= 10;
            if seq == 0 {
                break;
            }
        }
        text.prepend(b".");
        text.prepend(&epoch.0);
        text
    }

    fn prepend(&mut self, bytes: &[u8]) {
        let end = self.start;
        self.start -= bytes.len();
        self.bytes[self.start..end].copy_from_slice(bytes);
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).expect("letters, digits and a dot are ASCII")
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    /// Accepts exactly what `Display` prints: no sign, no leading zero, so that equal positions are equal texts.
    fn from_str(text: &str) -> Result<Self, EventIdError> {
        if text.len() > Self::BYTES_MAX {
            return Err(EventIdError);
        }
        let (epoch, seq) = text.split_once('.').ok_or(EventIdError)?;
        let canonical = seq.bytes().all(|c| c.is_ascii_digit()) && (seq == "0" || !seq.starts_with('0'));
        if !canonical {
            return Err(EventIdError);
        }
        Ok(EventId { epoch: epoch.parse()?, seq: Seq(seq.parse().map_err(|_| EventIdError)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_it_prints_and_nothing_else() {
        let id = EventId { epoch: Epoch::from_random(0x1234_5678_9abc_def0), seq: Seq(42) };
        for seq in [0, 1, 9, 10, 42, 1_000_000_007, u64::MAX] {
            let id = EventId { seq: Seq(seq), ..id };
            assert_eq!(id.to_string(), format!("{}.{seq}", id.epoch));
            assert_eq!((id.to_string().parse(), id.to_wire().as_str()), (Ok(id), &*id.to_string()));
        }
        let epoch = id.epoch;
        let long = format!("{epoch}.{}", "1".repeat(200));
        for bad in ["", "x", ".", &format!("{epoch}."), &format!("{epoch}.01"), &format!("{epoch}.+1"), &long] {
            assert_eq!(bad.parse::<EventId>(), Err(EventIdError), "{bad:?}");
        }
        assert!(format!("{epoch}.1-2").parse::<EventId>().is_err(), "the partitioned form is reserved");
        assert!("UPPERCAS.1".parse::<EventId>().is_err());
        assert!(format!("{epoch}.18446744073709551616").parse::<EventId>().is_err(), "one over u64");
    }
}
