//! What this crate's own tests share: engines, on a disk that may fail or in a directory.

use crate::engine::{EmbeddedEngine, EngineParts};
use crate::limits::Limits;
use crate::retention::Retention;
use std::sync::Arc;
use tidings_log::Dir;
use tidings_testkit::storage::{Disk, Sector};

/// As little as can be kept, so that a test's files are small.
pub(crate) fn small() -> Retention {
    Retention { bytes: Retention::BYTES_MIN, ..Retention::default() }
}

/// A disk in memory, on which a sync costs nothing.
pub(crate) fn disk() -> Disk {
    Disk::new(1, Sector::B4096)
}

/// An engine on a directory.
pub(crate) fn engine_on(dir: Arc<dyn Dir>, limits: &Limits) -> Arc<EmbeddedEngine> {
    let parts = EngineParts { dir, retention: &small(), limits, clock: crate::clock::unix_millis };
    Arc::new(EmbeddedEngine::open(parts).unwrap())
}

/// An engine with nothing in it.
pub(crate) fn engine(limits: &Limits) -> Arc<EmbeddedEngine> {
    engine_on(disk().dir(), limits)
}

/// Makes the next batch's sync fail, and not one of upkeep, which makes a spare meanwhile: the active segment is the newest that has a
/// header, for a spare has none yet.
pub(crate) fn fail_next_batch(disk: &Disk) {
    let has_header = |name: &String| disk.bytes(name).is_some_and(|bytes| bytes.first().is_some_and(|&byte| byte != 0));
    let names = disk.names();
    let active = names.iter().rfind(|name| name.ends_with(".log") && has_header(name));
    disk.fail_sync_of(active.expect("a log that was written to has an active segment"));
}
