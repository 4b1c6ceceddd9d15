//! Room for what waits for the log's writer: bounded in appends and in bytes. Who finds none waits for it, in the order in which
//! they came, so that a large append is not passed by small ones for ever.

use crate::limits::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(super) struct Room {
    appends: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    waits: AtomicU64,
}

/// One append's share of the room, until this goes.
#[derive(Debug)]
pub(super) struct Held {
    _append: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        let bytes_max = u32::try_from(limits.log_queued_bytes_max).unwrap_or(u32::MAX);
        Room {
            appends: Arc::new(Semaphore::new(limits.appends_queued_max)),
            bytes: Arc::new(Semaphore::new(bytes_max as usize)),
            bytes_max,
            waits: AtomicU64::new(0),
        }
    }

    /// Takes room for an append of so many bytes. One that is larger than all there is takes all of it.
    pub(super) async fn take(&self, bytes: usize) -> Held {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes_max);
        if self.appends.available_permits() == 0 || self.bytes.available_permits() < bytes as usize {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        const OPEN: &str = "the room is never closed";
        let append = self.appends.clone().acquire_owned().await.expect(OPEN);
        let bytes = self.bytes.clone().acquire_many_owned(bytes).await.expect(OPEN);
        Held { _append: append, _bytes: bytes }
    }

    /// Appends that had to wait for room.
    pub(super) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn is_ready(future: impl Future<Output = Held>) -> bool {
        matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
    }

    #[tokio::test]
    async fn appends_and_bytes_are_bounded_and_given_back() {
        let limits = Limits { appends_queued_max: 2, log_queued_bytes_max: 100, ..Limits::DEFAULT };
        let room = Room::new(&limits);
        let first = room.take(60).await;
        assert!(!is_ready(room.take(41)) && is_ready(room.take(40)));
        let second = room.take(0).await;
        assert!(!is_ready(room.take(0)), "a third");
        assert_eq!(room.waits(), 2);
        drop(first);
        assert!(!is_ready(room.take(1_000)) || room.bytes.available_permits() == 100, "more than there is takes all");
        drop(second);
        let all = room.take(1_000).await;
        assert!(!is_ready(room.take(1)));
        drop(all);
        assert!(is_ready(room.take(100)));
    }
}
