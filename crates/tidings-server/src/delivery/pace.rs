//! How soon a shard begins its next pass: at once, unless passes have come thick and fast.
//!
//! A publish is one wake and one send a subscriber. Where many publishers each wait for an answer, groups of a few events come every
//! fifth of a millisecond, and a pass for each costs more than all the rest: what network cards do against it (interrupt moderation),
//! shards do as well. Whoever publishes now and then is not delayed.

use std::time::Duration;

/// The time between the beginnings of two passes in the long run. A subscriber hears of an event so much later at most.
const PASS_EVERY: Duration = Duration::from_millis(1);
/// Passes that may begin at once after a quiet time: an answer to an event, and the answer to that.
const BURST: u32 = 4;

/// Permission to begin passes: a bucket of `BURST` that fills by one each [`PASS_EVERY`].
#[derive(Debug)]
pub(super) struct Pace {
    /// When the bucket would be full, had nothing been taken since.
    full_at: Duration,
}

impl Pace {
    /// A full bucket.
    pub(super) fn new() -> Self {
        Pace { full_at: Duration::ZERO }
    }

    /// A pass began.
    pub(super) fn take(&mut self, now: Duration) {
        self.full_at = self.full_at.max(now) + PASS_EVERY;
    }

    /// How long the next pass should wait.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.full_at.saturating_sub(now).saturating_sub(PASS_EVERY * (BURST - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    #[test]
    fn a_few_passes_begin_at_once_and_many_take_their_time() {
        let mut pace = Pace::new();
        for _ in 0..BURST {
            assert_eq!(pace.wait(us(50)), Duration::ZERO);
            pace.take(us(50));
        }
        assert_eq!(pace.wait(us(50)), us(1_000));
        assert_eq!(pace.wait(us(1_050)), Duration::ZERO);
        pace.take(us(1_050));
        assert_eq!(pace.wait(us(1_100)), us(950));
    }

    #[test]
    fn who_comes_every_other_millisecond_never_waits() {
        let mut pace = Pace::new();
        for at in (0..100_000).step_by(2_000) {
            assert_eq!(pace.wait(us(at)), Duration::ZERO);
            pace.take(us(at));
        }
    }
}
