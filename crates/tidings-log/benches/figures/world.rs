//! What every figure needs: a directory, a log in it, events, and a way to say what was seen.

// A benchmark is what looks at the clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tidings_log::{Append, DiskDir, Draft, Entry, Key, Opened, Options, Retention, Step};

/// A directory that is emptied for each log.
pub(crate) struct Place(PathBuf);

/// The time of the first event; each batch comes a millisecond later.
pub(crate) const START: u64 = 1_700_000_000_000;
pub(crate) const MIB: u64 = 1 << 20;

impl Place {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Place(dir)
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    /// A new log.
    pub(crate) fn fresh(&self, options: Options) -> Opened {
        let _ = std::fs::remove_dir_all(&self.0);
        self.open(options)
    }

    /// The log that is there.
    pub(crate) fn open(&self, options: Options) -> Opened {
        let dir = DiskDir::open(&self.0).expect("the directory can be made");
        tidings_log::open(Arc::new(dir), options).expect("the log opens")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The server's own sizes, unless a figure says otherwise.
pub(crate) fn options() -> Options {
    Options {
        segment_bytes: 64 * MIB,
        batch_bytes_max: 16 << 20,
        topics_max: 2_000_000,
        retention: Retention { bytes: 10 << 30, age: None, events: None, rules: Vec::new() },
        name: 0x6669_6775_7265_7321,
        secret: 0x7469_6469_6e67_7321,
        hash_seed: 42,
        now: START,
    }
}

/// One event.
pub(crate) fn event(topic: &Arc<str>, body_bytes: usize, key: Option<u64>) -> Append {
    let key = key.map(|key| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        Key { id, body: id }
    });
    let draft = Draft { topics: vec![topic.clone()], body: vec![b'x'; body_bytes], key, expires: None };
    Append { at: None, entries: vec![Entry::Event(draft)] }
}

/// Commits events in groups of `group`, with upkeep in between as its thread would do it; each is made by `make(i)`.
pub(crate) fn fill(opened: &mut Opened, count: usize, group: usize, make: impl Fn(usize) -> Append) {
    for first in (0..count).step_by(group) {
        let now = START + (first / group) as u64;
        let appends: Vec<Append> = (first..count.min(first + group)).map(&make).collect();
        for placed in opened.writer.commit(now, &appends) {
            placed.expect("the append is taken");
        }
        upkeep(opened, now);
    }
}

/// Does all the upkeep there is.
pub(crate) fn upkeep(opened: &mut Opened, now: u64) {
    loop {
        match opened.upkeep.step(now) {
            Step::Idle => return,
            Step::Did(_) => {}
            Step::Drops(entries) => {
                let placed = opened.writer.commit(now, &[Append { at: None, entries }]);
                assert!(placed.iter().all(Result::is_ok), "drops are taken");
            }
            Step::NoSpace => panic!("the disk is full"),
        }
    }
}

pub(crate) fn topics(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|i| format!("orders/{i:07}").into()).collect()
}

/// Bytes allocated now.
pub(crate) fn allocated() -> usize {
    tikv_jemalloc_ctl::epoch::advance().expect("jemalloc counts");
    tikv_jemalloc_ctl::stats::allocated::read().expect("jemalloc counts")
}

/// Median, minimum and maximum of some times, in microseconds.
pub(crate) fn spread(mut micros: Vec<f64>) -> String {
    micros.sort_by(f64::total_cmp);
    let (min, median, max) = (micros[0], micros[micros.len() / 2], micros[micros.len() - 1]);
    format!("\"median_us\":{median:.1},\"min_us\":{min:.1},\"max_us\":{max:.1}")
}

pub(crate) fn micros(of: impl FnOnce()) -> f64 {
    let start = Instant::now();
    of();
    start.elapsed().as_secs_f64() * 1e6
}
