//! Filling a server before it is measured: topics with a few events each.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::contestant::Contestant;
use crate::http::{Client, request};
use crate::launch::publish_path;

/// "A few": enough that a topic has a first, a last and another one.
const EVENTS_EACH: usize = 3;

/// What one event bears, as much as the rig's.
pub(crate) const DATA_BYTES: usize = 128;

/// Of the size that batches are measured with, a tenth of what a server takes.
const BATCH_LINES: usize = 1_000;

/// Connections that send batches: enough to keep two cores busy.
const BATCH_CLIENTS: usize = 4;

/// Connections for a server that takes events one by one: enough that they share its syncs.
const SINGLE_CLIENTS: usize = 16;

/// The longest a load may take: a million topics take Tidings twenty seconds on a busy machine.
const LOAD_MAX: Duration = Duration::from_secs(300);

/// Gives each of the topics `t0…` a few events, in whatever way the server takes them fastest.
///
/// # Errors
/// The server refused something, or took too long.
pub(crate) fn fill(contestant: Contestant, addr: SocketAddr, topics: usize) -> Result<()> {
    match contestant {
        Contestant::Tidings => {
            let batches = (topics * EVENTS_EACH).div_ceil(BATCH_LINES);
            in_parallel(addr, BATCH_CLIENTS, batches, |client, batch| {
                let body = lines(topics, batch);
                client.send(&request("POST", addr, "/events", "application/x-ndjson", body.as_bytes()))
            })
        }
        Contestant::DurableStreams => {
            create(addr, topics)?;
            in_parallel(addr, SINGLE_CLIENTS, topics * EVENTS_EACH, |client, event| {
                client.send(&event_request(contestant, addr, event % topics))
            })
        }
        // They keep nothing of a topic that nobody listens to, or know no topics.
        Contestant::InMemory | Contestant::Floor | Contestant::Nchan | Contestant::Node | Contestant::Axum => Ok(()),
    }
}

/// Creates topics on Durable Streams, which wants that.
///
/// # Errors
/// The server refused one, or took too long.
pub(crate) fn create(addr: SocketAddr, topics: usize) -> Result<()> {
    in_parallel(addr, SINGLE_CLIENTS, topics, |client, topic| {
        client.send(&request("PUT", addr, &format!("/t{topic}"), "text/plain", b""))
    })
}

/// One event for the topic of that number.
pub(crate) fn event_request(contestant: Contestant, addr: SocketAddr, topic: usize) -> Vec<u8> {
    request("POST", addr, &publish_path(contestant, &format!("t{topic}")), "text/plain", &[b'x'; DATA_BYTES])
}

/// The lines of one batch: events go round the topics, so that a topic's lie far apart, as they do in a server's life.
fn lines(topics: usize, batch: usize) -> String {
    let data = "x".repeat(DATA_BYTES);
    let first = batch * BATCH_LINES;
    let events = first..(first + BATCH_LINES).min(topics * EVENTS_EACH);
    events.map(|event| format!("{{\"topic\":\"t{}\",\"data\":\"{data}\"}}\n", event % topics)).collect()
}

/// Does all of `0..count`, each once, on `clients` connections; each must be answered with success.
fn in_parallel(
    addr: SocketAddr,
    clients: usize,
    count: usize,
    send: impl Fn(&mut Client, usize) -> Result<u16> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let deadline = Instant::now() + LOAD_MAX;
    let work = || -> Result<()> {
        let mut client = Client::connect(addr)?;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(());
            }
            let status = send(&mut client, index)?;
            // 207 says that some lines of a batch were refused.
            ensure!((200..300).contains(&status) && status != 207, "{index} of {count} was answered {status}");
            if Instant::now() >= deadline {
                bail!("only {index} of {count} done in {} s", LOAD_MAX.as_secs());
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients.min(count)).map(|_| scope.spawn(work)).collect();
        let ends: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no thread here panics")).collect();
        ends.into_iter().collect::<Result<()>>()
    })
    .context("loading")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_give_every_topic_its_events() {
        let topics = 1_234;
        let batches = (topics * EVENTS_EACH).div_ceil(BATCH_LINES);
        let text: String = (0..batches).map(|batch| lines(topics, batch)).collect();
        let mut seen = vec![0; topics];
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let topic = event["topic"].as_str().and_then(|topic| topic.strip_prefix('t')).expect("a topic");
            seen[topic.parse::<usize>().expect("a number")] += 1;
            assert_eq!(event["data"].as_str().map(str::len), Some(DATA_BYTES));
        }
        assert!(seen.iter().all(|&events| events == EVENTS_EACH), "{seen:?}");
    }
}
