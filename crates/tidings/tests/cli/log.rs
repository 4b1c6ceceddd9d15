//! `tidings log` on the fixtures of the log's own tests, on damaged copies of them, and beside a running server.

use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use tidings_testkit::TempDir;

use crate::served::Served;
use crate::{Ended, Running, run, tidings, wait};

/// A data directory of the log's fixtures.
fn fixture(case: &str) -> String {
    format!("{}/../tidings-log/fixtures/format-1/{case}", env!("CARGO_MANIFEST_DIR"))
}

fn log(verb: &str, data_dir: &str, more: &[&str]) -> Ended {
    run(&[&["log", verb, "--data-dir", data_dir], more].concat())
}

/// A fixture's copy, to be damaged.
fn copy(case: &str) -> TempDir {
    let temp = TempDir::new();
    let log = temp.path().join("log");
    fs::create_dir_all(&log).unwrap();
    for entry in fs::read_dir(Path::new(&fixture(case)).join("log")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), log.join(entry.file_name())).unwrap();
    }
    temp
}

fn text(temp: &TempDir) -> &str {
    temp.path().to_str().unwrap()
}

/// Sends JSON lines to a server, and answers its status line.
fn post(address: &str, lines: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = lines.len();
    write!(
        stream,
        "POST /events HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-ndjson\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{lines}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Lines without what a server gives an event.
fn published(lines: &str) -> Vec<Value> {
    let mut events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &mut events {
        let fields = event.as_object_mut().unwrap();
        assert!(fields.remove("id").is_some() && fields.remove("time").is_some());
    }
    events
}

#[test]
fn inspect_shows_each_segment() {
    let ended = log("inspect", &fixture("closed"), &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines[0].starts_with("epoch ") && lines[2].trim_start().starts_with("segment  file bytes"),
        "{}",
        ended.stdout
    );
    assert!(lines[3].contains(" 1-26 ") && lines[3].ends_with(" good"), "{}", ended.stdout);
    assert!(ended.stdout.contains("spare 4: 12,288 bytes"), "{}", ended.stdout);

    let ended = log("inspect", &fixture("killed"), &["--json"]);
    let shown: Value = serde_json::from_str(&ended.stdout).unwrap();
    let epoch = shown["epoch"].as_str().unwrap();
    assert_eq!(shown["segments"].as_array().unwrap().len(), 3);
    assert_eq!(shown["segments"][2]["index"], "active");
    assert_eq!(shown["segments"][2]["last_id"], format!("{epoch}.1000"));
    assert_eq!(shown["torn"]["first_id"], format!("{epoch}.1001"));
}

#[test]
fn what_is_whole_verifies_and_a_torn_tail_is_no_damage() {
    let ended = log("verify", &fixture("closed"), &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(
        ended.stdout.ends_with("bytes read\n") && ended.stdout.contains("3 segments, 58 events"),
        "{}",
        ended.stdout
    );
    let ended = log("verify", &fixture("killed"), &[]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("unfinished batch"), "{}", ended.stdout);
}

#[test]
fn a_flipped_byte_is_found_with_its_place() {
    let whole = log("export", &fixture("closed"), &[]).stdout.lines().count();
    // In a record, in one copy of a header, in an index.
    for (file, at, says) in [
        ("0000000001.log", 9_000, "segment 1: damaged: "),
        ("0000000002.log", 40, "segment 2: damaged: one of the two copies of its header"),
        ("0000000001.index", 60, "segment 1: damaged: its index"),
    ] {
        let temp = copy("closed");
        let path = temp.path().join("log").join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let ended = log("verify", text(&temp), &[]);
        assert_eq!((ended.code, ended.stderr.as_str()), (1, "error: 1 place damaged\n"), "{file}: {}", ended.stdout);
        assert!(ended.stdout.contains(says), "{file}: {}", ended.stdout);
        let exported = log("export", text(&temp), &[]);
        let lost = file == "0000000001.log";
        assert_eq!(exported.code, i32::from(lost), "{file}: {}", exported.stderr);
        assert_eq!(exported.stdout.lines().count(), whole - usize::from(lost), "{file}");
    }
}

#[test]
fn export_leaves_out_what_is_gone() {
    let count = |more: &[&str]| log("export", &fixture("closed"), more).stdout.lines().count();
    let all = log("export", &fixture("closed"), &[]);
    assert_eq!(all.code, 0, "{}", all.stderr);
    let gone: Vec<&str> = all.stdout.lines().filter(|line| line.contains("gone") || line.contains("expired")).collect();
    assert_eq!(gone, [""; 0]);
    assert!(all.stdout.contains(r#""data":"expires one day","ttl":""#), "{}", all.stdout);
    assert_eq!(count(&["--topic", "news"]), 4);
    assert_eq!(count(&["--topic", "orders/*", "--topic", "news"]), 6);
    assert_eq!(count(&["--topic", "news", "--since", "2025-05-20T04:21:19Z"]), 2);
    assert_eq!(count(&["--topic", "news", "--until", "2025-05-20T04:21:02Z"]), 1);
    let ended = log("export", &fixture("closed"), &["--topic", "a//b"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = tidings(&["log", "export", "--data-dir", &fixture("closed")]).stdout(writer).spawn().unwrap();
    let ended = wait(child);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}

#[test]
fn where_there_is_no_log() {
    let temp = TempDir::new();
    for verb in ["inspect", "verify", "export"] {
        let ended = log(verb, text(&temp), &[]);
        assert_eq!(ended.code, 1, "{verb}: {}", ended.stdout);
        assert!(ended.stderr.contains("--data-dir"), "{verb}: {}", ended.stderr);
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_served_log_is_copied_and_exported_and_imported() {
    let served = Served::start();
    let lines = r#"{"topic":"a","data":"one"}
{"topics":["a","b/c"],"type":"up","content_type":"text/csv","data":"1,2\n"}
{"topic":"d","content_type":"image/png","data_base64":"AQL/"}
"#;
    assert!(post(&served.address, lines).contains(" 200 "));
    let data = served.data();
    let verified = log("verify", text(&data), &[]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);

    let temp = TempDir::new();
    let to = temp.path().join("copy").to_str().unwrap().to_owned();
    let ended = log("snapshot", text(&data), &[&to]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("events up to "), "{}", ended.stderr);
    assert!(post(&served.address, r#"{"topic":"a","data":"later"}"#).contains(" 200 "));
    let again = log("snapshot", text(&data), &[&to]);
    assert!(again.code == 1 && again.stderr.contains("not empty"), "{}", again.stderr);

    // The copy is served as it was, and takes what comes.
    let exported = log("export", &to, &[]);
    assert_eq!((exported.code, exported.stdout.lines().count()), (0, 3), "{}", exported.stderr);
    let mut copy = Running::start(&mut tidings(&[
        "serve",
        "--admin-listen",
        "127.0.0.1:0",
        "--listen",
        "127.0.0.1:0",
        "--no-demo",
        "--data-dir",
        &to,
    ]));
    let mut listening = String::new();
    copy.stdout().read_line(&mut listening).unwrap();
    let other = Served::start();
    assert!(post(&other.address, &exported.stdout).contains(" 200 "));
    let back = log("export", text(&other.data()), &[]);
    assert_eq!(published(&back.stdout), published(&exported.stdout));
    assert_eq!(copy.interrupt().code, 0);
    assert_eq!(log("verify", &to, &[]).code, 0);
    assert_eq!((served.stop().code, other.stop().code), (0, 0));
}
