//! For tests only: everything around the hub, owned by the test.
//!
//! - [`World`]: one tail, several shards, an engine whose history answers late, and transports that take a byte at a time, on
//!   virtual time. Given a seed, a run repeats bit for bit.
//! - [`Model`]: the same as a `Vec` of everything that was published. The world compares after every step what each
//!   subscription received with what its selection wants.
//!
//! What fails panics, with the seed: a test needs no more than to drive.

mod dechunk;
mod engine;
mod lane;
mod listener;
mod model;
mod pipe;
mod seen;
mod wish;
mod world;

pub use dechunk::Dechunker;
pub use engine::{Draft, FakeEngine, Record};
pub use listener::{GapTold, Heard, Listener, Told};
pub use model::{Model, ReadDone, View};
pub use pipe::Pipe;
pub use seen::Seen;
pub use wish::Wish;
pub use world::{SubKey, World, WorldConfig, shard_config};
