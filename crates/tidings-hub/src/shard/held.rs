//! Half-sent frames that the tail no longer holds: copied out once each, shared by those who are inside them, bounded.

use crate::{Format, Pos};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Held {
    /// Subscriptions inside a frame that the tail holds, in the frame's order.
    inside: BTreeSet<(Pos, u32)>,
    /// Frames copied when the tail let go of them, with the number of their readers.
    frames: BTreeMap<(Pos, Format), (Bytes, usize)>,
    bytes: usize,
}

impl Held {
    /// A subscription stopped inside a frame of the tail.
    pub(super) fn enter(&mut self, pos: Pos, index: u32) {
        self.inside.insert((pos, index));
    }

    /// It got out, or it is gone.
    pub(super) fn leave(&mut self, pos: Pos, index: u32, format: Format) {
        if self.inside.remove(&(pos, index)) {
            return;
        }
        let (frame, readers) = self.frames.get_mut(&(pos, format)).expect("a half-sent frame is in the tail or held");
        *readers -= 1;
        if *readers == 0 {
            self.bytes -= frame.len();
            self.frames.remove(&(pos, format));
        }
    }

    /// The subscriptions inside frames before `end`, which the tail is letting go of.
    pub(super) fn take_before(&mut self, end: Pos) -> Vec<(Pos, u32)> {
        let stay = self.inside.split_off(&(end, 0));
        std::mem::replace(&mut self.inside, stay).into_iter().collect()
    }

    /// The copy of a frame, made by its first reader. A copy, because a slice would keep the whole batch alive.
    pub(super) fn hold(&mut self, pos: Pos, format: Format, frame: &Bytes) -> Bytes {
        let (copy, readers) = self.frames.entry((pos, format)).or_insert_with(|| {
            self.bytes += frame.len();
            (Bytes::copy_from_slice(frame), 0)
        });
        *readers += 1;
        copy.clone()
    }

    /// Whether a subscription's frame is one of those held beyond the tail.
    pub(super) fn is_held(&self, pos: Pos, format: Format) -> bool {
        self.frames.contains_key(&(pos, format))
    }

    /// A copy of a frame of history, for one subscription alone.
    pub(super) fn add_own(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// It was sent, or its subscription is gone.
    pub(super) fn remove_own(&mut self, bytes: usize) {
        assert!(bytes <= self.bytes, "only what was added is removed");
        self.bytes -= bytes;
    }

    /// Bytes held beyond the tail.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
