//! Directories that lie in the tree, made once by the version that first wrote their format. Every later version must read them: what
//! it reads is compared with the list beside them.
//!
//! `cargo test -p tidings-log --test format -- --ignored` makes those that are missing, in the format that is written today. There is no
//! reason to change one that is there.
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
    assert_eq!(events(&listing::of(&log)), events(&expect), "{case}, opened twice");
}

/// The part of a list that says them.
fn events(list: &str) -> &str {
    list.split_once("events:\n").unwrap().1
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
fn a_log_whose_segments_were_rewritten_as_one() {
    check("format-1/rewritten");
}

#[test]
fn a_rewritten_segment_that_was_killed_before_it_had_its_index() {
    let fixture = fixtures().join("format-1/rewritten");
    let log = copy(&fixture, "format-1-rewritten-without-index");
    fs::remove_file(log.join("0000000001.index")).unwrap();
    // Its header alone says where it ends: the next segment's tells of what was there before.
    assert_eq!(events(&listing::of(&log)), events(&fs::read_to_string(fixture.join("list.txt")).unwrap()));
}

#[test]
#[ignore = "writes fixtures into the tree"]
fn make() {
    make_missing("format-1/closed", &made::closed);
    make_missing("format-1/killed", &made::killed);
    make_missing("format-1/rewritten", &made::rewritten);
}

fn make_missing(case: &str, make: &dyn Fn(&Path)) {
    let fixture = fixtures().join(case);
    if fixture.exists() {
        return;
    }
    let log = fixture.join("log");
    fs::create_dir_all(&log).unwrap();
    make(&log);
    fs::remove_file(log.join("lock")).unwrap();
    fs::write(fixture.join("list.txt"), listing::of(&copy(&fixture, "made"))).unwrap();
}
