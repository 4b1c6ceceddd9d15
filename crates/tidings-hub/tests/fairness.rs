//! The fears: whoever has little to be sent waits for all who have much; and publishers wait where they need not, or do not where they should.

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
        let mut passing = Passing::over(MANY);
        passing.publish("big", "x");
        for _ in 0..100 {
            passing.turn();
        }
        passing
    }

    /// A shard with so many subscribers of one topic, all at the head.
    fn over(count: usize) -> Self {
        let shard = Shard::new(shard_config(), Time::from_millis(0), UnixMillis(0));
        let mut passing = Passing { shard, tail: Tail::new(shard_config().epoch, Seq::START, 4 << 20), seq: 0 };
        for _ in 0..count {
            passing.subscribe("big");
        }
        while passing.turn().is_some() {}
        passing
    }

    /// Events of `text` come twice as fast as a pass over a hundred subscribers ends, for so many milliseconds.
    fn flood(&mut self, text: &str, millis: u64) {
        for now in 1..=millis {
            self.shard.handle_timeout(Time::from_millis(now), UnixMillis(0));
            self.publish("big", text);
            for _ in 0..50 {
                self.turn();
            }
        }
    }

    fn subscribe(&mut self, topic: &str) -> SubscriberId {
        let topics = vec![TopicName::new(topic).expect("a topic")];
        let selection = Selection::new(topics, Vec::new(), Vec::new(), Grant::local().into());
        let selection = selection.expect("one topic");
        let format = Format { form: Form::Sse, framing: Framing::Chunked };
        self.shard.subscribe(Spec { selection: selection.into(), format, bare_events: false }, ResumePoint::Live)
    }

    fn publish(&mut self, topic: &str, text: &str) {
        self.seq += 1;
        let event = Event {
            seq: Some(Seq(self.seq)),
            time: UnixMillis(0),
            topics: TopicName::new(topic).expect("a topic").into(),
            event_type: None,
            content: Content::text(text),
            expires: None,
        };
        self.shard.handle_batch(&self.tail.append(vec![event]));
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
    passing.publish("small", "x");
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
        passing.publish("small", "x");
        for _ in 0..2 {
            others += usize::from(passing.turn().is_some_and(|id| id != one));
        }
    }
    assert!(others >= 100, "{others} of two hundred turns were of the pass");
}

#[test]
fn publishers_wait_when_large_sends_cannot_keep_up_and_until_they_have() {
    let mut passing = Passing::over(100);
    let large = "x".repeat(8 << 10);
    passing.flood(&large, 50);
    assert!(!passing.shard.is_behind(), "not longer than is allowed");
    passing.flood(&large, 60);
    assert!(passing.shard.is_behind());
    while passing.turn().is_some() {}
    assert!(!passing.shard.is_behind());
}

#[test]
fn nobody_waits_where_more_is_sent_at_once_or_where_sockets_are_full() {
    let mut passing = Passing::over(100);
    passing.flood("x", 200);
    assert!(!passing.shard.is_behind(), "small sends grow");
    let mut passing = Passing::over(100);
    passing.flood(&"x".repeat(8 << 10), 60);
    while let Some(transmit) = passing.shard.poll_transmit() {
        passing.shard.handle_wrote(transmit.id, 0);
    }
    assert!(!passing.shard.is_behind(), "none of them takes anything");
}
