//! Bytes that reach the device for each byte of records, in steady state: every segment is a recycled one.

use crate::world::{MIB, Place, event, fill, options, topics};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tidings_log::{Options, Retention};

/// Events of a batch, and bytes of a record: the header, a name of 14 bytes, and this body make 256.
const GROUP: usize = 100;
const RECORD_BYTES: usize = 256;
const BODY_BYTES: usize = RECORD_BYTES - 40 - 2 - "orders/0000000".len();
const KEPT: u64 = 512 * MIB;

pub(crate) fn run(place: &Place) {
    let options =
        Options { retention: Retention { bytes: KEPT, age: None, events: None, rules: Vec::new() }, ..options() };
    let names = topics(1_000);
    let mut opened = place.fresh(options);
    let make = |i: usize| event(&names[i * 7 % names.len()], BODY_BYTES, None);
    let events = |bytes: u64| usize::try_from(bytes).expect("it fits") / RECORD_BYTES;
    let start = written(place.dir());
    fill(&mut opened, events(2 * KEPT), GROUP, make);
    let filled = written(place.dir());
    let steady = events(KEPT);
    fill(&mut opened, steady, GROUP, make);
    let end = written(place.dir());
    let (records, bodies) = ((steady * RECORD_BYTES) as f64, (steady * BODY_BYTES) as f64);
    let bytes = (end - filled) as f64;
    println!(
        "{{\"figure\":\"amplification\",\"group\":{GROUP},\"record_bytes\":{RECORD_BYTES},\"of_records\":{:.3},\"of_bodies\":{:.3},\
         \"with_the_fill_of_records\":{:.3}}}",
        bytes / records,
        bytes / bodies,
        (filled - start) as f64 / (2.0 * KEPT as f64),
    );
}

/// Bytes that the device of a directory has been given to write, by anybody: run this on a machine that does nothing else. (What the
/// kernel counts for a process is whole folios of its page cache, of which it then writes the dirty blocks alone.)
fn written(dir: &Path) -> u64 {
    let device = std::fs::metadata(dir).expect("the directory is there").dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stat =
        std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).expect("a disk, with statistics");
    // Documentation/block/stat.rst: the seventh is sectors written, of 512 bytes.
    let sectors = stat.split_whitespace().nth(6).expect("seven numbers");
    512 * sectors.parse::<u64>().expect("a number")
}
