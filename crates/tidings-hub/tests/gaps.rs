//! The fear: a gap that nobody is told of, or one that is none.

use tidings_hub::{Epoch, EventId, Form, Format, Framing, ResumePoint, Seq, UNKNOWN_EVENTS_MAX};
use tidings_testkit::{Draft, GapTold, SubKey, Told, Wish, World, WorldConfig};

const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };

fn gaps(world: &World, sub: SubKey) -> Vec<GapTold> {
    let gap = |told: &Told| if let Told::Gap(gap) = told { Some(gap.clone()) } else { None };
    world.told(sub).iter().filter_map(gap).collect()
}

/// 100 events of `busy`, among them one of `quiet` at the beginning; the first 50 are dropped, and the tail holds few.
fn world() -> World {
    let mut world = World::new(WorldConfig { tail_bytes_max: 4 << 10, shards: 1, ..WorldConfig::new(1) });
    world.publish(&[Draft::to("quiet")]);
    for _ in 1..100 {
        world.publish(&[Draft::to("busy").padded(100)]);
    }
    world.drop_history(50, None);
    world
}

fn resume(world: &mut World, topic: &str, resume: ResumePoint) -> SubKey {
    let sub = world.subscribe(0, &Wish::topics(&[topic]), BARE, resume);
    world.rest();
    sub
}

#[test]
fn one_that_is_and_a_quiet_weekend_that_is_not() {
    let mut world = world();
    let after = |world: &World, seq| ResumePoint::After(world.event_id(Seq(seq)));
    let place = after(&world, 1);
    let quiet = resume(&mut world, "quiet", place.clone());
    assert!(gaps(&world, quiet).is_empty(), "nothing of its topic was dropped behind its place");
    let busy = resume(&mut world, "busy", place);
    let [gap] = &gaps(&world, busy)[..] else { panic!("one gap: {:?}", gaps(&world, busy)) };
    assert_eq!((gap.reason.as_str(), &gap.requested), ("expired", &Some(world.event_id(Seq(1)).to_string())));
    assert_eq!(gap.resumed, world.event_id(Seq(50)).to_string(), "just before the first event that follows");
    assert_eq!(world.heard(busy), (50..100).collect::<Vec<_>>());
    let place = after(&world, 50);
    let at_the_edge = resume(&mut world, "busy", place);
    assert!(gaps(&world, at_the_edge).is_empty(), "everything behind its place is kept");
    let place = after(&world, 49);
    let one_off = resume(&mut world, "busy", place);
    assert_eq!(gaps(&world, one_off).len(), 1);
}

#[test]
fn one_drop_is_one_gap_over_many_pages() {
    let mut config = WorldConfig { tail_bytes_max: 4 << 10, shards: 1, ..WorldConfig::new(1) };
    config.shard.page_events_max = 3;
    let mut world = World::new(config);
    for _ in 0..100 {
        world.publish(&[Draft::to("a").padded(100)]);
    }
    world.drop_history(20, None);
    let place = ResumePoint::After(world.event_id(Seq(5)));
    let sub = world.subscribe(0, &Wish::topics(&["a"]), BARE, place);
    for _ in 0..4 {
        // Two pages are read, then history drops what the reader has not reached.
        if let Some((lane, read)) = world.reads(false).first().copied() {
            world.look(lane, read);
            world.answer(lane, read);
            world.serve(lane, usize::MAX);
        }
    }
    assert_eq!(gaps(&world, sub).len(), 1);
    world.drop_history(60, None);
    world.rest();
    assert_eq!(gaps(&world, sub).len(), 2, "a second drop is a second gap");
}

#[test]
fn topics_drop_in_no_order_and_each_drop_is_told_once() {
    let mut config = WorldConfig { tail_bytes_max: 4 << 10, shards: 1, ..WorldConfig::new(1) };
    config.shard.page_events_max = 4;
    let mut world = World::new(config);
    for _ in 0..40 {
        world.publish(&[Draft::to("a").padded(100), Draft::to("b").padded(100)]);
    }
    // All of `b` goes, far ahead of the reader.
    world.drop_history(80, Some("b"));
    let sub = world.subscribe(0, &Wish::topics(&["a", "b"]), BARE, ResumePoint::All);
    let page = |world: &mut World| {
        let (lane, read) = world.reads(false)[0];
        world.look(lane, read);
        world.answer(lane, read);
        world.serve(lane, usize::MAX);
    };
    page(&mut world);
    page(&mut world);
    assert_eq!(
        (gaps(&world, sub).len(), world.heard(sub).len()),
        (1, 8),
        "told at once, and not again with every page"
    );
    // Then some of `a`, which lies before what `b` dropped.
    world.drop_history(30, Some("a"));
    page(&mut world);
    assert_eq!(gaps(&world, sub).len(), 2, "a lower number, dropped later");
    world.rest();
    let rest: Vec<usize> = (0..80).filter(|place| place % 2 == 0 && !(16..30).contains(place)).collect();
    let of_b = world.heard(sub).iter().filter(|place| *place % 2 == 1).count();
    let of_a: Vec<usize> = world.heard(sub).iter().copied().filter(|place| place % 2 == 0).collect();
    assert_eq!((of_a, gaps(&world, sub).len()), (rest, 2));
    assert!(of_b < 20, "what is still in the tail");
}

#[test]
fn what_was_told_is_not_told_again_to_one_who_falls_behind() {
    let mut config = WorldConfig { tail_bytes_max: 8 << 10, shards: 1, ..WorldConfig::new(1) };
    config.shard.turn_bytes_max = 1;
    let mut world = World::new(config);
    for _ in 0..40 {
        world.publish(&[Draft::to("a").padded(100)]);
    }
    // The rules of a topic reach into the tail, which keeps what it has.
    world.drop_history(39, Some("a"));
    let sub = world.subscribe(0, &Wish::topics(&["a"]), BARE, ResumePoint::All);
    world.set_room(sub, 700, usize::MAX);
    world.answer_all(0);
    let heard = world.heard(sub).to_vec();
    assert!(heard.len() > 1 && heard.len() < 5 && heard[0] > 0 && heard[0] < 30, "it reads the tail: {heard:?}");
    for _ in 0..40 {
        world.publish(&[Draft::to("b").padded(100)]);
    }
    world.rest();
    assert_eq!((gaps(&world, sub).len(), world.counters(0).fetched), (1, 2));
}

#[test]
fn what_means_nothing_here_is_unknown_even_on_an_empty_topic() {
    let mut world = world();
    let other = EventId { epoch: Epoch::from_random(99), seq: Seq(60) };
    let beyond = world.event_id(Seq(1_000_000));
    let places = [
        ResumePoint::unknown("garbage"),
        ResumePoint::from_client_id(&"x".repeat(10_000)),
        ResumePoint::After(other),
        ResumePoint::After(beyond),
    ];
    for place in places {
        for topic in ["busy", "empty"] {
            let sub = resume(&mut world, topic, place.clone());
            let [gap] = &gaps(&world, sub)[..] else { panic!("{place:?}: {:?}", world.told(sub)) };
            assert_eq!(gap.reason, "unknown");
            assert!(gap.requested.as_ref().is_some_and(|text| text.len() <= EventId::BYTES_MAX));
            assert_eq!(world.heard(sub).len(), if topic == "busy" { 50 } else { 0 });
            assert!(!gap.truncated);
        }
    }
}

#[test]
fn the_unknown_get_the_newest_thousand_at_most() {
    let mut world = World::new(WorldConfig { tail_bytes_max: 4 << 10, shards: 1, ..WorldConfig::new(1) });
    for _ in 0..12 {
        world.publish(&vec![Draft::to("a"); 100]);
    }
    let sub = resume(&mut world, "a", ResumePoint::unknown("x"));
    assert_eq!(world.heard(sub).len(), UNKNOWN_EVENTS_MAX as usize);
    assert!(gaps(&world, sub)[0].truncated);
}

#[test]
fn in_a_cluster_an_id_ahead_of_the_node_parks() {
    let mut world = World::of_one_shard();
    world.publish(&[Draft::to("a")]);
    // The broker has three more, this node not yet.
    for _ in 0..3 {
        world.append(&[Draft::to("a")]);
    }
    let place = ResumePoint::After(world.event_id(Seq(3)));
    let sub = world.subscribe(0, &Wish::topics(&["a"]), BARE, place);
    assert!(!world.is_opened(sub), "the engine is asked first");
    world.answer_all(0);
    assert!(world.is_opened(sub));
    world.advance(std::time::Duration::from_secs(40));
    assert!(world.told(sub).contains(&Told::Heartbeat), "head and heartbeats");
    assert!(world.heard(sub).is_empty());
    world.rest();
    assert_eq!(world.heard(sub), [3]);
    assert!(gaps(&world, sub).is_empty());
}

#[test]
fn a_stream_opens_before_its_first_event_also_when_the_tail_is_faster_than_the_engine() {
    let mut world = World::of_one_shard();
    world.append(&[Draft::to("a")]);
    world.append(&[Draft::to("a")]);
    let place = ResumePoint::After(world.event_id(Seq(1)));
    let sub = world.subscribe(0, &Wish::topics(&["a"]), BARE, place);
    while world.feed(1) {}
    while world.deliver(0) {}
    world.serve(0, usize::MAX);
    assert!(matches!(world.told(sub)[0], Told::Open { .. }), "{:?}", world.told(sub));
    world.rest();
    assert_eq!(world.heard(sub), [1]);
}

#[test]
fn the_lagged_are_told_how_many() {
    let mut world = World::new(WorldConfig { tail_bytes_max: 8 << 10, shards: 1, ..WorldConfig::new(1) });
    let sub = world.subscribe(0, &Wish::topics(&["m"]), BARE, ResumePoint::Live);
    world.set_room(sub, 0, 1);
    for _ in 0..100 {
        world.publish(&[Draft::to("m").padded(200).in_memory(), Draft::to("other")]);
    }
    world.rest();
    let [gap] = &gaps(&world, sub)[..] else { panic!("{:?}", world.told(sub)) };
    assert_eq!(gap.reason, "lagged");
    let heard = world.heard(sub).len() as u64;
    assert!(heard > 0, "what is still in the tail is delivered");
    assert_eq!(gap.lost, Some(100 - heard));
}
