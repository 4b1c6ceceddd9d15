//! What this crate's own tests share: engines, on a disk that may fail or in a directory, and the API over one.

use crate::api::{Api, ApiParts};
use crate::connection::Gauges;
use crate::delivery::Delivery;
use crate::engine::{EmbeddedEngine, Engine, EngineParts};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::retention::Retention;
use std::num::NonZeroUsize;
use std::sync::Arc;
use tidings_log::Dir;
use tidings_testkit::storage::{Disk, Sector};
use tokio::sync::Semaphore;

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

/// The API over an engine on a disk, with one shard.
pub(crate) fn api_on(disk: &Disk, limits: &Arc<Limits>, gauges: &Gauges) -> Api {
    let embedded = engine_on(disk.dir(), limits);
    let engine: Arc<dyn Engine> = embedded.clone();
    let delivery = Delivery::start(&engine, limits, NonZeroUsize::MIN, &Arc::new(Semaphore::new(1))).unwrap();
    let keys = embedded.keys(limits.idempotency_age, limits.idempotency_keys_max).unwrap();
    let metrics = Metrics::new(delivery.clone(), embedded, None, gauges.clone());
    let (limits, allowed_origins) = (limits.clone(), Vec::new());
    Api::new(ApiParts { limits, engine, delivery, metrics, allowed_origins, demo: None, keys }).unwrap()
}

/// Makes the next batch's sync fail, and not one of upkeep, which makes a spare meanwhile: the active segment is the newest that has a
/// header, for a spare has none yet.
pub(crate) fn fail_next_batch(disk: &Disk) {
    let has_header = |name: &String| disk.bytes(name).is_some_and(|bytes| bytes.first().is_some_and(|&byte| byte != 0));
    let names = disk.names();
    let active = names.iter().rfind(|name| name.ends_with(".log") && has_header(name));
    disk.fail_sync_of(active.expect("a log that was written to has an active segment"));
}
