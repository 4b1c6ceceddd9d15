//! One publisher at a given rate: events singly, or in batches of JSON lines.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Crowd;
use crate::contestant::Contestant;
use crate::http::{Client, request};
use crate::launch::publish_path;
use crate::mark::{Clock, data};

/// Publishes a crowd's events, one after the other, over any number of calls.
pub(super) struct Publisher<'a> {
    crowd: &'a Crowd,
    contestant: Contestant,
    addr: SocketAddr,
    client: Client,
    clock: Clock,
    /// Events published so far.
    pub(super) events: usize,
    pub(super) failed: u64,
    /// From sending to the answer, of each request since the last [`Self::take_micros`].
    micros: Vec<u32>,
}

impl<'a> Publisher<'a> {
    pub(super) fn connect(crowd: &'a Crowd, contestant: Contestant, addr: SocketAddr, clock: Clock) -> Result<Self> {
        let client = Client::connect(addr)?;
        Ok(Self { crowd, contestant, addr, client, clock, events: 0, failed: 0, micros: Vec::new() })
    }

    /// At the crowd's rate for so long; at least one request.
    pub(super) fn publish_for(&mut self, time: Duration) -> Result<()> {
        let started = Instant::now();
        for count in 0_u32.. {
            let due = Duration::from_secs_f64(f64::from(count) / self.crowd.requests_per_s);
            if due >= time && count > 0 {
                break;
            }
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            self.send()?;
        }
        Ok(())
    }

    /// As fast as answers come, until there are so many events in all.
    pub(super) fn publish_until(&mut self, events: usize) -> Result<()> {
        while self.events < events {
            self.send()?;
        }
        Ok(())
    }

    /// The answers' times so far.
    pub(super) fn take_micros(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.micros)
    }

    fn send(&mut self) -> Result<()> {
        let request = self.next_request();
        let sent = Instant::now();
        let status = self.client.send(&request)?;
        self.micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        // 207 says that some lines of a batch were refused.
        self.failed += u64::from(!(200..300).contains(&status) || status == 207);
        self.events += self.crowd.batch;
        Ok(())
    }

    fn next_request(&self) -> Vec<u8> {
        let Crowd { listens, batch, data_bytes, .. } = *self.crowd;
        let events = self.events..self.events + batch;
        let number = |event: usize| u32::try_from(event / listens.streams()).expect("a run has few events");
        let now = self.clock.micros();
        if batch == 1 {
            let path = publish_path(self.contestant, &listens.topic(self.events));
            let data = data(number(self.events), now, data_bytes);
            return request("POST", self.addr, &path, "text/plain", data.as_bytes());
        }
        let mut body = String::new();
        for event in events {
            let (topic, data) = (listens.topic(event), data(number(event), now, data_bytes));
            writeln!(body, "{{\"topic\":\"{topic}\",\"data\":\"{data}\"}}").expect("a String takes all");
        }
        request("POST", self.addr, "/events", "application/x-ndjson", body.as_bytes())
    }
}
