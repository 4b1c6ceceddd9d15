//! The fear: an event of a topic nobody has seen before is held against everybody who is there.

use tidings_hub::{Form, Format, Framing, ResumePoint};
use tidings_testkit::{Draft, SubKey, Wish, World};

const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };
/// As many as one shard is meant to carry; each with a topic of its own.
const SUBSCRIPTIONS: usize = 100_000;
const PATTERNS: usize = 1_000;

fn subscribe(world: &mut World, wish: &Wish) -> SubKey {
    world.subscribe(0, wish, BARE, ResumePoint::Live)
}

/// How many were visited for a batch with one event of each of these topics.
fn visits(world: &mut World, topics: &[&str]) -> u64 {
    let before = world.counters(0).visited;
    let drafts: Vec<Draft> = topics.iter().map(|topic| Draft::to(topic)).collect();
    world.publish(&drafts);
    world.counters(0).visited - before
}

#[test]
fn a_new_topic_costs_its_matches_however_many_there_are() {
    let mut world = World::of_one_shard();
    // Patterns first: each new one looks through the topics there are, and that is another cost than this test's.
    for n in 0..PATTERNS {
        subscribe(&mut world, &Wish::patterns(&[&format!("site{n}/*/price")]));
    }
    let wide = subscribe(&mut world, &Wish::patterns(&["new/**"]));
    let narrow = subscribe(&mut world, &Wish::patterns(&["new/*"]));
    for n in 0..SUBSCRIPTIONS {
        subscribe(&mut world, &Wish::topics(&[&format!("user/{n}")]));
    }
    assert_eq!(world.holdings(0).groups, SUBSCRIPTIONS + PATTERNS + 2);

    assert_eq!(visits(&mut world, &["elsewhere"]), 0, "first seen, wanted by nobody");
    assert_eq!(visits(&mut world, &["site7/a/b"]), 0, "beside a pattern that begins as it does");
    assert_eq!(visits(&mut world, &["user/100000", "user"]), 0, "beside exact names that begin as it does");
    assert_eq!(visits(&mut world, &["new/a/b"]), 1, "first seen, and one pattern matches");
    assert_eq!(visits(&mut world, &["new/a"]), 2, "first seen, and two match");
    assert_eq!(visits(&mut world, &["new/a"]), 2, "seen before");
    assert_eq!(visits(&mut world, &["user/1", "user/2", "site7/a/price", "nobody"]), 3, "one visit a match");
    assert_eq!((world.heard(wide).len(), world.heard(narrow).len()), (3, 2));
}

#[test]
fn those_of_one_name_are_each_visited_once() {
    let mut world = World::of_one_shard();
    for _ in 0..500 {
        subscribe(&mut world, &Wish::topics(&["news"]));
        subscribe(&mut world, &Wish::topics(&["weather"]));
    }
    assert_eq!(visits(&mut world, &["news"]), 500);
    assert_eq!(visits(&mut world, &["nothing"]), 0);
}

#[test]
fn a_new_pattern_looks_through_the_topics_once() {
    let mut world = World::of_one_shard();
    for n in 0..1_000 {
        subscribe(&mut world, &Wish::topics(&[&format!("user/{n}")]));
    }
    assert_eq!(world.counters(0).visited, 0, "names are looked up");
    let first = subscribe(&mut world, &Wish::patterns(&["user/*"]));
    assert_eq!(world.counters(0).visited, 1_000);
    let second = subscribe(&mut world, &Wish::patterns(&["user/*"]));
    assert_eq!(world.counters(0).visited, 1_000, "the second one of the same wish takes the first one's memo");
    assert_eq!(visits(&mut world, &["user/3"]), 3);
    assert_eq!((world.heard(first).len(), world.heard(second).len()), (1, 1));
}
