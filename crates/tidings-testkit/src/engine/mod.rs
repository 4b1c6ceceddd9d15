//! An engine over a `Vec` of everything: it appends, keeps what is not dropped, and reads by looking at all of it.

mod draft;
mod read;

pub use draft::Draft;

use std::collections::VecDeque;
use tidings_hub::{Content, Epoch, Event, Seq, TopicName, Topics, UnixMillis};
use tidings_wire::EventType;

/// One event in the order of everything.
#[derive(Clone, Debug)]
pub struct Record {
    /// The event.
    pub event: Event,
    /// For each of its topics, when that one's history let go of it, in the world's steps.
    drops: Vec<Option<u64>>,
}

impl Record {
    /// When each of those of its topics that are wanted dropped it; none, if one has not.
    fn drops_of(&self, wants: impl Fn(&TopicName) -> bool) -> impl Iterator<Item = Option<u64>> {
        self.event.topics.iter().zip(&self.drops).filter(move |(topic, _)| wants(topic)).map(|(_, drop)| *drop)
    }

    /// Whether, after this step, it could still be read by one of those of its topics that are wanted.
    pub(crate) fn is_kept_after(&self, step: u64, wants: impl Fn(&TopicName) -> bool) -> bool {
        self.event.seq.is_some() && self.drops_of(wants).any(|drop| drop.is_none_or(|at| at > step))
    }

    /// When the last of those of its topics that are wanted dropped it, if none of them keeps it.
    pub(crate) fn gone_at(&self, wants: impl Fn(&TopicName) -> bool) -> Option<u64> {
        self.drops_of(wants).collect::<Option<Vec<u64>>>()?.into_iter().max()
    }

    /// When one of those of its topics that are wanted dropped it first after this step, if one did.
    pub(crate) fn dropped_after(&self, step: u64, wants: impl Fn(&TopicName) -> bool) -> Option<u64> {
        self.drops_of(wants).flatten().filter(|at| *at > step).min()
    }
}

/// One thing that the tail is told.
#[derive(Clone, Debug)]
enum Commit {
    /// So many events.
    Events(usize),
    Deletion(Deletion),
}

/// A topic was deleted.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Which.
    pub topic: TopicName,
    /// What it had before this place is gone.
    pub places: usize,
}

/// See the module's text.
#[derive(Debug)]
pub struct FakeEngine {
    epoch: Epoch,
    records: Vec<Record>,
    /// (number, place) of the stored ones, in order.
    stored: Vec<(u64, usize)>,
    /// What the tail was not given yet.
    commits: VecDeque<Commit>,
    fed: usize,
    /// The step of the newest drop: steps count up, so it is a version of drops.
    drops: u64,
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
        FakeEngine { epoch, records, stored, commits, fed: 0, drops: 0, next_seq: 1, step_max, rng, cuts_pages }
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
            let expires = draft.expires(time);
            self.record(Event { seq: None, time, topics, event_type, content, expires }, draft.durable);
        }
        self.commits.push_back(Commit::Events(drafts.len()));
    }

    /// Commits one stored event of any content, and answers its number.
    pub fn append_content(
        &mut self,
        topics: Topics,
        event_type: Option<EventType>,
        content: Content,
        time: UnixMillis,
    ) -> Seq {
        self.record(Event { seq: None, time, topics, event_type, content, expires: None }, true);
        self.commits.push_back(Commit::Events(1));
        self.head()
    }

    fn record(&mut self, mut event: Event, durable: bool) {
        let place = self.records.len();
        event.seq = durable.then(|| {
            let seq = self.next_seq + self.rng.u64(0..self.step_max);
            self.next_seq = seq + 1;
            self.stored.push((seq, place));
            Seq(seq)
        });
        let drops = vec![None; event.topics.iter().len()];
        self.records.push(Record { event, drops });
    }

    /// The next commit for the tail. It may be merged with those behind it, as a pump does that is late.
    pub fn take_commit(&mut self, merge: usize) -> Option<Vec<Event>> {
        let mut len = 0;
        for _ in 0..merge {
            let Some(Commit::Events(events)) = self.commits.front() else { break };
            len += events;
            self.commits.pop_front();
        }
        let events = self.records[self.fed..self.fed + len].iter().map(|r| r.event.clone()).collect();
        self.fed += len;
        (len > 0).then_some(events)
    }

    /// The deletion that comes before the next commit, if one does.
    pub fn take_deletion(&mut self) -> Option<Deletion> {
        let Some(Commit::Deletion(deletion)) = self.commits.front().cloned() else { return None };
        self.commits.pop_front();
        Some(deletion)
    }

    /// Drops a topic's history; the tail is told in its turn.
    pub fn delete(&mut self, topic: &str, step: u64) {
        let places = self.records.len();
        self.drop_before(places, step, Some(topic));
        let topic = TopicName::new(topic).expect("a test names topics that are some");
        self.commits.push_back(Commit::Deletion(Deletion { topic, places }));
    }

    /// Says that everything so far is history already: the tail starts behind it.
    pub fn skip_to_end(&mut self) {
        self.commits.clear();
        self.fed = self.records.len();
    }

    /// Lets go of everything before `place`, in one topic or in all of them. An event of several topics can still be read by the
    /// others.
    pub fn drop_before(&mut self, place: usize, step: u64, topic: Option<&str>) {
        assert!(step > self.drops, "steps count up");
        self.drops = step;
        for record in self.records[..place].iter_mut().filter(|r| r.event.seq.is_some()) {
            for (name, drop) in record.event.topics.iter().zip(&mut record.drops) {
                if topic.is_none_or(|topic| topic == name.as_str()) {
                    drop.get_or_insert(step);
                }
            }
        }
    }
}
