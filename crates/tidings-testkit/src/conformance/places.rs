//! Where a client returns to, and what it is told when that place is none.

use super::client::Client;
use super::{Ask, Cut, Post, Transport};
use crate::Told;
use tidings_hub::UNKNOWN_EVENTS_MAX;

/// A history of two topics, and the ids of each.
fn history(t: &mut dyn Transport, events: usize) -> (Vec<String>, Vec<String>) {
    let (mut all, mut wanted) = (Vec::new(), Vec::new());
    for n in 0..events {
        let topic = if n % 3 == 1 { "b" } else { "a" };
        // Larger than a small transport's room together, so that some of it is behind and some at hand.
        let id = t.publish(&[Post::text(topic, &format!("{n} {}", "x".repeat(300)))]).remove(0);
        wanted.extend((topic == "a").then(|| id.clone()));
        all.push(id);
    }
    (all, wanted)
}

pub(super) fn every_id(t: &mut dyn Transport) {
    let before = Client::opened(t, &Ask::topics(&["a"])).last_event_id();
    let (all, wanted) = history(t, 40);
    let mut clients = Vec::new();
    for (place, id) in [before].iter().chain(&all).enumerate() {
        let rest: Vec<String> = wanted.iter().filter(|id| all[place..].contains(id)).cloned().collect();
        let mut client = Client::opened(t, &Ask::topics(&["a"]).after(id));
        assert_eq!(client.told[0], Told::Open { id: id.clone() }, "it opens where the client is");
        client.until_heard(t, rest.len());
        assert_eq!(client.ids(), rest, "after {place} of {}", all.len());
        clients.push((client, rest));
    }
    // And each goes on from there.
    let (mut last, rest) = clients.pop().expect("one returned at the newest id");
    last.check_heard(t, &rest, "a");
    let newest = last.ids().pop().expect("one was heard");
    for (mut client, mut rest) in clients {
        rest.push(newest.clone());
        client.until_heard(t, rest.len());
        assert_eq!(client.ids(), rest);
    }
}

pub(super) fn before_the_first(t: &mut dyn Transport) {
    for cut in [Cut::Fin, Cut::Reset] {
        t.publish(&[Post::text("a", "before it came")]);
        let client = Client::opened(t, &Ask::topics(&["a"]));
        let place = client.last_event_id();
        client.cut(t, cut);
        let ids = t.publish(&[Post::text("a", "while it was away"), Post::text("b", "of another")]);
        let mut back = Client::opened(t, &Ask::topics(&["a"]).after(&place));
        back.check_heard(t, &ids[..1], "a");
    }
}

pub(super) fn mid_frame(t: &mut dyn Transport) {
    /// Small, so that a read ends inside a frame.
    const STEP: usize = 61;
    for cut in [Cut::Fin, Cut::Reset] {
        for stop in [1, 40, 700, 1_300, 3_500, 9_900] {
            let mut client = Client::opened(t, &Ask::topics(&["a"]));
            let start = client.body.len();
            let posts: Vec<Post> = (0..10).map(|n| Post::text("a", &format!("{n}\n{}", "x".repeat(1_000)))).collect();
            let mut ids = t.publish(&posts);
            let is_inside = |client: &Client| client.body.len() >= start + stop && !client.is_at_boundary();
            client.until_in_steps(t, STEP, "the middle of a frame", is_inside);
            let (mut heard, place) = (client.ids(), client.last_event_id());
            assert!(heard.len() < ids.len());
            client.cut(t, cut);
            ids.extend(t.publish(&[Post::text("a", "while it was away")]));
            let mut back = Client::opened(t, &Ask::topics(&["a"]).after(&place));
            back.until_heard(t, ids.len() - heard.len());
            heard.extend(back.ids());
            assert_eq!(heard, ids, "{cut:?} after {stop} bytes");
        }
    }
}

pub(super) fn unknown(t: &mut dyn Transport) {
    let own = t.publish(&[Post::text("a", "0")]).remove(0);
    let (epoch, seq) = own.split_once('.').expect("an id has an epoch");
    let seq: u64 = seq.parse().expect("and a number");
    let other = if epoch == "00000000" { "00000001" } else { "00000000" };
    let (of_another, ahead) = (format!("{other}.{seq}"), format!("{epoch}.{}", seq + 1_000_000));
    let places = ["garbage", "0", &of_another, &ahead, "x.1", &format!("{epoch}.0{seq}")];
    for place in places {
        for (topic, events) in [("a", 1), ("empty", 0)] {
            let mut client = Client::opened(t, &Ask::topics(&[topic]).after(place));
            client.until(t, "a gap", |client| client.told.len() > 1);
            let Told::Gap(gap) = &client.told[1] else { panic!("{place}: {:?} is no gap", client.told[1]) };
            assert_eq!((gap.reason.as_str(), gap.truncated), ("unknown", false), "{place}");
            assert_eq!(gap.requested.as_deref(), Some(place));
            client.until_heard(t, events);
            assert_eq!(client.ids().len(), events, "{place}");
        }
    }
    let most = usize::try_from(UNKNOWN_EVENTS_MAX).expect("a thousand is a number of events");
    let mut ids = Vec::new();
    for n in 0..=most / 100 {
        let posts: Vec<Post> = (0..100).map(|i| Post::text("many", &(n * 100 + i).to_string())).collect();
        ids.extend(t.publish(&posts));
    }
    let mut client = Client::opened(t, &Ask::topics(&["many"]).after("garbage"));
    client.check_heard(t, &ids[ids.len() - most..], "many");
    let Told::Gap(gap) = &client.told[1] else { panic!("{:?} is no gap", client.told[1]) };
    assert!(gap.truncated, "older ones are kept, and left out");
}
