//! What a subscription must have received: a cursor over the `Vec` of everything, moved by what its client hears.
//!
//! The model never asks the hub where it stands. Every event heard must be wanted, new, in order and whole; every wanted event that is
//! passed over must have been dropped and told; ids never claim more than was served. At rest nothing may be owed.

use crate::engine::Record;
use crate::listener::{GapTold, Heard, Told};
use crate::{FakeEngine, Wish};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;
use tidings_hub::{
    Content, Event, EventId, Form, Format, GapReason, ReadFrom, ResumePoint, Seq, TopicName, UNKNOWN_EVENTS_MAX,
};

/// What the model may look at: the world around a shard.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Everything.
    pub engine: &'a FakeEngine,
    /// Events before this place have left the shard's tail.
    pub window_start: usize,
    /// Events before this place have reached the shard.
    pub window_end: usize,
    /// The world's step.
    pub step: u64,
}

impl View<'_> {
    fn records(&self) -> &[Record] {
        self.engine.records()
    }

    /// The newest stored event that reached the shard.
    fn head(&self) -> Seq {
        self.records()[..self.window_end].iter().rev().find_map(|r| r.event.seq).unwrap_or(Seq::START)
    }
}

/// A read of history that was answered.
#[derive(Clone, Copy, Debug)]
pub struct ReadDone {
    /// What was asked.
    pub from: ReadFrom,
    /// The step at which the engine looked.
    pub looked_at: u64,
    /// How many events there were then.
    pub places: usize,
    /// The engine's newest event then.
    pub head: Seq,
    /// The page's start.
    pub start: Seq,
    /// Whether older events were kept.
    pub truncated: bool,
}

/// See the module's text.
#[derive(Debug)]
pub struct Model {
    wish: Wish,
    format: Format,
    resume: ResumePoint,
    bare_events: bool,
    subscribed_head: Seq,
    /// Everything wanted before this place was heard, or told missing.
    at: usize,
    /// Up to here it was served.
    served: Seq,
    opened: bool,
    /// What is wrong with the start; counts once anything but an ending is heard.
    start_error: Option<String>,
    heard_open: bool,
    /// The gap that must follow the opening.
    gap_due: Option<GapReason>,
    /// From where on that gap counts, if the stream starts further on.
    gap_from: Option<usize>,
    /// Only events from here on are owed if they are in memory only: those before had left the tail when the stream opened.
    memory_floor: usize,
    /// Where it started. Numbers are sparse: a memory-only event between two numbers has no place before or behind a third
    /// that lies between them and is no event's, so none is owed there.
    start: Seq,
    /// The newest of each topic, which come first.
    choice: VecDeque<usize>,
    behind_choice: usize,
    /// Drops up to this step were told.
    told_to: u64,
    opened_by: Option<ReadDone>,
    /// Memory-only events passed over, of which it must be told.
    missed: u64,
    /// With a type filter: how many were told lost, and from where on they count.
    lost_told: u64,
    first_floor: usize,
    ended: bool,
    heard: Vec<usize>,
}

impl Model {
    /// A subscription's, as it is made.
    pub fn new(wish: Wish, format: Format, bare_events: bool, resume: ResumePoint, view: View<'_>) -> Self {
        Model {
            wish,
            format,
            resume,
            bare_events,
            subscribed_head: view.head(),
            at: view.window_end,
            served: view.head(),
            opened: false,
            start_error: None,
            heard_open: false,
            gap_due: None,
            gap_from: None,
            memory_floor: 0,
            start: Seq::START,
            choice: VecDeque::new(),
            behind_choice: 0,
            told_to: 0,
            opened_by: None,
            missed: 0,
            lost_told: 0,
            first_floor: 0,
            ended: false,
            heard: Vec::new(),
        }
    }

    /// The places of the events heard, in order.
    pub fn heard(&self) -> &[usize] {
        &self.heard
    }

    /// Whether it was told that the stream ends.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether its start is known.
    pub fn is_opened(&self) -> bool {
        self.opened
    }

    /// Whether it asked for the head.
    pub fn is_live(&self) -> bool {
        self.resume == ResumePoint::Live
    }

    /// Whether it named a place ahead of its shard, and nothing is missing there.
    pub fn is_parked(&self) -> bool {
        matches!(&self.resume, ResumePoint::After(id) if id.seq > self.subscribed_head)
            && self.gap_due.is_none()
            && self.start_error.is_none()
    }

    /// The shard says where the stream starts; `read` is the history that decided it, if one did.
    pub fn open(&mut self, reason: Option<GapReason>, read: Option<ReadDone>, view: View<'_>) -> Result<(), String> {
        if std::mem::replace(&mut self.opened, true) {
            return Err("opened twice".into());
        }
        // A stream that ends before its history came opens without a start; nothing but the ending follows.
        self.start_error = self.start(reason, read, view).err();
        Ok(())
    }

    fn start(&mut self, reason: Option<GapReason>, read: Option<ReadDone>, view: View<'_>) -> Result<(), String> {
        (self.memory_floor, self.first_floor) = (view.window_start, view.window_start);
        (self.gap_due, self.opened_by) = (reason, read);
        let start = match self.resume.clone() {
            ResumePoint::Live | ResumePoint::Last(0) => self.expect_reason(reason, None).map(|()| self.served)?,
            ResumePoint::After(id) if id.epoch == view.engine.epoch() && reason != Some(GapReason::Unknown) => {
                if id.seq > view.engine.head() {
                    return Err(format!("{id} lies ahead of the engine, and no gap is told"));
                }
                id.seq
            }
            ResumePoint::After(id) => {
                if id.epoch == view.engine.epoch() && id.seq <= self.subscribed_head {
                    return Err(format!("{id} is known, and called unknown"));
                }
                self.expect_reason(reason, Some(GapReason::Unknown)).and_then(|()| self.read_start(read))?
            }
            ResumePoint::Unknown { .. } => {
                self.expect_reason(reason, Some(GapReason::Unknown)).and_then(|()| self.read_start(read))?
            }
            ResumePoint::All => Seq::START,
            ResumePoint::Last(_) => self.expect_reason(reason, None).and_then(|()| self.read_start(read))?,
            ResumePoint::Since(time) => {
                self.gap_from = view.records().iter().position(|r| r.event.time >= time);
                self.read_start(read)?
            }
            ResumePoint::LastEach => self.choose_last_each(read, view)?,
        };
        if reason.is_some() {
            // A page that another reader still had tells of the drops before it was read; when that was, nobody kept.
            self.told_to = read.map_or(view.step, |read| read.looked_at);
        }
        if !matches!(self.resume, ResumePoint::Live | ResumePoint::Last(0)) {
            self.at = view.engine.place_after(start);
        }
        self.served = start;
        self.start = start;
        Ok(())
    }

    fn expect_reason(&self, reason: Option<GapReason>, expect: Option<GapReason>) -> Result<(), String> {
        if reason == expect { Ok(()) } else { Err(format!("opened with gap {reason:?}, not {expect:?}")) }
    }

    fn read_start(&self, read: Option<ReadDone>) -> Result<Seq, String> {
        let read = read.ok_or_else(|| format!("{:?} opened without a read", self.resume))?;
        let fits = match (&self.resume, read.from) {
            (ResumePoint::Since(time), ReadFrom::Since(asked)) => *time == asked,
            (ResumePoint::Last(n), ReadFrom::Newest(asked)) => *n == asked,
            (ResumePoint::Unknown { .. } | ResumePoint::After(_), ReadFrom::Newest(n)) => n == UNKNOWN_EVENTS_MAX,
            _ => false,
        };
        if fits { Ok(read.start) } else { Err(format!("{:?} opened by {read:?}", self.resume)) }
    }

    /// The newest event of each exact topic as the engine saw them when it looked first, then everything behind its head.
    fn choose_last_each(&mut self, read: Option<ReadDone>, view: View<'_>) -> Result<Seq, String> {
        let read = read.ok_or("the newest of each topic without a read")?;
        let then = &view.records()[..read.places];
        let kept = |r: &Record| r.event.seq.is_some() && r.dropped_at.is_none_or(|step| step > read.looked_at);
        let of = |r: &Record, topic: &String| r.event.topics.iter().any(|t| t.as_str() == topic);
        let newest = |topic| then.iter().rposition(|r| kept(r) && of(r, topic) && self.wish.passes_type(&r.event));
        let mut places: Vec<usize> = self.wish.topics.iter().filter_map(newest).collect();
        places.sort_unstable();
        places.dedup();
        self.choice = places.into();
        self.behind_choice = view.engine.place_after(read.head);
        Ok(if self.choice.is_empty() { read.head } else { read.start })
    }

    /// The client heard something.
    pub fn hear(&mut self, told: &Told, view: View<'_>) -> Result<(), String> {
        if !self.opened {
            return Err("bytes before the start is known".into());
        }
        if self.ended {
            return Err("something behind tidings.end".into());
        }
        if self.bare_events && !matches!(told, Told::Event(_)) {
            return Err("a control event on a stream of bare events".into());
        }
        match told {
            Told::End { .. } => {
                self.ended = true;
                return Ok(());
            }
            _ if self.start_error.is_some() => return Err(self.start_error.take().unwrap_or_default()),
            Told::Open { id } => return self.hear_open(id, view),
            _ if !self.heard_open && !self.bare_events => return Err("something before tidings.open".into()),
            Told::Gap(gap) => return self.hear_gap(gap, view),
            _ => {}
        }
        if let Some(reason) = self.gap_due.filter(|_| !self.bare_events) {
            return Err(format!("the gap {reason:?} that was announced does not come first"));
        }
        match told {
            Told::Event(heard) => self.hear_event(heard, view),
            Told::Checkpoint { id } => {
                let seq = self.position(id, view)?;
                if seq <= self.served || seq > view.head() {
                    return Err(format!("a checkpoint at {seq}, served {} of {}", self.served, view.head()));
                }
                self.serve(seq, view)
            }
            _ => Ok(()),
        }
    }

    fn position(&self, id: &str, view: View<'_>) -> Result<Seq, String> {
        let id: EventId = id.parse().map_err(|_| format!("{id:?} is no id of ours"))?;
        if id.epoch != view.engine.epoch() {
            return Err(format!("{id} is of another history"));
        }
        Ok(id.seq)
    }

    fn hear_open(&mut self, id: &str, view: View<'_>) -> Result<(), String> {
        if std::mem::replace(&mut self.heard_open, true) {
            return Err("tidings.open twice".into());
        }
        let seq = self.position(id, view)?;
        let moved = self.gap_due == Some(GapReason::Expired) && seq >= self.served;
        if seq == self.served || moved {
            return Ok(());
        }
        Err(format!("opened at {seq}, but it starts behind {}", self.served))
    }

    fn hear_gap(&mut self, gap: &GapTold, view: View<'_>) -> Result<(), String> {
        let due = self.gap_due.take();
        if due.is_some_and(|reason| reason.as_str() != gap.reason) {
            return Err(format!("{due:?} was announced, and {} told", gap.reason));
        }
        self.end_choice(view)?;
        let resumed = self.position(&gap.resumed, view)?;
        if resumed < self.served {
            return Err(format!("a gap that goes back from {} to {resumed}", self.served));
        }
        match gap.reason.as_str() {
            "lagged" => self.hear_lagged(gap.lost.ok_or("lagged without a count")?, resumed, view),
            "expired" => {
                let is_dropped = |r: &Record| r.dropped_at.is_some() && self.wish.wants_topics_of(&r.event);
                let from = self.gap_from.take().unwrap_or(self.at);
                if !view.records()[from..].iter().any(is_dropped) {
                    return Err("a gap where nothing was dropped".into());
                }
                if due.is_none() {
                    self.told_to = view.step;
                }
                self.check_requested(due, gap)?;
                self.serve(resumed, view)
            }
            "unknown" if due.is_some() => {
                self.check_requested(due, gap)?;
                let read = self.opened_by.ok_or("an unknown place without a read")?;
                if (resumed, gap.truncated) != (read.start, read.truncated) {
                    return Err(format!("{gap:?} by {read:?}"));
                }
                Ok(())
            }
            other => Err(format!("a gap {other:?} (announced: {due:?})")),
        }
    }

    /// A gap at the start quotes the place that was asked for; a later one may, until one has.
    fn check_requested(&self, due: Option<GapReason>, gap: &GapTold) -> Result<(), String> {
        let named = match &self.resume {
            ResumePoint::After(id) => Some(id.to_string()),
            ResumePoint::Unknown { requested } => Some(requested.to_string()),
            _ => None,
        };
        let quotes = gap.requested == named || (due.is_none() && gap.requested.is_none());
        if quotes { Ok(()) } else { Err(format!("{gap:?} should quote {named:?}")) }
    }

    /// `lost` events of memory-only topics left the tail unread.
    fn hear_lagged(&mut self, lost: u64, resumed: Seq, view: View<'_>) -> Result<(), String> {
        let mut left = lost
            .checked_sub(self.missed)
            .ok_or_else(|| format!("{lost} lost, but {} were passed over", self.missed))?;
        self.missed = 0;
        if !self.wish.types.is_empty() {
            // Whether one whose type does not pass was passed over or lost, nobody can tell: only never more than there were.
            self.lost_told += lost;
            let unheard = |(place, r): &(usize, &Record)| {
                r.event.seq.is_none() && self.wish.wants_topics_of(&r.event) && !self.heard.contains(place)
            };
            let gone =
                view.records()[..view.window_start].iter().enumerate().skip(self.first_floor).filter(unheard).count();
            self.memory_floor = self.memory_floor.max(view.window_start);
            if self.lost_told > gone as u64 {
                return Err(format!("{} lost of {gone}", self.lost_told));
            }
            return self.serve(resumed, view);
        }
        let memory_floor = self.memory_floor.max(view.engine.place_from(self.start));
        while left > 0 {
            if self.at >= view.window_start && left <= self.unplaced(view) {
                break;
            }
            if self.at >= view.window_start {
                return Err(format!("{lost} lost: {left} more than have left the tail"));
            }
            let event = &view.records()[self.at].event;
            if event.seq.is_some() {
                self.pass(self.at + 1, view)?;
            } else {
                let owed = self.at >= memory_floor && self.wish.wants_topics_of(event);
                left -= u64::from(owed);
                self.at += 1;
            }
        }
        self.serve(resumed, view)
    }

    /// Memory-only events that stand where the start is, if that is no event's number: before it or behind it, as one likes.
    fn unplaced(&self, view: View<'_>) -> u64 {
        let (from, to) = (view.engine.place_after(self.start), view.engine.place_from(self.start));
        let unplaced = view.records()[from.min(to)..to].iter().filter(|r| self.wish.wants_topics_of(&r.event));
        unplaced.count() as u64
    }

    /// Everything up to `seq` is claimed to be served.
    fn serve(&mut self, seq: Seq, view: View<'_>) -> Result<(), String> {
        self.end_choice(view)?;
        self.pass(view.engine.place_after(seq), view)?;
        self.served = self.served.max(seq);
        Ok(())
    }

    /// Moves over events that were not heard: none may be owed.
    fn pass(&mut self, to: usize, view: View<'_>) -> Result<(), String> {
        let memory_floor = self.memory_floor.max(view.engine.place_from(self.start));
        for place in self.at..to.max(self.at) {
            let record = &view.records()[place];
            let passes = self.wish.passes_type(&record.event);
            if !self.wish.wants_topics_of(&record.event) {
                continue;
            }
            match (record.event.seq, record.dropped_at) {
                (Some(_), Some(step)) if step <= self.told_to || !passes || self.bare_events => {}
                (Some(seq), Some(step)) => {
                    return Err(format!("event {place} ({seq}), dropped in step {step}, is missing without a gap"));
                }
                (Some(seq), None) if passes => return Err(format!("event {place} ({seq}) is missing")),
                (Some(_), None) => {}
                (None, _) if place < memory_floor || self.bare_events => {}
                (None, _) if place >= view.window_start && passes => {
                    return Err(format!("event {place}, memory-only and still in the tail, is missing"));
                }
                (None, _) => self.missed += u64::from(passes),
            }
        }
        self.at = self.at.max(to);
        Ok(())
    }

    fn hear_event(&mut self, heard: &Heard, view: View<'_>) -> Result<(), String> {
        let place = self.place_of(&heard.data)?;
        let record = view.records().get(place).ok_or_else(|| format!("event {place} was never published"))?;
        let event = record.event.clone();
        if place >= view.window_end && self.choice.is_empty() {
            return Err(format!("event {place} before its time"));
        }
        if !self.wish.wants_topics_of(&event) || !self.wish.passes_type(&event) {
            return Err(format!("event {place} is not wanted"));
        }
        if let Some(next) = self.pop_choice(place, view) {
            if next != place {
                return Err(format!("event {place}, where {next} is the newest of its topic"));
            }
            self.served = event.seq.ok_or("the newest of a topic has no id")?;
            if self.choice.is_empty() {
                self.at = self.behind_choice;
            }
        } else {
            if place < self.at {
                return Err(format!("event {place} comes twice, or before {}", self.at));
            }
            self.pass(place, view)?;
            let from_tail = event.seq.is_none() || place >= view.window_start;
            if self.missed > 0 && from_tail {
                return Err(format!("{} memory-only events missing before {place}", self.missed));
            }
            self.at = place + 1;
            self.served = event.seq.unwrap_or(self.served);
        }
        self.heard.push(place);
        self.check_content(place, &event, heard, view)
    }

    /// The next of the newest, if the event may be one. Later pages of them are read later: those that are not the newest any more
    /// by then, or not kept, may be left out.
    fn pop_choice(&mut self, place: usize, view: View<'_>) -> Option<usize> {
        let next = self.choice.pop_front()?;
        if next != place && self.is_outdated(next, view) {
            if self.choice.is_empty() {
                self.at = self.behind_choice;
            }
            return self.pop_choice(place, view);
        }
        Some(next)
    }

    fn is_outdated(&self, place: usize, view: View<'_>) -> bool {
        let named = |topic: &&TopicName| self.wish.topics.iter().any(|t| t == topic.as_str());
        let is_one = |r: &Record| r.event.seq.is_some() && self.wish.passes_type(&r.event);
        let newer = &view.records()[place + 1..];
        let has_newer = |topic| newer.iter().any(|r| is_one(r) && r.event.topics.iter().any(|t| t == topic));
        let record = &view.records()[place];
        record.dropped_at.is_some() || record.event.topics.iter().filter(named).all(has_newer)
    }

    /// Something else than one of the newest came: those that are left were outdated.
    fn end_choice(&mut self, view: View<'_>) -> Result<(), String> {
        if let Some(place) = self.choice.iter().find(|place| !self.is_outdated(**place, view)) {
            return Err(format!("event {place}, the newest of its topic, is missing"));
        }
        if !self.choice.is_empty() {
            self.choice.clear();
            self.at = self.behind_choice;
        }
        Ok(())
    }

    /// The label at the front of the data, in whatever form it came.
    fn place_of(&self, data: &str) -> Result<usize, String> {
        let label = |text: &str| text.lines().next().and_then(|line| line.parse().ok());
        let base64 = data.strip_prefix("data:application/x-test;base64,").unwrap_or(data);
        let decoded = || STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        label(data).or_else(|| label(&decoded()?)).ok_or_else(|| format!("data without a label: {data:?}"))
    }

    fn check_content(&self, place: usize, event: &Event, heard: &Heard, view: View<'_>) -> Result<(), String> {
        let data = match &event.content {
            Content::Text { text, .. } => text.to_string(),
            Content::Binary { content_type, bytes } if self.format.form == Form::Sse => {
                format!("data:{content_type};base64,{}", STANDARD.encode(bytes))
            }
            Content::Binary { bytes, .. } => STANDARD.encode(bytes),
        };
        let id = |seq| EventId { epoch: view.engine.epoch(), seq }.to_string();
        let is_whole = heard.data == data
            && heard.event_type == event.type_str()
            && heard.json.as_ref().is_none_or(|json| {
                json["topic"] == event.topic().as_str() && json["id"].as_str() == event.seq.map(id).as_deref()
            });
        // Without an opening nothing says an id before the first event does.
        let says_id = heard.last_event_id == id(self.served) || (self.bare_events && event.seq.is_none());
        if is_whole && says_id {
            return Ok(());
        }
        Err(format!("event {place} ({event:?}), served {}: heard {heard:?}", self.served))
    }

    /// All that was published has had its time to arrive.
    pub fn rest(&mut self, view: View<'_>) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        if !self.opened || !(self.heard_open || self.bare_events) {
            return Err("never opened".into());
        }
        self.end_choice(view)?;
        self.pass(view.records().len(), view)?;
        match self.missed {
            0 => Ok(()),
            n => Err(format!("{n} memory-only events are missing, and it was not told")),
        }
    }
}
