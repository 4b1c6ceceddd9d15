//! The hub against a `Vec` of everything: random operations over three shards, compared after every one of them.
//!
//! `TIDINGS_SEEDS=10000 cargo test -p tidings-hub --test model` makes a longer campaign, `TIDINGS_SEED=7` repeats one run.

use std::time::Duration;
use tidings_hub::{EndReason, Epoch, EventId, Form, Format, Framing, ResumePoint, Seq, UnixMillis};
use tidings_testkit::{Draft, Seen, SubKey, Wish, World, WorldConfig, shard_config};

/// Runs of one test: a few seconds.
const SEEDS: u64 = 300;
/// Operations a run.
const STEPS: usize = 250;

const TOPICS: [&str; 7] = ["a", "b", "a/x", "a/y", "b/x/1", "m", "m/x"];
const PATTERNS: [&str; 6] = ["*", "a/*", "a/**", "**/x", "**", "m/**"];
const TYPES: [&str; 3] = ["message", "up", "down"];

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_operations() {
    let seeds = match from_env("TIDINGS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..from_env("TIDINGS_SEEDS").unwrap_or(SEEDS),
    };
    let is_campaign = seeds.end - seeds.start >= SEEDS;
    let mut seen = Seen::default();
    for seed in seeds.clone() {
        seen.add(&run(seed).1);
    }
    println!("{} seeds: {seen}", seeds.end - seeds.start);
    assert!(!is_campaign || seen.missing().is_empty(), "never reached: {:?}", seen.missing());
}

#[test]
fn a_seed_repeats_bit_for_bit() {
    let mut digests = Vec::new();
    for seed in [1, 2, 3, 77] {
        let first = run(seed);
        assert_eq!(first, run(seed), "seed {seed}");
        digests.push(first.0);
    }
    digests.dedup();
    assert_eq!(digests.len(), 4, "the digest tells runs apart");
}

/// One run: its digest, and what it came through.
fn run(seed: u64) -> (u64, Seen) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let history: Vec<Draft> = (0..rng.usize(0..20)).map(|_| draft(&mut rng, true)).collect();
    let mut world = World::with_history(config(seed, &mut rng), &history);
    for _ in 0..STEPS {
        operate(&mut world, &mut rng);
    }
    world.rest();
    (world.digest(), world.seen())
}

/// Bounds so small that every one of them is reached.
fn config(seed: u64, rng: &mut fastrand::Rng) -> WorldConfig {
    let mut shard = shard_config();
    shard.turn_bytes_max = rng.usize(64..8192);
    shard.turn_slices_max = rng.usize(4..40);
    shard.turn_scan_max = rng.usize(1..30);
    shard.noted_max = rng.usize(0..12);
    shard.held_bytes_max = rng.usize(200..6000);
    shard.replay_bytes_max = rng.usize(500..20_000);
    shard.fetches_max = rng.usize(1..4);
    shard.page_events_max = rng.usize(1..12);
    shard.page_bytes_max = rng.usize(100..4000);
    shard.max_age = rng.bool().then_some(Duration::from_secs(300));
    WorldConfig {
        tail_bytes_max: rng.usize(3_000..30_000),
        seq_step_max: rng.u64(1..4),
        cuts_pages: rng.bool(),
        shard,
        ..WorldConfig::new(seed)
    }
}

fn operate(world: &mut World, rng: &mut fastrand::Rng) {
    let lane = rng.usize(0..3);
    let sub = (world.subscriptions() > 0).then(|| rng.usize(0..world.subscriptions()));
    match rng.u32(0..100) {
        0..24 => {
            let drafts: Vec<Draft> = (0..rng.usize(1..6)).map(|_| draft(rng, false)).collect();
            world.append(&drafts);
        }
        24..44 => {
            world.feed(rng.usize(1..3));
        }
        44..56 => {
            world.deliver(lane);
        }
        56..66 => subscribe(world, rng, lane),
        66..74 => look_or_answer(world, rng),
        74..84 => {
            let room = [0, rng.usize(1..50), rng.usize(1..2000), usize::MAX][rng.usize(0..4)];
            on_open(world, sub, |world, sub| world.set_room(sub, room, rng.usize(1..300)));
        }
        84..86 => on_open(world, sub, World::vanish),
        86..88 => on_open(world, sub, |world, sub| world.end(sub, EndReason::Drain)),
        88..92 => world.advance(Duration::from_millis(rng.u64(0..20_000))),
        92..94 => {
            // Everything, as the log's own retention does, or one topic, as its rules do: then in no order of numbers.
            let place = rng.usize(0..=world.engine().records().len());
            let topic = rng.bool().then(|| TOPICS[rng.usize(0..TOPICS.len())]);
            world.drop_history(place, topic);
        }
        96..98 => world.delete(TOPICS[rng.usize(0..TOPICS.len())]),
        94 if rng.u8(..) < 30 => world.drain(lane, Duration::from_secs(rng.u64(0..4))),
        94..96 => all_arrives(world, rng),
        _ => {}
    }
    for lane in 0..3 {
        // A ring that is interrupted must go on where it was.
        let offers_max = if rng.bool() { usize::MAX } else { rng.usize(0..4) };
        world.serve(lane, offers_max);
    }
}

fn on_open(world: &mut World, sub: Option<SubKey>, act: impl FnOnce(&mut World, SubKey)) {
    if let Some(sub) = sub.filter(|sub| world.is_open(*sub)) {
        act(world, sub);
    }
}

/// A moment at which nothing is on its way to a shard; its clients may still be slow.
fn all_arrives(world: &mut World, rng: &mut fastrand::Rng) {
    while world.feed(1) {}
    for lane in 0..3 {
        while world.deliver(lane) {}
        if rng.bool() {
            world.answer_all(lane);
        }
    }
}

fn look_or_answer(world: &mut World, rng: &mut fastrand::Rng) {
    let looked_at = rng.u8(..) < 150;
    let reads = world.reads(looked_at);
    let Some(&(lane, read)) = reads.get(rng.usize(0..reads.len().max(1))) else { return };
    match (looked_at, rng.u8(..)) {
        (_, 0..6) => world.fail(lane, read),
        (true, _) => world.answer(lane, read),
        (false, _) => world.look(lane, read),
    }
}

fn draft(rng: &mut fastrand::Rng, durable: bool) -> Draft {
    let mut topics: Vec<&str> = TOPICS.to_vec();
    rng.shuffle(&mut topics);
    let several = if rng.u8(..) < 60 { rng.usize(1..4) } else { 1 };
    let in_memory = !durable && (topics[0].starts_with('m') || rng.u8(..) < 20);
    Draft {
        topics: topics[..several].iter().map(ToString::to_string).collect(),
        event_type: rng.bool().then(|| TYPES[rng.usize(1..3)].into()),
        padding: if rng.u8(..) < 30 { rng.usize(0..3000) } else { rng.usize(0..40) },
        durable: !in_memory,
        binary: rng.u8(..) < 20,
        time_to_live: (rng.u8(..) < 50).then(|| Duration::from_millis(rng.u64(0..30_000))),
    }
}

fn subscribe(world: &mut World, rng: &mut fastrand::Rng, lane: usize) {
    let pick = |rng: &mut fastrand::Rng, from: &[&str], most: usize| -> Vec<String> {
        (0..rng.usize(0..=most)).map(|_| from[rng.usize(0..from.len())].to_string()).collect()
    };
    let mut wish = Wish {
        topics: pick(rng, &TOPICS, 3),
        patterns: if rng.u8(..) < 80 { pick(rng, &PATTERNS, 2) } else { Vec::new() },
        types: if rng.u8(..) < 60 { pick(rng, &TYPES, 2) } else { Vec::new() },
        granted: None,
    };
    if wish.topics.is_empty() && wish.patterns.is_empty() {
        wish.topics.push(TOPICS[rng.usize(0..TOPICS.len())].into());
    }
    if wish.topics.is_empty() && rng.bool() {
        wish.granted = Some(vec!["a/**".into(), "m".to_string() + "/*"]);
    }
    let form = [Form::Sse, Form::Enveloped, Form::Ndjson][rng.usize(0..3)];
    let format = Format { form, framing: if rng.bool() { Framing::Chunked } else { Framing::Bare } };
    let resume = resume(world, rng);
    let bare_events = rng.u8(..) < 12;
    world.subscribe_quietly(lane, &wish, format, bare_events, resume);
}

fn resume(world: &World, rng: &mut fastrand::Rng) -> ResumePoint {
    let id = EventId { epoch: world.engine().epoch(), seq: Seq(rng.u64(0..world.engine().head().0 + 4)) };
    match rng.u32(0..20) {
        0..5 => ResumePoint::Live,
        5..12 => ResumePoint::After(id),
        12 => ResumePoint::After(EventId { epoch: Epoch::from_random(99), ..id }),
        13 => ResumePoint::unknown("garbage"),
        14..16 => ResumePoint::Since(UnixMillis(world.wall().0 - rng.i64(0..60_000))),
        16 => ResumePoint::All,
        17..19 => ResumePoint::Last(rng.u32(0..8)),
        _ => ResumePoint::LastEach,
    }
}
