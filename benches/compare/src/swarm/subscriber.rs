//! One subscriber: its socket, and what it has heard.

use std::net::TcpStream;

use memchr::memmem;

use crate::mark::{FENCE, MARK_BYTES, read};

/// The most of a mark, or of the blank line behind a head, that one read leaves for the next.
pub(super) const CARRY_BYTES: usize = MARK_BYTES - 1;

/// What all subscribers saw together.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) received: u64,
    /// Events with another number than the one due: a loss, a double, or a swap.
    pub(crate) out_of_order: u64,
    /// Subscriptions that were answered with anything but a stream, or not at all.
    pub(crate) refused: u64,
    /// Streams that ended.
    pub(crate) closed: u64,
    /// From publishing to reading, of every event.
    pub(crate) micros: Vec<u32>,
}

/// A subscriber, about a hundred bytes of it: 18,000 must not weigh on the machine that is measured.
#[derive(Debug)]
pub(super) struct Subscriber {
    /// None once it is closed.
    pub(super) socket: Option<TcpStream>,
    /// Whether its request is out.
    pub(super) asked: bool,
    /// Whether its answer's head is in.
    pub(super) answered: bool,
    /// Number of the event that is due.
    next: u32,
    kept: u8,
    carry: [u8; CARRY_BYTES],
}

impl Subscriber {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket: Some(socket), asked: false, answered: false, next: 0, kept: 0, carry: [0; CARRY_BYTES] }
    }

    /// Puts what the last read left before what the next will bring; says how much it is.
    pub(super) fn put_carry(&self, buffer: &mut [u8]) -> usize {
        let kept = usize::from(self.kept);
        buffer[..kept].copy_from_slice(&self.carry[..kept]);
        kept
    }

    /// Takes `bytes`, the carry before them; `now` in microseconds of the publishers' clock. Whether this answered the request.
    pub(super) fn take(&mut self, bytes: &[u8], now: u64, seen: &mut Seen) -> bool {
        let mut at = 0;
        let was_answered = self.answered;
        if !was_answered {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                // The line of the status comes in one piece with the first byte: it is sent with one write by all servers here.
                seen.refused += u64::from(self.kept == 0 && !bytes.starts_with(b"HTTP/1.1 200"));
                self.keep(&bytes[bytes.len().saturating_sub(CARRY_BYTES)..]);
                return false;
            };
            seen.refused += u64::from(self.kept == 0 && !bytes.starts_with(b"HTTP/1.1 200"));
            self.answered = true;
            at = end + 4;
        }
        while let Some(found) = memmem::find(&bytes[at..], FENCE) {
            at += found;
            let Some(mark) = bytes.get(at..at + MARK_BYTES) else { break };
            if let Some((number, sent)) = read(mark) {
                seen.out_of_order += u64::from(number != self.next);
                self.next = number.wrapping_add(1);
                seen.received += 1;
                seen.micros.push(u32::try_from(now.saturating_sub(sent)).unwrap_or(u32::MAX));
            }
            at += MARK_BYTES;
        }
        self.keep(&bytes[at.max(bytes.len().saturating_sub(CARRY_BYTES)).min(bytes.len())..]);
        !was_answered
    }

    fn keep(&mut self, rest: &[u8]) {
        self.carry[..rest.len()].copy_from_slice(rest);
        self.kept = u8::try_from(rest.len()).expect("a carry is shorter than a mark");
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::mark::data;

    fn subscriber() -> Subscriber {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Subscriber::new(TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens"))
    }

    fn feed(subscriber: &mut Subscriber, piece: &[u8], seen: &mut Seen) -> bool {
        let mut buffer = vec![0; CARRY_BYTES + piece.len()];
        let kept = subscriber.put_carry(&mut buffer);
        buffer[kept..kept + piece.len()].copy_from_slice(piece);
        subscriber.take(&buffer[..kept + piece.len()], 5_000, seen)
    }

    #[test]
    fn every_event_counts_once_wherever_reads_end() {
        let events: String = (0..3).map(|number| format!("3\r\ndata: {}\n\n\r\n", data(number, 1_000, 40))).collect();
        let text = format!("HTTP/1.1 200 OK\r\na: b\r\n\r\n{events}");
        for first in 12..text.len() {
            for second in [first, (first + 1).min(text.len()), (first + 9).min(text.len())] {
                let (mut subscriber, mut seen) = (subscriber(), Seen::default());
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let answers = pieces.map(|piece| feed(&mut subscriber, piece.as_bytes(), &mut seen));
                assert_eq!(answers.iter().filter(|answered| **answered).count(), 1, "{first} {second}");
                assert_eq!((seen.received, seen.out_of_order, seen.refused), (3, 0, 0), "{first} {second}");
                assert_eq!(seen.micros, [4_000; 3], "{first} {second}");
            }
        }
    }

    #[test]
    fn losses_doubles_and_swaps_are_seen() {
        let check = |numbers: &[u32], out_of_order| {
            let (mut subscriber, mut seen) = (subscriber(), Seen::default());
            let events: String = numbers.iter().map(|&number| data(number, 0, 30)).collect();
            feed(&mut subscriber, format!("HTTP/1.1 200 OK\r\n\r\n{events}").as_bytes(), &mut seen);
            assert_eq!((seen.received, seen.out_of_order), (numbers.len() as u64, out_of_order), "{numbers:?}");
        };
        check(&[0, 1, 2], 0);
        check(&[1, 2], 1);
        check(&[0, 1, 1, 2], 1);
        check(&[0, 2, 1, 3], 3);
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let (mut subscriber, mut seen) = (subscriber(), Seen::default());
        assert!(feed(&mut subscriber, b"HTTP/1.1 503 x\r\n\r\n", &mut seen));
        assert_eq!(seen.refused, 1);
    }
}
