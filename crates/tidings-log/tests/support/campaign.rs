//! Many seeds on all cores, until they are done, time is up, or one fails.

// It says how long it took, and ends in time.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use super::tally::Tally;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Why a lock is never poisoned.
const ALONE: &str = "nothing panics while it holds a total";

/// What is run for each seed, and how the operator changes that: by `<variable>_SEEDS`, `_SECONDS` and `_SEED`.
pub(crate) struct Campaign {
    pub(crate) name: &'static str,
    pub(crate) variable: &'static str,
    /// Seeds, where nobody says another number.
    pub(crate) seeds: u64,
    pub(crate) run: fn(u64) -> Tally,
}

pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// The first seed that failed.
    pub(crate) failed: Option<u64>,
}

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

impl Campaign {
    pub(crate) fn go(&self) -> Outcome {
        let number = |what: &str| {
            let text = std::env::var(format!("{}_{what}", self.variable)).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{}_{what} is a number", self.variable)))
        };
        let (from, seeds) = match number("SEED") {
            Some(seed) => (seed, 1),
            None => (0, number("SEEDS").unwrap_or(self.seeds)),
        };
        let until = number("SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
        // With a time and no number of seeds, time alone ends it.
        let seeds = if until.is_some() && number("SEEDS").is_none() { u64::MAX } else { seeds };
        self.name_the_seed_of_a_panic();
        self.run_all(from, seeds, until)
    }

    fn run_all(&self, from: u64, seeds: u64, until: Option<Instant>) -> Outcome {
        let began = Instant::now();
        let next = AtomicU64::new(from);
        let end = from.saturating_add(seeds);
        let (total, failed) = (Mutex::new(Tally::default()), Mutex::new(None));
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end || until.is_some_and(|until| Instant::now() >= until) {
                    return;
                }
                SEED.set(Some(seed));
                match panic::catch_unwind(AssertUnwindSafe(|| (self.run)(seed))) {
                    Ok(tally) => total.lock().expect(ALONE).add(&tally),
                    Err(_) => {
                        failed.lock().expect(ALONE).get_or_insert(seed);
                        next.store(end, Ordering::Relaxed);
                    }
                }
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(work);
            }
        });
        let (tally, failed) = (total.into_inner().expect(ALONE), failed.into_inner().expect(ALONE));
        println!("{} campaign: {tally}, in {:.1} s on {cores} cores", self.name, began.elapsed().as_secs_f32());
        println!("{} campaign, a seed: {}", self.name, tally.a_seed());
        Outcome { tally, failed }
    }

    /// Said before anything else about it: a panic under one of the log's locks ends the process.
    fn name_the_seed_of_a_panic(&self) {
        let before = panic::take_hook();
        let (name, variable) = (self.name, self.variable);
        panic::set_hook(Box::new(move |info| {
            if let Some(seed) = SEED.get() {
                eprintln!("seed {seed} fails; again: {variable}_SEED={seed} cargo test -p tidings-log --test {name}");
            }
            before(info);
        }));
    }
}
