//! What the hot paths are counted on: a tail and a shard, driven as the pump and a shard's thread drive them.
//! `benches/hot_paths.rs` counts.

mod stage;

pub use stage::{Committed, DATA_BYTES, Delivered, Published, Stage};
