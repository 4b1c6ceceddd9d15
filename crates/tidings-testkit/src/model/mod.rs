//! What a subscription must have received: a cursor over the `Vec` of everything, moved by what its client hears.
//!
//! The model never asks the hub where it stands. Every event heard must be wanted, new, in order and whole; every wanted event that is
//! passed over must have been dropped and told; ids never claim more than was served. At rest nothing may be owed.

mod heard;
mod hears;
mod lost;
mod owed;
mod start;
mod view;

pub use view::{ReadDone, View};

use crate::Wish;
use std::collections::VecDeque;
use tidings_hub::{Format, GapReason, ResumePoint, Seq};

/// See the module's text.
#[derive(Debug)]
pub struct Model {
    wish: Wish,
    format: Format,
    resume: ResumePoint,
    bare_events: bool,
    subscribed_head: Seq,
    /// Everything wanted before this place was heard, or told missing.
    at: usize,
    /// Up to here it was served.
    served: Seq,
    opened: bool,
    /// What is wrong with the start; counts once anything but an ending is heard.
    start_error: Option<String>,
    heard_open: bool,
    /// The gap that must follow the opening.
    gap_due: Option<GapReason>,
    /// From where on that gap counts, if the stream starts further on.
    gap_from: Option<usize>,
    /// Only events from here on are owed if they are in memory only: those before had left the tail when the stream opened.
    memory_floor: usize,
    /// Where it started. Numbers are sparse: a memory-only event between two numbers has no place before or behind a third
    /// that lies between them and is no event's, so none is owed there.
    start: Seq,
    /// The newest of each topic, which come first.
    choice: VecDeque<usize>,
    behind_choice: usize,
    /// The engine looked for the gap that was told last no earlier than in the first of these steps, and no later than in the second.
    told: (u64, u64),
    opened_by: Option<ReadDone>,
    /// Memory-only events passed over, of which it must be told.
    missed: u64,
    /// With a type filter: how many were told lost, and from where on they count.
    lost_told: u64,
    first_floor: usize,
    /// It asked for the head, has taken everything, and was never overtaken: so it gets what expires as well.
    prompt: bool,
    /// A topic was deleted in the middle of a frame: that one is finished, whatever it is.
    in_frame: bool,
    ended: bool,
    heard: Vec<usize>,
}

impl Model {
    /// A subscription's, as it is made.
    pub fn new(wish: Wish, format: Format, bare_events: bool, resume: ResumePoint, view: View<'_>) -> Self {
        let prompt = resume == ResumePoint::Live;
        Model {
            wish,
            format,
            resume,
            bare_events,
            subscribed_head: view.head(),
            at: view.window_end,
            served: view.head(),
            opened: false,
            start_error: None,
            heard_open: false,
            gap_due: None,
            gap_from: None,
            memory_floor: 0,
            start: Seq::START,
            choice: VecDeque::new(),
            behind_choice: 0,
            told: (0, 0),
            opened_by: None,
            missed: 0,
            lost_told: 0,
            first_floor: 0,
            prompt,
            in_frame: false,
            ended: false,
            heard: Vec::new(),
        }
    }

    /// Its transport refused something.
    pub fn refused(&mut self) {
        self.prompt = false;
    }

    /// The tail moved on.
    pub fn moved(&mut self, view: View<'_>) {
        let unread = self.at.min(view.window_start)..view.window_start;
        self.prompt &= !view.records()[unread].iter().any(|r| self.wish.wants_topics_of(&r.event));
    }

    /// The shard was told that a topic is deleted; `in_frame`: something was half heard then.
    pub fn let_go(&mut self, in_frame: bool) {
        self.in_frame = in_frame;
    }

    /// The places of the events heard, in order.
    pub fn heard(&self) -> &[usize] {
        &self.heard
    }

    /// Whether it was told that the stream ends.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether its start is known.
    pub fn is_opened(&self) -> bool {
        self.opened
    }

    /// Whether it asked for the newest event of each topic.
    pub fn is_of_each(&self) -> bool {
        self.resume == ResumePoint::LastEach
    }

    /// Whether it asked for the head.
    pub fn is_live(&self) -> bool {
        self.resume == ResumePoint::Live
    }

    /// Whether it named a place ahead of its shard, and nothing is missing there.
    pub fn is_parked(&self) -> bool {
        matches!(&self.resume, ResumePoint::After(id) if id.seq > self.subscribed_head)
            && self.gap_due.is_none()
            && self.start_error.is_none()
    }
}
