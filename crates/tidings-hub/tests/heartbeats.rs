//! The fear: a stream that is silent for so long that a proxy cuts it; thousands that beat together; a checkpoint that promises
//! what was not served.

use std::time::Duration;
use tidings_hub::{Form, Format, Framing, ResumePoint, Time};
use tidings_testkit::{Draft, Told, Wish, World, WorldConfig};

const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };
const SUBSCRIBERS: usize = 2000;

fn heartbeats(world: &World) -> u64 {
    world.counters(0).heartbeats
}

/// Lets 20 s pass in steps of 128 ms, and answers how many beat in the fullest of them, and in all.
fn beats(world: &mut World) -> (u64, u64) {
    let start = heartbeats(world);
    let mut fullest = 0;
    for _ in 0..157 {
        let before = heartbeats(world);
        world.advance(Duration::from_millis(128));
        fullest = fullest.max(heartbeats(world) - before);
    }
    (fullest, heartbeats(world) - start)
}

#[test]
fn those_who_come_together_or_hear_together_do_not_beat_together() {
    // Also in the first seconds of a process, when all come back at once.
    for start in [0, 1_000_000] {
        let config = WorldConfig { shards: 1, start: Time::from_millis(start), ..WorldConfig::new(1) };
        let mut world = World::new(config);
        for _ in 0..SUBSCRIBERS {
            world.subscribe(0, &Wish::topics(&["a"]), BARE, ResumePoint::Live);
        }
        for what in ["they came", "one event for all"] {
            let (fullest, all) = beats(&mut world);
            assert!(all >= SUBSCRIBERS as u64, "{what}: {all} beats");
            assert!(fullest <= SUBSCRIBERS as u64 / 10, "{fullest} beats in 128 ms after {what}, started at {start}");
            world.publish(&[Draft::to("a")]);
        }
    }
}

#[test]
fn nobody_is_left_without_a_word() {
    let mut world = World::of_one_shard();
    let subs: Vec<_> = (0..50).map(|_| world.subscribe(0, &Wish::topics(&["a"]), BARE, ResumePoint::Live)).collect();
    for n in 0..300 {
        let before: Vec<usize> = subs.iter().map(|sub| world.told(*sub).len()).collect();
        world.advance(Duration::from_millis(15_000 + 256));
        for (sub, before) in subs.iter().zip(before) {
            assert!(world.told(*sub).len() > before, "silent for 15 s, round {n}");
        }
        if n % 7 == 0 {
            world.publish(&[Draft::to("a")]);
        }
    }
}

#[test]
fn after_a_quiet_minute_a_checkpoint_if_the_log_moved_on() {
    let mut world = World::of_one_shard();
    let sub = world.subscribe(0, &Wish::topics(&["a"]), BARE, ResumePoint::Live);
    let checkpoints = |world: &World| -> Vec<String> {
        let id = |told: &Told| if let Told::Checkpoint { id } = told { Some(id.clone()) } else { None };
        world.told(sub).iter().filter_map(id).collect()
    };
    world.advance(Duration::from_secs(200));
    assert!(checkpoints(&world).is_empty(), "the log has not moved");
    world.publish(&[Draft::to("elsewhere")]);
    world.advance(Duration::from_secs(16));
    assert_eq!(checkpoints(&world), [world.event_id(world.engine().head()).to_string()]);
    world.advance(Duration::from_secs(100));
    assert_eq!(checkpoints(&world).len(), 1, "said once");
    world.publish(&[Draft::to("a")]);
    world.publish(&[Draft::to("elsewhere")]);
    world.advance(Duration::from_secs(50));
    assert_eq!(checkpoints(&world).len(), 1, "not within a minute of an event");
    world.advance(Duration::from_secs(30));
    assert_eq!(checkpoints(&world).len(), 2);
}
