//! Everything that is read of a directory, as text: first by a survey, then by an open.

use crate::made;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tidings_log::{
    Depth, DiskDir, From, Log, Page, Query, Record, Recovery, SurveyedSegment, TOLD_ALL, open, survey, walk,
};

/// The time at which it is read: one event has expired, another has not.
const NOW: u64 = 1_800_000_000_000;

pub(crate) fn of(path: &Path) -> String {
    let mut out = String::new();
    let (quick, whole) = (surveyed(path, Depth::Indexes), surveyed(path, Depth::Everything));
    assert_eq!(quick, whole, "indexes say what the records say");
    out.push_str(&whole);
    let (walked, damaged) = walked(path);

    let opened = open(Arc::new(DiskDir::open(path).unwrap()), made::options()).unwrap();
    let Recovery { segments, events, torn, damage, .. } = &opened.found;
    let torn = torn.map(|torn| (torn.segment, torn.offset, torn.bytes, torn.first_seq));
    writeln!(out, "\nopened: {segments} segments, {events} events, torn {torn:?}, damage {damage:?}").unwrap();
    let log = opened.log;
    writeln!(out, "epoch {}, head {}", String::from_utf8_lossy(&log.epoch()), log.head()).unwrap();
    for key in log.keys(0, 10).unwrap() {
        writeln!(out, "key {:02x}.. of event {} at {}", key.key.id[0], key.seq, key.time).unwrap();
    }
    for topic in ["news", "gone", "filler", "all", "never/seen"] {
        let page = read(&log, &[topic], From::After { seq: 0, told: 0 });
        let last = page.records.last().map(|record| record.seq);
        writeln!(out, "{topic}: {} events, the newest {last:?}, gap {}", page.records.len(), page.gap).unwrap();
    }

    out.push_str("\nevents:\n");
    let all = read(&log, &[], From::After { seq: 0, told: TOLD_ALL });
    for record in &all.records {
        let Record { seq, time, topics, body, expires } = record;
        let topics = topics.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
        writeln!(out, "{seq} {time} [{topics}] {expires:?} {}", body.escape_ascii()).unwrap();
    }
    let numbers: Vec<u64> = all.records.iter().map(|record| record.seq).collect();
    assert_eq!(walked, numbers, "a walk gives what an open log does");
    assert_eq!(damaged, damage.len() as u64, "a walk meets each damaged stretch");
    out
}

fn surveyed(path: &Path, depth: Depth) -> String {
    let survey = survey(&DiskDir::open_to_read(path).unwrap(), depth, &mut |_| {}).unwrap();
    let mut out = String::new();
    for segment in &survey.segments {
        let SurveyedSegment { number, last_number, bytes, end, events, topics, seqs, times, index, damage, .. } =
            segment;
        writeln!(out, "segment {number}: {bytes} bytes, {end} used, index {index:?}, damage {damage:?}").unwrap();
        // Of a rewritten one an index knows only in how many batches it was written once.
        let of = match last_number == number {
            true => format!("in {} batches", segment.batches),
            false => format!("of segments {number} to {last_number}"),
        };
        writeln!(out, "  {events} events {seqs:?} {of}, {topics} topics, times {times:?}").unwrap();
    }
    let torn = survey.torn.map(|torn| (torn.segment, torn.offset, torn.bytes, torn.first_seq));
    writeln!(out, "spares {:?}, torn {torn:?}", survey.spares).unwrap();
    assert_eq!((survey.headless.len(), survey.strangers.len(), survey.leftovers.len()), (0, 0, 0));
    out
}

/// The numbers of the events that are live and have not expired; and how many damaged stretches lie between them.
fn walked(path: &Path) -> (Vec<u64>, u64) {
    let mut numbers = Vec::new();
    let walked = walk(&DiskDir::open_to_read(path).unwrap(), 0..u64::MAX, &mut |_, event| {
        if event.expires.is_none_or(|expires| expires > NOW) {
            numbers.push(event.seq);
        }
        ControlFlow::Continue(())
    });
    (numbers, walked.unwrap().damaged)
}

fn read(log: &Log, topics: &[&str], from: From) -> Page {
    let topics: Vec<Arc<str>> = topics.iter().map(|name| Arc::from(*name)).collect();
    let every = |_: &str| true;
    let pattern = topics.is_empty().then_some(&every as &(dyn Fn(&str) -> bool + Sync));
    let page = log.read(&Query {
        topics: &topics,
        pattern,
        accept: &|_| true,
        from,
        events_max: 1_000,
        bytes_max: 1 << 20,
        examined_max: 10_000,
        now: NOW,
    });
    let page = page.unwrap();
    assert!(!page.more, "all of it fits a page");
    page
}
