//! How a stream's end reaches whoever drives its connection: a stalled client's body is not polled, so the word goes past it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// The way from a stream to what drives its connection, or its part of one. A clone is the same way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    reset: AtomicBool,
    ending: AtomicBool,
    ended: AtomicBool,
    wake: Notify,
}

impl Ends {
    /// A stream begins on this connection, which may have carried another before.
    pub(crate) fn begin(&self) {
        self.0.ending.store(false, Ordering::Relaxed);
        self.0.ended.store(false, Ordering::Relaxed);
    }

    /// Cuts the stream, so that nothing the client did not read is kept for it.
    pub(crate) fn reset(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    /// The stream has its last bytes ahead: if they do not go out within the grace, it is cut.
    pub(crate) fn end_soon(&self) {
        self.0.ending.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    /// The stream has ended: hyper took all of it.
    pub(crate) fn ended(&self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }

    /// Waits until there is a word.
    pub(super) async fn told(&self) {
        self.0.wake.notified().await;
    }

    pub(super) fn is_reset(&self) -> bool {
        self.0.reset.load(Ordering::Relaxed)
    }

    pub(super) fn is_ending(&self) -> bool {
        self.0.ending.load(Ordering::Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }
}
