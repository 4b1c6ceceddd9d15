//! A batch: the events that one commit made visible, at their place in the tail.

use crate::block::{Block, Gauge};
use crate::{Epoch, Event, Pos, Seq, TopicName};
use std::collections::BTreeMap;

/// What [`Tail`](crate::Tail) hands to every shard: events, their positions, and their bytes. Immutable and shared.
#[derive(Debug)]
pub struct Batch {
    /// The position of the first event.
    pub first: Pos,
    /// The oldest position the tail holds once it has this batch; shards let go of what lies before.
    pub start: Pos,
    /// The newest stored event before this batch.
    pub before: Seq,
    /// The newest stored event up to and including this batch.
    pub head: Seq,
    /// Bytes it takes beside its frames, near enough for a bound.
    pub(crate) event_bytes: usize,
    /// Whether one of its events may expire. The others are sent without a look at the time.
    pub(crate) has_expiring: bool,
    block: Block,
    runs: Box<[TopicRun]>,
}

/// The events of one topic in a batch, as indexes into it, in order.
#[derive(Debug)]
pub(crate) struct TopicRun {
    pub(crate) topic: TopicName,
    pub(crate) events: Box<[u32]>,
}

impl Batch {
    /// Of events that weigh so much.
    pub(crate) fn new(
        epoch: Epoch,
        first: Pos,
        start: Pos,
        before: Seq,
        events: Vec<Event>,
        weight: usize,
        gauge: Gauge,
    ) -> Self {
        assert!(!events.is_empty(), "a commit makes at least one event visible");
        let mut by_topic: BTreeMap<&TopicName, Vec<u32>> = BTreeMap::new();
        // Frames lie in memory grouped by their own topic, so that a topic's run is one slice.
        let mut layout: BTreeMap<&TopicName, Vec<u32>> = BTreeMap::new();
        let mut head = before;
        for (index, event) in events.iter().enumerate() {
            let index = u32::try_from(index).expect("a batch has far fewer than 2^32 events");
            layout.entry(event.topic()).or_default().push(index);
            for topic in event.topics.iter() {
                by_topic.entry(topic).or_default().push(index);
            }
            if let Some(seq) = event.seq {
                assert!(seq > head, "the engine's order only grows: {seq} after {head}");
                head = seq;
            }
        }
        let has_expiring = events.iter().any(|event| event.expires.is_some());
        let layout = layout.into_values().flatten().collect();
        let runs = by_topic
            .into_iter()
            .map(|(topic, events)| TopicRun { topic: topic.clone(), events: events.into() })
            .collect();
        let mut block = Block::new(epoch, events, layout, gauge);
        let event_bytes = size_of::<Batch>() + weight - block.share_texts();
        Batch { first, start, before, head, event_bytes, has_expiring, block, runs }
    }

    /// The events, in order.
    pub fn events(&self) -> &[Event] {
        self.block.events()
    }

    /// The position behind the last event.
    pub fn end(&self) -> Pos {
        self.first.plus(self.events().len())
    }

    /// Whether one of its events is of this topic.
    pub(crate) fn has_event_of(&self, topic: &TopicName) -> bool {
        // Runs stand in the order of their topics.
        self.runs.binary_search_by(|run| run.topic.cmp(topic)).is_ok()
    }

    pub(crate) fn block(&self) -> &Block {
        &self.block
    }

    pub(crate) fn runs(&self) -> &[TopicRun] {
        &self.runs
    }

    /// The newest stored event before the one at `index`: what a cursor there has been served.
    pub(crate) fn seq_before(&self, index: usize) -> Seq {
        self.events()[..index].iter().rev().find_map(|e| e.seq).unwrap_or(self.before)
    }

    /// The position right behind the stored event `seq` (or behind where it would stand, the numbers being sparse).
    pub(crate) fn pos_after(&self, seq: Seq) -> Pos {
        let passed = self.events().iter().rposition(|e| e.seq.is_some_and(|s| s <= seq)).map_or(0, |index| index + 1);
        self.first.plus(passed)
    }
}
