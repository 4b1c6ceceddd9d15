//! An engine over a `Vec` of everything: it appends, keeps what is not dropped, and reads by looking at all of it.

use std::collections::VecDeque;
use std::sync::Arc;
use tidings_hub::{Content, Epoch, Event, History, Read, ReadFrom, Selection, Seq, TopicName, Topics, UnixMillis};
use tidings_wire::EventType;

/// An event to be published.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its topics, the first its own.
    pub topics: Vec<String>,
    /// Its type, if not `message`.
    pub event_type: Option<String>,
    /// Bytes of padding behind the label in its data.
    pub padding: usize,
    /// Whether it is stored.
    pub durable: bool,
    /// Whether its data is binary.
    pub binary: bool,
}

impl Draft {
    /// A short stored text event of one topic.
    pub fn to(topic: &str) -> Self {
        Draft { topics: vec![topic.into()], event_type: None, padding: 0, durable: true, binary: false }
    }

    /// The same, to further topics.
    #[must_use]
    pub fn and_to(mut self, topics: &[&str]) -> Self {
        self.topics.extend(topics.iter().map(ToString::to_string));
        self
    }

    /// The same, of a type.
    #[must_use]
    pub fn of_type(mut self, event_type: &str) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// The same with so many bytes of padding.
    #[must_use]
    pub fn padded(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    /// The same, in memory only.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.durable = false;
        self
    }

    /// The data: the event's place in the order, by which readers name it, then lines of padding.
    fn content(&self, place: usize) -> Content {
        let mut text = place.to_string();
        text.push('\n');
        // A newline now and then, so that frames have several lines of data.
        text.extend((0..self.padding).map(|i| if i % 61 == 60 { '\n' } else { 'x' }));
        if self.binary {
            Content::Binary { content_type: "application/x-test".into(), bytes: text.into_bytes().into() }
        } else {
            Content::text(&text)
        }
    }
}

/// One event in the order of everything.
#[derive(Clone, Debug)]
pub struct Record {
    /// The event.
    pub event: Arc<Event>,
    /// When history let go of it, in the world's steps.
    pub dropped_at: Option<u64>,
}

impl Record {
    fn is_kept(&self) -> bool {
        self.event.seq.is_some() && self.dropped_at.is_none()
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct FakeEngine {
    epoch: Epoch,
    records: Vec<Record>,
    /// (number, place) of the stored ones, in order.
    stored: Vec<(u64, usize)>,
    /// How many events each commit has that the tail was not given yet.
    commits: VecDeque<usize>,
    fed: usize,
    next_seq: u64,
    /// Greatest step between two numbers: they are sparse as a broker's are.
    step_max: u64,
    rng: fastrand::Rng,
    /// Whether pages are cut short at random, as by a limit of events examined.
    cuts_pages: bool,
}

impl FakeEngine {
    /// An empty history.
    pub fn new(epoch: Epoch, seed: u64, step_max: u64, cuts_pages: bool) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        let (records, stored, commits) = (Vec::new(), Vec::new(), VecDeque::new());
        FakeEngine { epoch, records, stored, commits, fed: 0, next_seq: 1, step_max, rng, cuts_pages }
    }

    /// The history's name.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Everything ever published, in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The newest stored event.
    pub fn head(&self) -> Seq {
        Seq(self.stored.last().map_or(0, |(seq, _)| *seq))
    }

    /// The place behind the last stored event up to `seq`.
    pub fn place_after(&self, seq: Seq) -> usize {
        let index = self.stored.partition_point(|(s, _)| *s <= seq.0);
        index.checked_sub(1).map_or(0, |i| self.stored[i].1 + 1)
    }

    /// The place of the first stored event with this number or a higher one. Nothing is before [`Seq::START`].
    pub fn place_from(&self, seq: Seq) -> usize {
        if seq == Seq::START {
            return 0;
        }
        let index = self.stored.partition_point(|(s, _)| *s < seq.0);
        self.stored.get(index).map_or(self.records.len(), |(_, place)| *place)
    }

    /// How many events the tail was given.
    pub fn fed(&self) -> usize {
        self.fed
    }

    /// Commits the drafts together; at least one.
    pub fn append(&mut self, drafts: &[Draft], time: UnixMillis) {
        assert!(!drafts.is_empty(), "a commit has an event");
        for draft in drafts {
            let topics = draft.topics.iter().map(|t| TopicName::new(t).expect("a test names topics that are some"));
            let topics = Topics::new(topics.collect()).expect("a test names 1 to 16 different topics");
            let event_type = draft.event_type.as_ref().map(|t| EventType::new(t).expect("a test names types"));
            let content = draft.content(self.records.len());
            self.record(topics, event_type, content, draft.durable, time);
        }
        self.commits.push_back(drafts.len());
    }

    /// Commits one stored event of any content, and answers its number.
    pub fn append_content(
        &mut self,
        topics: Topics,
        event_type: Option<EventType>,
        content: Content,
        time: UnixMillis,
    ) -> Seq {
        self.record(topics, event_type, content, true, time);
        self.commits.push_back(1);
        self.head()
    }

    fn record(
        &mut self,
        topics: Topics,
        event_type: Option<EventType>,
        content: Content,
        durable: bool,
        time: UnixMillis,
    ) {
        let place = self.records.len();
        let seq = durable.then(|| {
            let seq = self.next_seq + self.rng.u64(0..self.step_max);
            self.next_seq = seq + 1;
            self.stored.push((seq, place));
            Seq(seq)
        });
        let event = Event { seq, time, topics, event_type, content };
        self.records.push(Record { event: Arc::new(event), dropped_at: None });
    }

    /// The next commit for the tail. It may be merged with those behind it, as a pump does that is late.
    pub fn take_commit(&mut self, merge: usize) -> Option<Vec<Arc<Event>>> {
        let len: usize = self.commits.drain(..merge.min(self.commits.len())).sum();
        let events = self.records[self.fed..self.fed + len].iter().map(|r| r.event.clone()).collect();
        self.fed += len;
        (len > 0).then_some(events)
    }

    /// Says that everything so far is history already: the tail starts behind it.
    pub fn skip_to_end(&mut self) {
        self.commits.clear();
        self.fed = self.records.len();
    }

    /// Lets go of everything before `place` that `which` names.
    pub fn drop_before(&mut self, place: usize, step: u64, which: impl Fn(&Event) -> bool) {
        for record in &mut self.records[..place] {
            if record.is_kept() && which(&record.event) {
                record.dropped_at = Some(step);
            }
        }
    }

    /// Answers a read, by the words of [`History`].
    pub fn read(&mut self, read: &Read) -> History {
        let (wanted, more, looked_to) = self.choose(read);
        let next = if more { looked_to } else { self.head().max(behind(read.from)) };
        let start = wanted.first().map_or(next, |e| e.seq.expect("history is stored").before());
        let selection = &*read.selection;
        let dropped = self.records.iter().filter(|r| r.dropped_at.is_some() && selects_topics(selection, &r.event));
        let numbers = dropped.clone().filter_map(|r| r.event.seq);
        let gap = match read.from {
            ReadFrom::After { seq, told } => numbers.clone().any(|s| s > seq && s > told),
            ReadFrom::Since(time) => dropped.clone().any(|r| r.event.time >= time),
            ReadFrom::Newest(_) | ReadFrom::LastEach { .. } => false,
        };
        let kept = self.kept(selection).count();
        let truncated = matches!(read.from, ReadFrom::Newest(n) if kept > n as usize);
        let dropped_to = numbers.max().unwrap_or(Seq::START);
        History { events: wanted, start, next, more, gap, dropped_to, truncated, head: self.head() }
    }

    fn kept<'a>(&'a self, selection: &'a Selection) -> impl DoubleEndedIterator<Item = &'a Arc<Event>> {
        self.records.iter().filter(|r| r.is_kept()).map(|r| &r.event).filter(|e| selection.selects(e))
    }

    /// The events of a page, whether there are more, and how far was looked then.
    fn choose(&mut self, read: &Read) -> (Vec<Arc<Event>>, bool, Seq) {
        let selection = &*read.selection;
        let number = |e: &Event| e.seq.expect("history is stored");
        let mut all: Vec<Arc<Event>> = match read.from {
            ReadFrom::After { seq, .. } => self.kept(selection).filter(|e| number(e) > seq).cloned().collect(),
            ReadFrom::Since(time) => self.kept(selection).filter(|e| e.time >= time).cloned().collect(),
            ReadFrom::Newest(n) => {
                let mut newest: Vec<_> = self.kept(selection).rev().take(n as usize).cloned().collect();
                newest.reverse();
                newest
            }
            ReadFrom::LastEach { after } => {
                let newest = |topic| self.kept(selection).rev().find(|e| e.topics.iter().any(|t| t == topic));
                let mut each: Vec<_> = selection.topics().iter().filter_map(newest).cloned().collect();
                each.sort_by_key(|e| e.seq);
                each.dedup_by_key(|e| e.seq);
                each.retain(|e| number(e) > after);
                each
            }
        };
        let mut bytes = 0;
        let mut fits = |event: &Arc<Event>| {
            bytes += event.content.bytes().len();
            bytes <= read.bytes_max
        };
        let mut len = all.iter().take(read.events_max).take_while(|e| fits(e)).count().max(1).min(all.len());
        let mut looked_to = None;
        if self.cuts_pages && len > 0 && matches!(read.from, ReadFrom::After { .. }) && self.rng.u8(..) < 40 {
            // As if a limit of events examined had been reached, just before one that is wanted.
            len = self.rng.usize(0..len);
            let before = number(&all[len]).before();
            looked_to = (before > behind(read.from)).then_some(before);
            len = len.max(usize::from(looked_to.is_none()));
        }
        let more = len < all.len();
        all.truncate(len);
        let looked_to = looked_to.or_else(|| all.last().map(|e| number(e))).unwrap_or(Seq::START);
        (all, more, looked_to)
    }
}

/// The position a read names, as far as it names one.
fn behind(from: ReadFrom) -> Seq {
    match from {
        ReadFrom::After { seq, .. } => seq,
        _ => Seq::START,
    }
}

fn selects_topics(selection: &Selection, event: &Event) -> bool {
    event.topics.iter().any(|topic| selection.selects_topic(topic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Wish;

    fn engine() -> FakeEngine {
        let mut engine = FakeEngine::new(Epoch::from_random(1), 1, 1, false);
        for topic in ["a", "b", "a", "b", "a"] {
            engine.append(&[Draft::to(topic)], UnixMillis(0));
        }
        engine
    }

    #[track_caller]
    fn check(engine: &mut FakeEngine, topics: &[&str], from: ReadFrom, expect: (&[u64], u64, u64, bool, bool)) {
        let read = Read { selection: Wish::topics(topics).selection(), from, events_max: 2, bytes_max: 1 << 20 };
        let page = engine.read(&read);
        let seqs: Vec<u64> = page.events.iter().map(|e| e.seq.unwrap().0).collect();
        assert_eq!((&seqs[..], page.start.0, page.next.0, page.more, page.gap), expect);
    }

    #[test]
    fn pages() {
        let mut engine = engine();
        let after = |seq| ReadFrom::After { seq: Seq(seq), told: Seq(0) };
        check(&mut engine, &["a"], after(0), (&[1, 3], 0, 3, true, false));
        check(&mut engine, &["a"], after(3), (&[5], 4, 5, false, false));
        check(&mut engine, &["a"], after(5), (&[], 5, 5, false, false));
        check(&mut engine, &["a", "b"], ReadFrom::Newest(1), (&[5], 4, 5, false, false));
        check(&mut engine, &["a", "b"], ReadFrom::LastEach { after: Seq(0) }, (&[4, 5], 3, 5, false, false));
        engine.drop_before(3, 1, |e| e.topic().as_str() == "a");
        check(&mut engine, &["a"], after(1), (&[5], 4, 5, false, true));
        check(&mut engine, &["a"], after(3), (&[5], 4, 5, false, false));
        check(&mut engine, &["b"], after(0), (&[2, 4], 1, 5, false, false));
        assert_eq!(engine.place_after(Seq(3)), 3);
    }
}
