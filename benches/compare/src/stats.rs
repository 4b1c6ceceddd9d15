//! Medians, ranges, and ratios pair by pair.

use serde_json::{Value, json};

/// The middle and the ends of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Of those runs that have the figure; `None` where none has.
    pub(crate) fn of(figures: &[Option<f64>]) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.iter().flatten().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self { median, min, max })
    }
}

/// `of` over `over`, pair by pair; `None` where either has no figure, or there is nothing to divide by.
pub(crate) fn ratios(of: &[Option<f64>], over: &[Option<f64>]) -> Vec<Option<f64>> {
    let ratio = |(of, over): (&Option<f64>, &Option<f64>)| {
        let (of, over) = ((*of)?, (*over)?);
        (over != 0.0).then(|| of / over)
    };
    of.iter().zip(over).map(ratio).collect()
}

/// `of` less `than`, pair by pair; `None` where either has no figure.
pub(crate) fn differences(of: &[Option<f64>], than: &[Option<f64>]) -> Vec<Option<f64>> {
    of.iter().zip(than).map(|(of, than)| Some((*of)? - (*than)?)).collect()
}

/// Percentiles and the longest of times in microseconds, in milliseconds. Reorders them.
pub(crate) fn milliseconds(micros: &mut [u32]) -> Value {
    let mut ms = |share| f64::from(quantile(micros, share)) / 1e3;
    json!({"p50": ms(0.5), "p99": ms(0.99), "max": ms(1.0)})
}

/// The value below which a share of `values` lies, `share` from 0 to 1; 0 where there is none. Reorders them.
fn quantile(values: &mut [u32], share: f64) -> u32 {
    if values.is_empty() {
        return 0;
    }
    let at = ((values.len() - 1) as f64 * share.clamp(0.0, 1.0)).round() as usize;
    *values.select_nth_unstable(at).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(figures: &[Option<f64>], median: f64, min: f64, max: f64) {
        assert_eq!(Summary::of(figures), Some(Summary { median, min, max }));
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        check(&[Some(3.0), Some(100.0), Some(1.0)], 3.0, 1.0, 100.0);
        check(&[Some(4.0), Some(1.0), Some(2.0), Some(100.0)], 3.0, 1.0, 100.0);
        check(&[Some(7.0)], 7.0, 7.0, 7.0);
    }

    #[test]
    fn runs_without_a_figure_do_not_count() {
        check(&[None, Some(2.0), None, Some(4.0)], 3.0, 2.0, 4.0);
        assert_eq!(Summary::of(&[None, None]), None);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn ratios_stay_in_their_pair() {
        let of = [Some(2.0), None, Some(9.0), Some(1.0)];
        let over = [Some(4.0), Some(1.0), Some(3.0), Some(0.0)];
        assert_eq!(ratios(&of, &over), [Some(0.5), None, Some(3.0), None]);
    }

    #[test]
    fn differences_stay_in_their_pair() {
        assert_eq!(differences(&[Some(2.0), None, Some(9.0)], &[Some(4.0), Some(1.0), None]), [Some(-2.0), None, None]);
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let mut values: Vec<u32> = (1..=101).rev().collect();
        assert_eq!(quantile(&mut values, 0.5), 51);
        assert_eq!(quantile(&mut values, 0.99), 100);
        assert_eq!(quantile(&mut values, 1.0), 101);
        assert_eq!(quantile(&mut [], 0.5), 0);
    }
}
