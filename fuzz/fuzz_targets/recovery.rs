//! Any bytes laid over the files of a log: it opens without a panic, serves nothing that was not appended, and everything of the
//! segments that were not touched, in every way of reading; it takes appends again, and the same holds when it is opened once more.
//!
//! Run it on stable Rust, from the repository's root, with the seeds beside the corpus it keeps:
//!
//! ```text
//! cargo +stable fuzz run recovery --sanitizer none -- -max_total_time=60 fuzz/seeds/recovery
//! ```
//!
//! An input is patches back to back: which file (a byte), where (two bytes, little-endian), how many bytes (one; 255: the file ends
//! here), and the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use tidings_log::{
    Append, Depth, Draft, Entry, From, Key, Log, OpenError, Opened, Options, Query, Record, Retention, Step, open,
    survey,
};
use tidings_testkit::storage::{Disk, Sector};

const TOPICS: [&str; 4] = ["a", "b", "c/d", "gone"];
/// Two blocks of header and as much again for records: a few dozen events fill it.
const SEGMENT_BYTES: u64 = 16 << 10;
const NOW: u64 = 1_700_000_000_000;
/// Says that a patch cuts its file.
const CUT: u8 = 255;

/// The log that is spoilt, made once.
struct Sound {
    files: Vec<(String, Vec<u8>)>,
    /// By number, those that are dropped included: where the drop itself is hit, they are there again.
    records: BTreeMap<u64, Record>,
    /// The file in which each event lies that is not dropped.
    homes: BTreeMap<u64, String>,
}

static SOUND: LazyLock<Sound> = LazyLock::new(Sound::make);

fuzz_target!(|input: &[u8]| {
    let sound = &*SOUND;
    let disk = Disk::new(1, Sector::B512);
    let touched = spoil(sound, input, &disk);
    let is_sound = |(_, home): &(&u64, &String)| !touched.contains(*home);
    let expect: Vec<u64> = sound.homes.iter().filter(is_sound).map(|(seq, _)| *seq).collect();
    survey(&*disk.dir(), Depth::Everything, &mut |_| {}).ok();
    let Some(mut opened) = opens(&disk, 2) else { return };
    check(sound, &opened.log, &expect);

    let head = opened.log.head();
    let append = event("b", b"behind it".to_vec(), None);
    let placed = opened.writer.commit(NOW + 1_000_000, &[append])[0].expect("the log takes appends");
    assert!(placed.first > head);
    upkeep(&mut opened);
    opened.writer.close().expect("the disk does not fail");
    disk.kill();
    let opened = opens(&disk, 3).expect("it was open before");
    assert!(opened.found.torn.is_none(), "torn after a clean close: {:?}", opened.found);
    assert_eq!(opened.log.head(), placed.first);
    check(sound, &opened.log, &expect);
});

fn opens(disk: &Disk, process: u64) -> Option<Opened> {
    match open(disk.dir(), options(process)) {
        Ok(opened) => Some(opened),
        // A header may say so.
        Err(OpenError::Newer { .. } | OpenError::NumbersUsedUp) => None,
        Err(error) => panic!("it does not open: {error}"),
    }
}

/// Lays the patches over the files. Says which segments are not what they were.
fn spoil(sound: &Sound, input: &[u8], disk: &Disk) -> BTreeSet<String> {
    let mut files: Vec<(String, Vec<u8>)> = sound.files.clone();
    let mut rest = input;
    while let Some(([file, low, high, len], behind)) = rest.split_first_chunk() {
        let file = usize::from(*file) % files.len();
        let (_, bytes) = &mut files[file];
        let at = usize::from(u16::from_le_bytes([*low, *high])).min(bytes.len());
        let given = behind.len().min(if *len == CUT { 0 } else { usize::from(*len) });
        if *len == CUT {
            bytes.truncate(at);
        } else {
            let fits = given.min(bytes.len() - at);
            bytes[at..at + fits].copy_from_slice(&behind[..fits]);
        }
        rest = &behind[given..];
    }
    let mut touched = BTreeSet::new();
    for ((name, bytes), (_, before)) in files.iter().zip(&sound.files) {
        disk.put(name, bytes);
        if bytes != before && name.ends_with(".log") {
            touched.insert(name.clone());
        }
    }
    touched
}

/// Nothing is served that was not appended, and all that is expected.
fn check(sound: &Sound, log: &Log, expect: &[u64]) {
    let everything = read(log, &[], true, From::After { seq: 0, told: 0 });
    let known = |record: &&Record| &record.body[..] != b"behind it";
    for record in everything.iter().filter(known) {
        assert_eq!(sound.records.get(&record.seq), Some(record), "served wrong");
    }
    let served: BTreeSet<u64> = everything.iter().map(|record| record.seq).collect();
    for seq in expect {
        assert!(served.contains(seq), "#{seq} of a segment that was not touched is lost");
    }
    for topic in TOPICS.map(Arc::<str>::from) {
        let of_topic = read(log, &[topic.clone()], false, From::After { seq: 0, told: 0 });
        let wanted: Vec<&Record> = everything.iter().filter(|record| record.topics.contains(&topic)).collect();
        assert_eq!(of_topic.iter().collect::<Vec<_>>(), wanted, "{topic} is read as it is scanned");
        let newest = read(log, &[topic], false, From::Newest(3));
        assert_eq!(newest.iter().collect::<Vec<_>>(), wanted[wanted.len().saturating_sub(3)..]);
    }
    let since = read(log, &[], true, From::Since(NOW + 20));
    assert!(since.iter().all(|record| record.time >= NOW + 20));
    log.keys(0, 1000).expect("the disk does not fail");
}

fn read(log: &Log, topics: &[Arc<str>], all: bool, from: From) -> Vec<Record> {
    let mut query = Query {
        topics,
        pattern: all.then_some(&|_| true),
        accept: &|_| true,
        from,
        events_max: 1000,
        bytes_max: 1 << 20,
        examined_max: 10_000,
        now: NOW,
    };
    let mut records = Vec::new();
    loop {
        let page = log.read(&query).expect("the disk does not fail");
        records.extend(page.records);
        if !page.more {
            return records;
        }
        query.from = From::After { seq: page.next, told: page.drops };
    }
}

impl Sound {
    fn make() -> Self {
        let disk = Disk::new(1, Sector::B512);
        let mut opened = open(disk.dir(), options(1)).expect("a new log opens");
        let mut records = Vec::new();
        for number in 1..=120_u64 {
            let topic = TOPICS[(number % 4) as usize];
            let key = number.is_multiple_of(3).then(|| Key { id: [number as u8; 16], body: [1; 16] });
            let mut append = event(topic, format!("<{number}>").into_bytes().repeat(1 + number as usize % 100), key);
            if number == 70 {
                records = read(&opened.log, &[], true, From::After { seq: 0, told: 0 });
                append.entries.push(Entry::Drop { topic: Some("gone".into()), to: None });
            }
            opened.writer.commit(NOW + number, &[append])[0].expect("it is taken");
            upkeep(&mut opened);
        }
        let kept = read(&opened.log, &[], true, From::After { seq: 0, told: 0 });
        assert!(kept.len() > 90 && kept.len() < 120, "some are dropped, not all: {}", kept.len());
        let bytes = |name: String| (disk.bytes(&name).expect("it was listed"), name);
        let files = disk.names().into_iter().filter(|name| name != "lock").map(bytes);
        let files: Vec<(String, Vec<u8>)> = files.map(|(bytes, name)| (name, bytes)).collect();
        assert!(files.iter().filter(|(name, _)| name.ends_with(".index")).count() >= 3, "some segments are sealed");
        let home = |record: &Record| {
            let body = &record.body[..];
            let is_home = |(_, bytes): &&(String, Vec<u8>)| bytes.windows(body.len()).any(|window| window == body);
            files.iter().find(is_home).expect("it is stored").0.clone()
        };
        let homes = kept.iter().map(|record| (record.seq, home(record))).collect();
        let records = records.into_iter().chain(kept).map(|record| (record.seq, record)).collect();
        Sound { files, records, homes }
    }
}

fn event(topic: &str, body: Vec<u8>, key: Option<Key>) -> Append {
    let draft = Draft { topics: vec![topic.into()], body, key, expires: None };
    Append { at: None, entries: vec![Entry::Event(draft)] }
}

fn upkeep(opened: &mut Opened) {
    loop {
        match opened.upkeep.step(NOW) {
            Step::Idle => return,
            Step::Did(_) => {}
            Step::Drops(entries) => drop(opened.writer.commit(NOW, &[Append { at: None, entries }])),
            Step::NoSpace => panic!("there is space"),
        }
    }
}

/// Those of a process of the log's life. Each draws a name and a secret of its own, for the log that it may have to begin: where all headers
/// are lost nobody knows the log's any more, and what is left of it must not come back under another's.
fn options(process: u64) -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES,
        batch_bytes_max: SEGMENT_BYTES as usize / 2,
        topics_max: 100,
        retention: Retention { bytes: u64::MAX, age: None, events: None, rules: Vec::new() },
        name: 6 * process,
        secret: 7 * process,
        hash_seed: 42,
        now: NOW,
    }
}
