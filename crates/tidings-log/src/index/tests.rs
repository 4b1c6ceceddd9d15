//! What is written is read, and no flipped bit passes.

use super::*;
use crate::header::Header;
use crate::memory::MemoryFile;
use crate::record::{Head, Kind};
use std::sync::Mutex;

const HEADER: Header = Header {
    number: 3,
    last_number: 3,
    epoch: [1; 8],
    secret: 0x0123_4567_89ab_cdef,
    base: 10,
    base_time: 100,
    batch: 5,
    previous_end: 0,
    end: 0,
};

/// An index of two topics with 1,500 events, some with keys, a drop and a damaged stretch.
fn built() -> IndexBuilder {
    let mut index = IndexBuilder::new(&HEADER);
    let lists = [index.add_list(), index.add_list()];
    let mut at = 8192;
    for seq in 11..1_511 {
        let key = (seq % 10 == 0).then_some(Key { id: [seq as u8; 16], body: [9; 16] });
        let of = if seq % 100 == 0 { &lists[..] } else { &lists[..1] };
        let head = Head { kind: Kind::Event, opens_batch: true, ends_append: true, seq, batch: seq, time: 100 + seq };
        index.push(at, &head, of, key, None);
        at += 64;
        if seq == 500 {
            index.damage(at, at + 64);
            at += 64;
        }
    }
    let head = Head { kind: Kind::Drop, opens_batch: true, ends_append: true, seq: 1_510, batch: 1_600, time: 2_000 };
    index.push(at, &head, &lists[1..], None, Some(1_400));
    index.finish(at + 64);
    index
}

fn encoded() -> Vec<u8> {
    let IndexBuilder { outline, lists, keys } = built();
    encode(&HEADER, &outline, &lists, &keys, ["first", "ü/second"].into_iter())
}

fn load(bytes: Vec<u8>, header: &Header) -> Option<Directory> {
    let file: Arc<dyn File> = Arc::new(MemoryFile(Mutex::new(bytes)));
    Directory::load(&file, header).unwrap()
}

/// All that is not read at open.
fn read_rest(directory: &Directory) -> Result<(Vec<Vec<u32>>, Vec<KeyRow>), Lost> {
    let mut postings = Postings::new(&directory.detail, HEADER.salt());
    let mut lists = Vec::new();
    for list in 0..2 {
        let mut cursor = postings.cursor(list);
        let places = (0..cursor.len()).map(|index| Ok((postings.get(&mut cursor, index)? / 8) as u32));
        lists.push(places.collect::<Result<_, Lost>>()?);
    }
    Ok((lists, directory.detail.keys(HEADER.salt())?))
}

#[test]
fn what_is_written_is_read() {
    let (built, directory) = (built(), load(encoded(), &HEADER).unwrap());
    assert_eq!(directory.outline, built.outline);
    assert_eq!((directory.outline.first_seq, directory.outline.last_seq, directory.outline.batch), (11, 1_510, 1_600));
    assert!(directory.outline.marks.len() >= 3);
    let stretch = directory.outline.damage[0];
    assert_eq!((stretch.before, stretch.through), (500, 500), "nothing can have been lost: the next number follows");
    let topics: Vec<_> = directory.topics().map(|topic| (topic.name, topic.count, topic.ends.dropped_to)).collect();
    assert_eq!(topics, [("first", 1_500, 0), ("ü/second", 15, 1_400)]);
    assert_eq!(read_rest(&directory).unwrap(), (built.lists.offsets, built.keys));
}

#[test]
fn every_flipped_bit_is_seen_or_changes_nothing() {
    let (bytes, directory) = (encoded(), load(encoded(), &HEADER).unwrap());
    let (lists, keys) = read_rest(&directory).unwrap();
    for at in (0..bytes.len()).filter(|at| *at < 400 || at % 7 == 0) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let Some(found) = load(flipped, &HEADER) else { continue };
        assert_eq!((&found.outline, &found.ends), (&directory.outline, &directory.ends), "byte {at}");
        if let Ok(rest) = read_rest(&found) {
            assert!(rest == (lists.clone(), keys.clone()), "byte {at}");
        }
    }
}

#[test]
fn an_index_of_something_else_is_none() {
    assert!(load(encoded(), &HEADER).is_some());
    for header in [
        Header { number: 4, ..HEADER },
        Header { last_number: 4, ..HEADER },
        Header { secret: 1, ..HEADER },
        Header { end: 9_000, ..HEADER },
    ] {
        assert!(load(encoded(), &header).is_none(), "{header:?}");
    }
    for len in [0, 1, 127, 128, 4_000, encoded().len() - 1] {
        assert!(load(encoded()[..len].to_vec(), &HEADER).is_none(), "{len} bytes");
    }
    assert!(load([encoded(), vec![0]].concat(), &HEADER).is_none());
}
