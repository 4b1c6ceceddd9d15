//! The fear: an event that is worthless by now is sent to somebody who was away, or what is new is held back from who was there.

use std::time::Duration;
use tidings_hub::{
    Content, Event, EventId, Form, Format, Framing, ResumePoint, Seq, Shard, Spec, Tail, Time, TopicName, UnixMillis,
};
use tidings_testkit::{Draft, SubKey, Told, Wish, World, WorldConfig, shard_config};

const CHUNKED: Format = Format { form: Form::Sse, framing: Framing::Chunked };
const MINUTE: Duration = Duration::from_secs(60);

/// Nine events, all of them in the tail, of which every third lives a minute.
fn world() -> World {
    let mut world = World::of_one_shard();
    for n in 0..9 {
        let draft = Draft::to("a");
        world.publish(&[if n % 3 == 2 { draft.living(MINUTE) } else { draft }]);
    }
    world
}

fn has_gap(world: &World, sub: SubKey) -> bool {
    world.told(sub).iter().any(|told| matches!(told, Told::Gap(_)))
}

#[test]
fn who_comes_back_in_time_gets_them_and_who_is_late_does_not() {
    for (away, expect) in [(MINUTE / 2, &[2, 3, 4, 5, 6, 7, 8][..]), (MINUTE, &[3, 4, 6, 7])] {
        let mut world = world();
        world.advance(away);
        let place = ResumePoint::After(world.event_id(Seq(2)));
        let sub = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, place);
        world.rest();
        assert_eq!((world.heard(sub), has_gap(&world, sub)), (expect, false), "the publisher said so: there is no gap");
    }
}

#[test]
fn the_stalled_are_not_given_them_when_they_read_on() {
    let mut world = World::of_one_shard();
    let stalled = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, ResumePoint::Live);
    let reads = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, ResumePoint::Live);
    // Room for the opening, for the first event, and for a part of the second: that one is finished whenever there is room.
    world.set_room(stalled, 400, usize::MAX);
    for _ in 0..4 {
        world.publish(&[Draft::to("a").padded(200).living(MINUTE)]);
    }
    world.publish(&[Draft::to("a")]);
    world.advance(2 * MINUTE);
    world.set_room(stalled, usize::MAX, usize::MAX);
    world.rest();
    assert_eq!((world.heard(stalled), world.heard(reads)), (&[0, 1, 4][..], &[0, 1, 2, 3, 4][..]));
}

#[test]
fn who_waits_for_its_turn_gets_them_however_late_the_turn_comes() {
    let mut world = World::of_one_shard();
    let sub = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, ResumePoint::Live);
    world.append(&[Draft::to("a").living(Duration::ZERO)]);
    while world.feed(1) {}
    while world.deliver(0) {}
    world.advance(MINUTE);
    let place = ResumePoint::After(world.event_id(Seq(0)));
    let behind = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, place);
    world.rest();
    assert_eq!((world.heard(sub), world.heard(behind)), (&[0][..], &[][..]));
}

#[test]
fn nobody_has_lost_what_had_expired_when_it_left() {
    let mut world = World::new(WorldConfig { shards: 1, tail_bytes_max: 4 << 10, ..WorldConfig::new(1) });
    let sub = world.subscribe(0, &Wish::topics(&["m"]), CHUNKED, ResumePoint::Live);
    world.set_room(sub, 0, 1);
    world.publish(&[Draft::to("m").in_memory(), Draft::to("m").in_memory().living(MINUTE)]);
    world.advance(MINUTE);
    world.publish(&[Draft::to("other").padded(4 << 10)]);
    world.rest();
    let lost = world.told(sub).iter().find_map(|told| if let Told::Gap(gap) = told { gap.lost } else { None });
    assert_eq!(lost, Some(1));
}

#[test]
fn a_topics_run_is_one_slice_and_is_cut_only_where_something_has_expired() {
    let event = |seq: u64, expires| Event {
        seq: Some(Seq(seq)),
        time: UnixMillis(0),
        topics: TopicName::new("a").unwrap().into(),
        event_type: None,
        content: Content::text("x"),
        expires,
    };
    for (expires, slices) in [(None, 1), (Some(UnixMillis(101)), 1), (Some(UnixMillis(100)), 2)] {
        let config = shard_config();
        let mut tail = Tail::new(config.epoch, Seq::START, 1 << 20);
        let mut shard = Shard::new(config.clone(), Time::from_millis(1_000), UnixMillis(100));
        let events = (1..=50).map(|seq| event(seq, expires.filter(|_| seq == 25)));
        shard.handle_batch(&tail.append(events.collect()));
        let spec = Spec { selection: Wish::topics(&["a"]).selection(), format: CHUNKED, bare_events: true };
        shard.subscribe(spec, ResumePoint::After(EventId { epoch: config.epoch, seq: Seq::START }));
        let transmit = shard.poll_transmit().unwrap();
        assert_eq!(transmit.slices.len(), slices, "{expires:?}");
    }
}
