//! The fear: whoever chose a thousand topics, or a pattern, pays for each event as if it had asked for all that came.

use tidings_hub::{Form, Format, Framing, ResumePoint, Seq};
use tidings_testkit::{Draft, SubKey, Wish, World, WorldConfig};

const BARE: Format = Format { form: Form::Enveloped, framing: Framing::Bare };
/// Events of a batch, of which a subscription here wants one or a few.
const BATCH: usize = 1_000;
/// The most topics that can be chosen.
const TOPICS: usize = 1_000;
const READERS: usize = 20;

fn subscribe(world: &mut World, wish: &Wish) -> SubKey {
    world.subscribe(0, wish, BARE, ResumePoint::Live)
}

/// A thousand topics: `news`, and others that nobody else chose.
fn many_topics(reader: usize) -> Wish {
    let own = (1..TOPICS).map(|n| format!("of/{reader}/{n}"));
    Wish { topics: own.chain(["news".into()]).collect(), ..Wish::default() }
}

/// A batch with an event of each of these topics at its end, and events of others before.
fn batch(topics: &[&str]) -> Vec<Draft> {
    let others = (topics.len()..BATCH).map(|n| Draft::to(&format!("other/{n}")));
    others.chain(topics.iter().map(|topic| Draft::to(topic))).collect()
}

/// How much was looked at for a batch.
fn looks(world: &mut World, drafts: &[Draft]) -> usize {
    let before = world.counters(0).looked;
    world.publish(drafts);
    usize::try_from(world.counters(0).looked - before).expect("a test looks at little")
}

#[test]
fn a_thousand_topics_cost_no_more_than_one() {
    let mut one = World::of_one_shard();
    // Each in another group, as they have other types to let pass.
    let types: Vec<String> = (0..READERS).map(|n| format!("type-{n}")).collect();
    for name in &types {
        subscribe(&mut one, &Wish::topics(&["news"]).of_types(&["message", name]));
    }
    let mut many = World::of_one_shard();
    let readers: Vec<SubKey> = (0..READERS).map(|n| subscribe(&mut many, &many_topics(n))).collect();
    for world in [&one, &many] {
        assert_eq!(world.holdings(0).groups, READERS);
    }
    for _ in 0..3 {
        let drafts = batch(&["news"]);
        let of_one = looks(&mut one, &drafts);
        let of_many = looks(&mut many, &drafts);
        assert!(of_many <= of_one && of_many == READERS, "{of_many} beside {of_one}");
    }
    assert!(readers.iter().all(|reader| many.heard(*reader) == [999, 1_999, 2_999]));
}

#[test]
fn a_pattern_costs_what_it_matches() {
    let mut world = World::of_one_shard();
    let readers: Vec<SubKey> =
        (0..READERS).map(|n| subscribe(&mut world, &Wish::patterns(&[&format!("site-{n}/**")]))).collect();
    let one_each: Vec<String> = (0..READERS).map(|n| format!("site-{n}/price")).collect();
    let one_each: Vec<&str> = one_each.iter().map(String::as_str).collect();
    for _ in 0..3 {
        assert_eq!(looks(&mut world, &batch(&one_each)), READERS);
    }
    assert!(readers.iter().all(|reader| world.heard(*reader).len() == 3));
}

#[test]
fn an_event_of_several_topics_is_looked_at_once() {
    let mut world = World::of_one_shard();
    let reader =
        subscribe(&mut world, &Wish { patterns: vec!["site/*".into()], ..Wish::topics(&["news", "of/0/1", "of/0/7"]) });
    let drafts = [Draft::to("site/1").and_to(&["news", "of/0/7", "x"]), Draft::to("x"), Draft::to("of/0/1")];
    assert_eq!(looks(&mut world, &drafts), 2);
    assert_eq!(world.heard(reader), [0, 2]);
}

#[test]
fn who_has_several_batches_ahead_looks_at_its_own_events_too() {
    let mut world = World::of_one_shard();
    let reader = subscribe(&mut world, &many_topics(0));
    world.set_room(reader, 0, usize::MAX);
    for _ in 0..3 {
        world.publish(&batch(&["news", "of/0/5"]));
    }
    let before = world.counters(0).looked;
    world.set_room(reader, usize::MAX, usize::MAX);
    world.rest();
    assert_eq!((world.counters(0).looked - before, world.heard(reader).len()), (6, 6));
}

#[test]
fn who_has_more_ahead_than_is_noted_searches_and_gets_it_all() {
    let max = WorldConfig::new(1).shard.noted_max;
    for wish in [many_topics(0), Wish::patterns(&["site/**", "news/**"]), Wish::patterns(&["**"])] {
        let mut world = World::of_one_shard();
        let reader = subscribe(&mut world, &wish);
        for count in [max, max + 1, 1, 3 * max] {
            let drafts: Vec<Draft> = (0..count).map(|_| Draft::to("news")).collect();
            assert_eq!(looks(&mut world, &drafts), count, "in one turn, and nothing twice");
        }
        assert_eq!(world.heard(reader).len(), 5 * max + 2);
    }
}

#[test]
fn who_comes_back_to_where_nobody_noted_anything_gets_it_too() {
    let mut world = World::of_one_shard();
    for _ in 0..3 {
        world.publish(&batch(&["news"]));
    }
    let place = ResumePoint::After(world.event_id(Seq(1_500)));
    let reader = world.subscribe(0, &many_topics(0), BARE, place);
    assert_eq!(looks(&mut world, &batch(&["news"])), 1);
    world.rest();
    assert_eq!(world.heard(reader), [1_999, 2_999, 3_999]);
}
