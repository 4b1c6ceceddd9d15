//! One subscriber: what it has been sent, read as a browser reads it, and checked.

use mio::net::TcpStream;
use tidings_wire::{Decoder, Item};

use super::answer::{Answer, BadAnswer, Step};
use super::checker::{Checker, Verdict};
use super::latency::Latencies;
use super::mark::Marker;

/// The largest event that is read: twice the largest that is published, for what a server puts around it.
const EVENT_BYTES_MAX: usize = 2 << 20;

/// A decoder is given so much at once, since it keeps the room that the largest piece took: thousands of them wait here.
const PIECE_BYTES_MAX: usize = 4 << 10;

/// What all subscribers saw, together.
#[derive(Debug)]
pub(super) struct Seen {
    /// Events of this run, each once.
    pub(super) received: u64,
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
    /// Events too large to be read.
    pub(super) too_large: u64,
    /// Of whole answers: heads, framing, comments and all.
    pub(super) bytes: u64,
    /// When the last event came.
    pub(super) last_nanos: u64,
    /// From the moment that the publisher wrote the event to the moment that its bytes were read here.
    pub(super) latencies: Latencies,
    /// What the stream's id was at the very first event.
    pub(super) first_event_id: Option<String>,
}

/// How an answer to a subscription went on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More may come.
    Goes,
    /// The head is another one: its first line.
    Refused(String),
    /// The stream has come to its proper end.
    Ended,
}

#[derive(Debug)]
pub(super) struct Subscriber {
    /// `None` once it is over.
    pub(super) stream: Option<TcpStream>,
    pub(super) topic: usize,
    pub(super) asked: bool,
    /// It was answered with an event stream, which may have ended since.
    pub(super) opened: bool,
    /// Events received, each once.
    pub(super) received: u32,
    answer: Answer,
    decoder: Decoder,
    checker: Checker,
}

impl Subscriber {
    pub(super) fn new(stream: TcpStream, topic: usize, checker: Checker) -> Self {
        Self {
            stream: Some(stream),
            topic,
            asked: false,
            opened: false,
            received: 0,
            answer: Answer::new(),
            decoder: Decoder::new(EVENT_BYTES_MAX),
            checker,
        }
    }

    /// Takes what came at `now`.
    pub(super) fn handle_bytes(
        &mut self,
        mut bytes: &[u8],
        now: u64,
        marker: &Marker,
        seen: &mut Seen,
    ) -> Result<Progress, BadAnswer> {
        seen.bytes += bytes.len() as u64;
        loop {
            match self.answer.take(&mut bytes)? {
                Step::More => return Ok(Progress::Goes),
                Step::End => return Ok(Progress::Ended),
                Step::Head(head) if head.status != 200 => return Ok(Progress::Refused(head.line)),
                Step::Head(head) if !head.is_event_stream => {
                    return Ok(Progress::Refused(format!("{}, but no event stream", head.line)));
                }
                Step::Head(_) => self.opened = true,
                Step::Body(data) => self.handle_data(data, now, marker, seen),
            }
        }
    }

    /// How many events did not come; see [`Checker::missing`].
    pub(super) fn missing(&self, ends: &[u32]) -> u64 {
        self.checker.missing(ends)
    }

    fn handle_data(&mut self, data: &[u8], now: u64, marker: &Marker, seen: &mut Seen) {
        for piece in data.chunks(PIECE_BYTES_MAX) {
            self.decoder.handle_bytes(piece);
            while let Some(item) = self.decoder.poll_item() {
                let event = match item {
                    Item::Event(event) => event,
                    Item::TooLarge { .. } => {
                        seen.too_large += 1;
                        continue;
                    }
                    Item::Comment(_) | Item::Retry(_) => continue,
                };
                let Some(mark) = marker.find(&event.data) else { continue };
                match self.checker.handle_event(mark.publisher, mark.number) {
                    None => continue,
                    Some(Verdict::Doubled) => {
                        seen.doubled += 1;
                        continue;
                    }
                    Some(Verdict::OutOfOrder) => seen.out_of_order += 1,
                    Some(Verdict::New) => {}
                }
                self.received += 1;
                seen.received += 1;
                seen.last_nanos = now;
                seen.latencies.record_nanos(now.saturating_sub(mark.sent_nanos));
                seen.first_event_id.get_or_insert(event.last_event_id);
            }
        }
    }
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            received: 0,
            doubled: 0,
            out_of_order: 0,
            too_large: 0,
            bytes: 0,
            last_nanos: 0,
            latencies: Latencies::new(),
            first_event_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mark::Mark;
    use super::*;
    use std::net::TcpListener;

    fn subscriber() -> Subscriber {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        Subscriber::new(stream, 0, Checker::new(1, 0))
    }

    #[test]
    fn events_are_counted_once_whatever_stands_between_them() {
        let (mut subscriber, mut seen, marker) = (subscriber(), Seen::new(), Marker::new(1));
        let event = |number| {
            let data = marker.data(Mark { publisher: 0, number, sent_nanos: 1_000_000 }, 64);
            format!("event: x\nid: e.{number}\ndata: {{\"data\":\"{data}\"}}\n\n")
        };
        let parts = [": hello\n\n".into(), event(0), event(2), "data: other\n\n".into(), event(1), event(1), event(4)];
        let text = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{}", parts.concat());
        for piece in text.as_bytes().chunks(10) {
            assert_eq!(subscriber.handle_bytes(piece, 3_000_000, &marker, &mut seen), Ok(Progress::Goes));
        }
        assert!(subscriber.opened);
        assert_eq!((seen.received, seen.doubled, seen.out_of_order, seen.bytes), (4, 1, 1, text.len() as u64));
        assert_eq!((subscriber.received, subscriber.missing(&[6])), (4, 2));
        assert_eq!(seen.first_event_id.as_deref(), Some("e.0"));
        assert!((seen.latencies.percentiles().unwrap().max - 2.0).abs() < 0.01);
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let check = |text: &str, expect| {
            let result = subscriber().handle_bytes(text.as_bytes(), 0, &Marker::new(1), &mut Seen::new());
            assert_eq!(result, expect, "{text}");
        };
        check("HTTP/1.1 404 Not Found\r\n\r\n", Ok(Progress::Refused("404 Not Found".into())));
        check("HTTP/1.1 204 No Content\r\n\r\n", Ok(Progress::Refused("204 No Content".into())));
        let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n";
        check(html, Ok(Progress::Refused("200 OK, but no event stream".into())));
        let ended = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 3\r\n\r\n:\n\n";
        check(ended, Ok(Progress::Ended));
        check("\0", Err(BadAnswer));
    }
}
