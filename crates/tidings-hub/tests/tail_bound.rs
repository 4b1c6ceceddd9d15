//! The fear: the tail drops everything to make room for one batch, because the shards still hold what it drops.

use tidings_hub::{Form, Format, Framing, ResumePoint};
use tidings_testkit::{Draft, Wish, World, WorldConfig};

#[test]
fn a_large_batch_costs_its_own_size_and_no_more() {
    const BYTES_MAX: usize = 1 << 20;
    let mut world = World::new(WorldConfig { tail_bytes_max: BYTES_MAX, ..WorldConfig::new(1) });
    // All forms are asked for, so most of the tail is frames.
    for form in [Form::Sse, Form::Enveloped, Form::Ndjson] {
        world.subscribe(0, &Wish::topics(&["a"]), Format { form, framing: Framing::Bare }, ResumePoint::Live);
    }
    for _ in 0..2000 {
        world.publish(&[Draft::to("a").padded(1000)]);
        assert!(world.tail().bytes() <= BYTES_MAX + (8 << 10), "{}", world.tail().bytes());
    }
    let before = world.tail().events();
    world.publish(&vec![Draft::to("a").padded(1000); 90]);
    let after = world.tail().events();
    assert!(after > before * 2 / 3, "{before} events before a batch of 90, {after} after");
}
