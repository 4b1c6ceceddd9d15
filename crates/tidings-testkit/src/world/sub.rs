//! One client of a world: its transport, its ears, and its model.

use crate::Pipe;
use crate::lane::Lane;
use crate::listener::{Listener, Told};
use crate::model::Model;
use tidings_hub::{Close, Event, Format, UnixMillis};

/// One client.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) lane: usize,
    pub(super) id: tidings_hub::SubscriberId,
    pub(super) format: Format,
    pub(super) bare_events: bool,
    pub(super) pipe: Pipe,
    pub(super) listener: Listener,
    /// Whether the world reads its pipe; else the test does.
    pub(super) is_read: bool,
    pub(super) told: Vec<Told>,
    pub(super) model: Model,
    /// The step in which it came.
    pub(super) since: u64,
    /// The step in which its transport took less than it was offered, for the last time.
    pub(super) refused: u64,
    /// What it is in the middle of hearing was begun then.
    pub(super) begun: Option<Begun>,
    pub(super) closed: Option<Close>,
    pub(super) gone: bool,
}

/// The moment at which the first byte of a frame was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) wall: UnixMillis,
    /// [`Sub::refused`] before that.
    pub(super) refused: u64,
}

impl Sub {
    /// One that is behind is not given what has expired: it must have taken everything since the shard was handed the event.
    pub(super) fn check_expiry(&self, place: usize, event: &Event, begun: Begun, lane: &Lane) -> Result<(), String> {
        // A page has what had not expired when the engine looked; it is not looked through again.
        let is_of_a_page = place < lane.window_start || self.model.is_of_each();
        let is_prompt = lane.handed(place).is_some_and(|step| step > self.since.max(begun.refused));
        if is_of_a_page || is_prompt || !event.is_expired(begun.wall) {
            return Ok(());
        }
        Err(format!("event {place} has expired, and is sent to one who is behind"))
    }

    /// What a failure prints: the model, and what was heard last.
    pub(super) fn explain(&self) -> String {
        /// Enough to see where it went wrong.
        const SHOWN: usize = 12;
        let mut text = format!("{:?}\n", self.model);
        for told in &self.told[self.told.len().saturating_sub(SHOWN)..] {
            let told = match told {
                Told::Event(heard) => format!("{:.9} at {}", heard.data.replace('\n', " "), heard.last_event_id),
                other => format!("{other:?}"),
            };
            text += &format!("  {told}\n");
        }
        text
    }
}
