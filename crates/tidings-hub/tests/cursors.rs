//! The fear: of ten thousand cursors at different places in the tail and behind it, for different wishes, one goes wrong.

use tidings_hub::{Form, Format, Framing, ResumePoint, Seq};
use tidings_testkit::{Draft, SubKey, Wish, World, WorldConfig};

const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };
const CURSORS: u64 = 10_000;
const EVENTS: u64 = 60;

#[test]
fn ten_thousand_cursors_at_different_places() {
    let mut world = World::new(WorldConfig { tail_bytes_max: 16 << 10, ..WorldConfig::new(1) });
    for _ in 0..EVENTS {
        world.publish(&[Draft::to("a"), Draft::to("b")]);
    }
    let wishes = [Wish::topics(&["a"]), Wish::topics(&["b"]), Wish::topics(&["a", "b"]), Wish::patterns(&["*"])];
    let mut subs: Vec<(SubKey, u64, usize)> = Vec::new();
    for n in 0..CURSORS {
        let (seq, wish) = (n % (2 * EVENTS), usize::try_from(n % 4).unwrap());
        let place = ResumePoint::After(world.event_id(Seq(seq)));
        let lane = usize::try_from(n % 3).unwrap();
        subs.push((world.subscribe(lane, &wishes[wish], BARE, place), seq, wish));
    }
    world.publish(&[Draft::to("a"), Draft::to("b")]);
    world.rest();
    for (sub, seq, wish) in subs {
        let wants = |seq: &u64| match wish {
            0 => seq % 2 == 1,
            1 => seq.is_multiple_of(2),
            _ => true,
        };
        let expect = (seq + 1..=2 * EVENTS + 2).filter(wants).count();
        assert_eq!(world.heard(sub).len(), expect, "after {seq}, wish {wish}");
    }
}
