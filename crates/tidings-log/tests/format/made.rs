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

/// Makes it. Killed: the last batch is cut in its middle, and nothing is closed.
pub(crate) fn log(path: &Path, killed: bool) {
    let dir = Arc::new(DiskDir::open(path).unwrap());
    let Opened { log, mut writer, mut upkeep, .. } = open(dir, options()).unwrap();
    for (at, group) in groups().into_iter().enumerate() {
        let now = START + at as u64 * 1_000;
        while !matches!(upkeep.step(now), Step::Idle) {}
        assert!(writer.commit(now, &group).iter().all(Result::is_ok));
    }
    let now = START + 2_000_000;
    if killed {
        while !matches!(upkeep.step(now), Step::Idle) {}
        let last = vec![append(vec![
            Entry::Event(event(&["news"], "of a batch that was cut")),
            Entry::Event(event(&["news"], "and never acknowledged")),
        ])];
        let before = log.head();
        assert!(writer.commit(now, &last)[0].is_ok());
        drop((log, writer, upkeep));
        cut(path, b"and never acknowledged");
        assert_eq!(before, 1_000);
    } else {
        assert!(writer.close().is_ok());
    }
}

/// Overwrites the end of the log from these bytes on, as a crash that kept only some sectors does.
fn cut(path: &Path, from: &[u8]) {
    let segments = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut cut = 0;
    for segment in segments.filter(|path| path.extension().is_some_and(|kind| kind == "log")) {
        let mut bytes = fs::read(&segment).unwrap();
        if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
            bytes[at..].fill(0);
            fs::write(&segment, bytes).unwrap();
            cut += 1;
        }
    }
    assert_eq!(cut, 1, "one segment has it");
}
