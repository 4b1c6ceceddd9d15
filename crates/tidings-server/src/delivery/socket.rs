//! A socket that hyper has given back: bytes go out on it as the hub has them, and it is never read as HTTP again.

use crate::connection::reset_at_close;
use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use tidings_hub::Framing;

/// One subscriber's socket. Small, for there are many.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    /// Bytes that came after the request.
    heard: u32,
    framing: Framing,
    /// Whether the poller says when it takes bytes again. Most sockets never refuse any, and a poller that watched them for it from the
    /// start would begin with telling so of each.
    awaits_room: bool,
}

/// Why nothing is sent on a connection any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The client closed it, or it broke.
    Peer,
    /// The client sent more than may stand behind a request.
    Talk,
}

impl Socket {
    /// Over a connected socket that does not block. `heard` bytes came after the request already.
    pub(super) fn new(stream: TcpStream, heard: usize, framing: Framing) -> Self {
        let heard = u32::try_from(heard).unwrap_or(u32::MAX);
        Socket { stream, heard, framing, awaits_room: false }
    }

    /// Has the poller watch it for bytes that come, and for its end.
    pub(super) fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE)
    }

    /// It refused bytes: has the poller say when it takes some again. If it does by now, the poller says so at once.
    pub(super) fn await_room(&mut self, registry: &Registry, token: Token) -> Result<(), Gone> {
        if self.awaits_room {
            return Ok(());
        }
        self.awaits_room = true;
        let watched = registry.reregister(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE);
        watched.map_err(|_| Gone::Peer)
    }

    /// Writes `lead` and then `slices`, as many bytes as the socket takes at once.
    pub(super) fn write(&mut self, lead: &[u8], slices: &[Bytes]) -> Result<usize, Gone> {
        let result = match (lead, slices) {
            ([], [slice]) => retried(|| self.stream.write(slice)),
            (lead, []) => retried(|| self.stream.write(lead)),
            (lead, slices) => {
                let lead = (!lead.is_empty()).then(|| IoSlice::new(lead));
                let all: Vec<IoSlice<'_>> = lead.into_iter().chain(slices.iter().map(|s| IoSlice::new(s))).collect();
                retried(|| self.stream.write_vectored(&all))
            }
        };
        match result {
            Ok(written) => Ok(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(_) => Err(Gone::Peer),
        }
    }

    /// Reads what there is to `scratch`, and throws it away. One who closed his side is gone; so is one who sends more than `max` bytes after his
    /// request.
    pub(super) fn discard(&mut self, scratch: &mut [u8], max: usize) -> Result<(), Gone> {
        loop {
            if self.heard as usize > max {
                return Err(Gone::Talk);
            }
            match retried(|| self.stream.read(scratch)) {
                Ok(0) => return Err(Gone::Peer),
                Ok(read) => self.heard = self.heard.saturating_add(u32::try_from(read).unwrap_or(u32::MAX)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Gone::Peer),
            }
        }
    }

    /// What ends the body (RFC 9112, 7.1); without chunks the connection's own end does.
    pub(super) fn last_chunk(&self) -> &'static [u8] {
        match self.framing {
            Framing::Chunked => b"0\r\n\r\n",
            Framing::Bare => b"",
        }
    }

    /// Cuts the connection, so that nothing the client did not read is kept for it.
    pub(super) fn reset(self) {
        reset_at_close(&self.stream);
    }
}

/// Does it again as long as a signal interrupts it.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
