//! The reconnection time: how long a client waits before it comes back.

/// A reconnection time in whole milliseconds.
///
/// 32 bits hold 49 days, which is longer than any use, and some client libraries raise an error on a number of more
/// digits. Which range is wise (a server should send no less than 1,000) is a rule for the sender, not the format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Retry(u32);

impl Retry {
    /// What a client waits that was told nothing. The standard says "a few seconds"; 3,000 ms is Chromium's.
    pub const DEFAULT: Self = Self(3_000);

    /// A time of `millis` milliseconds.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// The time in milliseconds.
    pub const fn millis(self) -> u32 {
        self.0
    }

    /// What the value of a `retry:` field says; `None` when the field is to be ignored.
    ///
    /// Only ASCII digits count, in base ten. Where the standard is silent this does as Chromium: a number beyond 64
    /// bits is ignored, and one beyond 32 is never waited out, so it becomes the longest time there is. An empty value
    /// goes back to the default. That is a `Retry` like any other, and not an item of its own, because "the default"
    /// would then be whatever each client takes for it; whoever begins with [`Self::DEFAULT`] is where Chromium is.
    pub(crate) fn from_field(value: &[u8]) -> Option<Self> {
        if value.is_empty() {
            return Some(Self::DEFAULT);
        }
        let mut millis: u64 = 0;
        for byte in value {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            millis = millis.checked_mul(10)?.checked_add(digit)?;
        }
        Some(Self(u32::try_from(millis).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expect: Option<u32>) {
        assert_eq!(Retry::from_field(value.as_bytes()).map(Retry::millis), expect, "{value:?}");
    }

    #[test]
    fn digits_are_a_decimal_number() {
        check("0", Some(0));
        check("1000", Some(1_000));
        check("01000", Some(1_000));
        check(&format!("{}7", "0".repeat(100)), Some(7));
    }

    #[test]
    fn nothing_is_the_default() {
        check("", Some(Retry::DEFAULT.millis()));
    }

    #[test]
    fn anything_else_is_ignored() {
        for value in ["1000x", "+5", "-1", " 5", "5 ", "1.5", "1e3", "0x10", "5\0", "\u{663}"] {
            check(value, None);
        }
    }

    #[test]
    fn a_large_number_saturates_and_a_larger_one_is_ignored() {
        check("4294967295", Some(u32::MAX));
        check("4294967296", Some(u32::MAX));
        check("18446744073709551615", Some(u32::MAX));
        check("18446744073709551616", None);
        check(&"9".repeat(1_000), None);
    }
}
