//! `tidings listen` against servers that cut, redirect, refuse and end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::scripted::{Scripted, read_request};
use crate::{Running, run, tidings};

/// The head of a stream that ends by close, so that a test may cut it at any byte.
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 100\n";
const GONE: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

fn stream(body: &str) -> String {
    format!("{STREAM}{body}")
}

#[test]
fn it_comes_back_where_it_was_and_prints_everything_once() {
    let server = Scripted::start(&[
        &stream("id: e.1\ndata: one\n\nid: e.2\ndata: two\n"),
        &stream("id: e.2\ndata: two\n\n"),
        // A stream that ends within its own head, and one that never says a word.
        "HTTP/1.1 200 OK\r\ncontent-ty",
        &stream(""),
        &stream(&format!("id: e.3\nevent: up\ndata: three\ndata: {}\n\n", "x".repeat(100_000))),
        GONE,
    ]);
    let ended = run(&["listen", "--json", &format!("{}/any?x=1", server.url)]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(lines[0], r#"{"id":"e.1","type":"message","data":"one"}"#);
    assert_eq!(lines[1], r#"{"id":"e.2","type":"message","data":"two"}"#);
    assert!(lines[2].starts_with(r#"{"id":"e.3","type":"up","data":"three\nxxx"#));
    assert_eq!(ended.code, 0, "204 is a way to say that it is over: {}", ended.stderr);

    let requests = server.requests();
    let ids: Vec<Option<&str>> = requests.iter().map(|request| request.header("last-event-id")).collect();
    assert_eq!(ids, [None, Some("e.1"), Some("e.2"), Some("e.2"), Some("e.2"), Some("e.3")]);
    assert!(requests.iter().all(|request| request.line == "GET /any?x=1 HTTP/1.1\r\n"));
    assert_eq!(requests[0].header("accept"), Some("text/event-stream"));
    assert_eq!(requests[0].header("cache-control"), Some("no-cache"));
    assert!(ended.stderr.contains("the stream ended; trying again in 0.1 s"), "{}", ended.stderr);
}

#[test]
fn redirects_are_followed_and_the_first_address_is_kept() {
    let redirect =
        |status: &str, to: &str| format!("HTTP/1.1 {status} Go\r\nlocation: {to}\r\nconnection: close\r\n\r\n");
    let server = Scripted::start(&[
        &redirect("302", "/b"),
        &redirect("308", "{url}/c?d"),
        &stream("data: 1\n\n"),
        &redirect("302", "/b"),
        GONE,
    ]);
    let ended = run(&["listen", "--json", &format!("{}/a", server.url)]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1), "{}", ended.stderr);
    let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
    let targets: Vec<&str> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(targets, ["/a", "/b", "/c?d", "/a", "/b"]);
}

#[test]
fn redirects_that_lead_nowhere_end_it() {
    let around = "HTTP/1.1 302 Go\r\nlocation: /a\r\nconnection: close\r\n\r\n";
    let server = Scripted::start(&[around; 6]);
    let ended = run(&["listen", &format!("{}/a", server.url)]);
    assert!(ended.code == 3 && ended.stderr.contains("redirects more than 5 times"), "{}", ended.stderr);
    assert_eq!(server.requests().len(), 6);

    let server = Scripted::start(&["HTTP/1.1 301 Go\r\nlocation: https://x/\r\nconnection: close\r\n\r\n"]);
    let ended = run(&["listen", &server.url]);
    assert!(ended.code == 3 && ended.stderr.contains("https:// is not there yet"), "{}", ended.stderr);
    server.requests();
}

#[test]
fn a_refusal_says_why() {
    let problem = "{\"code\":\"topic_invalid\",\"title\":\"Bad topic\",\"detail\":\"A segment is empty.\"}";
    let server = Scripted::start(&[&format!(
        "HTTP/1.1 400 Bad\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\r\n{problem}",
        problem.len()
    )]);
    let ended = run(&["listen", "a//b", "--url", &server.url]);
    assert_eq!(
        ended.stderr,
        "error: the server refused (400): A segment is empty. (see: tidings explain topic_invalid)\n"
    );
    assert_eq!(ended.code, 3);
    assert_eq!(server.requests()[0].line, "GET /topics/a//b?envelope=json HTTP/1.1\r\n");

    let server = Scripted::start(&["HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\nhello"]);
    let ended = run(&["listen", &server.url]);
    assert!(ended.code == 3 && ended.stderr.contains("is not an event stream"), "{}", ended.stderr);
    server.requests();
}

#[test]
fn a_503_is_waited_out() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\nconnection: close\r\n\r\n";
    let server = Scripted::start(&[busy, &stream("data: 1\n\n"), GONE]);
    let ended = run(&["listen", "--json", &server.url]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 1), "{}", ended.stderr);
    assert!(ended.stderr.contains("the server answered 503 Service Unavailable; trying again"), "{}", ended.stderr);
    server.requests();
}

#[test]
fn an_id_that_no_header_carries_ends_it() {
    let server = Scripted::start(&[&stream("id: a\u{1}b\ndata: 1\n\n")]);
    let ended = run(&["listen", "--json", &server.url]);
    assert!(ended.code == 1 && ended.stderr.contains(r#"event id "a\u{1}b" cannot be sent back"#), "{}", ended.stderr);
    server.requests();
}

/// Starts a listener whose stream is open.
fn listen_to_open_stream() -> (Running, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let running = Running::start(&mut tidings(&["listen", "--json", &url]));
    let (mut socket, _) = listener.accept().unwrap();
    // An answer before its request would be no HTTP.
    read_request(&mut BufReader::new(&socket));
    socket.write_all(STREAM.as_bytes()).unwrap();
    (running, socket)
}

#[test]
fn ctrl_c_is_a_clean_end() {
    let (mut running, mut socket) = listen_to_open_stream();
    socket.write_all(b"data: 1\n\n").unwrap();
    let mut line = String::new();
    running.stdout().read_line(&mut line).unwrap();
    assert_eq!(line, "{\"type\":\"message\",\"data\":\"1\"}\n", "an event is printed at once");
    let ended = running.interrupt();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn a_closed_pipe_is_a_clean_end() {
    let (mut running, mut socket) = listen_to_open_stream();
    drop(running.stdout());
    // One event would do, if no other test were just starting a process: until that one is itself, it holds our end of
    // the pipe too.
    let is_gone = (0..1_000_000).any(|_| socket.write_all(b"data: 1\n\n").is_err());
    assert!(is_gone, "it goes on printing to nobody");
    let ended = running.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
