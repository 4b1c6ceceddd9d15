//! The hub: a subscription is a cursor over a log.
//!
//! Live delivery, resuming, a slow reader, a page of history: all of them are a cursor that reads forward. There is no queue per
//! subscriber. Two machines, without I/O, clock or tasks:
//!
//! - [`Tail`], one a node: gives every event of the engine's order a position, encodes it, and keeps the newest;
//! - [`Shard`], one a delivery thread: subscriptions, their cursors, and what each is sent next.
//!
//! ```text
//! engine.tail ─ events ─> Tail ─ Arc<Batch> ─> Shard ─ poll_transmit ─> transport
//!                                                └──── poll_fetch ────> engine.read
//! ```

mod batch;
mod block;
mod control;
mod endings;
mod event;
mod event_id;
mod form;
mod grant;
mod history;
mod json;
mod map;
mod pattern;
mod resume;
mod selection;
mod seq;
mod shard;
mod tail;
mod time;
mod topic;

pub use batch::Batch;
pub use control::{CONTROL_PREFIX, refusal};
pub use endings::{ENDINGS, EndReason, Ending};
pub use event::{Content, Event, Topics, TopicsError};
pub use event_id::{Epoch, EventId, EventIdError};
pub use form::{Form, Format, Framing};
pub use grant::{Grant, Scope};
pub use history::{History, Read, ReadFrom};
pub use json::write_event;
pub use pattern::{Pattern, PatternError, Segment};
pub use resume::{Gap, GapReason, ResumePoint, UNKNOWN_EVENTS_MAX};
pub use selection::{Selection, SelectionError};
pub use seq::{Pos, Seq};
pub use shard::{Close, Counters, FetchId, HistoryError, Holdings, Shard, ShardConfig, Spec, SubscriberId, Transmit};
pub use tail::Tail;
pub use time::{Time, UnixMillis};
pub use topic::{TopicError, TopicName};
