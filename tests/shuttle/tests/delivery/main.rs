//! What the pump, front threads and shards share, in many orders of steps: nothing is lost, and nobody sleeps over what waits for him.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

#[path = "../explore/mod.rs"]
mod explore;
mod sync;

// The product's own files. What they need of the rest of the server is a name.
#[allow(dead_code, reason = "the server uses all of it")]
#[path = "../../../../crates/tidings-server/src/delivery/mailbox.rs"]
mod mailbox;
#[path = "../../../../crates/tidings-server/src/delivery/places.rs"]
mod places;
#[path = "../../../../crates/tidings-server/src/delivery/room.rs"]
mod room;
mod slot {
    pub(super) struct Slot;
}
mod taken {
    pub(super) struct Taken;
}

mod mailboxes;
mod places_and_rooms;
