//! For tests only: everything around the hub, owned by the test.
//!
//! - [`World`]: one tail, several shards, an engine whose history answers late, and transports that take a byte at a time, on
//!   virtual time. Given a seed, a run repeats bit for bit.
//! - [`Model`]: the same as a `Vec` of everything that was published. The world compares after every step what each
//!   subscription received with what its selection wants.
//! - [`conformance`]: what every transport must do, one suite for all of them; [`Piecewise`] is the hub as such a transport, over
//!   pipes that take a few bytes a call.
//! - [`storage`]: a disk that loses what was not synced, for the log.
//! - [`Probe`]: HTTP/1.1 byte by byte over a socket, with deadlines.
//!
//! What fails panics, with the seed: a test needs no more than to drive.

pub mod conformance;
mod dechunk;
mod engine;
mod lane;
mod listener;
mod model;
mod piecewise;
mod pipe;
mod probe;
mod seen;
pub mod storage;
mod temp_dir;
mod wish;
mod world;

pub use dechunk::Dechunker;
pub use engine::{Deletion, Draft, FakeEngine, Record};
pub use listener::{GapTold, Heard, Listener, Told};
pub use model::{Model, ReadDone, View};
pub use piecewise::Piecewise;
pub use pipe::Pipe;
pub use probe::{Answer, Probe, Received};
pub use seen::Seen;
pub use temp_dir::TempDir;
pub use wish::Wish;
pub use world::{SubKey, World, WorldConfig, shard_config};
