//! The fear: bits flip on the disk, and the log serves something wrong, or loses what was not hit, or keeps it to itself.
//!
//! Each seed is a log that was filled, some of it sealed with an index; then bits flip anywhere: in records, headers and indexes, while
//! it is open or before it is. Everything but the newest batch may be hit. Then everything is read in every way.
//!
//! `TIDINGS_ROT_SEEDS` and `TIDINGS_ROT_SECONDS` say how long, `TIDINGS_ROT_SEED` repeats one.

mod places;
#[path = "../support/mod.rs"]
mod support;

use places::{Places, Spot, What};
use std::collections::BTreeSet;
use support::World;
use support::campaign::Campaign;
use support::tally::Tally;

/// Beside all other tests. `./test crash` asks for 3,000.
const SEEDS: u64 = 200;

#[test]
fn every_flipped_bit_is_seen_and_only_what_was_hit_is_lost() {
    let campaign = Campaign { name: "rot", variable: "TIDINGS_ROT", seeds: SEEDS, run };
    let outcome = campaign.go();
    assert_eq!(outcome.failed, None, "a seed fails");
    let Tally { seeds, flips, events_read, rolls, clean, kills, .. } = outcome.tally;
    let counts = if seeds == 1 { vec![events_read] } else { vec![flips, events_read, rolls, clean, kills] };
    assert!(counts.iter().all(|count| *count > 0), "{}", outcome.tally);
}

fn run(seed: u64) -> Tally {
    let mut world = World::keeping_everything(seed);
    for _ in 0..world.rng.usize(1..3) {
        fill(&mut world);
        let is_open = world.rng.u8(..3) == 0;
        if !is_open {
            if world.rng.bool() {
                world.close();
            }
            world.end_process(false);
        }
        let hits = flip_some(&mut world);
        if is_open {
            world.read_all();
        }
        // What is lost stays known: the next process tells the same. A header is whole again.
        for is_first in [true, false] {
            world.end_process(false);
            world.open();
            check_told(&mut world, &hits, is_first);
        }
    }
    world.done()
}

fn fill(world: &mut World) {
    for _ in 0..world.rng.usize(10..60) {
        world.commit();
        world.look_for_rolls();
        if world.rng.bool() {
            world.upkeep();
        }
        world.wait();
    }
    if world.rng.bool() {
        world.upkeep_to_the_end();
    }
}

fn flip_some(world: &mut World) -> Vec<Spot> {
    // After a clean close the index says that nothing is torn: then the newest batch may be hit, or the index, but not both.
    let places = match world.rng.bool() && world.is_closed() {
        true => Places::of(&world.disk, &world.ledger, u64::MAX).without_indexes(),
        false => Places::of(&world.disk, &world.ledger, world.newest_batch()),
    };
    let mut hits = Vec::new();
    let mut seen = BTreeSet::new();
    for _ in 0..world.rng.usize(1..6) {
        let Some(spot) = places.draw(&mut world.rng) else { continue };
        // A bit that is flipped twice is as it was.
        if !seen.insert((spot.file.clone(), spot.at)) {
            continue;
        }
        world.disk.flip(&spot.file, spot.at, world.rng.u8(..8));
        world.tally.flips += 1;
        if let What::Record(seq) = spot.what {
            world.ledger.rot(seq);
        }
        hits.push(spot);
    }
    hits
}

/// Everything that was hit has been reported, by the process that has just opened the log and read all of it.
fn check_told(world: &mut World, hits: &[Spot], is_first: bool) {
    let number = |spot: &Spot| spot.file.split('.').next().and_then(|digits| digits.parse::<u32>().ok());
    let stats = world.opened().log.stats();
    let found = world.opened().found.clone();
    for spot in hits {
        let number = number(spot).expect("the log's files are numbered");
        match spot.what {
            What::Header if !is_first => {
                assert!(!found.repaired.contains(&number), "{spot:?} is not repaired for good");
            }
            What::Header => assert!(found.repaired.contains(&number), "{spot:?} is not repaired: {found:?}"),
            What::Index => assert!(stats.rebuilt > 0, "{spot:?} is not rebuilt: {found:?}"),
            What::Record(_) => {
                assert!(stats.damaged > 0 || !found.damage.is_empty(), "{spot:?} is not told: {found:?}");
            }
        }
    }
}
