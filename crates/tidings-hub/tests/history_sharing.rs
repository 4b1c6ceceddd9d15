//! The fear: a thousand clients that return at once ask the log for the same page a thousand times; or those that went away again
//! are still read for.

use tidings_hub::{Form, Format, Framing, ResumePoint, Seq};
use tidings_testkit::{Draft, Wish, World, WorldConfig};

const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };

fn world() -> World {
    World::with_history(WorldConfig { shards: 1, ..WorldConfig::new(1) }, &vec![Draft::to("a").padded(50); 30])
}

#[test]
fn the_same_wish_at_the_same_place_is_one_read() {
    let mut world = world();
    let place = ResumePoint::After(world.event_id(Seq(10)));
    for _ in 0..1000 {
        world.subscribe(0, &Wish::topics(&["a"]), BARE, place.clone());
    }
    assert_eq!(world.holdings(0).fetches, 1);
    // Another form reads the same events.
    world.subscribe(0, &Wish::topics(&["a"]), Format { form: Form::Ndjson, ..BARE }, place);
    assert_eq!(world.holdings(0).fetches, 1);
    world.rest();
    assert_eq!(world.counters(0).fetched, 1);
    assert_eq!(world.heard(999).len(), 20);
}

#[test]
fn a_page_that_somebody_still_reads_serves_who_comes_later() {
    let mut world = world();
    let place = ResumePoint::After(world.event_id(Seq(10)));
    let first = world.subscribe(0, &Wish::topics(&["a"]), BARE, place.clone());
    world.set_room(first, 200, usize::MAX);
    world.answer_all(0);
    let second = world.subscribe(0, &Wish::topics(&["a"]), BARE, place);
    assert_eq!(world.counters(0).fetched, 1, "no second read");
    world.rest();
    assert_eq!(world.heard(second), world.heard(first));
}

#[test]
fn nobody_reads_for_those_who_have_gone() {
    let mut world = world();
    for seq in 0..30 {
        let place = ResumePoint::After(world.event_id(Seq(seq)));
        let sub = world.subscribe(0, &Wish::topics(&["a"]), BARE, place);
        world.vanish(sub);
    }
    world.answer_all(0);
    // As many as were handed out before their reader went; the others never.
    assert!(world.counters(0).fetched <= 8, "{}", world.counters(0).fetched);
    assert_eq!((world.holdings(0).fetches, world.holdings(0).subscriptions), (0, 0));
    world.rest();
}

#[test]
fn a_read_that_fails_resets_those_who_wait_for_it() {
    let mut world = world();
    let place = ResumePoint::After(world.event_id(Seq(10)));
    let waits = world.subscribe(0, &Wish::topics(&["a"]), BARE, place);
    let live = world.subscribe(0, &Wish::topics(&["a"]), BARE, ResumePoint::Live);
    let (lane, read) = world.reads(false)[0];
    world.fail(lane, read);
    assert_eq!(world.closed(waits), Some(tidings_hub::Close::Reset));
    assert!(world.is_open(live));
    assert_eq!(world.counters(0).reset_history, 1);
    world.rest();
}
