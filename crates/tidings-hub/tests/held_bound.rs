//! The fear: readers that stop inside frames that nobody else needs hold memory without bound.

use std::time::Duration;
use tidings_hub::{Close, Form, Format, Framing, ResumePoint, Seq};
use tidings_testkit::{Draft, SubKey, Wish, World, WorldConfig};

const CHUNKED: Format = Format { form: Form::Sse, framing: Framing::Chunked };
const FRAME: usize = 64 << 10;
const HELD_MAX: usize = 1 << 20;

fn config() -> WorldConfig {
    let mut config = WorldConfig { shards: 1, tail_bytes_max: 300 << 10, ..WorldConfig::new(1) };
    config.shard.held_bytes_max = HELD_MAX;
    config
}

#[test]
fn the_reader_longest_without_progress_pays() {
    let mut world = World::new(config());
    let mut subs: Vec<SubKey> = Vec::new();
    for _ in 0..30 {
        // Each stops inside an event of its own.
        let sub = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, ResumePoint::Live);
        world.set_room(sub, 100, usize::MAX);
        world.publish(&[Draft::to("a").padded(FRAME)]);
        world.advance(Duration::from_millis(100));
        assert!(world.holdings(0).held_bytes <= HELD_MAX, "{}", world.holdings(0).held_bytes);
        subs.push(sub);
    }
    let reset = world.counters(0).reset_held;
    assert!(reset > 5, "{reset}");
    for (n, sub) in subs.iter().enumerate() {
        let expect = ((n as u64) < reset).then_some(Close::Reset);
        assert_eq!(world.closed(*sub), expect, "the oldest first: {n} of {reset}");
    }
    world.rest();
}

#[test]
fn frames_of_history_count_as_well() {
    let mut config = config();
    config.shard.page_events_max = 1;
    let history = vec![Draft::to("a").padded(FRAME); 40];
    let mut world = World::with_history(config, &history);
    let subs: Vec<SubKey> = (0..39)
        .map(|seq| {
            let place = ResumePoint::After(world.event_id(Seq(seq)));
            let sub = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, place);
            world.set_room(sub, 300, usize::MAX);
            world.answer_all(0);
            sub
        })
        .collect();
    let held: usize = subs.iter().filter(|sub| world.is_open(**sub)).map(|sub| world.held_for(*sub)).sum();
    assert!(held <= HELD_MAX, "{held} bytes of half-sent frames, bound {HELD_MAX}");
    assert!(world.counters(0).reset_held > 0);
}

#[test]
fn a_frame_that_many_are_in_is_held_once() {
    let mut world = World::new(config());
    for _ in 0..100 {
        let sub = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, ResumePoint::Live);
        world.set_room(sub, 100, usize::MAX);
    }
    for _ in 0..10 {
        world.publish(&[Draft::to("a").padded(FRAME)]);
    }
    let held = world.holdings(0).held_bytes;
    assert!(held > FRAME && held < 2 * FRAME, "{held}");
    assert_eq!(world.counters(0).reset_held, 0);
    world.rest();
}
