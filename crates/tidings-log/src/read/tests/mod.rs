//! Reads are right when they agree with a plain list of everything that was appended, whatever happened to the segments meanwhile.

mod big;
mod check;
mod log;

use crate::entry::Key;
use crate::memory::MemoryDir;
use crate::options::{Options, Retention, Rule};
use crate::query::From;
use crate::shared::Shared;
use crate::spare::Spares;
use crate::state::State;
use check::{Asked, Ending};
use fastrand::Rng;
use log::Made;
use std::sync::Arc;

pub(super) fn share(dir: &MemoryDir, options: &Options, state: State) -> Arc<Shared> {
    Arc::new(Shared::new(Arc::new(dir.clone()), options.clone(), state, Spares::new(1_000_000, None), Box::new(())))
}

fn options(rules: Vec<Rule>) -> Options {
    Options {
        segment_bytes: 1 << 20,
        batch_bytes_max: 16 << 20,
        topics_max: 1_000,
        retention: Retention { bytes: u64::MAX, age: None, events: None, rules },
        name: 1,
        secret: log::SALTY,
        hash_seed: 5,
        now: 0,
    }
}

fn starts_with(prefix: &'static str) -> Arc<dyn Fn(&str) -> bool + Send + Sync> {
    Arc::new(move |name| name.starts_with(prefix))
}

fn rules() -> Vec<Rule> {
    vec![
        Rule { matches: starts_with("short/"), age: Some(2_000), keep_last: None },
        Rule { matches: starts_with("last/"), age: None, keep_last: Some(3) },
        Rule { matches: starts_with("both/"), age: Some(5_000), keep_last: Some(10) },
    ]
}

/// What a seed does.
struct Profile {
    /// Records and indexes are damaged.
    rots: bool,
    rules: bool,
    /// Segments change under the reads.
    stirs: bool,
}

fn names(rng: &mut Rng, ruled: bool) -> Vec<Arc<str>> {
    let count = [1, 3, 20, 200][rng.usize(..4)];
    let prefix = |index: usize| ["a/", "b/", "short/", "last/", "both/"][if ruled { index % 5 } else { index % 2 }];
    (0..count).map(|index| Arc::from(format!("{}{index}", prefix(index)))).collect()
}

fn some(rng: &mut Rng, names: &[Arc<str>], max: usize) -> Vec<Arc<str>> {
    let mut names = names.to_vec();
    rng.shuffle(&mut names);
    names.truncate(rng.usize(1..=max.min(names.len())));
    names
}

/// Something happens to the log.
fn change(made: &mut Made, rng: &mut Rng, names: &[Arc<str>], profile: &Profile) {
    made.time += rng.u64(..100);
    match rng.u32(..100) {
        ..60 => {
            for _ in 0..rng.usize(1..20) {
                let most = [1, 1, 1, 4, 16][rng.usize(..5)];
                let topics = some(rng, names, most);
                let body = vec![rng.u8(..); [0, 10, 100, 1_000, 9_000][rng.usize(..5)]];
                let key = rng.bool().then(|| Key { id: [rng.u8(..); 16], body: [rng.u8(..); 16] });
                let expires = (rng.u32(..5) == 0).then(|| made.time + rng.u64(..3_000));
                made.append(&topics, body, key, expires);
                made.time += rng.u64(..20);
            }
        }
        60..65 => {
            let topic = some(rng, names, 1).remove(0);
            let newest = made.events.iter().rev().find(|event| event.topics.contains(&topic));
            let to = newest.map_or(0, |event| event.seq);
            if to > 0 {
                made.drop_topic(&topic, to);
            }
        }
        65..75 => made.roll(),
        75..82 => made.write_index(),
        82..86 => made.remove_oldest(),
        86..90 => {
            let sealed = made.shared.lock().sealed().len();
            if sealed > 0 {
                made.rewrite(rng.usize(..sealed), rng.usize(1..=3));
            }
        }
        90..92 => made.reopen(),
        ..97 if profile.rots => {
            let last = made.events.len();
            // Not the newest of all: after a reopen nobody would know that it ever was.
            let at = if last > 1 { rng.usize(..last - 1) } else { return };
            let seq = made.events[at].seq;
            made.rot(seq, rng.usize(..40 * 8));
        }
        _ if profile.rots => made.rot_index(rng),
        _ => {}
    }
}

fn ask(made: &Made, rng: &mut Rng, names: &[Arc<str>]) -> Asked {
    let head = made.shared.lock().head();
    let oldest = made.events.first().map_or(0, |event| event.seq);
    let seq = rng.u64(oldest.saturating_sub(2)..=head.max(oldest));
    let pattern = [None, None, None, Some("a/"), Some(""), Some("short/"), Some("last/1")][rng.usize(..7)];
    let from = match rng.u32(..10) {
        ..5 => From::After { seq, told: 0 },
        5..7 => From::Since(rng.u64(made.time.saturating_sub(20_000)..made.time + 10)),
        7..9 => From::Newest([0, 1, 2, 10, 300][rng.usize(..5)]),
        _ => From::LastEach { after: if rng.bool() { 0 } else { seq } },
    };
    Asked {
        topics: if pattern.is_some() && rng.bool() { Vec::new() } else { some(rng, names, 1_000) },
        pattern: pattern.filter(|_| !matches!(from, From::LastEach { .. })),
        from,
        modulus: [1, 1, 2, 7][rng.usize(..4)],
        events_max: [1, 2, 10, 1_000][rng.usize(..4)],
        bytes_max: [0, 500, 5_000, 1 << 20][rng.usize(..4)],
        examined_max: [1, 5, 50, 100_000][rng.usize(..4)],
        now: made.time,
    }
}

/// One seed; says how many indexes its reads have built anew, and how many damaged records they have met.
fn run(seed: u64, profile: &Profile) -> (u64, u64) {
    let mut rng = Rng::with_seed(seed);
    let names = names(&mut rng, profile.rules);
    let mut made = Made::new(options(if profile.rules { rules() } else { Vec::new() }));
    for _ in 0..rng.usize(5..60) {
        change(&mut made, &mut rng, &names, profile);
    }
    for _ in 0..40 {
        for _ in 0..rng.usize(..3) {
            change(&mut made, &mut rng, &names, profile);
        }
        let asked = ask(&made, &mut rng, &names);
        if profile.stirs {
            made = check::stirred(made, &asked, |made| change(made, &mut rng, &names, profile), seed);
            continue;
        }
        let ending = check::to_the_end(&mut made, &asked, profile.rots, seed);
        if let Ending::Told(told) = ending {
            check::told_once(&mut made, &asked, told, profile.rots, seed);
        }
        check::keys(&made, &mut rng, seed);
    }
    let counters = made.shared.lock().counters;
    (counters.rebuilt, counters.damaged)
}

/// Seeds a profile, a few seconds each. More by hand, with `TIDINGS_SEEDS`.
fn seeds() -> u64 {
    std::env::var("TIDINGS_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(25)
}

#[test]
fn reads_agree_with_a_list() {
    for seed in 0..seeds() {
        run(seed, &Profile { rots: false, rules: false, stirs: false });
    }
}

#[test]
fn reads_agree_with_a_list_under_limits() {
    for seed in 0..seeds() {
        run(seed, &Profile { rots: false, rules: true, stirs: false });
    }
}

#[test]
fn reads_agree_with_a_list_where_much_is_damaged() {
    let (mut rebuilt, mut damaged) = (0, 0);
    for seed in 0..seeds() {
        let counted = run(seed, &Profile { rots: true, rules: seed % 2 == 0, stirs: false });
        (rebuilt, damaged) = (rebuilt + counted.0, damaged + counted.1);
    }
    assert!(rebuilt > 0 && damaged > 0, "{rebuilt} indexes were built anew, {damaged} damaged records met");
}

#[test]
fn nothing_is_missed_untold_while_segments_come_and_go() {
    for seed in 0..seeds() {
        run(seed, &Profile { rots: false, rules: seed % 2 == 0, stirs: true });
    }
}
