//! An event that was heard: wanted, new, in order and whole; and the newest of each topic, where those were asked for.

use super::{Model, View};
use crate::engine::Record;
use crate::listener::Heard;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidings_hub::{Content, Event, EventId, Form, TopicName};

impl Model {
    pub(super) fn hear_event(&mut self, heard: &Heard, in_frame: bool, view: View<'_>) -> Result<(), String> {
        let place = self.place_of(&heard.data)?;
        let record = view.records().get(place).ok_or_else(|| format!("event {place} was never published"))?;
        let event = record.event.clone();
        if place >= view.window_end && self.choice.is_empty() {
            return Err(format!("event {place} before its time"));
        }
        if !self.wish.wants_topics_of(&event) || !self.wish.passes_type(&event) {
            return Err(format!("event {place} is not wanted"));
        }
        if !in_frame && view.is_deleted(place, &self.wish) {
            return Err(format!("event {place} of a topic that was deleted"));
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
        let is_dropped = |topic| record.gone_at(|t| t == topic).is_some();
        let mut topics = record.event.topics.iter().filter(named);
        record.event.is_expired(view.wall) || topics.all(|topic| is_dropped(topic) || has_newer(topic))
    }

    /// Something else than one of the newest came: those that are left were outdated.
    pub(super) fn end_choice(&mut self, view: View<'_>) -> Result<(), String> {
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
}
