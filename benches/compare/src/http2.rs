//! Idle streams over HTTP/2: what one costs where many share a connection.
//!
//! The rig speaks HTTP/1.1 alone. Here is as much of HTTP/2 as opening streams and staying needs (RFC 9113): requests of static table
//! entries and literals, and answers to settings and pings. What comes is less than the windows that a server has from the start.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::server::{SETTLE, Server};
use crate::usage::{cpu_seconds, memory_bytes};

/// A server that opens no stream for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Between two rounds over all connections: rarely enough to cost little, often enough for a ping.
const ROUND_EVERY: Duration = Duration::from_millis(100);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
/// Of a HEADERS frame: it is the whole request.
const END_STREAM_AND_HEADERS: u8 = 5;
/// Of a SETTINGS and of a PING frame.
const ACK: u8 = 1;
/// `:status: 200` of the static table (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;

/// Opens `connections` with `streams` on each, and gives the rig's figures of `hold`: for each stream, its share of the connection in it.
///
/// # Errors
/// A stream was refused or ended, or a connection broke.
pub(crate) fn measure(server: &Server, connections: usize, streams: usize) -> Result<Value> {
    let ids = server.ids();
    // As the rig does: what a server allocates once is charged to nobody.
    let mut open = vec![Connection::open(server.addr, streams)?];
    stay(&mut open, SETTLE)?;
    let (memory, cpu, started) = (memory_bytes(&ids), cpu_seconds(&ids), Instant::now());
    for _ in 0..connections {
        open.push(Connection::open(server.addr, streams)?);
    }
    let seconds = started.elapsed().as_secs_f64();
    stay(&mut open, SETTLE)?;
    let count = connections * streams;
    Ok(json!({
        "conns": count,
        "connects_per_s": (count as f64 / seconds).round(),
        "server_cpu_us_per_connect": (cpu_seconds(&ids) - cpu) * 1e6 / count as f64,
        "server_bytes_per_conn": memory_bytes(&ids).saturating_sub(memory) / count as u64,
    }))
}

/// Reads for so long what comes, and answers pings.
fn stay(open: &mut [Connection], time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        open.iter_mut().try_for_each(Connection::read)?;
        std::thread::sleep(ROUND_EVERY);
    }
    Ok(())
}

struct Connection {
    stream: TcpStream,
    /// What came of a frame that is not whole.
    buffer: Vec<u8>,
    /// Streams whose bodies have begun.
    begun: usize,
}

impl Connection {
    /// Connects, asks for so many streams, and waits until each has begun.
    fn open(addr: SocketAddr, streams: usize) -> Result<Self> {
        let stream = TcpStream::connect(addr).context("cannot connect")?;
        stream.set_nodelay(true)?;
        let mut hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        let block = request_block(&addr.to_string());
        let ids = (0..streams).map(|n| u32::try_from(2 * n + 1).expect("a connection has few streams"));
        ids.for_each(|id| hello.extend(frame(HEADERS, END_STREAM_AND_HEADERS, id, &block)));
        let mut connection = Self { stream, buffer: Vec::new(), begun: 0 };
        connection.stream.write_all(&hello)?;
        connection.stream.set_nonblocking(true)?;
        let until = Instant::now() + SILENCE_MAX;
        while connection.begun < streams {
            connection.read()?;
            ensure!(Instant::now() < until, "{} of {streams} streams began", connection.begun);
        }
        Ok(connection)
    }

    /// Takes what there is.
    fn read(&mut self) -> Result<()> {
        let mut bytes = [0; 16 << 10];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let mut at = 0;
        while let Some((kind, flags, content)) = next_frame(&self.buffer[at..]) {
            at += FRAME_HEAD + content.len();
            match kind {
                HEADERS => ensure!(content.first() == Some(&STATUS_200), "a stream was refused"),
                DATA if flags & 1 == 0 => self.begun += usize::from(has_opening(content)),
                SETTINGS if flags & ACK == 0 => self.stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
                PING if flags & ACK == 0 => self.stream.write_all(&frame(PING, ACK, 0, content))?,
                DATA | RST_STREAM | GOAWAY => bail!("the server ended a stream: frame type {kind}"),
                _ => {}
            }
        }
        self.buffer.drain(..at);
        Ok(())
    }
}

/// The first event of a stream of Tidings.
fn has_opening(content: &[u8]) -> bool {
    let opening = b"event: tidings.open\n";
    content.windows(opening.len()).any(|bytes| bytes == opening)
}

/// `GET /topics/t`, without compression: names from the static table, values as they are.
fn request_block(authority: &str) -> Vec<u8> {
    const METHOD_GET: u8 = 0x82;
    const SCHEME_HTTP: u8 = 0x86;
    const PATH: u8 = 0x04;
    const AUTHORITY: u8 = 0x01;
    let literal = |name: u8, value: &str| {
        let length = u8::try_from(value.len()).expect("an address is short");
        [&[name, length], value.as_bytes()].concat()
    };
    [vec![METHOD_GET, SCHEME_HTTP], literal(PATH, "/topics/t0"), literal(AUTHORITY, authority)].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("frames here are short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// Type, flags and content of the first frame, if it is whole.
fn next_frame(bytes: &[u8]) -> Option<(u8, u8, &[u8])> {
    let [a, b, c, kind, flags, ..] = *bytes else { return None };
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    Some((kind, flags, bytes.get(FRAME_HEAD..FRAME_HEAD + length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whole_and_in_turn() {
        let bytes = [frame(PING, ACK, 0, b"12345678"), frame(DATA, 0, 7, b"")].concat();
        for end in 0..FRAME_HEAD + 8 {
            assert_eq!(next_frame(&bytes[..end]), None, "{end}");
        }
        assert_eq!(next_frame(&bytes), Some((PING, ACK, &b"12345678"[..])));
        assert_eq!(next_frame(&bytes[FRAME_HEAD + 8..]), Some((DATA, 0, &b""[..])));
    }

    #[test]
    fn a_request_is_what_the_rfc_says_it_is() {
        assert_eq!(request_block("[::1]:80"), b"\x82\x86\x04\x0a/topics/t0\x01\x08[::1]:80");
    }
}
