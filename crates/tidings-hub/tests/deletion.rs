//! The fear: what an operator deleted is sent to somebody after all, or takes with it what was not deleted, or nobody is told.

use tidings_hub::{Form, Format, Framing, ResumePoint, Seq};
use tidings_testkit::{Draft, GapTold, SubKey, Told, Wish, World, WorldConfig};

const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };

fn gaps(world: &World, sub: SubKey) -> Vec<GapTold> {
    let gap = |told: &Told| if let Told::Gap(gap) = told { Some(gap.clone()) } else { None };
    world.told(sub).iter().filter_map(gap).collect()
}

/// Ten events of `secret` and `news` in turns, all of them in the tail.
fn world() -> World {
    let mut world = World::of_one_shard();
    for _ in 0..10 {
        world.publish(&[Draft::to("secret"), Draft::to("news")]);
    }
    world
}

fn delete(world: &mut World, topic: &str) {
    world.delete(topic);
    while world.feed(1) {}
    while world.deliver(0) {}
}

#[test]
fn who_comes_back_gets_the_rest_and_is_told() {
    let mut world = world();
    delete(&mut world, "secret");
    let place = ResumePoint::After(world.event_id(Seq(10)));
    let of_both = world.subscribe(0, &Wish::topics(&["secret", "news"]), BARE, place.clone());
    let of_news = world.subscribe(0, &Wish::topics(&["news"]), BARE, place);
    world.rest();
    for sub in [of_both, of_news] {
        assert_eq!(world.heard(sub), [11, 13, 15, 17, 19]);
    }
    assert_eq!((gaps(&world, of_both).len(), gaps(&world, of_news).len()), (1, 0));
}

#[test]
fn who_is_at_the_head_notices_nothing() {
    let mut world = world();
    let sub = world.subscribe(0, &Wish::topics(&["secret"]), BARE, ResumePoint::Live);
    delete(&mut world, "secret");
    world.publish(&[Draft::to("secret")]);
    world.rest();
    assert_eq!((world.heard(sub), gaps(&world, sub).len()), (&[20][..], 0));
    assert_eq!(world.counters(0).fetched, 0);
}

#[test]
fn a_half_sent_frame_is_finished_and_nothing_else_of_it() {
    let mut world = World::of_one_shard();
    let sub = world.subscribe(0, &Wish::topics(&["secret"]), BARE, ResumePoint::Live);
    world.set_room(sub, 100, usize::MAX);
    for _ in 0..3 {
        world.publish(&[Draft::to("secret").padded(500)]);
    }
    delete(&mut world, "secret");
    assert!(world.holdings(0).held_bytes > 500, "the frame outlives the tail");
    world.rest();
    assert_eq!((world.heard(sub), gaps(&world, sub).len()), (&[0][..], 1));
}

#[test]
fn what_was_read_of_history_before_is_not_sent_either() {
    for is_answered in [false, true] {
        let config = WorldConfig { shards: 1, ..WorldConfig::new(1) };
        let mut world = World::with_history(config, &vec![Draft::to("secret").padded(500); 20]);
        let sub = world.subscribe(0, &Wish::topics(&["secret"]), BARE, ResumePoint::All);
        world.set_room(sub, if is_answered { 1_000 } else { 0 }, usize::MAX);
        let (lane, read) = world.reads(false)[0];
        world.look(lane, read);
        if is_answered {
            world.answer(lane, read);
            world.serve(lane, usize::MAX);
        }
        delete(&mut world, "secret");
        if !is_answered {
            world.answer(lane, read);
        }
        world.rest();
        let heard = world.heard(sub).len();
        assert!(if is_answered { heard > 0 && heard < 4 } else { heard == 0 }, "{heard}");
        assert_eq!(gaps(&world, sub).len(), 1);
    }
}

#[test]
fn events_in_memory_only_are_lost_with_it_and_counted() {
    let mut world = World::of_one_shard();
    let sub = world.subscribe(0, &Wish::topics(&["m"]), BARE, ResumePoint::Live);
    world.set_room(sub, 0, 1);
    for _ in 0..7 {
        world.publish(&[Draft::to("m").in_memory(), Draft::to("other")]);
    }
    delete(&mut world, "other");
    world.rest();
    let gaps = gaps(&world, sub);
    assert_eq!((gaps.len(), gaps[0].reason.as_str(), gaps[0].lost), (1, "lagged", Some(7)));
}

#[test]
fn the_newest_of_each_topic_goes_on_behind_what_was_sent() {
    let drafts = ["a", "b", "c"].map(|topic| Draft::to(topic).padded(500));
    let mut world = World::with_history(WorldConfig { shards: 1, ..WorldConfig::new(1) }, &drafts);
    let sub = world.subscribe(0, &Wish::topics(&["a", "b", "c"]), BARE, ResumePoint::LastEach);
    // The first whole, and the second in parts.
    world.set_room(sub, 1_000, usize::MAX);
    world.answer_all(0);
    delete(&mut world, "c");
    world.rest();
    assert_eq!((world.heard(sub), gaps(&world, sub).len()), (&[0, 1][..], 0));
}
