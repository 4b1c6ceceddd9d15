//! Directories that lie in the tree, made once by the version that first wrote their format. Every later version must read them: what
//! it reads is compared with the list beside them.
//!
//! `cargo test -p tidings-log --test format -- --ignored` makes those of the format that is written today anew; only a new format is a
//! reason to add some, and none is to change those that are there.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod listing;
mod made;

use std::fs;
use std::path::{Path, PathBuf};

/// Where they lie: a folder for each format, in it a data directory for each case, and its list.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Copies a fixture's log, for to open it changes it.
fn copy(of: &Path, name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // There is none the first time.
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(of.join("log")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

fn check(case: &str) {
    let fixture = fixtures().join(case);
    let expect = fs::read_to_string(fixture.join("list.txt")).unwrap();
    let log = copy(&fixture, &case.replace('/', "-"));
    assert_eq!(listing::of(&log), expect, "{case}");
    // The first open has repaired what there was to repair: a second one finds the same events.
    let events = |list: &str| list.split_once("events:\n").unwrap().1.to_owned();
    assert_eq!(events(&listing::of(&log)), events(&expect), "{case}, opened twice");
}

#[test]
fn a_log_that_was_closed() {
    check("format-1/closed");
}

#[test]
fn a_log_that_was_killed_in_the_middle_of_a_batch() {
    check("format-1/killed");
}

#[test]
#[ignore = "writes the tree's fixtures anew"]
fn make() {
    for (case, killed) in [("format-1/closed", false), ("format-1/killed", true)] {
        let fixture = fixtures().join(case);
        let log = fixture.join("log");
        let _ = fs::remove_dir_all(&fixture);
        fs::create_dir_all(&log).unwrap();
        made::log(&log, killed);
        fs::remove_file(log.join("lock")).unwrap();
        fs::write(fixture.join("list.txt"), listing::of(&copy(&fixture, "made"))).unwrap();
    }
}
