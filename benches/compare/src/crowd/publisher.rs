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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::crowd::Listens;
    use crate::mark;

    /// Publishes `events` to a server that takes all, and gives what it was sent.
    fn published(listens: Listens, batch: usize, events: usize) -> String {
        let crowd =
            Crowd { listens, conns: 1, stuck: 0, batch, requests_per_s: 1.0, data_bytes: 32, secs: 1.0, is_net: false };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let server = std::thread::spawn(move || {
            let (mut socket, mut text, mut buffer) =
                (listener.accept().expect("it comes").0, String::new(), [0; 65_536]);
            loop {
                // Requests are small and come one at a time: each in one piece.
                let read = socket.read(&mut buffer).expect("it is open");
                if read == 0 {
                    return text;
                }
                text.push_str(std::str::from_utf8(&buffer[..read]).expect("text"));
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("it is open");
            }
        });
        let mut publisher = Publisher::connect(&crowd, Contestant::Tidings, addr, Clock::start()).expect("it listens");
        publisher.publish_until(events).expect("it answers");
        assert_eq!((publisher.events, publisher.failed), (events, 0));
        assert_eq!(publisher.take_micros().len(), events / batch);
        drop(publisher);
        server.join().expect("no panic")
    }

    fn numbers(text: &str) -> Vec<u32> {
        let marks = text.match_indices("~~").step_by(2);
        let whole = marks.map(|(at, _)| &text.as_bytes()[at..at + mark::MARK_BYTES]);
        whole.map(|mark| mark::read(mark).expect("a mark").0).collect()
    }

    #[test]
    fn single_events_go_to_their_topics_in_turn() {
        let text = published(Listens::Topics(2), 1, 4);
        let paths: Vec<&str> = text.split("POST ").skip(1).filter_map(|part| part.split(' ').next()).collect();
        assert_eq!(paths, ["/topics/t0", "/topics/t1", "/topics/t0", "/topics/t1"]);
        assert_eq!(numbers(&text), [0, 0, 1, 1], "each topic's events are numbered for themselves");
    }

    #[test]
    fn batches_walk_over_the_patterns() {
        let text = published(Listens::Patterns(3), 4, 8);
        assert_eq!(text.matches("POST /events ").count(), 2);
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let topics: Vec<String> = lines.filter_map(|line| Some(line["topic"].as_str()?.to_owned())).collect();
        assert_eq!(topics, ["p/0/x", "p/1/x", "p/2/x", "p/0/x", "p/1/x", "p/2/x", "p/0/x", "p/1/x"]);
        assert_eq!(numbers(&text), [0, 0, 0, 1, 1, 1, 2, 2]);
    }
}
