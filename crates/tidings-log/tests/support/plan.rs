//! What one seed does: how the log is opened, and what is appended. Drawn, never measured.

use std::sync::Arc;
use tidings_log::{Append, At, Draft, Entry, Key, Options, Retention, Rule};
use tidings_testkit::storage::Sector;

const KIB: u64 = 1024;
/// Topics that come again and again; the first segment says which rule holds for them.
const TOPICS: [&str; 9] = [
    "a",
    "b",
    "c/d",
    "kept/x",
    "kept/y",
    "long/x",
    "short/x",
    "rare/ü",
    "a/very/long/name/that/takes/room/in/every/record",
];

/// How a seed's log is opened.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) sector: Sector,
    /// Whether anything is dropped.
    pub(crate) drops: bool,
}

impl Plan {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        // Small, so that a run of a few hundred appends rolls, recycles, removes and rewrites.
        let segment_bytes = match rng.u8(..20) {
            0 => 256 * KIB,
            1 | 2 => 128 * KIB,
            3..7 => 64 * KIB,
            _ => 32 * KIB,
        };
        let options = Options {
            segment_bytes,
            batch_bytes_max: (segment_bytes / 2) as usize,
            topics_max: if rng.u8(..8) == 0 { 12 } else { 100_000 },
            retention: retention(rng, segment_bytes),
            name: rng.u64(..),
            secret: rng.u64(..),
            hash_seed: rng.u64(..),
            now: 0,
        };
        Plan { options, sector: if rng.bool() { Sector::B512 } else { Sector::B4096 }, drops: true }
    }

    /// The same, of a log that drops nothing.
    pub(crate) fn keeping_everything(mut self) -> Self {
        self.options.retention = Retention { bytes: u64::MAX, age: None, events: None, rules: Vec::new() };
        self.drops = false;
        self
    }
}

fn retention(rng: &mut fastrand::Rng, segment_bytes: u64) -> Retention {
    let matches = |first: &'static str| Arc::new(move |name: &str| name.starts_with(first));
    let mut rules = Vec::new();
    if rng.bool() {
        rules.push(Rule { matches: matches("kept/"), age: None, keep_last: Some(rng.u32(1..5)) });
    }
    if rng.u8(..4) == 0 {
        rules.push(Rule { matches: matches("long/"), age: Some(u64::MAX / 2), keep_last: None });
    }
    if rng.u8(..4) == 0 {
        rules.push(Rule { matches: matches("short/"), age: Some(rng.u64(500..20_000)), keep_last: None });
    }
    Retention {
        bytes: if rng.u8(..4) == 0 { u64::MAX } else { rng.u64(3..9) * segment_bytes },
        age: (rng.u8(..4) == 0).then(|| rng.u64(2_000..60_000)),
        events: (rng.u8(..5) == 0).then(|| rng.u64(20..600)),
        rules,
    }
}

/// Makes appends. It counts the bodies it has ever made, so that each can be told from all others.
#[derive(Debug)]
pub(crate) struct Maker {
    batch_bytes_max: usize,
    drops: bool,
    made: u64,
}

impl Maker {
    pub(crate) fn new(plan: &Plan) -> Self {
        Maker { batch_bytes_max: plan.options.batch_bytes_max, drops: plan.drops, made: 0 }
    }

    /// A group, as the writer's queue may hold it; `head` is the log's.
    pub(crate) fn group(&mut self, rng: &mut fastrand::Rng, head: u64, now: u64) -> Vec<Append> {
        let appends = if rng.bool() { rng.usize(1..4) } else { rng.usize(1..=20) };
        // Mostly they are one batch.
        let mut room = self.batch_bytes_max / 4;
        (0..appends).map(|_| self.append(rng, head, now, &mut room)).collect()
    }

    fn append(&mut self, rng: &mut fastrand::Rng, head: u64, now: u64, room: &mut usize) -> Append {
        let entries = if rng.u8(..6) == 0 { rng.usize(0..12) } else { 1 };
        let entries = (0..entries).map(|_| self.entry(rng, now, room)).collect();
        // Mostly behind everything of this group; now and then not behind the head, which is refused.
        let at = (rng.u8(..20) == 0)
            .then(|| At { seq: (head + rng.u64(..1000)).max(1), time: (now + rng.u64(..2000)).saturating_sub(1000) });
        Append { at, entries }
    }

    fn entry(&mut self, rng: &mut fastrand::Rng, now: u64, room: &mut usize) -> Entry {
        if rng.u8(..60) == 0 && self.drops {
            return Entry::Drop { topic: Some(topic(rng)), to: None };
        }
        let count = if rng.u8(..8) == 0 { rng.usize(2..=5) } else { 1 };
        let mut topics: Vec<Arc<str>> = Vec::new();
        for _ in 0..count {
            let topic = topic(rng);
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        self.made += 1;
        let key = (rng.u8(..3) == 0).then(|| {
            let mut key = Key { id: [0; 16], body: [rng.u8(..); 16] };
            key.id[..8].copy_from_slice(&self.made.to_le_bytes());
            key
        });
        let expires = (rng.u8(..10) == 0).then(|| now + rng.u64(..20_000));
        Entry::Event(Draft { topics, body: body(rng, room, self.made), key, expires })
    }
}

fn topic(rng: &mut fastrand::Rng) -> Arc<str> {
    if rng.u8(..40) == 0 {
        return format!("new/{}", rng.u16(..200)).into();
    }
    TOPICS[rng.usize(..TOPICS.len())].into()
}

/// Bytes that stand nowhere else. Most bodies are small; some span many sectors.
fn body(rng: &mut fastrand::Rng, room: &mut usize, mark: u64) -> Vec<u8> {
    let more = match rng.u8(..40) {
        0 => rng.usize(..6000),
        1..5 => rng.usize(..1200),
        _ => rng.usize(..160),
    };
    let more = more.min(*room);
    *room -= more;
    let mut body = format!("<{mark:016x}>").into_bytes();
    body.resize(body.len() + more, rng.u8(..));
    body
}
