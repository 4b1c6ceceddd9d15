//! Each rule of the disk, and that it bites.

use super::{Disk, Sector};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use tidings_log::{Dir, File};

/// Enough for every outcome of a few sectors to come up.
const SEEDS: u64 = 400;

/// What `file` holds after a power cut, over many seeds.
fn outcomes(sector: Sector, run: impl Fn(&Disk, &dyn Dir)) -> BTreeSet<Option<Vec<u8>>> {
    let outcome = |seed| {
        let disk = Disk::new(seed, sector);
        run(&disk, &*disk.dir());
        disk.power_cut();
        disk.bytes("file")
    };
    (0..SEEDS).map(outcome).collect()
}

fn made(disk: &Disk, dir: &dyn Dir, bytes: &[u8]) -> Arc<dyn File> {
    disk.put("file", bytes);
    dir.open("file").unwrap()
}

/// The first byte of each sector.
fn firsts(sector: Sector, bytes: &[u8]) -> String {
    bytes.chunks(sector.bytes()).map(|sector| char::from(sector[0])).collect()
}

#[test]
fn what_was_synced_stays() {
    let outcomes = outcomes(Sector::B512, |_, dir| {
        let file = dir.create("file").unwrap();
        file.write_at(b"one", 0).unwrap();
        file.sync().unwrap();
        dir.sync().unwrap();
    });
    assert_eq!(outcomes, BTreeSet::from([Some(b"one".to_vec())]));
}

#[test]
fn sectors_come_back_whole_each_by_itself() {
    for sector in [Sector::B512, Sector::B4096] {
        let len = 3 * sector.bytes();
        let outcomes = outcomes(sector, |disk, dir| {
            let file = made(disk, dir, &vec![b'a'; len]);
            file.write_at(&vec![b'b'; len], 0).unwrap();
        });
        let seen: BTreeSet<String> = outcomes.iter().flatten().map(|bytes| firsts(sector, bytes)).collect();
        assert_eq!(seen.len(), 8, "every subset comes up: {seen:?}");
        for bytes in outcomes.iter().flatten() {
            assert!(bytes.chunks(sector.bytes()).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        }
    }
}

#[test]
fn a_sector_comes_back_as_any_of_its_versions() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        let file = made(disk, dir, &[b'a'; 512]);
        for byte in [b"b", b"c", b"d"] {
            file.write_at(byte, 0).unwrap();
        }
    });
    let seen: String = outcomes.iter().flatten().map(|bytes| char::from(bytes[0])).collect();
    assert_eq!(seen, "abcd");
}

#[test]
fn half_a_sector_takes_its_other_half_along() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        let file = made(disk, dir, &[b'a'; 512]);
        file.write_at(b"b", 0).unwrap();
        file.write_at(b"b", 511).unwrap();
    });
    let seen: BTreeSet<_> = outcomes.iter().flatten().map(|bytes| (bytes[0], bytes[511])).collect();
    assert_eq!(seen, BTreeSet::from([(b'a', b'a'), (b'b', b'a'), (b'b', b'b')]), "never the second without the first");
}

#[test]
fn a_length_comes_back_old_or_new_whatever_the_sectors_do() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        let file = made(disk, dir, &[b'a'; 512]);
        file.write_at(&[b'b'; 512], 512).unwrap();
    });
    let seen: BTreeSet<_> = outcomes.iter().flatten().map(|bytes| firsts(Sector::B512, bytes)).collect();
    assert_eq!(seen, BTreeSet::from(["a".into(), "ab".into(), "a\0".into()]));
}

#[test]
fn what_was_cut_off_may_come_back() {
    let outcomes = outcomes(Sector::B512, |disk, dir| made(disk, dir, b"long").set_len(1).unwrap());
    assert!(outcomes.contains(&Some(b"l".to_vec())) && outcomes.contains(&Some(b"long".to_vec())), "{outcomes:?}");
}

#[test]
fn names_that_were_not_synced_are_undone_each_by_itself() {
    let outcome = |seed| {
        let disk = Disk::new(seed, Sector::B512);
        disk.put("old", b"");
        let dir = disk.dir();
        dir.create("a").unwrap();
        dir.rename("a", "b").unwrap();
        dir.remove("old").unwrap();
        disk.power_cut();
        disk.names().join(" ")
    };
    let seen: BTreeSet<String> = (0..SEEDS).map(outcome).collect();
    let all = ["", "a", "b", "old", "a old", "b old"].map(String::from);
    assert_eq!(seen, BTreeSet::from(all), "a file that was never made is not renamed");
}

#[test]
fn a_file_that_is_renamed_over_is_there_old_or_new() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        disk.put("file", b"old");
        let file = dir.create("new").unwrap();
        file.write_at(b"new", 0).unwrap();
        file.sync().unwrap();
        dir.rename("new", "file").unwrap();
    });
    assert_eq!(outcomes, BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]));
}

#[test]
fn a_kill_loses_nothing_and_ends_the_process() {
    let disk = Disk::new(1, Sector::B512);
    let dir = disk.dir();
    let file = dir.create("file").unwrap();
    file.write_at(b"one", 0).unwrap();
    let lock = dir.lock().unwrap();
    disk.kill();
    assert!(dir.list().is_err() && file.read_at(&mut [0], 0).is_err() && file.sync().is_err());
    assert_eq!(disk.bytes("file").unwrap(), b"one");
    let next = disk.dir().lock().expect("the lock went with the process");
    drop(lock);
    assert_eq!(disk.dir().lock().unwrap_err().kind(), ErrorKind::WouldBlock, "the dead one does not unlock");
    drop(next);
    disk.dir().lock().unwrap();
}

#[test]
fn a_failed_sync_forgets() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        let file = made(disk, dir, &[b'a'; 512]);
        file.write_at(b"b", 0).unwrap();
        disk.fail_sync_in(1);
        file.sync().unwrap_err();
        assert_eq!(disk.bytes("file").unwrap()[0], b'b', "reads see it");
        file.sync().unwrap();
    });
    let seen: String = outcomes.iter().flatten().map(|bytes| char::from(bytes[0])).collect();
    assert_eq!(seen, "ab", "the second sync did not save it");
}

#[test]
fn what_was_forgotten_is_saved_when_it_is_written_again() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        let file = made(disk, dir, &[b'a'; 1024]);
        file.write_at(&[b'b'; 1024], 0).unwrap();
        disk.fail_sync_in(1);
        file.sync().unwrap_err();
        file.write_at(b"b", 0).unwrap();
        file.sync().unwrap();
    });
    let seen: BTreeSet<_> = outcomes.iter().flatten().map(|bytes| firsts(Sector::B512, bytes)).collect();
    assert_eq!(seen, BTreeSet::from(["ba".into(), "bb".into()]));
}

#[test]
fn the_sync_of_one_file_fails_and_no_other() {
    let disk = Disk::new(1, Sector::B512);
    let dir = disk.dir();
    let (one, other) = (dir.create("one").unwrap(), dir.create("other").unwrap());
    disk.fail_sync_of("one");
    other.sync().unwrap();
    dir.sync().unwrap();
    one.sync().unwrap_err();
    one.sync().unwrap();
    assert_eq!(disk.counts().faults, 1);
}

#[test]
fn a_failed_sync_of_the_directory_forgets_too() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        dir.create("file").unwrap();
        disk.fail_sync_in(1);
        dir.sync().unwrap_err();
        dir.sync().unwrap();
    });
    assert_eq!(outcomes, BTreeSet::from([None, Some(Vec::new())]));
}

#[test]
fn the_power_goes_in_the_middle_of_a_call() {
    let outcome = |seed| {
        let disk = Disk::new(seed, Sector::B512);
        let dir = disk.dir();
        let file = made(&disk, &*dir, &[b'a'; 1024]);
        disk.stop_in(2);
        file.write_at(b"b", 0).unwrap();
        file.write_at(&[b'c'; 1024], 0).unwrap_err();
        assert!(disk.is_stopped() && file.sync().is_err() && dir.list().is_err());
        disk.kill();
        firsts(Sector::B512, &disk.bytes("file").unwrap())
    };
    let seen: BTreeSet<String> = (0..SEEDS).map(outcome).collect();
    assert_eq!(seen, BTreeSet::from(["ba".into(), "ca".into(), "cc".into()]), "a kill leaves the front of it");
}

#[test]
fn a_failed_write_leaves_a_part() {
    let outcome = |seed| {
        let disk = Disk::new(seed, Sector::B512);
        let file = disk.dir().create("file").unwrap();
        disk.fail_write_in(1);
        file.write_at(b"abc", 0).unwrap_err();
        disk.bytes("file").unwrap().len()
    };
    assert_eq!((0..SEEDS).map(outcome).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn space_runs_out_only_where_a_file_grows() {
    let disk = Disk::new(1, Sector::B512);
    let dir = disk.dir();
    let file = made(&disk, &*dir, &[b'a'; 1024]);
    disk.set_space(1024);
    file.write_at(&[b'b'; 1024], 0).unwrap();
    assert_eq!(file.write_at(&[b'c'; 1024], 512).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(firsts(Sector::B512, &disk.bytes("file").unwrap()), "bc", "what fits is written");
    let hole = dir.create("hole").unwrap();
    hole.set_len(512).unwrap();
    assert_eq!(hole.write_at(b"x", 0).unwrap_err().kind(), ErrorKind::StorageFull, "a hole has no space yet");
    dir.remove("file").unwrap();
    assert!(hole.write_at(b"x", 0).is_err(), "who has it open keeps its space");
    drop(file);
    hole.write_at(b"x", 0).unwrap();
    assert_eq!(disk.used(), 512);
}

#[test]
fn a_flipped_bit_is_flipped_for_good() {
    let outcomes = outcomes(Sector::B512, |disk, dir| {
        made(disk, dir, b"a");
        disk.flip("file", 0, 1);
    });
    assert_eq!(outcomes, BTreeSet::from([Some(b"c".to_vec())]));
}

#[test]
fn a_link_is_a_name_and_keeps_the_file() {
    let disk = Disk::new(1, Sector::B512);
    let dir = disk.dir();
    let file = made(&disk, &*dir, b"a");
    assert_eq!(file.names().unwrap(), 1);
    let link = disk.link("file").unwrap();
    assert_eq!(file.names().unwrap(), 2);
    dir.remove("file").unwrap();
    assert_eq!((file.names().unwrap(), link.bytes()), (1, b"a".to_vec()));
    drop(link);
    assert_eq!(file.names().unwrap(), 0);
}

#[test]
fn a_run_repeats_bit_for_bit() {
    let run = |seed| {
        let disk = Disk::new(seed, Sector::B512);
        for round in 0..20 {
            let dir = disk.dir();
            let file = dir.create("file").unwrap();
            disk.stop_in(3);
            let _ = file.write_at(&[round; 5000], 0);
            let _ = file.sync();
            let _ = dir.rename("file", "other");
            disk.power_cut();
        }
        (disk.names(), disk.bytes("other"), disk.counts())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).1, run(8).1);
}
