//! A crowd: subscribers in any arrangement, events at a given rate, and what a delivery costs the server.

mod listens;
mod publisher;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

pub(crate) use self::listens::Listens;
use self::publisher::Publisher;
use crate::bench::Bench;
use crate::contestant::Contestant;
use crate::mark::Clock;
use crate::server::{SETTLE, Server};
use crate::stats::milliseconds;
use crate::swarm::{Pace, Swarm};
use crate::usage::{cpu_seconds, memory_bytes};
use crate::{kernel, peak, rig};

/// Subscribers that open before memory is looked at: what a server allocates once is not charged to the rest. As the rig has it.
const FIRST: usize = 100;

/// Which share of a given rate must be reached, as with the rig.
const RATE_SHARE_MIN: f64 = 0.95;

/// Deliveries that do not come for so long are missing.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// Who listens, and what is published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Crowd {
    pub(crate) listens: Listens,
    pub(crate) conns: usize,
    /// So many of them read nothing until everything is published and read by the others; then they read on.
    pub(crate) stuck: usize,
    /// Events of a request: one goes to its topic, several are a batch of JSON lines.
    pub(crate) batch: usize,
    pub(crate) requests_per_s: f64,
    pub(crate) data_bytes: usize,
    pub(crate) secs: f64,
    /// Whether the CPU of the same publishing without subscribers, on a fresh server, is taken off.
    pub(crate) is_net: bool,
}

impl Crowd {
    /// Runs it against fresh servers. The answer has the names of the rig's `fanout`.
    ///
    /// # Errors
    /// A server or a connection failed, or the run is no figure: with what is wrong.
    pub(crate) fn run(&self, bench: &Bench, contestant: Contestant) -> Result<Value> {
        let published_cpu = if self.is_net { self.publish_alone(&Server::start(bench, contestant, 0)?)? } else { 0.0 };
        let server = Server::start(bench, contestant, 0)?;
        let mut answer = self.measure(&server)?;
        let deliveries = answer["deliveries"].as_f64().unwrap_or(0.0).max(1.0);
        let cpu = answer["server_cpu_s"].as_f64().unwrap_or(0.0);
        answer["server_cpu_s_publishing"] = json!(published_cpu);
        answer["server_cpu_us_per_delivery"] = json!((cpu - published_cpu) * 1e6 / deliveries);
        let wanted = self.secs * self.requests_per_s * self.batch as f64 * RATE_SHARE_MIN;
        rig::flawless(answer, wanted)
    }

    /// CPU seconds that publishing takes where nobody listens.
    fn publish_alone(&self, server: &Server) -> Result<f64> {
        let mut publisher = Publisher::connect(self, server.contestant, server.addr, Clock::start())?;
        publisher.publish_until(self.listens.streams())?;
        std::thread::sleep(SETTLE);
        let ids = server.ids();
        let cpu = cpu_seconds(&ids);
        publisher.publish_for(Duration::from_secs_f64(self.secs))?;
        Ok(cpu_seconds(&ids) - cpu)
    }

    fn measure(&self, server: &Server) -> Result<Value> {
        let ids = server.ids();
        let clock = Clock::start();
        let mut swarm = Swarm::new(server.addr, clock, self.stuck)?;
        let conn_bytes = self.open(&mut swarm, server, &ids)?;
        // An event to each stream first: what a server does once for a topic or a pattern is then done.
        let mut publisher = Publisher::connect(self, server.contestant, server.addr, clock)?;
        publisher.publish_until(self.listens.streams())?;
        swarm.read_until(self.deliveries(&publisher), QUIET_MAX)?;
        swarm.read_for(SETTLE)?;
        publisher.take_micros();
        swarm.seen.micros.clear();
        let (first, heard) = (publisher.events, swarm.seen.received);

        let (memory, tcp) = (memory_bytes(&ids), kernel::tcp_bytes());
        let (cpu, started) = (cpu_seconds(&ids), Instant::now());
        let (done, peak) = peak::during(&ids, || self.publish(&mut publisher, &mut swarm));
        done?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = cpu_seconds(&ids) - cpu;

        let deliveries = swarm.seen.received - heard;
        let published = publisher.events - first;
        let answer = milliseconds(&mut publisher.take_micros());
        let latency = milliseconds(&mut std::mem::take(&mut swarm.seen.micros));
        let stalled = self.resume(&mut swarm, &publisher, tcp)?;
        let expected = self.listens.deliveries(0..self.conns, publisher.events);
        Ok(json!({
            "conns": self.conns, "stuck": self.stuck, "published": published, "publish_failed": publisher.failed,
            "deliveries": deliveries, "deliveries_per_s": deliveries as f64 / seconds,
            "missing": expected as i64 - swarm.seen.received as i64, "out_of_order": swarm.seen.out_of_order,
            "refused": swarm.seen.refused, "closed": swarm.seen.closed,
            "server_bytes_per_conn": conn_bytes, "server_cpu_s": cpu, "latency_ms": latency, "answer_ms": answer,
            "server_kib_growth": peak.saturating_sub(memory) as f64 / 1024.0, "stalled": stalled,
        }))
    }

    /// Opens all subscriptions; the server's bytes for each.
    fn open(&self, swarm: &mut Swarm, server: &Server, ids: &[u32]) -> Result<f64> {
        let ask = |subscriber| subscription(server.addr, &self.listens.path(server.contestant, subscriber), None);
        let first = FIRST.min(self.conns / 2);
        swarm.open(first, Pace::Answered, &ask)?;
        swarm.read_for(SETTLE)?;
        let memory = memory_bytes(ids);
        swarm.open(self.conns, Pace::Answered, &ask)?;
        swarm.read_for(SETTLE)?;
        Ok((memory_bytes(ids) as f64 - memory as f64) / (self.conns - first) as f64)
    }

    /// Publishes on a thread of its own, and reads until all who are not stuck have all.
    fn publish(&self, publisher: &mut Publisher<'_>, swarm: &mut Swarm) -> Result<()> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| publisher.publish_for(Duration::from_secs_f64(self.secs)));
            while !thread.is_finished() {
                swarm.read()?;
            }
            thread.join().expect("no thread here panics")
        })?;
        swarm.read_until(self.deliveries(publisher), QUIET_MAX)
    }

    /// What those who read have to hear of all that was published.
    fn deliveries(&self, publisher: &Publisher<'_>) -> u64 {
        self.listens.deliveries(self.stuck..self.conns, publisher.events)
    }

    /// Looks at what is held for the stuck ones, and lets them read all of it. `tcp` is what the kernel held before.
    fn resume(&self, swarm: &mut Swarm, publisher: &Publisher<'_>, tcp: u64) -> Result<Value> {
        if self.stuck == 0 {
            return Ok(Value::Null);
        }
        let each = |bytes: u64| bytes as f64 / self.stuck as f64 / 1024.0;
        let (queued, grown) = (kernel::queued(swarm.addr()), kernel::tcp_bytes().saturating_sub(tcp));
        let started = Instant::now();
        swarm.resume()?;
        swarm.read_until(self.listens.deliveries(0..self.conns, publisher.events), QUIET_MAX)?;
        Ok(json!({
            "kernel_kib_each": each(grown), "queued_kib_each": each(queued.bytes),
            "queued_kib_most": queued.most as f64 / 1024.0, "read_on_s": started.elapsed().as_secs_f64(),
        }))
    }
}

/// A request for a stream, from an id on where there is one.
pub(crate) fn subscription(addr: SocketAddr, path: &str, last_event_id: Option<&str>) -> Vec<u8> {
    let resume = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: text/event-stream\r\n{resume}\r\n").into_bytes()
}
