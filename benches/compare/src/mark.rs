//! The mark in every event's data: which event of its listener's this is, and when it was published.

use std::time::Instant;

/// `~~`, eight hexadecimal digits of the number, twelve of microseconds, `~~`: nothing that any form of an event escapes.
pub(crate) const MARK_BYTES: usize = 24;

/// What stands at both ends, and nowhere else in a stream.
pub(crate) const FENCE: &[u8] = b"~~";

/// The clock of publishers and subscribers, who are in one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Microseconds since it began.
    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// An event's data: the mark, and as many more bytes as it takes.
pub(crate) fn data(number: u32, micros: u64, bytes: usize) -> String {
    let mut data = format!("~~{number:08x}{micros:012x}~~");
    data.extend(std::iter::repeat_n('x', bytes.saturating_sub(MARK_BYTES)));
    data
}

/// Number and time of a whole mark; `None` for what is none.
pub(crate) fn read(mark: &[u8]) -> Option<(u32, u64)> {
    let digits = mark.strip_prefix(FENCE)?.strip_suffix(FENCE).filter(|digits| digits.len() == MARK_BYTES - 4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u32::from_str_radix(&digits[..8], 16).ok()?, u64::from_str_radix(&digits[8..], 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (number, micros) in [(0, 0), (7, 123_456_789), (u32::MAX, (1 << 48) - 1)] {
            let data = data(number, micros, 128);
            assert_eq!(data.len(), 128);
            assert_eq!(read(&data.as_bytes()[..MARK_BYTES]), Some((number, micros)));
        }
        assert_eq!(data(1, 2, 0).len(), MARK_BYTES);
    }

    #[test]
    fn anything_else_is_none() {
        for bad in
            ["", "~~", "~~~~", "~~0000000z000000000000~~", "~~00000001000000000000xx", "~~000000010000000000001~~"]
        {
            assert_eq!(read(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
