//! Deadlines on a coarse wheel: one entry a subscription, moved lazily. A deadline that is put off costs nothing until its
//! old time comes (Varghese and Lauck 1987, "Hashed and Hierarchical Timing Wheels", scheme 4 with re-insertion).

use crate::Time;

/// Milliseconds a slot: fine enough for an ending's second of grace, coarse enough that thousands share a wake-up.
const TICK_MS: u64 = 128;
/// Slots: 131 seconds; what is further away is looked at once a turn and put back.
const SLOTS: usize = 1024;

#[derive(Debug)]
pub(super) struct Wheel {
    slots: Vec<Vec<u64>>,
    /// Bit `i` of word `i / 64`: slot `i` has entries.
    occupied: [u64; SLOTS / 64],
    /// The last tick that was expired.
    now: u64,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Wheel { slots: vec![Vec::new(); SLOTS], occupied: [0; SLOTS / 64], now: 0 }
    }

    /// The deadline as the wheel keeps it: rounded up to a tick, never one that has passed, at most one turn away. `key` comes
    /// out of [`Wheel::expire`] then.
    pub(super) fn schedule(&mut self, at: Time, key: u64) -> Time {
        let tick = at.millis().div_ceil(TICK_MS).clamp(self.now + 1, self.now + SLOTS as u64 - 1);
        let slot = slot(tick);
        self.slots[slot].push(key);
        self.occupied[slot / 64] |= 1 << (slot % 64);
        Time::from_millis(tick * TICK_MS)
    }

    /// Takes out every key whose time has come.
    pub(super) fn expire(&mut self, now: Time, due: &mut Vec<u64>) {
        let target = now.millis() / TICK_MS;
        // After a long sleep each slot need be looked at only once.
        let first = (self.now + 1).max(target.saturating_sub(SLOTS as u64 - 1));
        for tick in first..=target {
            let slot = slot(tick);
            // Taken whole: a slot that kept the room of its fullest time would keep it for ever, and there are many slots.
            due.extend(std::mem::take(&mut self.slots[slot]));
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
        self.now = self.now.max(target);
    }

    /// When the next key is due.
    pub(super) fn next(&self) -> Option<Time> {
        let occupied = |tick: &u64| self.occupied[slot(*tick) / 64] >> (slot(*tick) % 64) & 1 == 1;
        let mut tick = self.now + 1;
        let end = self.now + SLOTS as u64;
        while tick < end {
            // A word without a bit is passed over whole.
            if self.occupied[slot(tick) / 64] == 0 {
                tick = (tick / 64 + 1) * 64;
            } else if occupied(&tick) {
                return Some(Time::from_millis(tick * TICK_MS));
            } else {
                tick += 1;
            }
        }
        None
    }
}

fn slot(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).expect("a remainder of the number of slots")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(wheel: &mut Wheel, ms: u64) -> Vec<u64> {
        let mut due = Vec::new();
        wheel.expire(Time::from_millis(ms), &mut due);
        due
    }

    #[test]
    fn never_early_and_at_most_a_tick_late() {
        let mut wheel = Wheel::new();
        assert_eq!(wheel.next(), None);
        wheel.schedule(Time::from_millis(1000), 1);
        wheel.schedule(Time::from_millis(20_000), 2);
        assert_eq!(wheel.next(), Some(Time::from_millis(1024)));
        assert!(due(&mut wheel, 1000).is_empty());
        assert_eq!(due(&mut wheel, 1024), [1]);
        let next = wheel.next().unwrap();
        assert!(next.millis() >= 20_000 && next.millis() < 20_000 + TICK_MS);
        assert_eq!(due(&mut wheel, 1_000_000), [2], "a long sleep misses nothing");
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn what_is_far_away_comes_back_after_a_turn() {
        let mut wheel = Wheel::new();
        let at = wheel.schedule(Time::NEVER, 1);
        assert_eq!(at.millis(), TICK_MS * (SLOTS as u64 - 1));
        assert_eq!(due(&mut wheel, at.millis()), [1]);
    }

    #[test]
    fn a_passed_deadline_is_due_at_the_next_tick() {
        let mut wheel = Wheel::new();
        due(&mut wheel, 10_000);
        wheel.schedule(Time::from_millis(5), 7);
        assert_eq!(due(&mut wheel, 10_000 + TICK_MS), [7]);
    }
}
