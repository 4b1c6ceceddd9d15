//! The transport of one subscription: takes as many bytes as its client lets it, down to one a call.

use tidings_hub::Transmit;

/// A connection's sending side, with the room its client leaves.
#[derive(Debug, Default)]
pub struct Pipe {
    /// Bytes it takes before it is full.
    room: usize,
    /// Bytes it takes in one call at most; the rest of the room then waits for the next one.
    per_call_max: usize,
    /// Whether the shard was told that it takes nothing.
    is_blocked: bool,
    /// Bytes taken that the client has not read yet.
    inbox: Vec<u8>,
}

impl Pipe {
    /// A pipe that takes everything at once.
    pub fn open() -> Self {
        Pipe { room: usize::MAX, per_call_max: usize::MAX, is_blocked: false, inbox: Vec::new() }
    }

    /// From now on it takes `room` bytes, at most `per_call_max` a call. Answers whether the shard must be told.
    pub fn set_room(&mut self, room: usize, per_call_max: usize) -> bool {
        (self.room, self.per_call_max) = (room, per_call_max.max(1));
        room > 0 && std::mem::take(&mut self.is_blocked)
    }

    /// After a call that took less than was offered although there was room: writable again at once.
    pub fn take_writable(&mut self) -> bool {
        self.room > 0 && std::mem::take(&mut self.is_blocked)
    }

    /// Takes the front of an offer and answers how many bytes.
    pub fn take(&mut self, transmit: &Transmit) -> usize {
        assert!(!self.is_blocked, "who was told to wait is offered nothing until it is writable");
        let total = transmit.slices.iter().fold(0, |total, slice| total + slice.len());
        let taken = total.min(self.room).min(self.per_call_max);
        let mut left = taken;
        for slice in &transmit.slices {
            let len = slice.len().min(left);
            self.inbox.extend_from_slice(&slice[..len]);
            left -= len;
        }
        if self.room != usize::MAX {
            self.room -= taken;
        }
        self.is_blocked = taken < total;
        taken
    }

    /// Bytes of the transport's own: the last chunk.
    pub fn push(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    /// What it took and the client reads now.
    pub fn read(&mut self, max: usize) -> Vec<u8> {
        let len = max.min(self.inbox.len());
        self.inbox.drain(..len).collect()
    }

    /// Bytes taken and not read.
    pub fn unread(&self) -> usize {
        self.inbox.len()
    }

    /// Whether it refused something, and has not said since that it takes more.
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Whether it takes nothing.
    pub fn is_stalled(&self) -> bool {
        self.room == 0
    }
}
