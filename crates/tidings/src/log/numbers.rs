//! Numbers and times for people.

use jiff::Timestamp;
use tidings_server::units;

/// `1,234,567`: figures of a log have many digits.
pub(super) fn grouped(number: u64) -> String {
    units::grouped(&number.to_string())
}

/// `1 event`, `2 events`.
pub(super) fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(number))
}

/// Milliseconds since 1970 as `2026-11-22T18:30:00.123Z`. What no calendar reaches was written by nobody, and is shown as it is.
pub(super) fn time(millis: u64) -> String {
    let timestamp = i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    timestamp.map_or_else(|| millis.to_string(), |timestamp| format!("{timestamp:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped() {
        for (number, expect) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expect);
        }
        assert_eq!((count(1, "event"), count(1_000, "event")), ("1 event".into(), "1,000 events".into()));
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(time(1_747_714_861_969), "2025-05-20T04:21:01.969Z");
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }
}
