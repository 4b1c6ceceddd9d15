//! Directories made by hand, record by record, so that it is known what stands where; then looked at.

use super::*;
use crate::header::{self, RECORDS_AT};
use crate::index::{self, Detail};
use crate::memory::MemoryDir;
use crate::record::{Fields, Head, Kind};
use std::ops::ControlFlow;

/// A directory in the making.
#[derive(Debug)]
struct Made {
    dir: MemoryDir,
    bytes: Vec<u8>,
    header: Header,
    seq: u64,
    batch: u64,
}

impl Made {
    fn new() -> Self {
        let header = Header {
            number: 0,
            last_number: 0,
            epoch: *b"abcdefgh",
            secret: 0x1234_5678_9abc_def0,
            base: 0,
            base_time: 0,
            batch: 0,
            previous_end: 0,
            end: 0,
        };
        Made { dir: MemoryDir::default(), bytes: Vec::new(), header, seq: 0, batch: 0 }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        self.dir.create(name).unwrap().write_at(bytes, 0).unwrap();
    }

    /// Ends the segment that is written, if one is, with room to spare behind it; and begins the next.
    fn segment(&mut self) {
        let previous_end = self.flush();
        let number = self.header.number + 1;
        let base_time = self.seq * 10;
        let Made { seq: base, batch, .. } = *self;
        self.header = Header { number, last_number: number, base, base_time, batch, previous_end, ..self.header };
        self.bytes.clear();
        self.header.encode(&mut self.bytes);
    }

    fn flush(&mut self) -> u64 {
        let end = self.bytes.len() as u64;
        if end > 0 {
            let mut file = self.bytes.clone();
            file.resize(file.len() + 256, 0);
            self.put(&names::segment(self.header.number), &file);
        }
        end
    }

    /// A batch: an append for each of these, an event of its topics or, behind a `-`, a drop.
    fn batch(&mut self, appends: &[&str]) {
        self.batch += 1;
        for (at, append) in appends.iter().enumerate() {
            let (kind, topics) = match append.strip_prefix('-') {
                Some(topic) => (Kind::Drop, vec![topic]),
                None => (Kind::Event, append.split(' ').collect()),
            };
            self.seq += u64::from(kind == Kind::Event);
            let (seq, batch) = (self.seq, self.batch);
            let head = Head { kind, opens_batch: at == 0, ends_append: true, seq, batch, time: seq * 10 };
            let to = seq.to_le_bytes();
            let body = if kind == Kind::Drop { &to[..] } else { b"body" };
            let expires = (seq % 2 == 0).then_some(1_000);
            Fields { head, topics: &topics, key: None, expires, body }.encode(self.header.salt(), &mut self.bytes);
        }
    }

    /// Three segments: events 1 to 4; 5 and 6, and a drop of `b` up to there; 7 and 8 in a batch each. And the spare.
    fn three() -> Self {
        let mut made = Made::new();
        made.segment();
        made.batch(&["a", "b"]);
        made.batch(&["a b", "c"]);
        made.segment();
        made.batch(&["b", "b c"]);
        made.batch(&["-b"]);
        made.segment();
        made.batch(&["b"]);
        made.batch(&["a"]);
        made.flush();
        made.put(&names::segment(4), &[0; 512]);
        made.put("lock", b"1");
        made
    }

    /// The same, closed: every segment has an index.
    fn closed() -> Self {
        let made = Self::three();
        for segment in made.survey(Depth::Indexes).segments {
            let file = made.dir.open(&names::segment(segment.number)).unwrap();
            let mut bytes = vec![0; RECORDS_AT as usize];
            file.read_at(&mut bytes, 0).unwrap();
            let header::Found::Header { header, .. } = Header::decode(&bytes) else { panic!("it has a header") };
            let directory = index::rebuild(&*file, &header, segment.end, 1 << 20, 1).unwrap();
            let Detail::Memory { lists, keys } = &directory.detail else { panic!("it was just built") };
            let topics = directory.topics().map(|entry| entry.name);
            made.put(&names::index(segment.number), &index::encode(&header, &directory.outline, lists, keys, topics));
        }
        made
    }

    fn survey(&self, depth: Depth) -> Survey {
        let mut told = Progress::default();
        let survey = survey(&self.dir, depth, &mut |progress| told = progress).unwrap();
        assert_eq!(told.done, told.total, "the end is told");
        survey
    }

    fn walk(&self) -> (Vec<(u64, String)>, Walked) {
        let mut events = Vec::new();
        let walked = walk(&self.dir, 0..u64::MAX, &mut |epoch, event| {
            assert_eq!(&epoch, b"abcdefgh");
            assert_eq!((event.body, event.time), (&b"body"[..], event.seq * 10));
            assert_eq!(event.expires, (event.seq % 2 == 0).then_some(1_000));
            events.push((event.seq, event.topics.join(" ")));
            ControlFlow::Continue(())
        });
        (events, walked.unwrap())
    }

    fn flip(&self, name: &str, at: usize) {
        self.dir.file(name).0.lock().unwrap()[at] ^= 0x40;
    }

    fn cut(&self, name: &str, len: usize) {
        self.dir.file(name).0.lock().unwrap().truncate(len);
    }
}

/// Bytes of the last record of each segment: it has one short topic, a time to expire at, and the body.
const LAST: u64 = 56;

fn places(survey: &Survey) -> usize {
    let damaged = |segment: &SurveyedSegment| {
        segment.damage.len() + usize::from(segment.copies < 2) + usize::from(segment.index == IndexState::Damaged)
    };
    survey.headless.len() + survey.segments.iter().map(damaged).sum::<usize>()
}

#[test]
fn what_a_directory_holds() {
    let made = Made::three();
    made.put("spare.tmp", b"");
    made.put("notes.txt", b"");
    let survey = made.survey(Depth::Everything);
    assert_eq!(survey.epoch, Some(*b"abcdefgh"));
    assert_eq!(survey.spares, [(4, 512)]);
    assert_eq!((survey.leftovers, survey.strangers), (vec!["spare.tmp".to_owned()], vec!["notes.txt".to_owned()]));
    assert_eq!((survey.torn, survey.headless.len()), (None, 0));
    let told: Vec<_> =
        survey.segments.iter().map(|s| (s.number, s.events, s.batches, s.topics, s.seqs, s.times, s.index)).collect();
    assert_eq!(
        told,
        [
            (1, 4, 2, 3, Some((1, 4)), (10, 40), IndexState::Missing),
            (2, 2, 2, 2, Some((5, 6)), (50, 60), IndexState::Missing),
            (3, 2, 2, 2, Some((7, 8)), (70, 80), IndexState::Active),
        ]
    );
    assert!(survey.segments.iter().all(|s| s.end + 256 == s.bytes && s.damage.is_empty() && s.copies == 2));
}

#[test]
fn an_empty_directory_is_no_error() {
    let made = Made::new();
    assert_eq!(made.survey(Depth::Everything), Survey::default());
    assert_eq!(made.walk().1, Walked::default());
}

#[test]
fn every_flipped_byte_is_found() {
    for number in 1..=3 {
        let name = names::segment(number);
        let whole = Made::three().survey(Depth::Everything).segments[number as usize - 1].clone();
        // The headers' own bytes, and every byte of a record.
        for at in (0..84).chain(4096..4180).chain(RECORDS_AT as usize..whole.end as usize) {
            let made = Made::three();
            made.flip(&name, at);
            let survey = made.survey(Depth::Everything);
            let found = places(&survey) + usize::from(survey.torn.is_some());
            // The last batch of the newest segment may never have been written, as far as its bytes say.
            let newest_batch = number == 3 && at as u64 >= whole.end - LAST;
            let shorter = newest_batch && survey.segments[2].end < whole.end;
            assert!(found == 1 || shorter, "byte {at} of segment {number}: {survey:?}");
            assert_eq!(survey.torn.is_some() || shorter, newest_batch, "byte {at} of segment {number}: {survey:?}");
        }
    }
}

#[test]
fn an_index_says_the_same_as_the_records() {
    let closed = Made::closed();
    let (by_index, by_records) = (closed.survey(Depth::Indexes), closed.survey(Depth::Everything));
    assert_eq!(by_index, by_records);
    assert!(by_index.segments.iter().all(|segment| segment.index == IndexState::Good));
    let mut open = Made::three().survey(Depth::Everything);
    open.segments.iter_mut().for_each(|segment| segment.index = IndexState::Good);
    assert_eq!(by_index, open);
    assert_eq!(closed.walk(), Made::three().walk());
}

#[test]
fn every_flipped_byte_of_an_index_is_found() {
    let name = names::index(1);
    let len = Made::closed().dir.file(&name).0.lock().unwrap().len();
    let whole = Made::closed();
    let mut unseen = 0;
    for at in 0..len {
        let made = Made::closed();
        made.flip(&name, at);
        let survey = made.survey(Depth::Everything);
        let damaged = survey.segments[0].index == IndexState::Damaged;
        assert_eq!(places(&survey), usize::from(damaged), "byte {at}: {survey:?}");
        unseen += usize::from(!damaged);
        assert_eq!(made.walk(), whole.walk(), "byte {at}: what the index says is not believed");
    }
    // Between the sections and the lists of places, up to the next page, stands nothing.
    assert!(unseen < 4096, "{unseen} bytes that nobody looks at");
    for (at, flip) in [(3, 1), (3, 2)] {
        let made = Made::closed();
        let other = made.dir.file(&names::index(flip)).0.lock().unwrap().clone();
        made.put(&names::index(at), &other);
        assert_eq!(made.survey(Depth::Everything).segments[2].index, IndexState::Damaged, "of another segment");
    }
}

#[test]
fn nothing_is_torn_where_an_index_says_the_end() {
    let made = Made::closed();
    let end = made.survey(Depth::Indexes).segments[2].end;
    made.flip(&names::segment(3), end as usize - 1);
    let survey = made.survey(Depth::Everything);
    assert_eq!((survey.torn, survey.segments[2].damage.len()), (None, 1));
    assert_eq!(survey.segments[2].index, IndexState::Good, "the index is right, the segment is not");
    assert_eq!(made.survey(Depth::Indexes).segments[2].damage.len(), 0, "nobody has read it");
}

#[test]
fn damage_is_told_with_its_place() {
    let made = Made::three();
    let whole = made.survey(Depth::Everything);
    let (from, to) = (whole.segments[0].end - LAST, whole.segments[0].end);
    made.flip(&names::segment(1), to as usize - 1);
    made.flip(&names::segment(2), RECORDS_AT as usize);
    let survey = made.survey(Depth::Everything);
    assert_eq!(survey.segments[0].damage, [Stretch { from, to, after: 3, before: None }]);
    let [Stretch { from: RECORDS_AT, to, after: 4, before: Some(6) }] = survey.segments[1].damage[..] else {
        panic!("{survey:?}");
    };
    assert!(to > RECORDS_AT && to < survey.segments[1].end);
    assert_eq!((survey.segments[0].events, survey.segments[1].events), (3, 1));
    let (events, walked) = made.walk();
    assert_eq!(events.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 3, 6, 7, 8]);
    assert_eq!(walked.damaged, 2);
}

#[test]
fn a_lost_header_costs_nothing_where_the_records_are_there() {
    for made in [Made::three(), Made::closed()] {
        let (whole, walked) = (made.survey(Depth::Everything), made.walk());
        made.flip(&names::segment(2), 0);
        made.flip(&names::segment(2), 4096);
        for depth in [Depth::Indexes, Depth::Everything] {
            let mut survey = made.survey(depth);
            assert_eq!((survey.segments[1].copies, places(&survey)), (0, 1));
            survey.segments[1].copies = 2;
            assert_eq!(survey, whole);
        }
        assert_eq!(made.walk(), walked);
    }
}

#[test]
fn without_header_and_records_it_is_a_lost_segment_and_no_spare() {
    let made = Made::three();
    for at in [0, 4096, RECORDS_AT as usize] {
        made.flip(&names::segment(2), at);
    }
    let survey = made.survey(Depth::Everything);
    assert_eq!((&survey.headless, &survey.spares), (&vec![2], &vec![(4, 512)]));
    assert_eq!((survey.segments.len(), places(&survey)), (2, 1), "the end of the first is another one's");
    assert_eq!(made.walk().1.damaged, 1);
}

#[test]
fn segments_of_another_log_are_left_aside() {
    let made = Made::three();
    let mut other = Header { epoch: *b"another1", ..made.header };
    other.number = 2;
    let mut bytes = Vec::new();
    other.encode(&mut bytes);
    made.dir.file(&names::segment(2)).0.lock().unwrap()[..bytes.len()].copy_from_slice(&bytes);
    let survey = made.survey(Depth::Everything);
    assert_eq!((survey.strangers, survey.segments.len()), (vec![names::segment(2)], 2));
}

#[test]
fn a_torn_tail_is_what_recovery_would_cut() {
    let made = Made::three();
    let whole = made.survey(Depth::Everything).segments[2].clone();
    made.flip(&names::segment(3), whole.end as usize - 1);
    let survey = made.survey(Depth::Everything);
    let torn = survey.torn.unwrap();
    assert_eq!((torn.segment, torn.offset, torn.first_seq), (3, survey.segments[2].end, 8));
    assert_eq!(torn.offset + torn.bytes, whole.end);
    assert_eq!((survey.segments[2].damage.len(), survey.segments[2].events), (0, 1));
    assert_eq!(made.walk().0.last().unwrap().0, 7);
}

#[test]
fn a_file_that_was_cut_short_is_damaged() {
    let made = Made::three();
    let end = made.survey(Depth::Everything).segments[0].end;
    made.cut(&names::segment(1), end as usize - 8);
    let survey = made.survey(Depth::Everything);
    assert_eq!((places(&survey), survey.segments[0].end), (1, end), "{survey:?}");
    // Between two records nothing that is there looks damaged.
    made.cut(&names::segment(1), (end - LAST) as usize);
    let survey = made.survey(Depth::Everything);
    assert_eq!(survey.segments[0].damage, [Stretch { from: end - LAST, to: end, after: 3, before: None }]);
}

#[test]
fn a_file_that_was_cut_is_not_taken_for_what_its_index_says() {
    let made = Made::closed();
    let end = made.survey(Depth::Indexes).segments[0].end;
    made.cut(&names::segment(1), (end - LAST) as usize);
    assert_eq!(made.survey(Depth::Indexes), made.survey(Depth::Everything));
    assert_eq!(places(&made.survey(Depth::Indexes)), 1);
    assert_eq!(made.walk().1.damaged, 1);
}

#[test]
fn a_walk_honours_drops() {
    let (events, walked) = Made::three().walk();
    let told: Vec<_> = events.iter().map(|(seq, topics)| (*seq, topics.as_str())).collect();
    // `b` is dropped up to 6, also where an event has another topic.
    assert_eq!(told, [(1, "a"), (3, "a"), (4, "c"), (6, "c"), (7, "b"), (8, "a")]);
    assert_eq!(walked, Walked { damaged: 0, dropped: 2 });
}

#[test]
fn a_walk_within_times() {
    let made = Made::three();
    let check = |times: std::ops::Range<u64>, expect: &[u64]| {
        let mut seen = Vec::new();
        walk(&made.dir, times.clone(), &mut |_, event| {
            seen.push(event.seq);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, expect, "{times:?}");
    };
    check(30..70, &[3, 4, 6]);
    check(41..71, &[6, 7]);
    check(0..10, &[]);
    check(81..1_000, &[]);
}

#[test]
fn a_walk_ends_when_it_is_told_to() {
    let made = Made::three();
    let mut seen = 0;
    let walked = walk(&made.dir, 0..u64::MAX, &mut |_, _| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((seen, walked.unwrap().damaged), (3, 0));
}

#[test]
fn a_newer_format_is_refused() {
    let made = Made::three();
    let file = made.dir.file(&names::segment(2));
    for copy in [0, 4096] {
        let mut bytes = file.0.lock().unwrap();
        bytes[copy + 8] = 9;
        let crc = crc32c::crc32c(&bytes[copy..copy + 80]);
        bytes[copy + 80..copy + 84].copy_from_slice(&crc.to_le_bytes());
    }
    let error = survey(&made.dir, Depth::Indexes, &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "segment 2 was written by a newer Tidings (format 9, this one reads 1)");
}

#[test]
fn what_a_rewrite_merged_is_looked_at_once() {
    let made = Made::three();
    // As if segment 1 had been rewritten from 1 and 2, and a crash had left 2.
    let mut header = Header { last_number: 2, ..Made::three().header };
    header.number = 1;
    header.base = 0;
    header.batch = 0;
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    made.dir.file(&names::segment(1)).0.lock().unwrap()[..bytes.len()].copy_from_slice(&bytes);
    let survey = made.survey(Depth::Everything);
    assert_eq!(survey.segments.iter().map(|s| (s.number, s.last_number)).collect::<Vec<_>>(), [(1, 2), (3, 3)]);
}
