//! How an event's data arrives in each form, and what stands in a chunk.

use super::client::Client;
use super::{Ask, Chunks, Post, Transport};
use crate::{Dechunker, Listener};
use serde_json::Value;
use tidings_hub::{Content, Form, Format, Framing};

/// Each text, and what a reader of server-sent events gets: its line ends become LF, as the format has it, and all else stays.
const TEXTS: &[(&str, &str)] = &[
    ("", ""),
    ("\n", "\n"),
    ("\n\n\n", "\n\n\n"),
    ("a\nb", "a\nb"),
    ("a\r\nb\rc\n\rd", "a\nb\nc\n\nd"),
    (" one space, a tab\t ", " one space, a tab\t "),
    (": no comment", ": no comment"),
    ("data: x\nid: y\nevent: z\nretry: 1\n\n", "data: x\nid: y\nevent: z\nretry: 1\n\n"),
    ("grüße \u{2028}\u{85}\u{feff}\u{1f980}", "grüße \u{2028}\u{85}\u{feff}\u{1f980}"),
    ("0\r\n\r\n", "0\n\n"),
];

pub(super) fn lines(t: &mut dyn Transport) {
    let mut streams: Vec<(Form, Client)> = [Form::Sse, Form::Enveloped, Form::Ndjson]
        .into_iter()
        .map(|form| (form, Client::opened(t, &Ask::topics(&["a"]).in_form(form))))
        .collect();
    let posts: Vec<Post> = TEXTS.iter().map(|(text, _)| Post::text("a", text)).collect();
    let ids = t.publish(&posts);
    for (form, client) in &mut streams {
        client.until_heard(t, ids.len());
        assert_eq!(client.ids(), ids, "{form:?}");
        // JSON keeps every line end as it was.
        let expect = TEXTS.iter().map(|(text, sse)| if *form == Form::Sse { *sse } else { *text });
        assert_eq!(client.data(), expect.collect::<Vec<_>>(), "{form:?}");
    }
}

pub(super) fn binary(t: &mut dyn Transport) {
    let bytes = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0, 0xff];
    let content = Content::Binary { content_type: "image/png".into(), bytes: bytes.into() };
    let image = Post { content, ..Post::text("a", "") };
    let mut sse = Client::opened(t, &Ask::topics(&["a"]));
    let mut lines = Client::opened(t, &Ask::topics(&["a"]).in_form(Form::Ndjson));
    t.publish(&[image]);
    sse.until_heard(t, 1);
    assert_eq!(sse.data(), ["data:image/png;base64,iVBORw0KAP8="]);
    lines.until_heard(t, 1);
    let json = lines.events()[0].json.clone().expect("a line");
    assert_eq!(json["content_type"], "image/png");
    assert_eq!((&json["data_base64"], json.get("data")), (&"iVBORw0KAP8=".into(), None));
}

pub(super) fn ndjson(t: &mut dyn Transport) {
    let first = t.publish(&[Post::text("a", "0")]).remove(0);
    let ask = Ask::topics(&["a"]).in_form(Form::Ndjson);
    let mut client = Client::opened(t, &ask.clone().after("nonsense"));
    let id = t.publish(&[Post::text("a", "x\n\"y\"").of_type("up")]).remove(0);
    client.until_heard(t, 2);
    assert_eq!(client.ids(), [first, id.clone()]);
    let text = String::from_utf8(client.body.clone()).expect("lines are text");
    assert!(text.ends_with('\n') && !text.contains("\n\n"), "a line each, and no other: {text}");
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    // Where time is not ours a stream may beat at any moment.
    lines.retain(|line| line["control"] != "tidings.heartbeat");
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!((&lines[0]["control"], lines[0]["id"].is_string()), (&"tidings.open".into(), true));
    assert_eq!((&lines[1]["control"], &lines[1]["data"]["reason"]), (&"tidings.gap".into(), &"unknown".into()));
    let mut event = lines[3].clone();
    assert!(event["time"].take().is_string(), "{text}");
    let expect = serde_json::json!({"id": id, "topic": "a", "time": null, "type": "up", "data": "x\n\"y\""});
    assert_eq!(event, expect);
}

/// A client, or a proxy, that hands on chunk by chunk hands on whole events.
pub(super) fn chunks(t: &mut dyn Transport) {
    let chunks = t.capabilities().chunks;
    let largest = match chunks {
        Chunks::Unseen => return,
        Chunks::OneEvent => 40_000,
        Chunks::WholeEvents { bytes_max } => bytes_max,
    };
    for form in [Form::Sse, Form::Ndjson] {
        let mut live = Client::opened(t, &Ask::topics(&["a"]).in_form(form));
        // What names and ids take of the largest event, with room to spare.
        const AROUND: usize = 500;
        for len in [0, 1, 5, 15, 16, 255, 256, 4_095, 10_000, largest - AROUND, 3, 7_000, 9_000, 2] {
            t.publish(&[Post::text("a", &"x".repeat(len)), Post::text("a", "between")]);
        }
        // One reads what came meanwhile, the other all of it at once.
        let mut past = Client::opened(t, &Ask::topics(&["a"]).in_form(form).from_all());
        for client in [&mut live, &mut past] {
            client.until(t, "the last of them", |client| {
                client.events().len().is_multiple_of(28) && client.told.len() > 28
            });
            check_chunks(client, form, chunks);
        }
    }
}

fn check_chunks(client: &Client, form: Form, chunks: Chunks) {
    let (mut dechunker, mut chunk, mut count) = (Dechunker::default(), Vec::new(), 0);
    let mut start = 0;
    for (at, byte) in client.raw.iter().enumerate() {
        dechunker.handle_bytes(&[*byte], &mut chunk).expect("strict chunks");
        if !dechunker.is_at_boundary() || chunk.is_empty() {
            continue;
        }
        let mut listener = Listener::new(Format { form, framing: Framing::Bare });
        let told = listener.handle_bytes(&chunk).expect("a chunk makes sense by itself");
        let text = String::from_utf8_lossy(&chunk);
        assert!(listener.is_at_boundary() && !told.is_empty(), "{form:?}: no event's end is this chunk's: {text:?}");
        if chunks == Chunks::OneEvent {
            assert_eq!(told.len(), 1, "{form:?}: one event in {text:?}");
            // The hub writes these itself: to the byte, where other servers may choose.
            let exact = [format!("{:x}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat();
            assert!(client.raw[start..=at] == exact, "{form:?}: not the chunk of {text:?}");
        }
        if let Chunks::WholeEvents { bytes_max } = chunks {
            assert!(chunk.len() <= bytes_max, "{form:?}: {} bytes in a chunk", chunk.len());
        }
        count += told.len();
        start = at + 1;
        chunk.clear();
    }
    assert_eq!(count, client.told.len(), "every event stands in some chunk");
}
