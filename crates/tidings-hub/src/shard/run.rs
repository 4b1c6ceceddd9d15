//! A run: the next frames for one cursor, found and framed once for all cursors of a group at the same place.

use super::groups::{Group, GroupKey};
use super::page::Page;
use super::search::Search;
use super::topics::Topics;
use super::window::Window;
use crate::block::Block;
use crate::{Event, Format, Pos, Seq, UnixMillis};
use bytes::Bytes;

/// Frames in order, as few slices as memory allows.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) slices: Vec<Bytes>,
    pub(super) frames: Vec<FrameEnd>,
    pub(super) bytes: usize,
    /// Whether an event was met that expires: then the run is for those only who ask at the same time.
    pub(super) has_expiring: bool,
    /// Positions looked at in the tail, and topics asked for theirs.
    pub(super) looked: usize,
    /// The cursor once all of it is sent: behind the last frame, or further where nothing more was found.
    pub(super) to: Place,
}

/// Where a frame ends among the bytes of its run, and the cursor behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameEnd {
    pub(super) end: usize,
    pub(super) behind: Place,
}

/// A cursor's place: in the tail, or (then `pos` stays as it is) at an event of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tail { pos: Pos, seq: Seq },
    Page { index: usize, seq: Seq },
}

/// How a reader takes events that expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It was at the head when they came: it gets them all.
    Ignored,
    /// It gets those that have not expired by this time.
    By(UnixMillis),
}

impl Expiry {
    fn passes(self, event: &Event) -> bool {
        match self {
            Expiry::Ignored => true,
            Expiry::By(now) => !event.is_expired(now),
        }
    }
}

/// The bounds of one turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnMax {
    pub(super) bytes: usize,
    pub(super) slices: usize,
    pub(super) scan: usize,
}

impl Run {
    fn new(from: Place) -> Self {
        Run { slices: Vec::new(), frames: Vec::new(), bytes: 0, has_expiring: false, looked: 0, to: from }
    }

    /// What a group reads out of the tail, from a place in it on.
    pub(super) fn from_tail(
        window: &Window,
        topics: &Topics,
        key: GroupKey,
        group: &Group,
        from: Place,
        max: TurnMax,
        expiry: Expiry,
    ) -> Self {
        let Place::Tail { pos, .. } = from else { unreachable!("the tail is read from a place in it") };
        let mut run = Builder::new(from, group.format, max);
        let search = Search::new(window, group, pos);
        run.run.looked = search.asks();
        let looked_max = search.asks() + max.scan;
        for at in search.positions(topics) {
            let (batch, index) = window.at(at);
            let event = &batch.events()[index];
            let behind = Place::Tail { pos: at.plus(1), seq: event.seq.unwrap_or_else(|| batch.seq_before(index)) };
            let wanted = group.selection.passes_type(event) && (!search.meets_others() || topics.selects(key, event));
            let is_expiring = batch.has_expiring && wanted && event.expires.is_some();
            run.run.has_expiring |= is_expiring;
            run.run.looked += 1;
            if wanted && (!is_expiring || expiry.passes(event)) && !run.push(batch.block(), index, behind) {
                return run.finish();
            }
            run.run.to = behind;
            if run.run.looked == looked_max {
                return run.finish();
            }
        }
        run.run.to = Place::Tail { pos: window.next(), seq: window.head() };
        run.finish()
    }

    /// What is next in a page, up to the event before `end`.
    pub(super) fn from_page(page: &Page, format: Format, index: usize, end: usize, seq: Seq, max: TurnMax) -> Self {
        let mut run = Builder::new(Place::Page { index, seq }, format, max);
        for at in index..end {
            let behind = Place::Page { index: at + 1, seq: page.seq(at) };
            if !run.push(&page.block, at, behind) {
                break;
            }
            run.run.to = behind;
        }
        run.finish()
    }
}

/// Gathers frames, joining those that lie back to back.
struct Builder {
    run: Run,
    format: Format,
    max: TurnMax,
    /// The block and extent of the slice that may still grow.
    open: Option<(*const Block, usize, usize)>,
}

impl Builder {
    fn new(from: Place, format: Format, max: TurnMax) -> Self {
        Builder { run: Run::new(from), format, max, open: None }
    }

    /// Adds a frame, unless the turn is full. A turn has one frame at least, however large.
    fn push(&mut self, block: &Block, index: usize, behind: Place) -> bool {
        let (start, end) = block.extent(index, self.format);
        let len = end - start;
        if !self.run.frames.is_empty() && self.run.bytes + len > self.max.bytes {
            return false;
        }
        match self.open {
            Some((same, from, to)) if std::ptr::eq(same, block) && to == start => {
                let last = self.run.slices.last_mut().expect("an open slice is the last one");
                *last = block.bytes(self.format.form, from, end);
                self.open = Some((same, from, end));
            }
            _ if self.run.slices.len() == self.max.slices => return false,
            _ => {
                self.run.slices.push(block.bytes(self.format.form, start, end));
                self.open = Some((std::ptr::from_ref(block), start, end));
            }
        }
        self.run.bytes += len;
        self.run.frames.push(FrameEnd { end: self.run.bytes, behind });
        true
    }

    fn finish(self) -> Run {
        let end = self.run.frames.last().map_or(0, |frame| frame.end);
        assert_eq!(end, self.run.bytes, "a run ends where its last frame does");
        assert!(self.run.slices.len() <= self.run.frames.len(), "no slice is without a frame");
        self.run
    }
}

impl Run {
    /// The whole frame at `index` of the run.
    pub(super) fn frame(&self, index: usize) -> Bytes {
        let end = self.frames[index].end;
        let start = if index == 0 { 0 } else { self.frames[index - 1].end };
        let mut before = 0;
        for slice in &self.slices {
            if start < before + slice.len() {
                return slice.slice(start - before..end - before);
            }
            before += slice.len();
        }
        unreachable!("every frame lies in one slice");
    }
}
