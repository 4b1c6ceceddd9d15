//! A tail and a shard on which something is about to be published or delivered.

use bytes::Bytes;
use std::sync::Arc;
use tidings_hub::{
    Batch, Content, Event, Form, Format, Framing, Grant, Pattern, ResumePoint, Selection, Seq, Shard, ShardConfig,
    Spec, SubscriberId, Tail, Time, TopicName, UnixMillis,
};
use tidings_testkit::shard_config;

/// Data of an event: a small JSON object's, which is what most publishers send.
pub const DATA_BYTES: usize = 128;
/// The server's default. What is published here stays far below it.
const TAIL_BYTES_MAX: usize = 64 << 20;
/// Room for every subscriber there is: a table that grows while it is counted would be counted too.
const SUBSCRIPTIONS_MAX: usize = 1_024;

/// See the module's text.
#[derive(Debug)]
pub struct Stage {
    tail: Tail,
    shard: Shard,
    head: Seq,
}

/// A stage, and the events that its tail is handed next. Boxed, as moving it would be counted.
pub type Committed = (Box<Stage>, Vec<Event>);

/// A stage, and the batch that its shard is handed next.
pub type Published = (Box<Stage>, Arc<Batch>);

/// What a pass did.
#[derive(Debug)]
pub struct Delivered {
    /// Where.
    pub stage: Box<Stage>,
    /// How many events each subscriber had ahead.
    pub events: usize,
    /// How many bytes were sent to all.
    pub bytes: usize,
}

impl Default for Stage {
    fn default() -> Self {
        Stage::new(TAIL_BYTES_MAX)
    }
}

impl Stage {
    /// Nobody subscribed, nothing published; the tail holds at most so many bytes.
    pub fn new(tail_bytes_max: usize) -> Self {
        let config = ShardConfig { subscriptions_max: SUBSCRIPTIONS_MAX, ..shard_config() };
        let tail = Tail::new(config.epoch, Seq::START, tail_bytes_max);
        Stage { tail, shard: Shard::new(config, Time::from_millis(0), UnixMillis(0)), head: Seq::START }
    }

    // Setting up.

    /// A subscriber of each topic; a name may repeat. They have been told that they are open.
    pub fn with_topics<'a>(mut self, topics: impl IntoIterator<Item = &'a str>) -> Self {
        for name in topics {
            self.subscribe(vec![topic(name)], Vec::new());
        }
        self
    }

    /// A subscriber of each pattern, who has been told that he is open.
    pub fn with_patterns(mut self, patterns: impl IntoIterator<Item = String>) -> Self {
        for pattern in patterns {
            self.subscribe(Vec::new(), vec![Pattern::new(&pattern).expect("a stage names patterns")]);
        }
        self
    }

    /// A subscriber of the topic who took nothing while so many batches came, each with an event of the topic and one of another,
    /// and now takes everything again.
    pub fn with_reader_behind(mut self, name: &str, batches: usize) -> Self {
        let id = self.subscribe(vec![topic(name)], Vec::new());
        for _ in 0..batches {
            let events = [name, "another"].map(|name| self.next_event(name)).into();
            let batch = self.publish(events);
            self.handle_batch(&batch);
            if let Some(offered) = self.shard.poll_transmit() {
                self.shard.handle_wrote(offered.id, 0);
            }
        }
        assert_eq!(self.ready(), 0, "who takes nothing is offered nothing");
        self.shard.handle_writable(id);
        self
    }

    /// An event of the topic was published and delivered: the topic is known, and what is made once has been made.
    pub fn after(mut self, name: &str) -> Self {
        let event = self.next_event(name);
        let batch = self.publish(vec![event]);
        self.handle_batch(&batch);
        self.pass();
        self
    }

    /// So many events of the topic are about to be published.
    pub fn committing(mut self, name: &str, events: usize) -> Committed {
        let events = (0..events).map(|_| self.next_event(name)).collect();
        (Box::new(self), events)
    }

    /// So many events of the topic have been, in one batch that the shard is about to be handed.
    pub fn publishing(self, name: &str, events: usize) -> Published {
        let (mut stage, events) = self.committing(name, events);
        let batch = stage.publish(events);
        (stage, batch)
    }

    fn subscribe(&mut self, topics: Vec<TopicName>, patterns: Vec<Pattern>) -> SubscriberId {
        let selection = Selection::new(topics, patterns, Vec::new(), Grant::local().into());
        let selection = selection.expect("who may do everything may subscribe").into();
        let format = Format { form: Form::Sse, framing: Framing::Chunked };
        let id = self.shard.subscribe(Spec { selection, format, bare_events: false }, ResumePoint::Live);
        self.pass();
        while self.shard.poll_opened().is_some() {}
        id
    }

    fn next_event(&mut self, name: &str) -> Event {
        self.head = Seq(self.head.0 + 1);
        let (seq, topics) = (Some(self.head), topic(name).into());
        let content = Content::text(&"x".repeat(DATA_BYTES));
        Event { seq, time: UnixMillis(0), topics, event_type: None, content, expires: None }
    }

    // What is counted.

    /// What the pump does with a commit.
    pub fn publish(&mut self, events: Vec<Event>) -> Arc<Batch> {
        self.tail.append(events)
    }

    /// What a shard does with a batch.
    pub fn handle_batch(&mut self, batch: &Arc<Batch>) {
        self.shard.handle_batch(batch);
    }

    /// Serves everybody who is ready, by transports that take all they are offered, and answers how many bytes that was.
    pub fn pass(&mut self) -> usize {
        let mut bytes = 0;
        while let Some(transmit) = self.shard.poll_transmit() {
            let taken = transmit.slices.iter().map(Bytes::len).sum();
            self.shard.handle_wrote(transmit.id, taken);
            bytes += taken;
        }
        bytes
    }

    // Looking at it.

    /// The tail.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// How many subscriptions have a turn ahead.
    pub fn ready(&self) -> usize {
        self.shard.holdings().ready
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.shard.holdings().subscriptions
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a stage names topics")
}
