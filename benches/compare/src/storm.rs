//! A reconnect storm: everybody returns at once, each with the id of an event that is some way back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::contestant::Contestant;
use crate::crowd::subscription;
use crate::http::{Client, request};
use crate::launch::publish_path;
use crate::mark::{Clock, data};
use crate::server::{SETTLE, Server};
use crate::swarm::{Pace, Swarm};
use crate::usage::{cpu_seconds, memory_bytes};
use crate::{peak, rig};

/// Deliveries that do not come for so long are missing. The first answer to a storm may take a second by itself.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// The topic that all return to, and the one that is published to meanwhile.
const TOPIC: &str = "t0";
const OTHER: &str = "t1";

/// As much as the rig's events bear.
const DATA_BYTES: usize = 128;

/// How often somebody publishes while the storm lasts: a few dozen answers in a second of it.
const PUBLISH_EVERY: Duration = Duration::from_millis(20);

/// What pushes the events that are returned to out of memory: more than the 64 MiB of newest events that Tidings keeps there
/// (`tail_bytes_max`), in events of half of what one may have.
const PUSH_BYTES: usize = 80 << 20;
const PUSH_EVENT_BYTES: usize = 512 << 10;

/// Who returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storm {
    pub(crate) conns: usize,
    /// So many events stand behind the id that all return with.
    pub(crate) history: u32,
    /// Whether they are no longer in memory, but on disk alone.
    pub(crate) is_cold: bool,
}

impl Storm {
    /// Runs it against a fresh server. The answer has the names of the rig's `replay`.
    ///
    /// # Errors
    /// The server or a connection failed, or the run is no figure: with what is wrong.
    pub(crate) fn run(&self, bench: &Bench, contestant: Contestant) -> Result<Value> {
        rig::flawless(self.measure(&Server::start(bench, contestant, 0)?)?, 0.0)
    }

    fn measure(&self, server: &Server) -> Result<Value> {
        let clock = Clock::start();
        let id = self.fill(server, clock)?;
        std::thread::sleep(SETTLE);
        let ids = server.ids();
        let mut swarm = Swarm::new(server.addr, clock, 0)?;
        let path = if server.contestant == Contestant::Floor { "/".to_owned() } else { format!("/topics/{TOPIC}") };
        let wanted = subscription(server.addr, &path, Some(&id));
        let expected = self.conns as u64 * u64::from(self.history);
        let (cpu, memory, started) = (cpu_seconds(&ids), memory_bytes(&ids), Instant::now());
        let (done, peak) = peak::during(&ids, || {
            while_published(server, || {
                swarm.open(self.conns, Pace::Asked, &|_| wanted.clone())?;
                let asked = started.elapsed();
                swarm.read_until(expected, QUIET_MAX)?;
                Ok((asked, started.elapsed()))
            })
        });
        let ((asked, took), slowest) = done?;
        let cpu = cpu_seconds(&ids) - cpu;
        let seen = &swarm.seen;
        Ok(json!({
            "conns": self.conns, "history": self.history, "replayed": seen.received,
            "missing": expected as i64 - seen.received as i64, "out_of_order": seen.out_of_order,
            "refused": seen.refused, "closed": seen.closed, "asked_s": asked.as_secs_f64(), "seconds": took.as_secs_f64(),
            "replayed_per_s": seen.received as f64 / took.as_secs_f64(),
            "server_cpu_us_per_event": cpu * 1e6 / seen.received.max(1) as f64,
            "server_mib_growth": peak.saturating_sub(memory) as f64 / f64::from(1 << 20),
            "answer_ms": {"max": slowest.map(|slowest| slowest.as_secs_f64() * 1e3)},
        }))
    }

    /// Publishes the event that all have had, and those that they have not; the former's id.
    fn fill(&self, server: &Server, clock: Clock) -> Result<String> {
        let mut client = Client::connect(server.addr)?;
        publish(&mut client, server, TOPIC, b"had")?;
        let id = id(server.contestant, client.answer())?;
        for number in 0..self.history {
            publish(&mut client, server, TOPIC, data(number, clock.micros(), DATA_BYTES).as_bytes())?;
        }
        if self.is_cold {
            let block = vec![b'x'; PUSH_EVENT_BYTES];
            for _ in 0..PUSH_BYTES / PUSH_EVENT_BYTES {
                publish(&mut client, server, OTHER, &block)?;
            }
        }
        Ok(id)
    }
}

fn publish(client: &mut Client, server: &Server, topic: &str, data: &[u8]) -> Result<()> {
    let path = publish_path(server.contestant, topic);
    let status = client.send(&request("POST", server.addr, &path, "text/plain", data))?;
    ensure!(status == 200, "a publish was answered {status}");
    Ok(())
}

/// The id of the event that was just published. The floor counts its events from 0, and does not say so.
fn id(contestant: Contestant, answer: &[u8]) -> Result<String> {
    if contestant == Contestant::Floor {
        return Ok("0".to_owned());
    }
    let text = String::from_utf8_lossy(answer);
    let body = text.split("\r\n\r\n").nth(1).context("the answer has a body")?;
    let body: Value = serde_json::from_str(body).context("the answer is JSON")?;
    Ok(body["id"].as_str().context("the answer has an id")?.to_owned())
}

/// Does `work` while somebody publishes to another topic; the longest that an answer took beside its own. The floor knows no topics:
/// nobody publishes to it.
fn while_published<T>(server: &Server, work: impl FnOnce() -> Result<T>) -> Result<(T, Option<Duration>)> {
    if server.contestant == Contestant::Floor {
        return Ok((work()?, None));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| -> Result<Duration> {
            let mut client = Client::connect(server.addr)?;
            let mut slowest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let sent = Instant::now();
                publish(&mut client, server, OTHER, &[b'x'; DATA_BYTES])?;
                slowest = slowest.max(sent.elapsed());
                std::thread::sleep(PUBLISH_EVERY);
            }
            Ok(slowest)
        });
        let answer = work();
        done.store(true, Ordering::Relaxed);
        let slowest = publisher.join().expect("no thread here panics")?;
        Ok((answer?, Some(slowest)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_from_the_answer() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\n{\"id\":\"ab.17\",\"topic\":\"t\"}";
        assert_eq!(id(Contestant::Tidings, answer).expect("a good answer"), "ab.17");
        assert_eq!(id(Contestant::Floor, b"").expect("it counts"), "0");
        assert!(id(Contestant::Tidings, b"HTTP/1.1 200 OK\r\n\r\n{}").is_err());
    }
}
