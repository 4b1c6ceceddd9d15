//! What the campaigns share: a log on the simulated disk, and beside it a `Vec` of everything that was appended.

// Each campaign uses a part of it.
#![allow(dead_code)]

pub(crate) mod campaign;
pub(crate) mod ledger;
mod plan;
mod reads;
pub(crate) mod tally;
mod world;

pub(crate) use world::World;
