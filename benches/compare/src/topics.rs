//! Publishing over very many topics.
//!
//! The rig's own publishers walk over the topics side by side from the first: in a few seconds they see some thousands of them,
//! always the newest. Here every publish goes to a topic far from the one before, so that all of them are in use.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::contestant::Contestant;
use crate::http::Client;
use crate::load;
use crate::server::{SETTLE, Server};
use crate::stats::milliseconds;
use crate::usage::{cpu_seconds, memory_bytes};

/// As many as the publish scenario that is compared with Durable Streams.
pub(crate) const PUBLISHERS: usize = 16;

/// Loads the topics, lets the server settle, and publishes for `time`. The answer has the form of the rig's `publish`.
///
/// # Errors
/// Something was refused while loading, or a connection broke. A refused publish is counted in `failed`.
pub(crate) fn measure(server: &Server, topics: usize, time: Duration) -> Result<Value> {
    let started = Instant::now();
    load::fill(server.contestant, server.addr, topics)?;
    let load_s = started.elapsed().as_secs_f64();
    let ids = server.ids();
    settle(&ids);
    let memory = memory_bytes(&ids);
    let cpu = cpu_seconds(&ids);
    let mut all = publish(server.contestant, server.addr, topics, time)?;
    let cpu = cpu_seconds(&ids) - cpu;
    let published = all.micros.len();
    ensure!(published > 0, "nothing was published in {} s", time.as_secs_f64());
    Ok(json!({
        "topics": topics, "load_s": load_s, "server_mib": memory >> 20,
        "published": published, "failed": all.failed, "publish_per_s": published as f64 / all.seconds,
        "server_cpu_us_per_publish": cpu * 1e6 / published as f64,
        "answer_ms": milliseconds(&mut all.micros),
    }))
}

/// Waits until the server is idle: what loading leaves to be done afterwards, such as indexes, is no part of publishing. Half a minute
/// at the most: a server that is never idle is measured as it is.
fn settle(ids: &[u32]) {
    /// A hundredth of a core.
    const IDLE: f64 = 0.01;
    for _ in 0..30 {
        let before = cpu_seconds(ids);
        std::thread::sleep(SETTLE);
        if cpu_seconds(ids) - before <= IDLE * SETTLE.as_secs_f64() {
            return;
        }
    }
}

/// What publishers saw.
#[derive(Default)]
struct Seen {
    /// From sending to the answer, of every publish.
    micros: Vec<u32>,
    failed: u64,
    /// Of the slowest of them.
    seconds: f64,
}

fn publish(contestant: Contestant, addr: SocketAddr, topics: usize, time: Duration) -> Result<Seen> {
    let seen: Vec<Result<Seen>> = std::thread::scope(|scope| {
        let publisher = |number| scope.spawn(move || publish_one(contestant, addr, walk(topics, number), time));
        let threads: Vec<_> = (0..PUBLISHERS).map(publisher).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread here panics")).collect()
    });
    seen.into_iter().try_fold(Seen::default(), |mut all, one| {
        let one = one?;
        all.micros.extend(one.micros);
        all.failed += one.failed;
        all.seconds = all.seconds.max(one.seconds);
        Ok(all)
    })
}

fn publish_one(
    contestant: Contestant,
    addr: SocketAddr,
    walk: impl Iterator<Item = usize>,
    time: Duration,
) -> Result<Seen> {
    let mut client = Client::connect(addr)?;
    let mut seen = Seen::default();
    let started = Instant::now();
    for topic in walk {
        let request = load::event_request(contestant, addr, topic);
        let sent = Instant::now();
        let status = client.send(&request)?;
        seen.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        seen.failed += u64::from(!(200..300).contains(&status));
        if started.elapsed() >= time {
            break;
        }
    }
    seen.seconds = started.elapsed().as_secs_f64();
    Ok(seen)
}

/// An endless walk of one publisher that comes to every topic once in so many steps as there are topics. The steps are about the golden
/// section of them, which spreads any beginning of a walk most evenly; the publishers start apart.
fn walk(topics: usize, publisher: usize) -> impl Iterator<Item = usize> {
    let golden = (topics as f64 * 0.618).round() as usize;
    let step = (golden.max(1)..).find(|&step| common_divisor(step, topics) == 1).expect("a prime comes soon");
    let start = topics * publisher / PUBLISHERS;
    (0_usize..).map(move |at| (start + at % topics * step) % topics)
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_comes_to_every_topic_once_a_round() {
        for topics in [1, 2, 10, 1_000, 4_321] {
            let mut seen = vec![0; topics];
            walk(topics, 5).take(2 * topics).for_each(|topic| seen[topic] += 1);
            assert!(seen.iter().all(|&times| times == 2), "{topics}: {seen:?}");
        }
    }

    #[test]
    fn a_short_walk_is_spread_over_all() {
        let topics = 1_000_000;
        let mut tenths = [0; 10];
        walk(topics, 3).take(1_000).for_each(|topic| tenths[topic * 10 / topics] += 1);
        assert!(tenths.iter().all(|times| (80..=120).contains(times)), "{tenths:?}");
    }

    #[test]
    fn publishers_start_apart() {
        let starts: std::collections::BTreeSet<usize> =
            (0..PUBLISHERS).filter_map(|one| walk(1_000, one).next()).collect();
        assert_eq!(starts.len(), PUBLISHERS);
    }
}
