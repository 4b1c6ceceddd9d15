//! Numbers that nobody need guess, drawn without a lock: request ids, and the times after which refused clients return.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The step of SplitMix64: odd, so that every state comes once, and irrational enough that neighbours have nothing in common.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator that many may draw from at once (SplitMix64). Not for secrets.
#[derive(Debug)]
pub(super) struct Random(AtomicU64);

impl Random {
    /// A generator whose numbers follow from the seed.
    pub(super) fn new(seed: u64) -> Self {
        Random(AtomicU64::new(seed))
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        let mut bits = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Whole milliseconds between the two, both included.
    pub(super) fn millis_between(&self, min: Duration, max: Duration) -> u32 {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let span = u64::from(millis(max).saturating_sub(millis(min))) + 1;
        let drawn = u32::try_from(self.next() % span).expect("a remainder of at most 2^32");
        millis(min).saturating_add(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed_and_differ() {
        let (a, b) = (Random::new(7), Random::new(7));
        let drawn: Vec<u64> = (0..100).map(|_| a.next()).collect();
        assert_eq!(drawn, (0..100).map(|_| b.next()).collect::<Vec<_>>());
        let distinct: std::collections::HashSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), 100);
    }

    #[test]
    fn times_stay_within_their_bounds_and_reach_both() {
        let random = Random::new(1);
        let drawn: Vec<u32> =
            (0..200).map(|_| random.millis_between(Duration::from_millis(10), Duration::from_millis(13))).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&10), Some(&13)));
    }
}
