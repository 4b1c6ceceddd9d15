//! The fear: a reader that stops in mid-frame delays others, or is held more for than the frame it is in.

use std::time::Duration;
use tidings_hub::{
    Close, Content, Event, Form, Format, Framing, Grant, ResumePoint, Selection, Seq, Shard, Spec, Tail, Time,
    TopicName, UnixMillis,
};
use tidings_testkit::{Draft, Wish, World, WorldConfig, shard_config};

const CHUNKED: Format = Format { form: Form::Sse, framing: Framing::Chunked };
const FRAME: usize = 64 << 10;

#[test]
fn others_go_on_and_one_frame_is_held() {
    let mut world = World::new(WorldConfig { tail_bytes_max: 1 << 20, ..WorldConfig::new(1) });
    let wish = Wish::topics(&["news"]);
    let stalled = world.subscribe(0, &wish, CHUNKED, ResumePoint::Live);
    let other = world.subscribe(0, &wish, CHUNKED, ResumePoint::Live);
    world.set_room(stalled, FRAME / 2, usize::MAX);
    for n in 1..=1024 {
        // 64 MiB in all, many times what the tail holds.
        world.publish(&[Draft::to("news").padded(FRAME)]);
        assert_eq!(world.heard(other).len(), n, "the other one has every event at once");
        assert!(world.held_for(stalled) < 2 * FRAME, "{} held", world.held_for(stalled));
        assert!(world.holdings(0).held_bytes < 2 * FRAME);
    }
    assert!(world.holdings(0).held_bytes > FRAME, "the tail let go of the frame, the reader keeps it");
    assert!(!world.is_at_boundary(stalled));
    world.rest();
    assert_eq!(world.heard(stalled), world.heard(other), "and it misses nothing");
}

#[test]
fn a_reader_of_one_byte_a_call_gets_everything() {
    for form in [Form::Sse, Form::Enveloped, Form::Ndjson] {
        for framing in [Framing::Chunked, Framing::Bare] {
            let mut world = World::new(WorldConfig { tail_bytes_max: 4 << 10, ..WorldConfig::new(2) });
            let slow = world.subscribe(0, &Wish::topics(&["a", "b"]), Format { form, framing }, ResumePoint::Live);
            for n in 0..60 {
                world.set_room(slow, 40, 1);
                let topic = if n % 2 == 0 { "a" } else { "b" };
                world.publish(&[Draft::to(topic).padded(n), Draft::to("elsewhere").padded(100)]);
            }
            assert!(world.heard(slow).len() < 60);
            world.rest();
            assert_eq!(world.heard(slow).len(), 60, "{form:?} {framing:?}");
        }
    }
}

#[test]
fn what_waits_to_be_told_does_not_heap_up() {
    let mut world = World::new(WorldConfig { tail_bytes_max: 4 << 10, ..WorldConfig::new(3) });
    let slow = world.subscribe(0, &Wish::topics(&["m"]), CHUNKED, ResumePoint::Live);
    world.set_room(slow, 0, 1);
    for _ in 0..2000 {
        world.publish(&[Draft::to("m").padded(500).in_memory()]);
        // A byte at a time through the frame it is in, while it falls behind again and again.
        world.set_room(slow, 1, 1);
        world.serve(0, usize::MAX);
        world.answer_all(0);
        assert!(world.held_for(slow) < 2 << 10, "{} held for a reader of one byte", world.held_for(slow));
    }
    world.rest();
}

#[test]
fn a_reader_that_takes_nothing_is_offered_nothing() {
    let mut shard = Shard::new(shard_config(), Time::from_millis(0), UnixMillis(0));
    let mut engine = Tail::new(shard_config().epoch, Seq::START, 1 << 20);
    let topic = TopicName::new("t").unwrap();
    let spec = || {
        let selection = Selection::new(vec![topic.clone()], Vec::new(), Vec::new(), Grant::local().into());
        Spec { selection: selection.unwrap().into(), format: CHUNKED, bare_events: false }
    };
    let stuck = shard.subscribe(spec(), ResumePoint::Live);
    let other = shard.subscribe(spec(), ResumePoint::Live);
    let (mut to_stuck, mut to_other) = (0, 0);
    for seq in 1..=1_000 {
        let event = Event {
            seq: Some(Seq(seq)),
            time: UnixMillis(0),
            topics: topic.clone().into(),
            event_type: None,
            content: Content::text("x"),
            expires: None,
        };
        shard.handle_batch(&engine.append(vec![event]));
        while let Some(transmit) = shard.poll_transmit() {
            let is_stuck = transmit.id == stuck;
            to_stuck += usize::from(is_stuck);
            to_other += usize::from(transmit.id == other);
            let offered = transmit.slices.iter().map(bytes::Bytes::len).sum();
            shard.handle_wrote(transmit.id, if is_stuck { 0 } else { offered });
        }
    }
    assert_eq!((to_stuck, to_other), (1, 1_000));
}

#[test]
fn one_who_takes_nothing_for_too_long_is_cut() {
    let mut config = WorldConfig::new(4);
    config.shard.stall_timeout = Duration::from_secs(60);
    let mut world = World::new(config);
    let wish = Wish::topics(&["news"]);
    let [stalled, slow, idle] = [(); 3].map(|()| world.subscribe(0, &wish, CHUNKED, ResumePoint::Live));
    // Silence is no stall, however long.
    world.advance(Duration::from_secs(300));
    for sub in [stalled, slow] {
        world.set_room(sub, 10, usize::MAX);
    }
    world.publish(&[Draft::to("news").padded(FRAME)]);
    world.advance(Duration::from_secs(45));
    world.set_room(slow, 10, usize::MAX);
    world.advance(Duration::from_secs(45));
    let closed = |world: &World| [stalled, slow, idle].map(|sub| world.closed(sub));
    assert_eq!(closed(&world), [Some(Close::Reset), None, None]);
    assert_eq!(world.counters(0).reset_stalled, 1);
    world.advance(Duration::from_secs(60));
    assert_eq!(closed(&world), [Some(Close::Reset), Some(Close::Reset), None]);
}
