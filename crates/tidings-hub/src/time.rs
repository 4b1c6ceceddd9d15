//! Two clocks, both arguments: the monotonic [`Time`] that deadlines use, and the wall clock's [`UnixMillis`] that events bear.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A monotonic instant, in whole milliseconds since an origin that the driver chooses. The hub never reads a clock: the
/// driver passes `now`, so a simulation owns time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// Further away than any process lives: a deadline that never comes.
    pub const NEVER: Time = Time(u64::MAX);

    /// The instant `millis` after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Time(millis)
    }

    /// Milliseconds since the origin.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        Time(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A point of the wall clock: milliseconds since 1970-01-01T00:00:00Z. Never used to decide an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Appends the RFC 3339 form in UTC with milliseconds, `2025-05-20T04:21:01.969Z`. An instant outside the years
    /// -9999 to 9999 is printed as the nearest one inside.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        let nearest = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(nearest);
        PRINTER.print_timestamp(&timestamp, out).expect("a Vec takes every byte");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_always_has_three_digits() {
        let print = |millis| {
            let mut out = Vec::new();
            UnixMillis(millis).write_rfc3339(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(print(1_747_714_861_969), "2025-05-20T04:21:01.969Z");
        assert_eq!(print(0), "1970-01-01T00:00:00.000Z");
        assert!(print(i64::MAX).starts_with("9999-12-30T"));
    }

    #[test]
    fn time_saturates() {
        assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
        assert_eq!(Time::from_millis(5) - Duration::from_secs(1), Time::from_millis(0));
        assert_eq!(Time::from_millis(5).since(Time::from_millis(9)), Duration::ZERO);
    }
}
