//! The sockets of a shard: what is kept for each of its subscribers, and what goes out before and behind what the hub has.

use super::head::Head;
use super::room::Room;
use super::socket::{Gone, Socket};
use super::subscribing::Guard;
use bytes::Bytes;
use mio::{Registry, Token};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidings_hub::{Close, GapReason, SubscriberId, Time};
use tokio::sync::Semaphore;

/// A subscriber of the table.
#[derive(Debug)]
struct Entry {
    socket: Socket,
    generation: u32,
    extra: Option<Box<Extra>>,
}

/// What only few have.
struct Extra {
    lead: Lead,
    guard: Option<Guard>,
}

/// What goes out before the first event.
#[derive(Debug)]
enum Lead {
    /// The head waits for what is missing where the stream starts.
    Open(Head),
    /// The whole head, and how much of it was sent.
    Whole(Vec<u8>, usize),
    /// It is out.
    Sent,
}

// There are many. (Where debug assertions are on, a socket of mio's knows its poller.)
#[cfg(not(debug_assertions))]
const _: () = assert!(size_of::<Option<Entry>>() <= 24);

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
    table: Vec<Option<Entry>>,
    finishing: HashMap<SubscriberId, Finishing>,
    /// Where each of them has a place, and where a connection.
    room: Room,
    connections: Arc<Semaphore>,
    heard_bytes_max: usize,
    end_grace: Duration,
    closed: Closed,
    /// Where what nobody wants is read to.
    scratch: Box<[u8]>,
}

/// What is read at once of what nobody wants.
const SCRATCH_BYTES: usize = 4 << 10;

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
    /// For which room is reserved: pages of the table that nobody uses cost nothing.
    pub(super) subscribers_max: usize,
    pub(super) end_grace: Duration,
}

impl Sockets {
    pub(super) fn new(registry: Registry, config: SocketsConfig) -> Self {
        let SocketsConfig { room, connections, heard_bytes_max, subscribers_max, end_grace } = config;
        Sockets {
            registry,
            table: Vec::with_capacity(subscribers_max),
            finishing: HashMap::new(),
            room,
            connections,
            heard_bytes_max,
            end_grace,
            closed: Closed::default(),
            scratch: vec![0; SCRATCH_BYTES].into(),
        }
    }

    /// Enters a socket, and watches it. Its place and its connection are given back when it goes, whatever this answers.
    pub(super) fn insert(
        &mut self,
        id: SubscriberId,
        mut socket: Socket,
        head: Head,
        guard: Option<Guard>,
    ) -> io::Result<()> {
        let watched = socket.watch(&self.registry, token(id));
        let slot = slot(id);
        if self.table.len() <= slot {
            self.table.resize_with(slot + 1, || None);
        }
        assert!(self.table[slot].is_none(), "a subscription's slot is free again only when its socket has gone");
        let extra = Some(Box::new(Extra { lead: Lead::Open(head), guard }));
        self.table[slot] = Some(Entry { socket, generation: id.generation(), extra });
        watched
    }

    /// Whether its head waits for what is missing.
    pub(super) fn is_waiting(&self, id: SubscriberId) -> bool {
        matches!(self.lead(id), Some(Lead::Open(_)))
    }

    /// It is known what is missing, or that is not waited for any longer: the head is whole.
    pub(super) fn open(&mut self, id: SubscriberId, gap: Option<GapReason>) {
        let Some(extra) = self.entry(id).and_then(|entry| entry.extra.as_mut()) else { return };
        match std::mem::replace(&mut extra.lead, Lead::Sent) {
            Lead::Open(head) => extra.lead = Lead::Whole(head.finish(gap), 0),
            lead => extra.lead = lead,
        }
    }

    /// Whether nothing of its head has gone out.
    pub(super) fn has_head(&self, id: SubscriberId) -> bool {
        matches!(self.lead(id), Some(Lead::Whole(_, 0)))
    }

    /// Writes what the hub offers, behind the head. Answers how much of it was taken.
    pub(super) fn write(&mut self, id: SubscriberId, slices: &[Bytes]) -> Result<usize, Gone> {
        let offered: usize = slices.iter().map(Bytes::len).sum();
        let Sockets { table, registry, .. } = self;
        let entry = table.get_mut(slot(id)).and_then(Option::as_mut).filter(|entry| entry.is(id)).ok_or(Gone::Peer)?;
        let taken = entry.write(slices)?;
        if taken < offered || !entry.is_past_head() {
            entry.socket.await_room(registry, token(id))?;
        }
        Ok(taken)
    }

    /// The socket takes bytes again. Answers whether what the hub has is next.
    pub(super) fn handle_writable(&mut self, id: SubscriberId) -> Result<bool, Gone> {
        if let Some(entry) = self.entry(id) {
            return match entry.extra.as_ref().map(|extra| &extra.lead) {
                None | Some(Lead::Sent) => Ok(true),
                Some(Lead::Open(_)) => Ok(false),
                // Only one that refused bytes is watched for this.
                Some(Lead::Whole(..)) => entry.write(&[]).map(|_| entry.is_past_head()),
            };
        }
        if self.finishing.get_mut(&id).is_some_and(Finishing::go_on) {
            self.finishing.remove(&id);
            self.give_back();
        }
        Ok(false)
    }

    /// Bytes came, or an end.
    pub(super) fn handle_readable(&mut self, id: SubscriberId) -> Result<(), Gone> {
        let Sockets { table, finishing, scratch, heard_bytes_max, .. } = self;
        if let Some(Some(entry)) = table.get_mut(slot(id))
            && entry.is(id)
        {
            return entry.socket.discard(scratch, *heard_bytes_max);
        }
        if finishing.get_mut(&id).is_some_and(|f| f.socket.discard(scratch, *heard_bytes_max).is_err()) {
            finishing.remove(&id);
            self.give_back();
        }
        Ok(())
    }

    /// The hub has ended a stream: its last bytes follow, within the grace, or it is cut.
    pub(super) fn close(&mut self, id: SubscriberId, close: Close, now: Time) {
        let Some(Entry { mut socket, extra, .. }) = self.take(id) else { return };
        if close == Close::Reset {
            socket.reset();
            return self.give_back();
        }
        let mut rest = match extra.map(|extra| extra.lead) {
            Some(Lead::Whole(head, sent)) => head[sent..].to_vec(),
            Some(Lead::Open(head)) => head.finish(None),
            Some(Lead::Sent) | None => Vec::new(),
        };
        rest.extend_from_slice(socket.last_chunk());
        // What came meanwhile is read first: a socket closed over unread bytes is a reset.
        if socket.discard(&mut self.scratch, self.heard_bytes_max).is_err() {
            return self.give_back();
        }
        let mut finishing = Finishing { socket, rest, sent: 0, deadline: now + self.end_grace };
        if finishing.go_on() || finishing.socket.await_room(&self.registry, token(id)).is_err() {
            self.give_back();
        } else {
            self.finishing.insert(id, finishing);
        }
    }

    /// A subscriber has gone.
    pub(super) fn remove(&mut self, id: SubscriberId, why: Gone) {
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

    /// Whether a stream that has ended is not closed yet.
    pub(super) fn is_finishing(&self) -> bool {
        !self.finishing.is_empty()
    }

    /// Cuts those whose grace is over.
    pub(super) fn cut_late(&mut self, now: Time) {
        let is_late = |_: &SubscriberId, finishing: &mut Finishing| finishing.deadline <= now;
        let late: Vec<_> = self.finishing.extract_if(is_late).collect();
        for (_, finishing) in late {
            finishing.socket.reset();
            self.closed.grace += 1;
            self.give_back();
        }
    }

    fn lead(&self, id: SubscriberId) -> Option<&Lead> {
        let entry = self.table.get(slot(id))?.as_ref().filter(|entry| entry.is(id))?;
        entry.extra.as_ref().map(|extra| &extra.lead)
    }

    fn entry(&mut self, id: SubscriberId) -> Option<&mut Entry> {
        self.table.get_mut(slot(id))?.as_mut().filter(|entry| entry.is(id))
    }

    fn take(&mut self, id: SubscriberId) -> Option<Entry> {
        self.table.get_mut(slot(id))?.take_if(|entry| entry.is(id))
    }

    fn give_back(&self) {
        self.room.leave();
        self.connections.add_permits(1);
    }
}

impl Entry {
    fn is(&self, id: SubscriberId) -> bool {
        self.generation == id.generation()
    }

    fn is_past_head(&self) -> bool {
        self.extra.as_ref().is_none_or(|extra| matches!(extra.lead, Lead::Sent))
    }

    /// Writes the head's rest, and `slices` behind it. Answers how much of the latter was taken.
    fn write(&mut self, slices: &[Bytes]) -> Result<usize, Gone> {
        let Some(Extra { lead: Lead::Whole(head, sent), guard }) = self.extra.as_deref_mut() else {
            return self.socket.write(&[], slices);
        };
        let rest = head.len() - *sent;
        let written = self.socket.write(&head[*sent..], slices)?;
        if written < rest {
            *sent += written;
            return Ok(0);
        }
        let guard = guard.take();
        self.extra = guard.map(|guard| Box::new(Extra { lead: Lead::Sent, guard: Some(guard) }));
        Ok(written - rest)
    }
}

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extra").field("lead", &self.lead).finish_non_exhaustive()
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

// A token has the bits of an id.
const _: () = assert!(usize::BITS >= u64::BITS);

/// How the poller names a subscription's socket. Ids are never used twice, so that a late word about one that has gone finds nobody.
fn token(id: SubscriberId) -> Token {
    Token(id.as_u64() as usize)
}

fn slot(id: SubscriberId) -> usize {
    id.index() as usize
}
