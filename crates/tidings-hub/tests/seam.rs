//! The fear: where history ends and the tail begins, an event falls out or comes twice. Every place is tried, in the tail and behind
//! it, with answers that arrive before and after the tail has moved on.

use tidings_hub::{Form, Format, Framing, ResumePoint, Seq};
use tidings_testkit::{Draft, Told, Wish, World, WorldConfig};

const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };

/// A world whose log has 40 events of two topics, of which the tail holds some, and its subscription's wish.
fn world(page_events_max: usize) -> (World, Wish) {
    let mut config = WorldConfig { tail_bytes_max: 12 << 10, shards: 1, ..WorldConfig::new(1) };
    config.shard.page_events_max = page_events_max;
    let mut world = World::new(config);
    for n in 0..40 {
        world.publish(&[Draft::to(if n % 3 == 0 { "b" } else { "a" }).padded(300)]);
    }
    assert!(world.tail().events() > 5 && world.tail().events() < 30, "{}", world.tail().events());
    (world, Wish::topics(&["a", "b"]))
}

fn publish(world: &mut World, events: usize) {
    for _ in 0..events {
        world.publish(&[Draft::to("a").padded(300)]);
    }
}

#[test]
fn a_resume_at_every_place_gets_the_rest_once() {
    for page in [1, 7, 1000] {
        for between in [0, 1, 20] {
            for seq in 0..=40 {
                let (mut world, wish) = world(page);
                let resume = ResumePoint::After(world.event_id(Seq(seq)));
                let sub = world.subscribe(0, &wish, BARE, resume);
                // The engine looks now, and its answer comes when the tail has moved on.
                for (lane, read) in world.reads(false) {
                    world.look(lane, read);
                }
                publish(&mut world, between);
                world.rest();
                let rest: Vec<usize> = (usize::try_from(seq).unwrap()..40 + between).collect();
                assert_eq!(world.heard(sub), rest, "after {seq}, pages of {page}, {between} between");
            }
        }
    }
}

#[test]
fn a_start_that_history_decides_meets_the_tail() {
    for resume in [ResumePoint::All, ResumePoint::Last(3), ResumePoint::Last(40), ResumePoint::LastEach] {
        for between in [0, 1, 20] {
            let (mut world, wish) = world(1);
            let sub = world.subscribe(0, &wish, BARE, resume.clone());
            for (lane, read) in world.reads(false) {
                world.look(lane, read);
            }
            publish(&mut world, between);
            world.rest();
            let newest = world.heard(sub).iter().filter(|place| **place >= 40).count();
            assert_eq!(newest, between, "{resume:?}");
            assert!(matches!(world.told(sub)[0], Told::Open { .. }));
        }
    }
}

#[test]
fn an_engine_ahead_of_the_tail_brings_nothing_twice() {
    for resume in [ResumePoint::All, ResumePoint::Last(2), ResumePoint::LastEach] {
        let (mut world, wish) = world(1000);
        let sub = world.subscribe(0, &wish, BARE, resume.clone());
        // Committed, and not yet in the tail when the engine looks: the model then decides what is wanted.
        for _ in 0..5 {
            world.append(&[Draft::to("a"), Draft::to("b")]);
        }
        world.answer_all(0);
        world.rest();
        let heard = world.heard(sub);
        assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "{resume:?}: {heard:?}");
        assert_eq!(heard.last(), Some(&49));
    }
}

#[test]
fn an_answer_to_a_question_of_long_ago_changes_nothing() {
    let (mut world, wish) = world(2);
    // Ahead of the tail: the engine is asked for its head, and its answer is late.
    for _ in 0..30 {
        world.append(&[Draft::to("a").padded(300)]);
    }
    let resume = ResumePoint::After(world.event_id(Seq(41)));
    let sub = world.subscribe(0, &wish, BARE, resume);
    let late = world.reads(false);
    for &(lane, read) in &late {
        world.look(lane, read);
    }
    // The tail passes the place first, and leaves the reader behind again: now it waits for another page.
    world.set_room(sub, 0, 1);
    while world.feed(1) {}
    while world.deliver(0) {}
    world.set_room(sub, usize::MAX, usize::MAX);
    world.serve(0, usize::MAX);
    let asked = world.reads(false);
    assert!(!asked.is_empty() && world.heard(sub).len() < 29);
    for (lane, read) in late {
        world.answer(lane, read);
        world.serve(lane, usize::MAX);
    }
    world.rest();
    assert_eq!(world.heard(sub), (41..70).collect::<Vec<_>>());
}

#[test]
fn memory_only_events_stand_at_their_place() {
    for seq in 0..30 {
        let mut world = World::new(WorldConfig { tail_bytes_max: 12 << 10, shards: 1, ..WorldConfig::new(1) });
        for _ in 0..30 {
            world.publish(&[Draft::to("a").padded(100), Draft::to("m").padded(100).in_memory()]);
        }
        let resume = ResumePoint::After(world.event_id(Seq(seq)));
        let sub = world.subscribe(0, &Wish::topics(&["a", "m"]), BARE, resume);
        world.rest();
        assert!(world.heard(sub).contains(&59), "after {seq}: the newest is memory-only, and in the tail");
        // A topic of memory-only events alone: its page is empty, and the tail is read all the same.
        let resume = ResumePoint::After(world.event_id(Seq(seq)));
        let memory = world.subscribe(0, &Wish::topics(&["m"]), BARE, resume);
        world.rest();
        let of_both: Vec<usize> = world.heard(sub).iter().copied().filter(|place| place % 2 == 1).collect();
        assert_eq!(world.heard(memory), of_both, "after {seq}");
    }
}
