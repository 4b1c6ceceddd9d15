//! The fear: an event that was acknowledged, or seen, is not there after a crash.
//!
//! Each seed is a log on a simulated disk and a random run of appends, upkeep and reads. At random operations the power is cut or the
//! process killed, several times a seed, while the log is opened too; syncs and writes fail, space runs out, and bits flip in what was
//! synced long ago. After each opening everything is read, in every way, and compared with a `Vec` of what was appended.
//!
//! `TIDINGS_CRASH_SEEDS` and `TIDINGS_CRASH_SECONDS` say how long, `TIDINGS_CRASH_SEED` repeats one. With `--cfg planted` and
//! `TIDINGS_PLANTED` the log has a bug, and the campaign must find it (tests/planted.sh).

#[path = "../support/mod.rs"]
mod support;

use support::World;
use support::campaign::Campaign;
use support::tally::Tally;

/// Beside all other tests: enough to do everything several times. `./test crash` asks for 10,000.
const SEEDS: u64 = 300;

#[test]
fn no_crash_loses_what_was_acknowledged_or_seen() {
    let campaign = Campaign { name: "crash", variable: "TIDINGS_CRASH", seeds: SEEDS, run };
    let outcome = campaign.go();
    if let Some(bug) = std::env::var("TIDINGS_PLANTED").ok().filter(|_| cfg!(planted)) {
        let seed = outcome.failed.unwrap_or_else(|| panic!("the planted bug {bug} was not found"));
        println!("the planted bug {bug} was found by seed {seed}");
        return;
    }
    assert_eq!(outcome.failed, None, "a seed fails");
    // One seed cannot do everything.
    if outcome.tally.seeds >= SEEDS {
        assert_eq!(outcome.tally.missing(), [""; 0], "the campaign never did this");
    }
}

fn run(seed: u64) -> Tally {
    let mut world = World::new(seed);
    for _ in 0..world.rng.usize(3..8) {
        live(&mut world);
        end(&mut world);
        world.open();
    }
    world.disk.spare();
    world.upkeep_to_the_end();
    world.read_all();
    world.done()
}

/// One process: it appends, reads and tidies up, until it has done enough or is stopped.
fn live(world: &mut World) {
    match world.rng.u8(..20) {
        0..11 => {
            let operations = [10, 60, 300][world.rng.usize(..3)];
            let at = world.rng.u64(1..operations);
            world.disk.stop_in(at);
        }
        11..14 => world.fail_one(),
        14 => world.run_out_of_space(),
        _ => {}
    }
    for _ in 0..world.rng.usize(5..60) {
        match world.rng.u8(..40) {
            0..20 => world.commit(),
            20..30 => drop(world.upkeep()),
            30 => world.upkeep_to_the_end(),
            31 => world.reads(1),
            32 => world.link_one(),
            33 => world.give_space(),
            _ => world.wait(),
        }
        world.look_for_rolls();
        if world.disk.is_stopped() {
            return;
        }
    }
    world.give_space();
    if !world.disk.is_stopped() {
        world.reads(2);
    }
}

/// The process ends, one way or another.
fn end(world: &mut World) {
    if !world.disk.is_stopped() && world.rng.u8(..4) == 0 {
        world.close();
    }
    world.crash();
    if world.rng.u8(..6) == 0 {
        world.flip_one();
    }
    // The next one may not even get up.
    if world.rng.u8(..4) == 0 {
        let at = world.rng.u64(1..25);
        world.disk.stop_in(at);
    }
}
