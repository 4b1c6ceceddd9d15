//! Readers that stand still, streams that end, and what is said in the silence.

use super::client::Client;
use super::{Ask, Cut, Ending, Post, Transport};
use crate::Told;
use std::time::Duration;
use tidings_hub::Form;

/// The silence after which a stream beats: proxies cut at 30 to 60 s.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The silence after which a beat bears an id.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(60);
/// The shortest time after which a client returns to a server that stops: a restart must be over by then.
const DRAIN_RETRY_MIN: u64 = 2_000;
/// Text of one event, where a stream is to be filled: a part of what a transport swallows, and never more than a quarter of the
/// largest event there is.
const FILL_BYTES_MAX: usize = 256 << 10;

/// What a full stream holds: ids and data, in order.
#[derive(Default)]
struct Filled {
    ids: Vec<String>,
    data: Vec<String>,
}

impl Filled {
    fn publish(&mut self, t: &mut dyn Transport, text: String) {
        self.ids.extend(t.publish(&[Post::text("a", &text)]));
        self.data.push(text);
    }

    /// Publishes, a reader listening, until a stream that nobody reads surely stands still.
    fn fill(&mut self, t: &mut dyn Transport, other: &mut Client) {
        let swallowed = t.capabilities().swallowed_bytes_max;
        let size = (swallowed / 4).clamp(1, FILL_BYTES_MAX);
        while self.data.len() * size < 2 * swallowed {
            self.publish(t, format!("{} {}", self.data.len(), "x".repeat(size)));
            other.until_heard(t, self.ids.len());
        }
    }
}

/// A client that has read a part of an event and reads no more, and that event.
fn stalled(t: &mut dyn Transport) -> (Client, Filled) {
    /// Small beside the event.
    const STEP: usize = 16;
    let mut client = Client::opened(t, &Ask::topics(&["a"]));
    let start = client.body.len();
    let mut filled = Filled::default();
    filled.publish(t, "y".repeat(1_000));
    client.until_in_steps(t, STEP, "a part of an event", |client| client.body.len() > start + 100);
    assert!(!client.is_at_boundary() && client.ids().is_empty());
    (client, filled)
}

pub(super) fn stall(t: &mut dyn Transport) {
    let mut other = Client::opened(t, &Ask::topics(&["a"]));
    let (mut slow, mut filled) = stalled(t);
    filled.fill(t, &mut other);
    assert_eq!(other.ids(), filled.ids, "the other one heard each as it came");
    // And whoever comes now opens at once.
    Client::opened(t, &Ask::topics(&["a"]));
    slow.check_heard(t, &filled.ids, "a");
    for client in [&slow, &other] {
        let is_whole = client.data().iter().zip(&filled.data).all(|(heard, published)| heard == published);
        assert!(is_whole, "the ids are right, the data is not");
    }
}

pub(super) fn drain(t: &mut dyn Transport) {
    let mut streams = vec![
        Client::opened(t, &Ask::topics(&["a"])),
        Client::opened(t, &Ask::topics(&["quiet"])),
        Client::opened(t, &Ask::topics(&["a"]).in_form(Form::Ndjson)),
    ];
    let ids = t.publish(&[Post::text("a", "1"), Post::text("a", "2")]);
    for client in streams.iter_mut().step_by(2) {
        client.until_heard(t, ids.len());
    }
    t.drain();
    for client in &mut streams {
        assert_eq!(client.rest(t), Ending::Clean);
        let Some(Told::End { reason, retry }) = client.told.last() else { panic!("the last word: {:?}", client.told) };
        assert!(reason == "drain" && *retry >= DRAIN_RETRY_MIN, "{reason} {retry}");
    }
    let text = String::from_utf8_lossy(&streams[1].body);
    let Some(Told::End { retry, .. }) = streams[1].told.last() else { unreachable!("looked at above") };
    let expect =
        format!("\n\nretry: {retry}\nevent: tidings.end\ndata: {{\"reason\":\"drain\",\"retry\":{retry}}}\n\n");
    assert!(text.ends_with(&expect), "{text}");
    assert_eq!((streams[0].ids(), streams[2].ids()), (ids.clone(), ids));
}

pub(super) fn drain_of_a_stalled(t: &mut dyn Transport) {
    let mut other = Client::opened(t, &Ask::topics(&["a"]));
    let (mut slow, mut filled) = stalled(t);
    filled.fill(t, &mut other);
    t.drain();
    assert_eq!(other.rest(t), Ending::Clean);
    assert_eq!(slow.rest(t), Ending::Cut, "it must not take what it has for all there was");
    assert!(!slow.told.iter().any(|told| matches!(told, Told::End { .. })), "no end was told: {:?}", slow.told.last());
    // What it heard in whole is the beginning of what there was: it returns behind that.
    let heard = slow.ids();
    let all = filled.ids;
    assert!(heard.len() < all.len() && all.starts_with(&heard), "{} of {}", heard.len(), all.len());
}

fn heartbeats(client: &Client) -> usize {
    client.told.iter().filter(|told| **told == Told::Heartbeat).count()
}

/// How many beats come in so long.
fn beats(t: &mut dyn Transport, client: &mut Client, duration: Duration) -> usize {
    let before = heartbeats(client);
    t.wait(duration);
    while client.hear(t, usize::MAX) {}
    heartbeats(client) - before
}

pub(super) fn silence(t: &mut dyn Transport) {
    if !t.capabilities().owns_time {
        return;
    }
    for form in [Form::Sse, Form::Ndjson] {
        let mut client = Client::opened(t, &Ask::topics(&["a"]).in_form(form));
        let first = beats(t, &mut client, HEARTBEAT + Duration::from_secs(1));
        assert!((1..=2).contains(&first), "{first} beats in the first {HEARTBEAT:?}");
        let more = beats(t, &mut client, HEARTBEAT * 10);
        assert!((9..=11).contains(&more), "{more} beats in ten times {HEARTBEAT:?}");
        assert!(client.is_at_boundary());
        assert_eq!(client.told.len(), 1 + first + more, "nothing else was said: the log has not moved on");
    }
}

pub(super) fn checkpoints(t: &mut dyn Transport) {
    if !t.capabilities().owns_time {
        return;
    }
    let mut client = Client::opened(t, &Ask::topics(&["quiet"]));
    let id = t.publish(&[Post::text("busy", "1"), Post::text("busy", "2")]).remove(1);
    beats(t, &mut client, CHECKPOINT_AFTER - Duration::from_secs(1));
    assert!(!client.told.iter().any(|told| matches!(told, Told::Checkpoint { .. })), "{:?}", client.told);
    beats(t, &mut client, HEARTBEAT * 2);
    let checkpoint = Told::Checkpoint { id: id.clone() };
    assert_eq!(client.told.iter().filter(|told| **told == checkpoint).count(), 1, "{:?}", client.told);
    assert_eq!(client.last_event_id(), id);
    client.cut(t, Cut::Reset);
    let ids = t.publish(&[Post::text("quiet", "while it was away")]);
    let mut back = Client::opened(t, &Ask::topics(&["quiet"]).after(&id));
    back.check_heard(t, &ids, "quiet");
}
