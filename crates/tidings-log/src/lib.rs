//! The durable log: an event that was acknowledged is there after any crash, and what was lost is told.
//!
//! It keeps bodies that it never looks into, each with its number, time and topics, in segments: files of a fixed size, one after the
//! other in one directory (docs/internals/log-format.md). It knows no clock, no randomness and no task: times and seeds are arguments,
//! storage is two traits ([`Dir`], [`File`]; [`DiskDir`] is the real one). [`open`] says what it found, and gives three machines over one
//! state, which each block on the storage:
//!
//! - [`Writer`], the only one: commits a group of [`Append`]s as one write and one sync, and shows it to readers only then;
//! - [`Log`], as many as there are readers: answers a [`Query`] with a [`Page`], by number, topic, pattern or time;
//! - [`Upkeep`], beside them: the spare, indexes, and what [`Retention`] says must go.
//!
//! [`spawn`] puts writer and upkeep on threads of their own. After a write or a sync that failed nothing is appended any more, and
//! readers go on.
//!
//! ```text
//! submit ─> queue ─ group ─> Writer ─ write, sync ─> active segment ─ full ─> sealed segments ─ Query ─> Log ─ Page ─>
//!             ^                │ (plan.rs)             ^ spare.rs              │ index/, read/, limits.rs
//!             │                └─ apply ─> State ──────┼───────────────────────┤
//!             └── drops ── Upkeep ─ recycle ───────────┴──── remove, rewrite ──┘
//! ```
//!
//! [`survey`] and [`snapshot`] look at a directory that another process may be writing.

mod disk;
mod driver;
mod entry;
mod header;
mod index;
mod keys;
mod limits;
mod log;
mod lookup;
mod map;
#[cfg(test)]
mod memory;
mod names;
mod options;
mod places;
mod plan;
#[cfg(planted)]
mod planted;
mod query;
mod read;
mod record;
mod recovery;
mod repair;
mod scan;
mod seal;
mod segment;
mod shared;
mod snapshot;
mod spare;
mod state;
mod stats;
mod storage;
mod survey;
mod sync;
mod tail;
mod topics;
mod turn;
mod upkeep;
mod writer;

pub use disk::DiskDir;
pub use driver::{Desk, Group, Handle, Submitted, spawn};
pub use entry::{Append, AppendError, At, Draft, Entry, Key, Placed};
pub use header::FORMAT;
pub use keys::KeySeen;
pub use log::Log;
pub use options::{Options, Retention, Rule};
pub use query::{From, Page, Query, ReadError, Record, TOLD_ALL};
pub use recovery::{Damage, OpenError, Opened, Recovery, Torn, open};
pub use snapshot::{SnapshotError, Taken, snapshot};
pub use stats::Stats;
pub use storage::{Dir, File};
pub use survey::{
    Depth, IndexState, LiveEvent, Progress, Stretch, Survey, SurveyError, SurveyedSegment, TornTail, Walked, survey,
    walk,
};
pub use upkeep::{Did, Step, Upkeep};
pub use writer::Writer;
