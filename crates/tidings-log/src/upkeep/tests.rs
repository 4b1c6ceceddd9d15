//! What retention keeps and what goes, seen through reads, and the same again after the log was opened anew.

use super::*;
use crate::entry::{Append, Draft};
use crate::memory::MemoryDir;
use crate::names::{self, REWRITE_TMP};
use crate::options::{Options, Retention, Rule};
use crate::query::{From, Page, Query};
use crate::recovery::{Opened, open};
use crate::storage::Dir;

const SEGMENT: u64 = 32 << 10;
/// Of an event's body: some 28 fill a segment.
const BODY: usize = 1_000;

fn rule(first: &'static str, age: Option<u64>, keep_last: Option<u32>) -> Rule {
    Rule { matches: Arc::new(move |name: &str| name.starts_with(first)), age, keep_last }
}

/// `last/` keeps two events of each topic, `long/` all of the last million milliseconds.
fn options(segments: u64, age: Option<u64>) -> Options {
    let rules = vec![rule("last/", None, Some(2)), rule("long/", Some(1_000_000), None)];
    Options {
        segment_bytes: SEGMENT,
        batch_bytes_max: 16 << 10,
        topics_max: 1_000,
        retention: Retention { bytes: segments * SEGMENT, age, events: None, rules },
        name: 1,
        secret: 2,
        hash_seed: 3,
        now: 0,
    }
}

struct World {
    dir: MemoryDir,
    options: Options,
    log: Opened,
    now: u64,
}

impl World {
    fn new(options: Options) -> Self {
        let dir = MemoryDir::default();
        World { log: open(Arc::new(dir.clone()), options.clone()).unwrap(), dir, options, now: 1_000 }
    }

    /// What a killed process left is opened.
    fn reopen(&mut self) {
        self.dir = self.dir.copied();
        self.log = open(Arc::new(self.dir.clone()), self.options.clone()).unwrap();
    }

    fn append(&mut self, topics: &[&str]) -> u64 {
        self.now += 1;
        let topics = topics.iter().map(|topic| Arc::from(*topic)).collect();
        let event = Entry::Event(Draft { topics, body: vec![b'x'; BODY], key: None, expires: None });
        self.commit(vec![event])
    }

    fn commit(&mut self, entries: Vec<Entry>) -> u64 {
        self.log.writer.commit(self.now, &[Append { at: None, entries }])[0].unwrap().first
    }

    fn fill(&mut self, segments: u64) {
        for _ in 0..segments * SEGMENT / BODY as u64 {
            self.append(&["plain"]);
            self.tidy();
        }
    }

    /// Steps until there is nothing to do. True: there was not space for all of it.
    fn tidy(&mut self) -> bool {
        for _ in 0..1_000 {
            match self.log.upkeep.step(self.now) {
                Step::Idle => return false,
                Step::NoSpace => return true,
                Step::Did(_) => {}
                Step::Drops(entries) => drop(self.commit(entries)),
            }
        }
        panic!("upkeep finds no end");
    }

    fn page(&self, topics: &[&str]) -> Page {
        let topics: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(*topic)).collect();
        let query = Query {
            topics: &topics,
            pattern: None,
            accept: &|_| true,
            from: From::After { seq: 0, told: 0 },
            events_max: 10_000,
            bytes_max: 100 << 20,
            examined_max: 10_000,
            now: self.now,
        };
        self.log.log.read(&query).unwrap()
    }

    fn numbers(&self, topics: &[&str]) -> Vec<u64> {
        self.page(topics).records.iter().map(|record| record.seq).collect()
    }

    /// What is read of a topic, and whether a gap is told, now and after the log was opened again.
    fn check(&mut self, topic: &str, expect: &[u64], gap: bool) {
        for again in [false, true] {
            if again {
                self.reopen();
            }
            let page = self.page(&[topic]);
            let numbers: Vec<u64> = page.records.iter().map(|record| record.seq).collect();
            assert_eq!((numbers.as_slice(), page.gap), (expect, gap), "{topic}, opened again: {again}");
            assert!(page.records.iter().all(|record| record.body == vec![b'x'; BODY]));
        }
    }

    fn segments(&self) -> Vec<String> {
        let mut names = self.dir.list().unwrap();
        names.retain(|name| name.ends_with(".log"));
        names.sort_unstable();
        names
    }
}

#[test]
fn what_its_rule_keeps_longer_outlives_its_segment() {
    let mut world = World::new(options(5, None));
    let mut last = Vec::new();
    for _ in 0..4 {
        last.push(world.append(&["last/a"]));
    }
    let both = world.append(&["plain", "last/b"]);
    world.append(&["other"]);
    world.fill(30);
    assert!(world.log.log.stats().rewritten > 20 && world.log.log.stats().removed == 0);
    // Small ones are taken along, so they do not grow in number; bytes stay bounded.
    assert!(world.segments().len() <= 6, "{:?}", world.segments());
    assert!(world.numbers(&["plain"])[0] > both, "it lives on in its other topic alone");
    world.check("last/a", &last[2..], true);
    world.check("last/b", &[both], false);
    world.check("other", &[], true);
    assert_eq!(world.log.found.rebuilt, [] as [u32; 0]);
    assert!(world.page(&["plain"]).gap);
}

#[test]
fn a_longer_age_outlives_a_shorter_one() {
    let mut world = World::new(options(1_000, Some(50)));
    let long = world.append(&["long/a"]);
    world.fill(6);
    world.now += 100;
    world.tidy();
    world.check("long/a", &[long], false);
    let kept = world.numbers(&["plain"]);
    // The segment that is written stays.
    assert!(kept.len() <= 40, "{} are kept", kept.len());
    world.now += 1_000_000;
    world.append(&["plain"]);
    world.tidy();
    world.check("long/a", &[], true);
    let segments = world.segments().len();
    world.now += 60_000;
    world.tidy();
    world.check("long/a", &[], true);
    assert!(world.segments().len() <= segments);
}

#[test]
fn what_outlives_the_others_and_is_too_large_by_itself_goes() {
    let mut world = World::new(options(6, Some(1_000)));
    let mut numbers = Vec::new();
    for _ in 0..20 * SEGMENT / BODY as u64 {
        numbers.push(world.append(&["long/a"]));
        world.tidy();
    }
    let page = world.page(&["long/a"]);
    // Indexes count too: of files this small they are a good part.
    assert!(page.gap && page.records.len() > 60 && page.records.len() < 190, "{}", page.records.len());
    let kept = world.numbers(&["long/a"]);
    assert_eq!(kept, numbers[numbers.len() - kept.len()..]);
    assert!(world.segments().len() <= 6);
}

#[test]
fn what_is_mostly_dropped_is_swept() {
    let mut world = World::new(options(1_000, None));
    let kept: Vec<u64> = (0..10)
        .map(|_| {
            world.fill(1);
            world.append(&["kept"])
        })
        .collect();
    let bytes = world.log.log.stats().bytes;
    world.commit(vec![Entry::Drop { topic: Some("plain".into()), to: None }]);
    world.now += 60_000;
    world.tidy();
    let stats = world.log.log.stats();
    assert!(stats.bytes * 4 < bytes && stats.rewritten > 5, "{bytes} bytes, then {stats:?}");
    world.check("kept", &kept, false);
    world.check("plain", &[], true);
    // What was the newest segment is rewritten after the others.
    let mut rewritten = [0; 2];
    for count in &mut rewritten {
        world.now += 60_000;
        world.tidy();
        *count = world.log.log.stats().rewritten;
    }
    assert_eq!(rewritten[0], rewritten[1], "once is enough");
}

#[test]
fn an_event_of_many_topics_is_not_swept_for_ever() {
    let mut world = World::new(options(1_000, None));
    let topics = ["kept", "a", "b", "c", "d", "e", "f", "g"];
    let kept: Vec<u64> = (0..100).map(|_| world.append(&topics)).collect();
    let drops = topics[1..].iter().map(|topic| Entry::Drop { topic: Some((*topic).into()), to: None });
    world.commit(drops.collect());
    world.now += 60_000;
    assert!(!world.tidy());
    world.check("kept", &kept, false);
    world.check("a", &[], true);
}

#[test]
fn without_space_nothing_is_rewritten_until_there_is() {
    let mut world = World::new(options(1_000, Some(50)));
    let long: Vec<u64> = (0..5).map(|_| world.append(&["long/a"])).collect();
    for _ in 0..200 {
        world.append(&["plain"]);
    }
    while !matches!(world.log.upkeep.step(world.now - 150), Step::Idle) {}
    world.now += 1_000;
    // Drops go to the segment that is written; the new file would need more than this.
    world.dir.set_room(Some(2_000));
    assert!(world.tidy());
    assert!(!world.dir.list().unwrap().contains(&REWRITE_TMP.to_owned()));
    assert_eq!(world.log.log.failed(), None);
    assert_eq!(world.numbers(&["long/a"]), long);
    world.dir.set_room(None);
    world.now += rewrite::RETRY_AFTER;
    assert!(!world.tidy());
    assert!(world.log.log.stats().rewritten > 0);
    world.check("long/a", &long, false);
}

#[test]
fn without_space_a_log_that_is_too_large_gives_up_its_oldest_segment() {
    let mut world = World::new(options(1_000, None));
    let last = world.append(&["last/a"]);
    world.fill(8);
    let dir = world.dir.copied();
    let mut small = World { log: open(Arc::new(dir.clone()), options(5, None)).unwrap(), dir, ..world };
    small.options = options(5, None);
    small.append(&["plain"]);
    // Not even the file's first chunk.
    small.dir.set_room(Some(0));
    small.tidy();
    assert!(small.log.log.stats().removed > 0 && small.log.log.failed().is_none());
    assert!(!small.numbers(&["last/a"]).contains(&last));
    small.dir.set_room(None);
    small.check("last/a", &[], true);
}

/// Everything that a process which was killed at this point of a rewrite can have left.
#[test]
fn a_rewrite_that_was_interrupted_is_finished_or_forgotten() {
    let mut world = World::new(options(5, None));
    let last = world.append(&["last/a"]);
    let mut before = world.dir.copied();
    while world.log.log.stats().rewritten < 6 {
        before = world.dir.copied();
        world.append(&["plain"]);
        while let Step::Drops(_) | Step::Did(_) = {
            let rewritten = world.log.log.stats().rewritten;
            if rewritten < 6 {
                before = world.dir.copied();
            }
            let step = world.log.upkeep.step(world.now);
            if let Step::Drops(entries) = step.clone() {
                world.commit(entries);
            }
            step
        } {}
    }
    let first = world.segments()[0].clone();
    let gone: Vec<String> =
        before.list().unwrap().into_iter().filter(|name| !world.dir.list().unwrap().contains(name)).collect();
    assert!(gone.iter().any(|name| name.ends_with(".log")), "two segments became one");
    let plain = world.numbers(&["plain"]);
    let bytes = |dir: &MemoryDir, name: &str| dir.file(name).0.lock().unwrap().clone();
    let put = |dir: &MemoryDir, name: &str, bytes: &[u8]| dir.create(name).unwrap().write_at(bytes, 0).unwrap();
    let number = match names::parse(&first) {
        names::Name::Segment(number) => number,
        other => panic!("{other:?}"),
    };
    let old_index =
        before.list().unwrap().contains(&names::index(number)).then(|| bytes(&before, &names::index(number)));
    let index = old_index.expect("what is rewritten again has an index");
    for case in 0..4 {
        let dir = world.dir.copied();
        // The merged ones are still there; so is the index of what was rewritten; or the new file has not got its name.
        if case % 2 == 0 {
            gone.iter().for_each(|name| put(&dir, name, &bytes(&before, name)));
        }
        if case >= 2 {
            put(&dir, &names::index(number), &index);
        }
        put(&dir, REWRITE_TMP, b"half a file");
        world.dir = dir;
        world.reopen();
        assert_eq!(world.numbers(&["plain"]), plain, "case {case}");
        assert_eq!(world.numbers(&["last/a"]), [last]);
        assert_eq!(world.log.found.damage, []);
        let names = world.dir.list().unwrap();
        assert!(!names.iter().any(|name| gone.contains(name) || name == REWRITE_TMP), "case {case}: {names:?}");
        assert_eq!(world.log.found.rebuilt.contains(&number), case >= 2, "an old index is not believed");
    }
}

#[test]
fn damage_is_still_told_when_its_segment_was_rewritten() {
    let mut world = World::new(options(1_000, None));
    let kept: Vec<u64> = (0..5).map(|_| world.append(&["kept"])).collect();
    world.fill(3);
    let file = world.dir.file(&world.segments()[0]);
    // In the third event's body.
    file.0.lock().unwrap()[8192 + 2 * 1048 + 500] ^= 1;
    world.commit(vec![Entry::Drop { topic: Some("plain".into()), to: None }]);
    world.now += 60_000;
    world.tidy();
    assert!(world.log.log.stats().rewritten > 0);
    world.check("kept", &[kept[0], kept[1], kept[3], kept[4]], true);
    assert_eq!(world.log.found.damage.len(), 1);
}

#[test]
fn a_file_that_somebody_has_linked_is_not_written_over() {
    let mut world = World::new(options(4, None));
    world.options.retention.rules.clear();
    world.log = open(Arc::new(world.dir.clone()), world.options.clone()).unwrap();
    world.fill(2);
    let first = world.segments()[0].clone();
    let before = world.dir.file(&first).0.lock().unwrap().clone();
    world.dir.link(&first, "kept by a snapshot");
    world.fill(6);
    assert!(world.log.log.stats().removed > 2);
    assert!(*world.dir.file("kept by a snapshot").0.lock().unwrap() == before);
}
