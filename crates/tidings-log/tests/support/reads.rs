//! Reads of every kind, paged to the end, each compared with the ledger.

use super::ledger::{Event, Ledger, Served};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidings_log::{From, Log, Page, Query, Record};

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) topics: Vec<Arc<str>>,
    /// Besides, all topics that begin so.
    pub(crate) pattern: Option<&'static str>,
    /// Only bodies of an even length.
    pub(crate) even: bool,
}

/// How much of it a page holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageSize {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    pub(crate) examined: usize,
}

impl Shape {
    pub(crate) fn everything() -> Self {
        Shape { pattern: Some(""), ..Shape::default() }
    }

    fn draw(rng: &mut fastrand::Rng, ledger: &Ledger) -> Self {
        let known: Vec<&Arc<str>> = ledger.topics.iter().collect();
        let mut topics: Vec<Arc<str>> = Vec::new();
        for _ in 0..rng.usize(1..4) {
            let topic = if known.is_empty() || rng.u8(..10) == 0 {
                Arc::from("never/heard/of")
            } else {
                Arc::clone(known[rng.usize(..known.len())])
            };
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        let pattern = (rng.u8(..4) == 0).then(|| ["", "kept/", "c/", "nobody/"][rng.usize(..4)]);
        if pattern.is_some() && rng.bool() {
            topics.clear();
        }
        Shape { topics, pattern, even: rng.u8(..5) == 0 }
    }

    fn wants(&self, topic: &str) -> bool {
        self.topics.iter().any(|wanted| **wanted == *topic)
            || self.pattern.is_some_and(|first| topic.starts_with(first))
    }

    /// Every topic that is wanted, as far as one is known.
    fn all_topics(&self, ledger: &Ledger) -> Vec<Arc<str>> {
        ledger.topics.iter().filter(|topic| self.wants(topic)).cloned().collect()
    }
}

impl PageSize {
    const AMPLE: PageSize = PageSize { events: 1000, bytes: 1 << 20, examined: 10_000 };

    fn draw(rng: &mut fastrand::Rng) -> Self {
        PageSize { events: rng.usize(1..200), bytes: rng.usize(1..60_000), examined: rng.usize(1..3000) }
    }
}

/// Reads everything there is, in order, by a pattern that matches all topics.
pub(crate) fn read_everything(log: &Log, ledger: &Ledger, now: u64) -> Vec<Record> {
    let shape = Shape::everything();
    let (records, _) = read(log, &shape, From::After { seq: 0, told: 0 }, PageSize::AMPLE, now);
    check(ledger, &shape, &records, now, &|_| true);
    records
}

/// Reads all of a topic. Answers the numbers of the events that are served.
pub(crate) fn read_topic(log: &Log, ledger: &Ledger, topic: &Arc<str>, now: u64) -> BTreeSet<u64> {
    let shape = Shape { topics: vec![topic.clone()], ..Shape::default() };
    let (records, _) = read(log, &shape, From::After { seq: 0, told: 0 }, PageSize::AMPLE, now);
    check(ledger, &shape, &records, now, &|_| true);
    records.iter().map(|record| record.seq).collect()
}

/// Reads in `times` ways drawn at random, and compares. Answers how many events came, and how many gaps.
pub(crate) fn check_reads(log: &Log, ledger: &Ledger, rng: &mut fastrand::Rng, now: u64, times: usize) -> (u64, u64) {
    let (mut events, mut gaps) = (0, 0);
    for _ in 0..times {
        let shape = Shape::draw(rng, ledger);
        let size = PageSize::draw(rng);
        let (came, gap) = match rng.u8(..6) {
            0 | 1 => check_after(log, ledger, &shape, size, rng.u64(..=ledger.head), now),
            2 => check_after(log, ledger, &shape, size, 0, now),
            3 => check_since(log, ledger, &shape, size, rng, now),
            4 => check_newest(log, ledger, &shape, size, rng.u32(1..40), now),
            _ => check_last_each(log, ledger, &shape, size, rng, now),
        };
        events += came as u64;
        gaps += u64::from(gap);
    }
    (events, gaps)
}

fn check_after(log: &Log, ledger: &Ledger, shape: &Shape, size: PageSize, seq: u64, now: u64) -> (usize, bool) {
    let (records, gap) = read(log, shape, From::After { seq, told: 0 }, size, now);
    check(ledger, shape, &records, now, &|event| event.seq > seq);
    let expect = ledger.gap(&shape.all_topics(ledger), seq, now);
    match expect {
        Served::Must => assert!(
            gap,
            "a gap after {seq} is not told: {shape:?}, {:?}",
            ledger.why_gap(&shape.all_topics(ledger), seq, now)
        ),
        // One too many is allowed where topics were forgotten, or a pattern may have matched one that was.
        Served::Never => assert!(!gap || shape.pattern.is_some(), "no event after {seq} is gone: {shape:?}"),
        Served::May => {}
    }
    (records.len(), gap)
}

fn check_since(
    log: &Log,
    ledger: &Ledger,
    shape: &Shape,
    size: PageSize,
    rng: &mut fastrand::Rng,
    now: u64,
) -> (usize, bool) {
    let (oldest, newest) = (ledger.events.first().map_or(0, |event| event.time), ledger.time + 2);
    let since = rng.u64(oldest.saturating_sub(2)..=newest);
    let (records, gap) = read(log, shape, From::Since(since), size, now);
    check(ledger, shape, &records, now, &|event| event.time >= since);
    (records.len(), gap)
}

fn check_newest(log: &Log, ledger: &Ledger, shape: &Shape, size: PageSize, n: u32, now: u64) -> (usize, bool) {
    let (records, gap) = read(log, shape, From::Newest(n), size, now);
    let n = n as usize;
    assert!(records.len() <= n, "{} came, {n} were asked for", records.len());
    let oldest = if records.len() == n { records[0].seq } else { 0 };
    check(ledger, shape, &records, now, &|event| event.seq >= oldest);
    (records.len(), gap)
}

fn check_last_each(
    log: &Log,
    ledger: &Ledger,
    shape: &Shape,
    size: PageSize,
    rng: &mut fastrand::Rng,
    now: u64,
) -> (usize, bool) {
    let after = if rng.bool() { 0 } else { rng.u64(..=ledger.head) };
    let shape = Shape { pattern: None, ..shape.clone() };
    if shape.topics.is_empty() {
        return (0, false);
    }
    let (records, gap) = read(log, &shape, From::LastEach { after }, size, now);
    let came: BTreeSet<u64> = records.iter().map(|record| record.seq).collect();
    let mut allowed = BTreeSet::new();
    for topic in &shape.topics {
        let wants = |name: &str| *name == **topic;
        for event in ledger.events.iter().rev().filter(|event| event.topics.contains(topic) && fits(&shape, event)) {
            let served = ledger.served(event, &wants, now);
            if event.seq > after && served == Served::Must {
                allowed.insert(event.seq);
                // That one, or a newer one that may be there.
                let newest: Vec<u64> = came.range(event.seq..).filter(|seq| allowed.contains(seq)).copied().collect();
                assert!(!newest.is_empty(), "#{} of {topic} is missing", event.seq);
            } else if event.seq > after && served == Served::May {
                allowed.insert(event.seq);
            }
            if served == Served::Must {
                break;
            }
        }
    }
    for record in &records {
        ledger.check(record);
        assert!(allowed.contains(&record.seq), "{record:?} is not the newest of any topic of {shape:?}");
    }
    (records.len(), gap)
}

fn fits(shape: &Shape, event: &Event) -> bool {
    !shape.even || event.body.len().is_multiple_of(2)
}

/// What came is what the ledger says, of the events `within`.
fn check(ledger: &Ledger, shape: &Shape, records: &[Record], now: u64, within: &dyn Fn(&Event) -> bool) {
    let wants = |topic: &str| shape.wants(topic);
    let mut came = records.iter().peekable();
    for event in ledger.events.iter().filter(|event| within(event) && fits(shape, event)) {
        let is_there = came.next_if(|record| record.seq == event.seq).is_some();
        match ledger.served(event, &wants, now) {
            Served::Must => assert!(is_there, "#{} of {:?} is missing: {shape:?}, now {now}", event.seq, event.topics),
            Served::Never => {
                let why = ledger.why_gap(&event.topics, 0, now);
                assert!(!is_there, "#{} of {:?} is served: {shape:?}, now {now}, {why:?}", event.seq, event.topics);
            }
            Served::May => {}
        }
    }
    assert!(came.next().is_none(), "{:?} should not be here: {shape:?}", came.next());
    for record in records {
        ledger.check(record);
    }
}

/// Reads page by page to the end. Answers everything, and whether a gap was told.
fn read(log: &Log, shape: &Shape, from: From, size: PageSize, now: u64) -> (Vec<Record>, bool) {
    let pattern = |topic: &str| shape.pattern.is_some_and(|first| topic.starts_with(first));
    let accept = |record: &Record| !shape.even || record.body.len().is_multiple_of(2);
    let mut query = Query {
        topics: &shape.topics,
        pattern: shape.pattern.is_some().then_some(&pattern),
        accept: &accept,
        from,
        events_max: size.events,
        bytes_max: size.bytes,
        examined_max: size.examined,
        now,
    };
    let mut records: Vec<Record> = Vec::new();
    let mut gap = false;
    loop {
        let page = log.read(&query).expect("the storage can be read");
        check_page(&page, &query, records.last().map_or(0, |record| record.seq));
        let (next, more) = (page.next, page.more);
        query.from = match query.from {
            From::LastEach { .. } => From::LastEach { after: next },
            From::After { seq, .. } => {
                assert!(!more || next > seq, "a page that stands still: {page:?}");
                From::After { seq: next, told: page.drops }
            }
            From::Since(_) | From::Newest(_) => From::After { seq: next, told: page.drops },
        };
        // Where there are patterns, a topic's limits are found when it is: then a later page tells.
        gap |= page.gap;
        records.extend(page.records);
        if !more {
            return (records, gap);
        }
    }
}

/// What holds of every page.
fn check_page(page: &Page, query: &Query<'_>, before: u64) {
    let bytes: usize = page.records.iter().map(|record| record.body.len()).sum();
    assert!(page.records.len() <= query.events_max, "{} events in a page", page.records.len());
    assert!(bytes <= query.bytes_max || page.records.len() == 1, "{bytes} bytes in a page of {}", query.bytes_max);
    assert!(page.records.is_sorted_by(|a, b| a.seq < b.seq), "in order, each once");
    if let Some((first, last)) = page.records.first().zip(page.records.last()) {
        assert!(first.seq > before, "{first:?} came before");
        assert!(page.start < first.seq && page.next >= last.seq && page.head >= last.seq, "{page:?}");
    }
    assert!(page.start <= page.next, "{page:?}");
}
