//! The fear: a reader that stops in mid-frame delays others, or is held more for than the frame it is in.

use tidings_hub::{Form, Format, Framing, ResumePoint};
use tidings_testkit::{Draft, Wish, World, WorldConfig};

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
