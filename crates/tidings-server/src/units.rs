//! Values with a unit, as people write them: `64MiB`, `30s`. A number without a unit is none: whose unit it is would be a guess.

use std::time::Duration;

const KIB: u64 = 1 << 10;
const SECOND_MS: u64 = 1_000;

/// Units of bytes, the largest first.
const BYTES: [(&str, u64); 4] = [("TiB", KIB.pow(4)), ("GiB", KIB.pow(3)), ("MiB", KIB.pow(2)), ("KiB", KIB)];
/// Units of time in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] =
    [("d", 24 * 60 * 60 * SECOND_MS), ("h", 60 * 60 * SECOND_MS), ("m", 60 * SECOND_MS), ("s", SECOND_MS), ("ms", 1)];

/// `64KiB`, `512MiB`, `10GiB`, `1TiB`.
pub fn bytes(text: &str) -> Option<u64> {
    parse(text, &BYTES)
}

/// `500ms`, `30s`, `10m`, `2h`, `7d`.
pub fn time(text: &str) -> Option<Duration> {
    parse(text, &TIMES).map(Duration::from_millis)
}

/// `10 GiB`: in the largest unit that is exact.
pub fn bytes_text(bytes: u64) -> String {
    text(bytes, &BYTES).unwrap_or_else(|| format!("{bytes} bytes"))
}

/// `7 d`: in the largest unit that is exact.
pub fn time_text(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    text(millis, &TIMES).unwrap_or_else(|| "0 s".to_owned())
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

fn text(value: u64, units: &[(&str, u64)]) -> Option<String> {
    let (name, size) = units.iter().find(|(_, size)| value > 0 && value.is_multiple_of(*size))?;
    Some(format!("{} {name}", value / size))
}

/// `1,234,567.8`: a number as it was printed, signed or not, its whole part in groups of three.
pub fn grouped(number: &str) -> String {
    let (whole, decimals) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut out = String::new();
    for (place, char) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(char);
    }
    out + decimals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_bear_their_units() {
        for (given, value, said) in
            [("64KiB", 64 << 10, "64 KiB"), ("1024MiB", 1 << 30, "1 GiB"), ("2TiB", 2 << 40, "2 TiB")]
        {
            assert_eq!(bytes(given), Some(value), "{given}");
            assert_eq!(bytes_text(value), said);
        }
        for (given, millis, said) in [("90s", 90_000, "90 s"), ("60m", 3_600_000, "1 h"), ("500ms", 500, "500 ms")] {
            assert_eq!(time(given), Some(Duration::from_millis(millis)), "{given}");
            assert_eq!(time_text(Duration::from_millis(millis)), said);
        }
        assert_eq!(
            (bytes_text(1), bytes_text(0), time_text(Duration::ZERO)),
            ("1 bytes".into(), "0 bytes".into(), "0 s".into())
        );
    }

    #[test]
    fn what_has_no_unit_or_is_too_much_is_none() {
        for bad in ["", "10", "GiB", "10GB", "10 GiB", "-1GiB", "1.5GiB", "99999999999TiB", "18446744073709551616KiB"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        for bad in ["", "30", "s", "-1s", "1.5h", "1w", "1M", "99999999999999999999h", "18446744073709551615h"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn figures_are_grouped() {
        for (number, expect) in
            [("0", "0"), ("999", "999"), ("1000.5", "1,000.5"), ("-123456", "-123,456"), ("-1", "-1")]
        {
            assert_eq!(grouped(number), expect);
        }
    }
}
