//! What a stream says: how it begins, which events, in which order.

use super::client::Client;
use super::{Ask, Post, Transport};
use crate::{Told, Wish};
use tidings_hub::{Form, ResumePoint};

/// The shortest `retry:` a stream may open with, in milliseconds: below it a restart becomes a storm.
const RETRY_MIN: u32 = 1_000;
/// A heartbeat's bytes.
const BEAT: &str = ":\n\n";

/// `retry:`, a comment, and the id from which the stream starts: that of the newest event there is.
pub(super) fn preamble(t: &mut dyn Transport) {
    let fresh = Client::opened(t, &Ask::topics(&["a"]));
    check_preamble(&fresh);
    let id = t.publish(&[Post::text("elsewhere", "1"), Post::text("elsewhere", "2")]).remove(1);
    let later = Client::opened(t, &Ask::topics(&["a"]));
    check_preamble(&later);
    assert_eq!(later.told[0], Told::Open { id }, "it starts behind the newest event, whosever that is");
}

fn check_preamble(client: &Client) {
    let text = String::from_utf8(client.body.clone()).expect("a preamble is text");
    let retry = text.strip_prefix("retry: ").and_then(|rest| rest.split_once('\n')).map(|(digits, _)| digits);
    let retry: u32 = retry.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no retry in {text:?}"));
    assert!(retry >= RETRY_MIN, "{text:?}");
    let id = client.last_event_id();
    assert!(matches!(ResumePoint::from_client_id(&id), ResumePoint::After(_)), "{id:?} is an id of ours");
    let expect = format!("retry: {retry}\n: ok\n\nevent: tidings.open\nid: {id}\ndata: {{\"retry\":{retry}}}\n\n");
    // Where time is not ours a stream may beat at any moment.
    assert_eq!(text.trim_end_matches(BEAT), expect);
}

/// Written by hand, not by our encoder: also what another framing must unframe to.
pub(super) fn exact_bytes(t: &mut dyn Transport) {
    let mut client = Client::opened(t, &Ask::topics(&["a"]));
    let start = client.body.len();
    let ids = t.publish(&[
        Post::text("a", "one"),
        Post::text("a", "zwei\ndrei: ä"),
        Post::text("a", "").of_type("up"),
        Post::text("a", "x").of_type("message"),
    ]);
    client.until_heard(t, ids.len());
    let expect = format!(
        "id: {}\ndata: one\n\nid: {}\ndata: zwei\ndata: drei: ä\n\nevent: up\nid: {}\ndata: \n\nid: {}\ndata: x\n\n",
        ids[0], ids[1], ids[2], ids[3]
    );
    assert_eq!(String::from_utf8_lossy(&client.body[start..]).replace(BEAT, ""), expect);
}

/// Single ones and batches, before and behind the moment when the client comes.
pub(super) fn order(t: &mut dyn Transport) {
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.extend(t.publish(&[Post::text("a", &n.to_string())]));
    }
    let mut all = Client::opened(t, &Ask::topics(&["a"]).from_all());
    let mut live = Client::opened(t, &Ask::topics(&["a"]));
    for batch in 0..10 {
        let posts: Vec<Post> = (0..=batch).map(|n| Post::text("a", &format!("{batch}.{n}"))).collect();
        ids.extend(t.publish(&posts));
    }
    assert!(ids.iter().enumerate().all(|(i, id)| !ids[..i].contains(id)), "an id is given once");
    live.check_heard(t, &ids[10..], "a");
    all.until_heard(t, ids.len() + 1);
    assert_eq!(all.ids()[..ids.len()], ids);
    let expect: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(all.data()[..10], expect);
    assert_eq!(all.data()[10..13], ["0.0", "1.0", "1.1"]);
}

pub(super) fn several_topics(t: &mut dyn Transport) {
    let mut client = Client::opened(t, &Ask::topics(&["a", "b"]).in_form(Form::Enveloped));
    let both = Post { topics: vec!["b".into(), "a".into(), "c".into()], ..Post::text("b", "both").of_type("up") };
    let ids = t.publish(&[Post::text("a", "1"), both, Post::text("c", "3"), Post::text("b", "4")]);
    let wanted = [ids[0].clone(), ids[1].clone(), ids[3].clone()];
    client.check_heard(t, &wanted, "b");
    assert_eq!(client.data()[..3], ["1", "both", "4"]);
    let events = client.events();
    let json = |n: usize| events[n].json.clone().expect("an envelope");
    assert_eq!((&json(0)["topic"], &json(0)["id"]), (&"a".into(), &ids[0].clone().into()));
    assert!(json(0).get("topics").is_none(), "{}", json(0));
    assert_eq!((&json(1)["topic"], &json(1)["type"]), (&"b".into(), &"up".into()));
    assert_eq!(json(1)["topics"], serde_json::json!(["b", "a", "c"]));
    let time = json(1)["time"].as_str().expect("a time").to_owned();
    assert!(time.len() == "2025-05-20T04:21:01.969Z".len() && time.ends_with('Z'), "{time}");
    // The same wish without envelopes hears the same once.
    let mut plain = Client::opened(t, &Ask::topics(&["a", "b"]).after(&ids[0]));
    plain.until_heard(t, 3);
    assert_eq!(plain.data(), ["both", "4", "the last one"]);
}

pub(super) fn patterns(t: &mut dyn Transport) {
    let ask = |patterns: &[&str]| Ask::new(Wish::patterns(patterns));
    let mut one = Client::opened(t, &ask(&["news/*"]));
    let mut any = Client::opened(t, &ask(&["news/**", "*"]));
    let topics = ["news", "news/a", "news/a/b", "other", "other/a", "newsx/a", "news/ä ?&%"];
    let posts: Vec<Post> = topics.iter().map(|topic| Post::text(topic, topic)).collect();
    let ids = t.publish(&posts);
    let pick = |indexes: &[usize]| -> Vec<String> { indexes.iter().map(|i| ids[*i].clone()).collect() };
    one.check_heard(t, &pick(&[1, 6]), "news/z");
    any.until_heard(t, 6);
    assert_eq!(any.data(), ["news", "news/a", "news/a/b", "other", "news/ä ?&%", "the last one"]);
    // Of history too, with a name beside a pattern that matches it.
    let both = Wish { topics: vec!["news/a".into()], ..Wish::patterns(&["news/*"]) };
    let mut past = Client::opened(t, &Ask::new(both).from_all());
    past.until_heard(t, 3);
    assert_eq!(past.data(), ["news/a", "news/ä ?&%", "the last one"]);
}

pub(super) fn types(t: &mut dyn Transport) {
    let mut client = Client::opened(t, &Ask::new(Wish::topics(&["a"]).of_types(&["up", "message"])));
    let types = ["up", "down", "message", "upper", "up"];
    let posts: Vec<Post> = types.iter().map(|name| Post::text("a", name).of_type(name)).collect();
    let ids = t.publish(&posts);
    let wanted = [ids[0].clone(), ids[2].clone(), ids[4].clone()];
    client.check_heard(t, &wanted, "a");
    let heard: Vec<&str> = client.events().iter().map(|heard| heard.event_type.as_str()).collect();
    assert_eq!(heard, ["up", "message", "up", "message"]);
    // Control events pass every filter.
    let none = Client::opened(t, &Ask::new(Wish::topics(&["a"]).of_types(&["none"])));
    assert!(matches!(none.told[0], Told::Open { .. }));
}
