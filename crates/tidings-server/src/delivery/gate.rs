//! The gate before publishers: closed while a shard is behind with subscribers whose sockets take bytes. Nothing is dropped; who comes
//! waits until the shard has been round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// A clone is the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Shards that are behind.
    behind: AtomicUsize,
    caught_up: Notify,
    waits: AtomicU64,
}

/// A shard's hand on the gate.
#[derive(Debug)]
pub(super) struct Latch {
    gate: Gate,
    is_behind: bool,
}

impl Gate {
    /// Waits while a shard is behind.
    pub(crate) async fn pass(&self) {
        if self.is_open() {
            return;
        }
        self.0.waits.fetch_add(1, Ordering::Relaxed);
        loop {
            let mut caught_up = std::pin::pin!(self.0.caught_up.notified());
            // Before the look: who opens it afterwards wakes this one.
            caught_up.as_mut().enable();
            if self.is_open() {
                return;
            }
            caught_up.await;
        }
    }

    fn is_open(&self) -> bool {
        self.0.behind.load(Ordering::SeqCst) == 0
    }

    /// Publishes that had to wait.
    pub(super) fn waits(&self) -> u64 {
        self.0.waits.load(Ordering::Relaxed)
    }

    pub(super) fn latch(&self) -> Latch {
        Latch { gate: self.clone(), is_behind: false }
    }
}

impl Latch {
    /// Says how the shard is.
    pub(super) fn set(&mut self, is_behind: bool) {
        if is_behind == self.is_behind {
            return;
        }
        self.is_behind = is_behind;
        let inner = &self.gate.0;
        if is_behind {
            inner.behind.fetch_add(1, Ordering::SeqCst);
        } else if inner.behind.fetch_sub(1, Ordering::SeqCst) == 1 {
            inner.caught_up.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    fn passes(future: &mut Pin<&mut impl Future<Output = ()>>) -> bool {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn it_is_open_when_no_shard_is_behind() {
        let gate = Gate::default();
        let (mut one, mut other) = (gate.latch(), gate.latch());
        one.set(false);
        assert!(passes(&mut pin!(gate.pass())));
        one.set(true);
        one.set(true);
        other.set(true);
        let mut waiting = pin!(gate.pass());
        assert!(!passes(&mut waiting));
        one.set(false);
        assert!(!passes(&mut waiting), "the other is behind");
        other.set(false);
        assert!(passes(&mut waiting));
        assert_eq!(gate.waits(), 1, "the first did not");
    }

    #[test]
    fn it_may_close_again_before_the_one_who_was_woken_looks() {
        let gate = Gate::default();
        let mut latch = gate.latch();
        latch.set(true);
        let mut waiting = pin!(gate.pass());
        assert!(!passes(&mut waiting));
        latch.set(false);
        latch.set(true);
        assert!(!passes(&mut waiting));
        latch.set(false);
        assert!(passes(&mut waiting));
    }
}
