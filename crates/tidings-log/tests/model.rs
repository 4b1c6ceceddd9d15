//! The fear: some order of appends, drops, retention, reads and restarts leaves a log that answers something else than a `Vec` would.
//!
//! What fails is shrunk to the few steps that matter. `PROPTEST_CASES` says how many runs; `./test crash` asks for 1,024.

mod support;

use proptest::prelude::*;
use support::World;

#[derive(Clone, Copy, Debug)]
enum Act {
    Commit,
    Upkeep,
    UpkeepToTheEnd,
    Read,
    Link,
    Wait(u16),
    Close,
    Kill,
    PowerCut,
    StopIn(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => Just(Act::Commit),
        6 => Just(Act::Upkeep),
        4 => Just(Act::UpkeepToTheEnd),
        4 => Just(Act::Read),
        1 => Just(Act::Link),
        6 => any::<u16>().prop_map(Act::Wait),
        1 => Just(Act::Close),
        1 => Just(Act::Kill),
        1 => Just(Act::PowerCut),
        1 => any::<u8>().prop_map(Act::StopIn),
    ]
}

proptest! {
    #[test]
    fn it_answers_as_a_vec_would(seed in any::<u64>(), acts in prop::collection::vec(act(), 1..250)) {
        let mut world = World::new(seed);
        for act in acts {
            run(&mut world, act);
            if world.disk.is_stopped() {
                world.crash();
                world.open();
            }
        }
        world.close();
        world.crash();
        world.open();
        world.done();
    }
}

fn run(world: &mut World, act: Act) {
    match act {
        Act::Commit => world.commit(),
        Act::Upkeep => drop(world.upkeep()),
        Act::UpkeepToTheEnd => world.upkeep_to_the_end(),
        Act::Read => world.reads(1),
        Act::Link => world.link_one(),
        Act::Wait(millis) => world.now += u64::from(millis),
        Act::StopIn(operations) => world.disk.stop_in(1 + u64::from(operations)),
        Act::Close => {
            world.close();
            world.disk.kill();
        }
        Act::Kill => world.end_process(false),
        Act::PowerCut => world.end_process(true),
    }
    if !world.is_open() {
        world.open();
    }
}
