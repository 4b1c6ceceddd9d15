//! The keys whose publishes are over, in as little memory as they need: 1,000,000 of them in 32 MB.
//!
//! Entries stand in a ring, oldest first, each 26 bytes; a table of four-byte slots finds them: open addressing, each slot the place
//! in the ring and as many bits of the hash as are left over, so that a key that is not there is told from those that are without a
//! look at them. Times are kept for runs of entries, not for each.

use super::digest::{BodyDigest, KeyDigest};
use std::collections::VecDeque;
use std::time::Duration;
use tidings_hub::{Seq, Time};

/// Bytes kept of a key's digest. Two keys of one subject that collide would take 2^48 tries to find, and confuse only who found them.
const KEY_BYTES: usize = 12;
/// Bytes kept of a body's digest: of 2^48 repeats with another body one is answered like the first.
const BODY_BYTES: usize = 6;
/// Slots for four entries. Every fifth slot is free: a search looks at a few neighbours, which lie in one line of the cache.
const SLOTS_PER_FOUR: usize = 5;
/// Keys that are completed within this time share one note of when: a key is remembered a second longer at the most.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// A slot without an entry.
const FREE: u32 = 0;

/// A key whose publish is over. Arrays of bytes, so that nothing is lost to alignment.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: [u8; KEY_BYTES],
    body: [u8; BODY_BYTES],
    /// The event's number; zero for an event that is not stored.
    seq: [u8; 8],
}

// The arithmetic of the bound: what a key costs at the most, all in all.
const _: () = {
    assert!(size_of::<Entry>() == 26);
    assert!(Seen::bytes_max(1_000_000) <= 32_000_000, "1,000,000 keys in 32 MB");
};

/// What a key that was seen was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The same event, which has this number.
    Same(Option<Seq>),
    /// Another event.
    Other,
}

/// The keys of the last so many publishes, no older than some age.
#[derive(Debug)]
pub(super) struct Seen {
    keys_max: usize,
    age: Duration,
    /// Drawn at random, so that nobody can choose keys whose slots collide.
    seed: u64,
    /// A ring once it is full: the oldest entry stands at `oldest`.
    entries: Vec<Entry>,
    oldest: usize,
    count: usize,
    /// Empty until the first key comes. Each is [`FREE`], or a place in the ring plus one, below as many bits of the hash as fit.
    slots: Vec<u32>,
    /// How many of the oldest entries were completed by when, in order.
    marks: VecDeque<(Time, usize)>,
}

impl Seen {
    /// An empty table. It takes memory as keys come: all of it, reserved at once, but untouched pages cost nothing.
    pub(super) fn new(keys_max: usize, age: Duration, seed: u64) -> Self {
        assert!(keys_max > 0 && keys_max < 1 << 30, "a place fits a slot, with bits to spare");
        let (entries, slots, marks) = (Vec::new(), Vec::new(), VecDeque::new());
        Seen { keys_max, age, seed, entries, oldest: 0, count: 0, slots, marks }
    }

    /// What `keys_max` keys take at the most: their entries, their slots, and the marks of five minutes.
    const fn bytes_max(keys_max: usize) -> usize {
        const MARKS_BYTES: usize = 1024 * size_of::<(Time, usize)>();
        keys_max * size_of::<Entry>() + slots_for(keys_max) * size_of::<u32>() + MARKS_BYTES
    }

    /// What it was used for, if the key was seen.
    pub(super) fn get(&self, key: KeyDigest, body: BodyDigest) -> Option<Found> {
        let place = self.place_of(short_key(key))?;
        let entry = &self.entries[place];
        let seq = u64::from_le_bytes(entry.seq);
        let same = entry.body == short_body(body);
        Some(if same { Found::Same((seq > 0).then_some(Seq(seq))) } else { Found::Other })
    }

    /// Remembers a key, and forgets the oldest where there is no room. One that is there already is not touched.
    pub(super) fn insert(&mut self, now: Time, key: KeyDigest, body: BodyDigest, seq: Option<Seq>) {
        if self.slots.is_empty() {
            self.entries.reserve_exact(self.keys_max);
            self.slots = vec![FREE; slots_for(self.keys_max)];
        }
        let entry =
            Entry { key: short_key(key), body: short_body(body), seq: seq.map_or(0, |seq| seq.0).to_le_bytes() };
        if self.place_of(entry.key).is_some() {
            return;
        }
        if self.count == self.keys_max {
            self.forget_oldest();
        }
        let place = (self.oldest + self.count) % self.keys_max;
        if place == self.entries.len() {
            self.entries.push(entry);
        } else {
            self.entries[place] = entry;
        }
        self.count += 1;
        self.link(place);
        self.mark(now);
    }

    /// Forgets what was completed longer than the age ago.
    pub(super) fn forget_old(&mut self, now: Time) {
        let before = now - self.age;
        while let Some((since, count)) = self.marks.front().copied()
            && since < before
        {
            for _ in 0..count {
                self.forget_oldest();
            }
        }
    }

    /// Keys that are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn mark(&mut self, now: Time) {
        match self.marks.back_mut() {
            // The later time counts for all of the run: none is forgotten too soon.
            Some((since, count)) if since.millis() / mark_ms() == now.millis() / mark_ms() => {
                (*since, *count) = (now, *count + 1);
            }
            _ => self.marks.push_back((now, 1)),
        }
    }

    fn forget_oldest(&mut self) {
        debug_assert!(self.count > 0, "whoever asks has looked");
        self.unlink(self.oldest);
        self.oldest = (self.oldest + 1) % self.keys_max;
        self.count -= 1;
        if let Some((_, count)) = self.marks.front_mut() {
            *count -= 1;
            if *count == 0 {
                self.marks.pop_front();
            }
        }
    }

    /// The place in the ring of a key.
    fn place_of(&self, key: [u8; KEY_BYTES]) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let (mut slot, tag) = self.home(key);
        while self.slots[slot] != FREE {
            let place = self.place_in(slot);
            if self.slots[slot] & !self.place_mask() == tag && self.entries[place].key == key {
                return Some(place);
            }
            slot = (slot + 1) % self.slots.len();
        }
        None
    }

    fn link(&mut self, place: usize) {
        let (mut slot, tag) = self.home(self.entries[place].key);
        while self.slots[slot] != FREE {
            slot = (slot + 1) % self.slots.len();
        }
        self.slots[slot] = tag | (u32::try_from(place).expect("a place fits its bits") + 1);
    }

    /// Takes an entry out of the slots, and closes the gap: a search ends at the first free slot.
    fn unlink(&mut self, place: usize) {
        let slots = self.slots.len();
        let (mut free, _) = self.home(self.entries[place].key);
        while self.place_in(free) != place {
            free = (free + 1) % slots;
        }
        let mut next = (free + 1) % slots;
        while self.slots[next] != FREE {
            let (home, _) = self.home(self.entries[self.place_in(next)].key);
            // It may move into the gap unless its home lies behind the gap.
            if (next + slots - home) % slots >= (next + slots - free) % slots {
                self.slots[free] = self.slots[next];
                free = next;
            }
            next = (next + 1) % slots;
        }
        self.slots[free] = FREE;
    }

    fn place_in(&self, slot: usize) -> usize {
        (self.slots[slot] & self.place_mask()) as usize - 1
    }

    /// The bits of a slot that are a place plus one.
    fn place_mask(&self) -> u32 {
        let bits = usize::BITS - self.keys_max.leading_zeros();
        (1 << bits) - 1
    }

    /// Where a key's slot is looked for first, and the bits of its hash that stand in the slot.
    fn home(&self, key: [u8; KEY_BYTES]) -> (usize, u32) {
        let mut low = [0; 8];
        low.copy_from_slice(&key[..8]);
        // The digest is random, but whoever chose the key knows it: the seed makes its place a secret.
        let product = u128::from(u64::from_le_bytes(low) ^ self.seed) * u128::from(self.seed | 1);
        let hash = u64::try_from(product >> 64).expect("the upper half fits")
            ^ u64::try_from(product & u128::from(u64::MAX)).expect("so does the lower");
        let slot = (u128::from(hash) * self.slots.len() as u128) >> 64;
        let tag = u32::try_from(hash & u64::from(u32::MAX)).expect("32 bits") & !self.place_mask();
        (usize::try_from(slot).expect("below the number of slots"), tag)
    }
}

const fn slots_for(keys_max: usize) -> usize {
    // One more, so that a search always ends.
    keys_max * SLOTS_PER_FOUR / 4 + 1
}

const fn mark_ms() -> u64 {
    MARK_EVERY.as_millis() as u64
}

fn short_key(key: KeyDigest) -> [u8; KEY_BYTES] {
    let mut short = [0; KEY_BYTES];
    short.copy_from_slice(&key.bytes()[..KEY_BYTES]);
    short
}

fn short_body(body: BodyDigest) -> [u8; BODY_BYTES] {
    let mut short = [0; BODY_BYTES];
    short.copy_from_slice(&body.bytes()[..BODY_BYTES]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const AGE: Duration = Duration::from_secs(100);

    /// A digest as random as a real one, and the same for the same number.
    fn digest(number: u64) -> [u8; 16] {
        let mut rng = fastrand::Rng::with_seed(number);
        rng.u128(..).to_le_bytes()
    }

    fn key(number: u64) -> KeyDigest {
        KeyDigest::from_bytes(digest(number))
    }

    fn body(number: u64) -> BodyDigest {
        BodyDigest::from_bytes(digest(number ^ u64::MAX))
    }

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_million_keys_take_what_the_arithmetic_says() {
        const KEYS: u64 = 1_000_000;
        let mut seen = Seen::new(1_000_000, AGE, 7);
        // More than fit, so that the ring turns, over as long as keys are remembered.
        for number in 0..KEYS + 1_000 {
            seen.insert(at(number / 10_000), key(number), body(number), Some(Seq(number + 1)));
        }
        let entries = seen.entries.capacity() * size_of::<Entry>();
        let slots = seen.slots.capacity() * size_of::<u32>();
        let marks = seen.marks.capacity() * size_of::<(Time, usize)>();
        let bytes = entries + slots + marks;
        println!("1,000,000 keys: {entries} bytes of entries, {slots} of slots, {marks} of marks, {bytes} in all");
        assert!(bytes <= Seen::bytes_max(1_000_000) && bytes <= 32_000_000, "{bytes}");
        assert_eq!(seen.len(), 1_000_000);
        assert_eq!(seen.get(key(0), body(0)), None, "the oldest made room");
        for number in (1_000..KEYS + 1_000).step_by(997) {
            assert_eq!(seen.get(key(number), body(number)), Some(Found::Same(Some(Seq(number + 1)))));
            assert_eq!(seen.get(key(number), body(number + 1)), Some(Found::Other));
        }
    }

    #[test]
    fn it_answers_like_a_list() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let keys_max = rng.usize(1..40);
            let mut seen = Seen::new(keys_max, AGE, rng.u64(..));
            let mut list: VecDeque<(u64, Time)> = VecDeque::new();
            let mut now = 1_000;
            for _ in 0..300 {
                now += rng.u64(0..20);
                let number = rng.u64(0..80);
                seen.forget_old(at(now));
                list.retain(|(_, since)| *since >= at(now) - AGE);
                let expect = list.iter().any(|(known, _)| *known == number);
                assert_eq!(seen.get(key(number), body(number)).is_some(), expect, "seed {seed}");
                seen.insert(at(now), key(number), body(number), None);
                if !expect {
                    if list.len() == keys_max {
                        list.pop_front();
                    }
                    list.push_back((number, at(now)));
                }
                assert_eq!(seen.len(), list.len(), "seed {seed}");
            }
        }
    }
}
