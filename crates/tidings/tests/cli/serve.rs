//! All four verbs together, on a real server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdout, Stdio};

use serde_json::Value;
use tidings_testkit::TempDir;

use crate::served::Served;
use crate::{Ended, Running, run, tidings, wait};

/// A listener whose lines are read as they come.
struct Listener {
    running: Running,
    stdout: BufReader<ChildStdout>,
}

impl Listener {
    fn start(args: &[&str]) -> Self {
        let mut running = Running::start(&mut tidings(&[&["listen"], args].concat()));
        let stdout = running.stdout();
        Self { running, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn json(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn stop(self) -> Ended {
        self.running.interrupt()
    }
}

fn publish(served: &Served, topic: &str, data: &str) -> String {
    let ended = run(&["publish", topic, data, "--url", &served.url()]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.stdout.trim_end().to_owned()
}

#[test]
fn what_is_published_is_heard() {
    let served = Served::start();
    let mut listener = Listener::start(&["news/ü %41", "--json", "--since", "all", "--url", &served.url()]);
    assert_eq!(listener.json()["control"], "tidings.open");
    let id = publish(&served, "news/ü %41", "a\nb");
    let event = listener.json();
    assert_eq!((event["id"].as_str(), event["topic"].as_str()), (Some(id.as_str()), Some("news/ü %41")));
    assert_eq!((event["type"].as_str(), event["data"].as_str()), (Some("message"), Some("a\nb")));
    assert_eq!(listener.stop().code, 0);
}

#[test]
fn people_see_time_topic_type_and_data() {
    let served = Served::start();
    publish(&served, "a/x", "not this one");
    let url = served.url();
    let sent = run(&["publish", "a/y", "one\ntwo", "--type", "up", "--url", &url]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let mut listener = Listener::start(&["a/*", "b", "--type", "up", "--since", "all", "--url", &url]);
    let line = listener.line();
    let (time, rest) = line.split_at("12:21:01.969".len());
    assert!(time.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte)), "{line}");
    assert_eq!(rest, "  a/y  up  one");
    assert_eq!(listener.line(), format!("{}two", " ".repeat("12:21:01.969  a/y  up  ".len())));
}

#[test]
fn every_line_of_a_long_input_arrives_once_and_in_order() {
    let served = Served::start();
    let url = served.url();
    let mut child = tidings(&["publish", "load", "--url", &url]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for number in 0..25_000 {
            writeln!(stdin, "{number}").unwrap();
        }
    });
    let ended = wait(child);
    writer.join().unwrap();
    assert_eq!((ended.code, ended.stdout.lines().count()), (0, 25_000), "{}", ended.stderr);
    let mut listener = Listener::start(&["load", "--json", "--since", "all", "--url", &url]);
    assert_eq!(listener.json()["control"], "tidings.open");
    for number in 0..25_000 {
        assert_eq!(listener.json()["data"], number.to_string());
    }
}

#[test]
fn a_listener_survives_a_restart_and_misses_nothing() {
    let served = Served::start();
    let (url, address, data) = (served.url(), served.address.clone(), served.data());
    let mut listener = Listener::start(&["news", "--json", "--url", &url]);
    assert_eq!(listener.json()["control"], "tidings.open");
    let before = publish(&served, "news", "before");
    assert_eq!(listener.json()["id"], *before);
    assert_eq!(served.stop().code, 0);
    assert_eq!(listener.json()["control"], "tidings.end");
    let served = Served::within(data, &["--listen", &address, "--no-demo"]);
    publish(&served, "news", "after");
    let mut next = listener.json();
    while next["data"] != "after" {
        assert_eq!(next["control"], "tidings.open", "nothing comes twice, and nothing is missing: {next}");
        next = listener.json();
    }
}

#[test]
fn a_listener_hears_of_the_gap_when_the_history_is_another() {
    let served = Served::start();
    let (url, address) = (served.url(), served.address.clone());
    let mut listener = Listener::start(&["news", "--json", "--url", &url]);
    assert_eq!(listener.json()["control"], "tidings.open");
    publish(&served, "news", "before");
    assert_eq!(listener.json()["data"], "before");
    assert_eq!(served.stop().code, 0);
    assert_eq!(listener.json()["control"], "tidings.end");
    // In another data directory: another history, and the server says so.
    let served = Served::with(&["--listen", &address, "--no-demo"]);
    let mut controls = [listener.json(), listener.json()];
    controls.sort_by_key(|control| control["control"].to_string());
    assert_eq!((&controls[0]["control"], &controls[1]["control"]), (&"tidings.gap".into(), &"tidings.open".into()));
    assert_eq!(controls[0]["data"]["reason"], "unknown");
    publish(&served, "news", "after");
    assert_eq!(listener.json()["data"], "after");
}

#[test]
fn a_data_directory_that_is_taken_is_one_line_and_a_code_of_its_own() {
    let served = Served::start();
    let data = served.data();
    let path = data.path().to_str().unwrap();
    let ended = run(&["--data-dir", path, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--no-demo"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (6, 1), "{}", ended.stderr);
    assert!(ended.stderr.starts_with(&format!("error: the data directory {path} is taken: ")), "{}", ended.stderr);
    assert!(ended.stderr.contains("process "), "it says which: {}", ended.stderr);
}

#[test]
fn a_log_that_fails_refuses_publishes_and_ends_in_a_code_of_its_own() {
    let served = Served::on_a_failing_disk();
    publish(&served, "news", "before");
    served.fail_its_disk();
    for code in ["outcome_unknown", "log_failed", "log_failed"] {
        // Not with our own client, which would wait as long as it is told, and try again.
        let mut stream = std::net::TcpStream::connect(&served.address).unwrap();
        let head = "POST /topics/news HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1\r\n\r\n";
        stream.write_all(format!("{head}x").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
    }
    let mut listener = Listener::start(&["news", "--json", "--since", "all", "--url", &served.url()]);
    assert_eq!(listener.json()["control"], "tidings.open");
    assert_eq!(listener.json()["data"], "before", "readers are served");
    let ended = served.stop();
    assert_eq!(ended.code, 8, "{}", ended.stderr);
    assert!(ended.stderr.lines().last().unwrap().starts_with("error: the log failed"), "{}", ended.stderr);
    let said = ended.stderr.lines().filter(|line| line.contains("the log has failed: nothing is published")).count();
    assert_eq!(said, 1, "once: {}", ended.stderr);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_one_line() {
    let temp = TempDir::new();
    let file = temp.path().join("file");
    std::fs::write(&file, "").unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--no-demo", "--data-dir"];
    let ended = run(&[&flags[..], &[file.to_str().unwrap()]].concat());
    assert_eq!((ended.code, ended.stderr.lines().count()), (1, 1), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: cannot use the data directory "), "{}", ended.stderr);
}

#[test]
fn binary_comes_back_as_it_went() {
    let served = Served::start();
    let path = std::env::temp_dir().join(format!("tidings-test-{}.webp", std::process::id()));
    std::fs::write(&path, [0, 255, 13, 10, 0]).unwrap();
    let sent = run(&["publish", "pictures", "--file", path.to_str().unwrap(), "--url", &served.url()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let mut listener = Listener::start(&["pictures", "--last", "1", "--url", &served.url()]);
    assert!(listener.line().ends_with("  message  <image/webp, 5 bytes>"));
}

#[test]
fn what_the_server_refuses_is_said_with_its_code() {
    let served = Served::start();
    let url = served.url();
    for args in [&["publish", "a//b", "x"][..], &["publish", "a", "x", "--type", "error"], &["listen", "a//b"]] {
        let ended = run(&[args, &["--url", &url]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (3, ""), "{args:?}: {}", ended.stderr);
        let code = ended.stderr.split("tidings explain ").nth(1).unwrap().trim_end().trim_end_matches(')');
        let explained = run(&["explain", code]);
        assert_eq!(explained.code, 0, "{code}: {}", explained.stderr);
        assert!(explained.stdout.starts_with(code), "{}", explained.stdout);
    }
    let mut child = tidings(&["publish", "a", "--type", "error", "--url", &url]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"1\n2\n").unwrap();
    let ended = wait(child);
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert!(ended.stderr.starts_with("line 1 was refused: "), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("error: 2 of 2 lines were refused\n"), "{}", ended.stderr);
}

#[test]
fn an_address_in_use_is_one_line_and_a_code_of_its_own() {
    let served = Served::start();
    let ended = run(&["--listen", &served.address, "--admin-listen", "127.0.0.1:0", "--no-demo"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (4, 1), "{}", ended.stderr);
    assert!(ended.stderr.starts_with(&format!("error: {} is in use", served.address)), "{}", ended.stderr);
}

#[test]
fn what_must_not_be_listened_to_is_a_usage_error() {
    for flags in [["--listen", "0.0.0.0:0"], ["--allowed-origin", "app.example"]] {
        let ended = run(&[&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], &flags[..]].concat());
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{flags:?}: {}", ended.stderr);
    }
    assert!(!std::path::Path::new("tidings-data").exists(), "a mistake leaves nothing behind");
}

#[test]
fn variables_do_what_flags_do_and_flags_win() {
    let served = Served::start();
    let mut command = tidings(&["publish", "news", "x"]);
    let ended = crate::ended(&command.env("TIDINGS_URL", served.url()).output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut command = tidings(&["publish", "news", "x", "--url", &served.url()]);
    let ended = crate::ended(&command.env("TIDINGS_URL", "http://127.0.0.1:1").output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut command = tidings(&["--admin-listen", "127.0.0.1:0"]);
    command.env("TIDINGS_LISTEN", &served.address).env("TIDINGS_NO_DEMO", "true");
    let ended = crate::ended(&command.output().unwrap());
    assert_eq!(ended.code, 4, "the variable names an address in use: {}", ended.stderr);
}

#[test]
fn the_clock_can_be_listened_to_like_any_stream() {
    let served = Served::with(&["--listen", "127.0.0.1:0"]);
    let mut listener = Listener::start(&[&format!("{}/stream", served.url()), "--json"]);
    let event = listener.json();
    let date = event["data"].as_str().unwrap();
    // `Tue May 20 2025 12:21:01 GMT+0800 (China Standard Time)`
    assert!(date.contains(" GMT") && date.ends_with(')') && date.as_bytes()[3] == b' ', "{date}");
    assert_eq!(event.get("id"), None);
}

#[test]
fn it_says_what_to_try_and_ends_cleanly() {
    let mut served = Served::start();
    let lines: Vec<String> = std::iter::repeat_with(|| served.line()).take(5).collect();
    for says in ["curl -N localhost:", "keeping 16 MiB", "0 events in 0 topics found"] {
        assert!(lines.iter().any(|line| line.contains(says)), "{says}: {lines:?}");
    }
    let ended = served.stop();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.lines().last().unwrap().starts_with("stopped; 0 streams"), "{}", ended.stderr);
}

#[test]
fn an_aged_stream_says_so_and_its_listener_goes_on() {
    let served = Served::with(&["--listen", "127.0.0.1:0", "--no-demo", "--max-age", "1s"]);
    let mut listener = Listener::start(&["aging", "--json", "--url", &served.url()]);
    assert_eq!(listener.json()["control"], "tidings.open");
    let end = listener.json();
    assert_eq!((&end["control"], &end["data"]["reason"]), (&"tidings.end".into(), &"max_age".into()));
    // While it is away.
    let id = publish(&served, "aging", "missed by nobody");
    loop {
        let line = listener.json();
        if line["data"] == "missed by nobody" {
            assert_eq!(line["id"], *id);
            break;
        }
        assert_ne!(line["control"], "tidings.gap");
    }
    assert_eq!(listener.stop().code, 0);
}
