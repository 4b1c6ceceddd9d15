//! The spare: made, recycled, and given up where somebody else has the file or there is no space.

use super::*;
use crate::memory::MemoryDir;
use crate::options::{Options, Retention};
use crate::state::State;

const LEN: u64 = 16 << 10;

fn shared(dir: &MemoryDir) -> Arc<Shared> {
    let retention = Retention { bytes: u64::MAX, age: None, events: None, rules: Vec::new() };
    let (segment_bytes, batch_bytes_max, topics_max) = (LEN, 4 << 10, 10);
    let options =
        Options { segment_bytes, batch_bytes_max, topics_max, retention, name: 1, secret: 2, hash_seed: 3, now: 0 };
    let state = State::new(*b"abcdefgh", &options);
    Arc::new(Shared::new(Arc::new(dir.clone()), options, state, Spares::new(7, None), Box::new(())))
}

#[test]
fn there_is_one_and_its_number_is_new() {
    let dir = MemoryDir::default();
    let shared = shared(&dir);
    assert_eq!(shared.spares.fill(&shared).unwrap(), Made::Spare);
    assert_eq!(shared.spares.fill(&shared).unwrap(), Made::Nothing);
    let spare = shared.spares.take(&shared).unwrap().unwrap();
    assert_eq!((spare.number, spare.file.len().unwrap()), (7, LEN));
    // Until it is begun there is no other.
    assert_eq!(shared.spares.fill(&shared).unwrap(), Made::Nothing);
    shared.spares.begun();
    assert_eq!(shared.spares.take(&shared).unwrap().unwrap().number, 8);
    assert_eq!(dir.list().unwrap(), [names::segment(7), names::segment(8)]);
}

#[test]
fn without_space_there_is_none_and_nothing_is_left_of_it() {
    let dir = MemoryDir::default();
    let shared = shared(&dir);
    dir.set_room(Some(LEN - 1));
    assert!(shared.spares.take(&shared).unwrap().is_none());
    assert!(shared.spares.is_without_space() && dir.list().unwrap().is_empty());
    assert_eq!(shared.failure(), None);
    dir.set_room(None);
    assert_eq!(shared.spares.fill(&shared).unwrap(), Made::Spare);
}

/// Recycles a file of this length; which spare there is then, and whether the file is the same.
fn check(len: u64, held: bool, linked: bool, expect: (Made, bool)) {
    let dir = MemoryDir::default();
    let shared = shared(&dir);
    let name = names::segment(3);
    let file = dir.create(&name).unwrap();
    file.write_at(&vec![1; len as usize], 0).unwrap();
    if linked {
        dir.link(&name, "linked");
    }
    let stored = dir.file(&name);
    let segment = segment(file);
    let reader = held.then(|| Arc::clone(&segment));
    let made = shared.spares.recycle(&shared, segment).unwrap();
    assert!(!dir.list().unwrap().contains(&name), "the segment is gone in any case");
    let same = made == Made::Spare && Arc::ptr_eq(&dir.file(&names::segment(7)), &stored);
    assert_eq!((made, same), expect, "{len} bytes, held: {held}, linked: {linked}");
    if made == Made::Spare {
        assert_eq!(shared.spares.take(&shared).unwrap().unwrap().file.len().unwrap(), LEN);
    }
    drop(reader);
    assert!(!linked || stored.len().unwrap() == len, "who linked it has what it was");
}

fn segment(file: Arc<dyn File>) -> Arc<Segment> {
    let header = crate::header::Header { number: 3, last_number: 3, ..Default::default() };
    let index = crate::index::IndexBuilder::new(&header);
    let detail = crate::index::Detail::Memory { lists: index.lists, keys: index.keys };
    Arc::new(Segment { header, file, salt: header.salt(), outline: index.outline, topics: Vec::new(), detail })
}

#[test]
fn a_segment_that_nobody_needs_is_the_next_spare() {
    check(LEN, false, false, (Made::Spare, true));
    check(LEN + 8, false, false, (Made::Spare, true));
    check(LEN - 8, false, false, (Made::Nothing, false));
    check(LEN, true, false, (Made::Nothing, false));
    check(LEN, false, true, (Made::Nothing, false));
}

#[test]
fn a_segment_that_is_linked_while_it_is_recycled_is_not_written_over() {
    let dir = MemoryDir::default();
    let file = dir.create("a").unwrap();
    file.write_at(&vec![1; LEN as usize], 0).unwrap();
    // The link came behind the first look.
    dir.link("a", "linked");
    let spare = recycle(&dir, "a", Arc::clone(&file), 9, LEN).unwrap().unwrap();
    assert!(spare.file.names().unwrap() == 1 && !Arc::ptr_eq(&dir.file("linked"), &dir.file(&names::segment(9))));
    assert!(dir.file("linked").0.lock().unwrap().iter().all(|byte| *byte == 1));
}
