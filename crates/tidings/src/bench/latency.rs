//! Times, counted by how often they came: percentiles need no more.

use hdrhistogram::Histogram;

/// Times above this count as it: the longest a run may publish is ten minutes.
const MICROS_MAX: u64 = 600_000_000;

/// A time is kept to a thousandth of itself: far finer than two runs agree. It costs 200 KB.
const DIGITS: u8 = 3;

/// Points of a curve for each further nine: smooth to the eye.
const POINTS_A_NINE: u32 = 20;

/// The curve ends at five nines.
const NINES_MAX: u32 = 5;

/// How often which time came. Times are whole microseconds, at least one.
#[derive(Debug)]
pub(super) struct Latencies(Histogram<u64>);

/// The usual percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Latencies {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, MICROS_MAX, DIGITS).expect("the bounds are constants, and in order"))
    }

    pub(super) fn record_nanos(&mut self, nanos: u64) {
        self.0.saturating_record((nanos / 1_000).clamp(1, MICROS_MAX));
    }

    /// `None` when nothing came.
    pub(super) fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile| self.millis_at(quantile);
        (!self.0.is_empty()).then(|| Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        })
    }

    /// The distribution by nines: at 0 the shortest time, at 1 the 90th percentile, at 2 the 99th, at 3 the 99.9th, in
    /// milliseconds; as far as there are times enough to tell.
    pub(super) fn curve(&self) -> Vec<(f64, f64)> {
        let told = |share: f64| share * self.0.len() as f64 >= 1.0;
        (0..=NINES_MAX * POINTS_A_NINE)
            .map(|place| f64::from(place) / f64::from(POINTS_A_NINE))
            .map(|nines| (nines, 10_f64.powf(-nines)))
            .take_while(|(_, above)| told(*above))
            .map(|(nines, above)| (nines, self.millis_at(1.0 - above)))
            .collect()
    }

    fn millis_at(&self, quantile: f64) -> f64 {
        // The upper end of a bucket may lie above everything that came.
        self.0.value_at_quantile(quantile).min(self.0.max()) as f64 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_thousand() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), None);
        assert!(latencies.curve().is_empty());
        for millis in 1..=1_000 {
            latencies.record_nanos(millis * 1_000_000);
        }
        let found = latencies.percentiles().unwrap();
        for (found, expect) in
            [(found.p50, 500.0), (found.p90, 900.0), (found.p99, 990.0), (found.p999, 999.0), (found.max, 1_000.0)]
        {
            assert!((found / expect - 1.0_f64).abs() < 0.002, "{found} beside {expect}");
        }
    }

    #[test]
    fn the_curve_rises_and_ends_where_times_are_too_few() {
        let mut latencies = Latencies::new();
        (1..=1_000).for_each(|millis| latencies.record_nanos(millis * 1_000_000));
        let curve = latencies.curve();
        assert!(curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{curve:?}");
        let (nines, millis) = *curve.last().unwrap();
        assert_eq!(nines, 3.0, "the 99.9th is the last that a thousand tell of");
        assert!((millis / 999.0 - 1.0).abs() < 0.002, "{millis}");
    }

    #[test]
    fn what_is_out_of_bounds_counts_as_the_bound() {
        let mut latencies = Latencies::new();
        latencies.record_nanos(0);
        latencies.record_nanos(u64::MAX);
        let found = latencies.percentiles().unwrap();
        assert_eq!(found.p50, 0.001);
        assert!((found.max * 1_000.0 / MICROS_MAX as f64 - 1.0).abs() < 0.002, "{found:?}");
    }
}
