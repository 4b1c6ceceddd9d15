//! A small log with everything in it that the format has.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use tidings_log::{Append, DiskDir, Draft, Entry, Key, Opened, Options, Retention, Step, open};

/// The time of the first event: 2025-05-20T04:21:01Z.
const START: u64 = 1_747_714_861_000;
/// 2100: nobody who runs the tests will see it expire.
const FAR: u64 = 4_102_444_800_000;

pub(crate) fn options() -> Options {
    Options {
        // Room for a dozen records or so, so that a small log has several segments.
        segment_bytes: 12 * 1024,
        batch_bytes_max: 2 * 1024,
        topics_max: 100,
        retention: Retention { bytes: 1 << 30, age: None, events: None, rules: Vec::new() },
        name: 0x1819_021c_1c14_0708,
        secret: 0xf33c_f0be_9d2e_b6c0,
        hash_seed: 1,
        now: START,
    }
}

/// An event's body as the server writes it: text.
fn body(text: &str) -> Vec<u8> {
    let mut body = vec![3, u8::try_from(text.len()).unwrap()];
    body.extend_from_slice(text.as_bytes());
    body
}

fn event(topics: &[&str], text: &str) -> Draft {
    let topics = topics.iter().map(|name| Arc::from(*name)).collect();
    Draft { topics, body: body(text), key: None, expires: None }
}

fn append(entries: Vec<Entry>) -> Append {
    Append { at: None, entries }
}

/// The groups, one batch each. Those in the middle fill segments.
fn groups() -> Vec<Vec<Append>> {
    let key = Key { id: [7; 16], body: [8; 16] };
    let drop = |topic: Option<&str>, to| Entry::Drop { topic: topic.map(Arc::from), to };
    let mut groups = vec![
        vec![append(vec![Entry::Event(event(&["news"], "first"))])],
        vec![
            append(vec![Entry::Event(Draft { key: Some(key), ..event(&["orders/1"], "with a key") })]),
            append(vec![
                Entry::Event(event(&["orders/2", "all", "Grüße/日本"], "of three topics")),
                Entry::Event(event(&["all"], "")),
            ]),
        ],
        vec![append(vec![
            Entry::Event(Draft { expires: Some(START + 1), ..event(&["news"], "expired long ago") }),
            Entry::Event(Draft { expires: Some(FAR), ..event(&["news"], "expires one day") }),
        ])],
        vec![append(vec![
            Entry::Event(event(&["gone"], "dropped")),
            Entry::Event(event(&["gone", "all"], "half dropped")),
        ])],
    ];
    for filler in 0..16 {
        let text = format!("{filler} ").repeat(60);
        groups.push(vec![append(vec![Entry::Event(event(&["filler", "all"], &text[..120]))]); 3]);
    }
    groups.push(vec![append(vec![drop(Some("gone"), None), drop(Some("filler"), Some(20)), drop(None, Some(1))])]);
    groups.push(vec![append(vec![Entry::Event(event(&["news"], "after the drops"))])]);
    groups.push(vec![Append {
        at: Some(tidings_log::At { seq: 1_000, time: START + 1_000_000 }),
        entries: vec![Entry::Event(event(&["news"], "a number of its own"))],
    }]);
    groups
}

/// Makes it, and closes it.
pub(crate) fn closed(path: &Path) {
    assert!(filled(path, groups()).writer.close().is_ok());
}

/// Makes it; then the last batch is cut in its middle, and nothing is closed.
pub(crate) fn killed(path: &Path) {
    let mut opened = filled(path, groups());
    let last = vec![append(vec![
        Entry::Event(event(&["news"], "of a batch that was cut")),
        Entry::Event(event(&["news"], "and never acknowledged")),
    ])];
    assert_eq!(opened.log.head(), 1_000);
    commit(&mut opened, START + 2_000_000, &last);
    drop(opened);
    // As a crash does that kept only some sectors.
    overwrite(path, b"and never acknowledged", |behind| behind.fill(0));
}

/// Makes another one, of which most is dropped, so that its first segments are rewritten as one. A bit of them was flipped before.
pub(crate) fn rewritten(path: &Path) {
    let mut groups: Vec<_> = (0..30).map(sparse).collect();
    let (behind, key) = (groups.split_off(24), Key { id: [7; 16], body: [8; 16] });
    let kept = vec![
        Entry::Event(Draft { key: Some(key), ..event(&["news"], "with a key") }),
        Entry::Event(Draft { expires: Some(FAR), ..event(&["news", "all"], "expires one day") }),
        Entry::Event(event(&["gone", "news"], "dropped in one of its topics")),
    ];
    groups.insert(3, vec![append(kept)]);
    let mut opened = filled(path, groups);
    overwrite(path, b"2 2 2 2 2 ", |behind| behind[0] ^= 1);
    let (now, all) = (START + 1_000_000, opened.log.head());
    for topic in ["filler", "gone"] {
        let drop = Entry::Drop { topic: Some(topic.into()), to: Some(all) };
        commit(&mut opened, now, &[append(vec![drop])]);
    }
    for group in behind {
        commit(&mut opened, now, &group);
    }
    assert!(opened.writer.close().is_ok());
}

/// A group of which little is left when `filler` is dropped.
fn sparse(number: u64) -> Vec<Append> {
    let text = format!("{number} ").repeat(60);
    let mut entries = vec![Entry::Event(event(&["filler"], &text[..120])); 3];
    if number.is_multiple_of(4) {
        entries.push(Entry::Event(event(&["news"], &format!("kept {number}"))));
    }
    vec![append(entries)]
}

/// Opens a new log, and commits the groups, a second apart.
fn filled(path: &Path, groups: Vec<Vec<Append>>) -> Opened {
    let dir = Arc::new(DiskDir::open(path).unwrap());
    let mut opened = open(dir, options()).unwrap();
    for (at, group) in groups.into_iter().enumerate() {
        commit(&mut opened, START + at as u64 * 1_000, &group);
    }
    opened
}

/// Upkeep does what there is to do, and what it asks for is committed; then the group is.
fn commit(opened: &mut Opened, now: u64, group: &[Append]) {
    let mut commit = |group: &[Append]| assert!(opened.writer.commit(now, group).iter().all(Result::is_ok));
    loop {
        match opened.upkeep.step(now) {
            Step::Idle => break,
            Step::Drops(entries) => commit(&[append(entries)]),
            Step::Did(_) => {}
            Step::NoSpace => panic!("there is space"),
        }
    }
    commit(group);
}

/// Changes the only segment that has these bytes, from them on.
fn overwrite(path: &Path, from: &[u8], change: impl Fn(&mut [u8])) {
    let segments = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut changed = 0;
    for segment in segments.filter(|path| path.extension().is_some_and(|kind| kind == "log")) {
        let mut bytes = fs::read(&segment).unwrap();
        if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
            change(&mut bytes[at..]);
            fs::write(&segment, bytes).unwrap();
            changed += 1;
        }
    }
    assert_eq!(changed, 1, "one segment has it");
}
