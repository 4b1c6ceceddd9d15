//! The fear: a stream that ends inside an event, at once with all others, or never.

use std::time::Duration;
use tidings_hub::{Close, EndReason, Form, Format, Framing, ResumePoint};
use tidings_testkit::{Draft, SubKey, Told, Wish, World, WorldConfig};

const CHUNKED: Format = Format { form: Form::Sse, framing: Framing::Chunked };

fn world(subscribers: usize) -> (World, Vec<SubKey>) {
    let mut world = World::of_one_shard();
    let subs =
        (0..subscribers).map(|_| world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, ResumePoint::Live)).collect();
    (world, subs)
}

#[test]
fn within_the_grace_it_is_clean() {
    let (mut world, subs) = world(1);
    world.set_room(subs[0], 20, usize::MAX);
    world.publish(&[Draft::to("a").padded(1000)]);
    assert!(!world.is_at_boundary(subs[0]));
    world.end(subs[0], EndReason::Drain);
    world.end(subs[0], EndReason::MaxAge);
    world.advance(Duration::from_millis(800));
    assert_eq!(world.closed(subs[0]), None);
    world.set_room(subs[0], usize::MAX, usize::MAX);
    world.serve(0, usize::MAX);
    assert_eq!(world.closed(subs[0]), Some(Close::Clean));
    let ends: Vec<&Told> = world.told(subs[0]).iter().filter(|told| matches!(told, Told::End { .. })).collect();
    assert!(matches!(ends[..], [Told::End { reason, .. }] if reason == "drain"), "the first reason counts: {ends:?}");
}

#[test]
fn after_the_grace_it_is_reset() {
    let (mut world, subs) = world(1);
    world.set_room(subs[0], 20, usize::MAX);
    world.publish(&[Draft::to("a").padded(1000)]);
    world.end(subs[0], EndReason::Drain);
    world.advance(Duration::from_millis(1200));
    assert_eq!(world.closed(subs[0]), Some(Close::Reset));
    assert_eq!(world.counters(0).reset_grace, 1);
    assert_eq!(world.holdings(0).subscriptions, 0);
}

#[test]
fn a_drain_is_spread_and_over_when_it_says() {
    let (mut world, subs) = world(1000);
    world.drain(0, Duration::from_secs(4));
    let mut ended = Vec::new();
    for _ in 0..10 {
        world.advance(Duration::from_millis(430));
        ended.push(world.counters(0).ended);
    }
    assert_eq!(ended[9], 1000, "{ended:?}");
    assert!(ended[0] > 0 && ended[0] < 250 && ended[4] < 700, "{ended:?}");
    assert!(subs.iter().all(|sub| world.closed(*sub) == Some(Close::Clean)));
}

#[test]
fn a_drain_at_once_is_at_once() {
    let (mut world, _) = world(100);
    world.drain(0, Duration::ZERO);
    world.advance(Duration::from_millis(300));
    assert_eq!(world.counters(0).ended, 100);
}

#[test]
fn an_age_is_reached_within_a_fifth() {
    let mut config = WorldConfig { shards: 1, ..WorldConfig::new(1) };
    config.shard.max_age = Some(Duration::from_secs(600));
    let mut world = World::new(config);
    let subs: Vec<SubKey> =
        (0..200).map(|_| world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, ResumePoint::Live)).collect();
    world.advance(Duration::from_secs(479));
    assert_eq!(world.counters(0).ended, 0);
    world.advance(Duration::from_secs(121));
    let half = world.counters(0).ended;
    assert!(half > 60 && half < 140, "{half}");
    world.advance(Duration::from_secs(122));
    assert_eq!(world.counters(0).ended, 200);
    assert!(
        subs.iter().all(|s| matches!(world.told(*s).last(), Some(Told::End { reason, .. }) if reason == "max_age"))
    );
}

#[test]
fn one_that_waits_for_history_ends_too() {
    let mut world =
        World::with_history(WorldConfig { shards: 1, ..WorldConfig::new(1) }, &[Draft::to("a"), Draft::to("a")]);
    let place = ResumePoint::After(world.event_id(tidings_hub::Seq(1)));
    let sub = world.subscribe(0, &Wish::topics(&["a"]), CHUNKED, place);
    world.end(sub, EndReason::Drain);
    world.serve(0, usize::MAX);
    assert_eq!(world.closed(sub), Some(Close::Clean));
    world.answer_all(0);
    assert!(world.heard(sub).is_empty());
}
