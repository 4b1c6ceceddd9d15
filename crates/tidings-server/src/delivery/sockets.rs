//! The sockets of a shard: what is kept for each of its subscribers, and what goes out before and behind what the hub has.

use super::head::Head;
use super::room::Room;
use super::socket::{Gone, Socket};
use super::subscribing::Guard;
use bytes::Bytes;
use mio::{Interest, Registry, Token};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidings_hub::{Close, GapReason, SubscriberId, Time};
use tokio::sync::Semaphore;

/// What goes out before the first event, as long as it is not out.
#[derive(Debug)]
enum Lead {
    /// The head waits for what is missing where the stream starts.
    Open(Head),
    /// The whole head, and how much of it was sent.
    Whole(Vec<u8>, usize),
}

/// A stream that has ended, with its last bytes, and how many of them were sent.
#[derive(Debug)]
struct Finishing {
    socket: Socket,
    rest: Vec<u8>,
    sent: usize,
    deadline: Time,
}

/// The table. What only few have stands beside it.
pub(super) struct Sockets {
    registry: Registry,
    /// By the index of the subscription in its shard.
    table: Vec<Option<(u32, Socket)>>,
    leads: HashMap<SubscriberId, Lead>,
    guards: HashMap<SubscriberId, Guard>,
    finishing: HashMap<SubscriberId, Finishing>,
    /// Where each of them has a place, and where a connection.
    room: Room,
    connections: Arc<Semaphore>,
    heard_bytes_max: usize,
    end_grace: Duration,
    closed: Closed,
}

/// Connections that were closed, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// The client went away.
    pub peer: u64,
    /// The client sent too much behind its request.
    pub talk: u64,
    /// A stream that had ended, and whose last bytes found no room within the grace.
    pub grace: u64,
}

/// The bounds, and where places are given back.
pub(super) struct SocketsConfig {
    pub(super) room: Room,
    pub(super) connections: Arc<Semaphore>,
    pub(super) heard_bytes_max: usize,
    pub(super) end_grace: Duration,
}

impl Sockets {
    pub(super) fn new(registry: Registry, config: SocketsConfig) -> Self {
        let SocketsConfig { room, connections, heard_bytes_max, end_grace } = config;
        let (leads, guards, finishing) = (HashMap::new(), HashMap::new(), HashMap::new());
        let closed = Closed::default();
        let table = Vec::new();
        Sockets { registry, table, leads, guards, finishing, room, connections, heard_bytes_max, end_grace, closed }
    }

    /// Enters a socket, and watches it. Its place and its connection are given back when it goes, whatever this answers.
    pub(super) fn insert(
        &mut self,
        id: SubscriberId,
        mut socket: Socket,
        head: Head,
        guard: Option<Guard>,
    ) -> io::Result<()> {
        let watched = self.registry.register(socket.source(), token(id), Interest::READABLE | Interest::WRITABLE);
        let index = slot(id);
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        assert!(self.table[index].is_none(), "a subscription's index is free again only when its socket has gone");
        self.table[index] = Some((id.generation(), socket));
        self.leads.insert(id, Lead::Open(head));
        self.guards.extend(guard.map(|guard| (id, guard)));
        watched
    }

    /// Whether a subscription has a socket here.
    pub(super) fn contains(&self, id: SubscriberId) -> bool {
        self.table.get(slot(id)).is_some_and(|entry| entry.as_ref().is_some_and(|(of, _)| *of == id.generation()))
    }

    /// Whether its head waits for what is missing.
    pub(super) fn is_waiting(&self, id: SubscriberId) -> bool {
        matches!(self.leads.get(&id), Some(Lead::Open(_)))
    }

    /// It is known what is missing, or that is not waited for any longer: the head is whole.
    pub(super) fn open(&mut self, id: SubscriberId, gap: Option<GapReason>) {
        if let Some(Lead::Open(_)) = self.leads.get(&id)
            && let Some(Lead::Open(head)) = self.leads.remove(&id)
        {
            self.leads.insert(id, Lead::Whole(head.finish(gap), 0));
        }
    }

    /// Sends a head by itself, if nothing has gone out behind which it could have stood.
    pub(super) fn send_head(&mut self, id: SubscriberId) -> Result<(), Gone> {
        match self.leads.get(&id) {
            Some(Lead::Whole(_, 0)) => self.write(id, &[]).map(drop),
            _ => Ok(()),
        }
    }

    /// Writes what the hub offers, behind the head. Answers how much of it was taken.
    pub(super) fn write(&mut self, id: SubscriberId, slices: &[Bytes]) -> Result<usize, Gone> {
        let Some((_, socket)) = self.table[slot(id)].as_mut() else { return Err(Gone::Peer) };
        // Most have been told everything but this.
        if self.leads.is_empty() {
            return socket.write(&[], slices);
        }
        let Some(Lead::Whole(head, sent)) = self.leads.get_mut(&id) else { return socket.write(&[], slices) };
        let lead = head.len() - *sent;
        let written = socket.write(&head[*sent..], slices)?;
        if written < lead {
            *sent += written;
            return Ok(0);
        }
        self.leads.remove(&id);
        Ok(written - lead)
    }

    /// The socket takes bytes again. Answers whether what the hub has is next.
    pub(super) fn handle_writable(&mut self, id: SubscriberId) -> Result<bool, Gone> {
        if let Some(finishing) = self.finishing.get_mut(&id) {
            if finishing.go_on() {
                self.finishing.remove(&id);
                self.give_back();
            }
            return Ok(false);
        }
        if !self.contains(id) {
            return Ok(false);
        }
        match self.leads.get(&id) {
            Some(Lead::Whole(_, sent)) if *sent > 0 => self.write(id, &[])?,
            _ => 0,
        };
        Ok(!self.leads.contains_key(&id))
    }

    /// Bytes came, or an end.
    pub(super) fn handle_readable(&mut self, id: SubscriberId) -> Result<(), Gone> {
        let max = self.heard_bytes_max;
        if let Some(finishing) = self.finishing.get_mut(&id) {
            if finishing.socket.discard(max).is_err() {
                self.finishing.remove(&id);
                self.give_back();
            }
            return Ok(());
        }
        match self.table.get_mut(slot(id)) {
            Some(Some((generation, socket))) if *generation == id.generation() => socket.discard(max),
            _ => Ok(()),
        }
    }

    /// The hub has ended a stream: its last bytes follow, within the grace, or it is cut.
    pub(super) fn close(&mut self, id: SubscriberId, close: Close, now: Time) {
        let lead = self.leads.remove(&id);
        let Some(mut socket) = self.take(id) else { return };
        if close == Close::Reset {
            socket.reset();
            return self.give_back();
        }
        let mut rest = match lead {
            Some(Lead::Whole(head, sent)) => head[sent..].to_vec(),
            Some(Lead::Open(head)) => head.finish(None),
            None => Vec::new(),
        };
        rest.extend_from_slice(socket.last_chunk());
        // What came meanwhile is read first: a socket closed over unread bytes is a reset.
        if socket.discard(self.heard_bytes_max).is_err() {
            return self.give_back();
        }
        let mut finishing = Finishing { socket, rest, sent: 0, deadline: now + self.end_grace };
        if finishing.go_on() {
            self.give_back();
        } else {
            self.finishing.insert(id, finishing);
        }
    }

    /// A subscriber has gone.
    pub(super) fn remove(&mut self, id: SubscriberId, why: Gone) {
        self.leads.remove(&id);
        if self.take(id).is_some() {
            match why {
                Gone::Peer => self.closed.peer += 1,
                Gone::Talk => self.closed.talk += 1,
            }
            self.give_back();
        }
    }

    /// What was closed so far.
    pub(super) fn closed(&self) -> Closed {
        self.closed
    }

    /// Cuts those whose grace is over. Answers whether any are left.
    pub(super) fn cut_late(&mut self, now: Time) -> bool {
        let is_late = |_: &SubscriberId, finishing: &mut Finishing| finishing.deadline <= now;
        let late: Vec<_> = self.finishing.extract_if(is_late).collect();
        for (_, finishing) in late {
            finishing.socket.reset();
            self.closed.grace += 1;
            self.give_back();
        }
        !self.finishing.is_empty()
    }

    fn take(&mut self, id: SubscriberId) -> Option<Socket> {
        if !self.contains(id) {
            return None;
        }
        self.guards.remove(&id);
        self.table[slot(id)].take().map(|(_, socket)| socket)
    }

    fn give_back(&self) {
        self.room.leave();
        self.connections.add_permits(1);
    }
}

impl Finishing {
    /// Sends what it can; answers whether that was all.
    fn go_on(&mut self) -> bool {
        match self.socket.write(&self.rest[self.sent..], &[]) {
            Ok(written) => {
                self.sent += written;
                self.sent == self.rest.len()
            }
            // Nobody is left to send it to.
            Err(_) => true,
        }
    }
}

/// How the poller names a subscription's socket. Ids are never used twice, so that a late word about one that has gone finds nobody.
pub(super) fn token(id: SubscriberId) -> Token {
    Token(usize::try_from(id.as_u64()).expect("a token has the bits of an id"))
}

fn slot(id: SubscriberId) -> usize {
    id.index() as usize
}
