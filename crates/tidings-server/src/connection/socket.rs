//! The socket under hyper's HTTP/1: it says how much it was offered and did not take, and it knows HTTP/2 by its first bytes.

use super::{ConnectionHandle, PendingGauge};
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How HTTP/2 begins where the client knows beforehand that it is spoken (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that says how much it was offered and did not take.
pub(super) struct Socket {
    stream: TcpStream,
    waiting: Waiting,
    start: Start,
}

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// So many have come, and they are the preface's. hyper has not seen them: it takes the whole preface for HTTP/2, and a part of it for
    /// a request that it refuses.
    Unsure(usize),
    Http1,
    Http2,
}

/// Bytes that wait in front of a socket: told to its connection, and counted among all.
struct Waiting {
    handle: ConnectionHandle,
    gauge: PendingGauge,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, handle: ConnectionHandle, gauge: PendingGauge) -> Self {
        Socket { stream, waiting: Waiting { handle, gauge }, start: Start::Unsure(0) }
    }

    /// Whether the connection began with the whole preface of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.start == Start::Http2
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Reads while the first bytes are the preface's and it is not whole. Nearly always that is one read, which ends it.
    fn poll_start(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>, mut seen: usize) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            // What was held back need not be kept to be there again. hyper's first buffer has 8 KiB.
            buf.put_slice(&PREFACE[..seen]);
            let read = Pin::new(&mut self.stream).poll_read(cx, buf);
            if !matches!(read, Poll::Ready(Ok(()))) {
                buf.set_filled(before);
                return read;
            }
            let came = &buf.filled()[before..];
            self.start = Start::of(came, came.len() == seen);
            let Start::Unsure(more) = self.start else { return read };
            seen = more;
            buf.set_filled(before);
        }
    }
}

impl Start {
    /// By all bytes that came so far, `is_end` if no more will.
    fn of(came: &[u8], is_end: bool) -> Self {
        if came.starts_with(PREFACE) {
            Start::Http2
        } else if !is_end && PREFACE.starts_with(came) {
            Start::Unsure(came.len())
        } else {
            Start::Http1
        }
    }
}

impl Waiting {
    fn note(&self, waiting: usize) {
        let before = self.handle.0.waiting.swap(waiting, Ordering::Relaxed);
        self.gauge.0.fetch_add(waiting, Ordering::Relaxed);
        self.gauge.0.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.note(0);
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.start {
            Start::Unsure(seen) => this.poll_start(cx, buf, seen),
            Start::Http1 | Start::Http2 => Pin::new(&mut this.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        let taken = if let Poll::Ready(Ok(n)) = &result { *n } else { 0 };
        this.waiting.note(buf.len() - taken);
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_what_is_spoken() {
        let check = |came: &str, is_end, expect| assert_eq!(Start::of(came.as_bytes(), is_end), expect, "{came:?}");
        let preface = std::str::from_utf8(PREFACE).unwrap();
        for length in 1..PREFACE.len() {
            check(&preface[..length], false, Start::Unsure(length));
            check(&preface[..length], true, Start::Http1);
            check(&format!("{}x", &preface[..length]), false, Start::Http1);
        }
        check(preface, false, Start::Http2);
        check(&format!("{preface}and frames"), false, Start::Http2);
        for other in ["GET / HTTP/1.1\r\n", "POST", "PO", "PRI * HTTP/1.1\r\n\r\n", " PRI", "\r\nPRI * HTTP/2.0", "pri"]
        {
            check(other, false, Start::Http1);
        }
        check("", true, Start::Http1);
    }
}
