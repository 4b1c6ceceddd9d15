//! `tidings publish` against servers that lose answers, are busy, refuse, or are not there.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;

use crate::scripted::Scripted;
use crate::{Ended, run, tidings, wait};

/// A whole answer after which the connection closes.
fn answer(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn publish(args: &[&str], input: &str) -> Ended {
    let mut child = tidings(&[&["publish"], args].concat()).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    wait(child)
}

#[test]
fn an_event_is_sent_as_it_is_and_its_id_printed() {
    let server = Scripted::start(&[&answer("200 OK", "application/json", r#"{"id":"e.1","topic":"a b/ü"}"#)]);
    let ended = run(&["publish", "a b/ü", "hello", "--type", "greeting", "--url", &server.url, "--token", "secret"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "e.1\n"), "{}", ended.stderr);
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.line, "POST /topics/a%20b/%C3%BC HTTP/1.1\r\n");
    assert_eq!(request.body, "hello");
    assert_eq!(request.header("event-type"), Some("greeting"));
    assert_eq!(request.header("authorization"), Some("Bearer secret"));
    assert_eq!(request.header("content-type"), None, "a text has no content type");
    assert_eq!(request.header("idempotency-key").map(str::len), Some(32));
}

#[test]
fn a_lost_answer_doubles_nothing() {
    let good = answer("200 OK", "application/json", r#"{"id":"e.1","topic":"news"}"#);
    let busy = answer("503 Busy", "text/plain", "");
    let server = Scripted::start(&["", &busy, &good[..60], &good]);
    let ended = run(&["publish", "news", "hello", "--url", &server.url]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "e.1\n"), "{}", ended.stderr);
    let requests = server.requests();
    let key = requests[0].header("idempotency-key").unwrap();
    assert!(requests.iter().all(|request| request.header("idempotency-key") == Some(key) && request.body == "hello"));
}

#[test]
fn lines_become_a_batch_and_a_batch_that_is_sent_again_is_the_same() {
    let ids = "{\"id\":\"e.1\",\"topic\":\"news\"}\n{\"id\":\"e.2\",\"topic\":\"news\"}\n";
    let server = Scripted::start(&["", &answer("200 OK", "application/x-ndjson", ids)]);
    let ended = publish(&["news", "--type", "up", "--url", &server.url], "one\ntwo \"2\"\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "e.1\ne.2\n"), "{}", ended.stderr);
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.line, "POST /events HTTP/1.1\r\n");
    assert_eq!(first.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(first.body, second.body, "the same lines with the same keys");
    let lines: Vec<serde_json::Value> = first.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["topic"].as_str(), lines[0]["type"].as_str()), (Some("news"), Some("up")));
    assert_eq!((lines[0]["data"].as_str(), lines[1]["data"].as_str()), (Some("one"), Some("two \"2\"")));
    assert_ne!(lines[0]["idempotency_key"], lines[1]["idempotency_key"]);
}

#[test]
fn a_line_that_is_refused_is_named_and_the_others_stand() {
    let told = "{\"id\":\"e.1\",\"topic\":\"a\"}\n{\"error\":{\"code\":\"too_large\",\"detail\":\"At most 1 MiB.\"},\"line\":2}\n\
                {\"topic\":\"a\"}\n";
    let server = Scripted::start(&[&answer("207 Multi-Status", "application/x-ndjson", told)]);
    let ended = publish(&["news", "-", "--url", &server.url], "a\nb\nc\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (3, "e.1\n-\n"));
    assert_eq!(
        ended.stderr,
        "line 2 was refused: At most 1 MiB. (see: tidings explain too_large)\nerror: 1 of 3 lines were refused\n"
    );
    server.requests();
}

#[test]
fn bytes_that_are_no_text_stop_it_after_what_came_before() {
    let server = Scripted::start(&[&answer("200 OK", "application/x-ndjson", "{\"id\":\"e.1\",\"topic\":\"a\"}\n")]);
    let mut child = tidings(&["publish", "news", "--url", &server.url]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"good\n\xff\nafter\n").unwrap();
    let ended = wait(child);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "e.1\n"));
    assert_eq!(ended.stderr, "error: line 2: not UTF-8: use --file for bytes\n");
    server.requests();
}

#[test]
fn a_file_is_sent_with_its_content_type() {
    let path = std::env::temp_dir().join(format!("tidings-test-{}.png", std::process::id()));
    std::fs::write(&path, "not really a picture").unwrap();
    let server = Scripted::start(&[&answer("200 OK", "application/json", r#"{"id":"e.1","topic":"news"}"#)]);
    let ended = run(&["publish", "news", "--file", path.to_str().unwrap(), "--url", &server.url]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let [request] = server.requests().try_into().unwrap();
    assert_eq!((request.header("content-type"), request.body.as_str()), (Some("image/png"), "not really a picture"));

    let ended = run(&["publish", "news", "--file", "/does/not/exist"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with("error: /does/not/exist: "), "{}", ended.stderr);
}

#[test]
fn no_server_is_one_clear_end() {
    // A port that was free a moment ago, and is closed now.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = run(&["publish", "news", "hello", "--url", &closed.to_string()]);
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""));
    let last = ended.stderr.lines().last().unwrap();
    assert_eq!(last, format!("error: cannot connect to {closed}: connection refused"));
}

#[test]
fn another_servers_answer_is_not_taken_for_an_id() {
    let server = Scripted::start(&[&answer("200 OK", "text/html", "<p>hello"), &answer("301 Go", "text/html", "")]);
    let ended = run(&["publish", "news", "x", "--url", &server.url]);
    assert!(ended.code == 1 && ended.stderr.contains("is this a Tidings server?"), "{}", ended.stderr);
    let ended = run(&["publish", "news", "x", "--url", &server.url]);
    assert!(ended.code == 3 && ended.stderr.contains("301"), "{}", ended.stderr);
    server.requests();
}
