//! The fear: whoever has little to be sent waits for all who have much.

use std::sync::Arc;
use tidings_hub::{
    Content, Event, Form, Format, Framing, Grant, ResumePoint, Selection, Seq, Shard, Spec, SubscriberId, Tail, Time,
    TopicName, UnixMillis,
};
use tidings_testkit::shard_config;

const MANY: usize = 18_000;
/// Turns that one of a few may wait for: its own lane's, and as many of the other.
const TURNS_MAX: usize = 4;

struct Passing {
    shard: Shard,
    tail: Tail,
    seq: u64,
}

impl Passing {
    /// A shard that is in the middle of a pass over many subscribers of one topic.
    fn new() -> Self {
        let shard = Shard::new(shard_config(), Time::from_millis(0), UnixMillis(0));
        let mut passing = Passing { shard, tail: Tail::new(shard_config().epoch, Seq::START, 1 << 20), seq: 0 };
        for _ in 0..MANY {
            passing.subscribe("big");
        }
        while passing.turn().is_some() {}
        passing.publish("big");
        for _ in 0..100 {
            passing.turn();
        }
        passing
    }

    fn subscribe(&mut self, topic: &str) -> SubscriberId {
        let topics = vec![TopicName::new(topic).expect("a topic")];
        let selection = Selection::new(topics, Vec::new(), Vec::new(), Grant::local().into());
        let selection = selection.expect("one topic");
        let format = Format { form: Form::Sse, framing: Framing::Chunked };
        self.shard.subscribe(Spec { selection: selection.into(), format, bare_events: false }, ResumePoint::Live)
    }

    fn publish(&mut self, topic: &str) {
        self.seq += 1;
        let event = Event {
            seq: Some(Seq(self.seq)),
            time: UnixMillis(0),
            topics: TopicName::new(topic).expect("a topic").into(),
            event_type: None,
            content: Content::text("x"),
            expires: None,
        };
        self.shard.handle_batch(&self.tail.append(vec![Arc::new(event)]));
    }

    /// One offer, which is taken whole.
    fn turn(&mut self) -> Option<SubscriberId> {
        let transmit = self.shard.poll_transmit()?;
        self.shard.handle_wrote(transmit.id, transmit.slices.iter().map(bytes::Bytes::len).sum());
        Some(transmit.id)
    }

    #[track_caller]
    fn check_soon(&mut self, id: SubscriberId) {
        let turns = (1..=TURNS_MAX).find(|_| self.turn() == Some(id));
        assert!(turns.is_some(), "not within {TURNS_MAX} turns");
    }
}

#[test]
fn a_topic_with_one_subscriber_does_not_wait_for_a_pass() {
    let mut passing = Passing::new();
    let one = passing.subscribe("small");
    passing.check_soon(one);
    passing.publish("small");
    passing.check_soon(one);
}

#[test]
fn who_comes_to_a_great_topic_opens_at_once() {
    let mut passing = Passing::new();
    let new = passing.subscribe("big");
    passing.check_soon(new);
}

#[test]
fn a_pass_goes_on_beside_many_small_ones() {
    let mut passing = Passing::new();
    let one = passing.subscribe("small");
    passing.check_soon(one);
    let mut others = 0;
    for _ in 0..100 {
        passing.publish("small");
        for _ in 0..2 {
            others += usize::from(passing.turn().is_some_and(|id| id != one));
        }
    }
    assert!(others >= 100, "{others} of two hundred turns were of the pass");
}
