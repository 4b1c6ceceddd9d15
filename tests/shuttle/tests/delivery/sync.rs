//! What the modules under test wait by: shuttle's, and a waker with nothing behind it.

pub(super) use shuttle::sync::atomic::{AtomicUsize, Ordering};
pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;

/// What of mio's a mailbox uses: [`Waker::wake`] ends the sleep that is under way, or the next one.
#[derive(Clone, Default)]
pub(super) struct Waker(Arc<Poll>);

#[derive(Default)]
struct Poll {
    calls: Mutex<Calls>,
    called: Condvar,
}

#[derive(Default)]
struct Calls {
    /// Somebody called, and nobody woke yet.
    is_pending: bool,
    total: usize,
}

impl Waker {
    pub(super) fn wake(&self) -> std::io::Result<()> {
        let mut calls = self.0.calls.lock().unwrap();
        calls.is_pending = true;
        calls.total += 1;
        self.0.called.notify_one();
        Ok(())
    }

    /// For the shard: sleeps until it is called.
    pub(super) fn sleep(&self) {
        let calls = self.0.calls.lock().unwrap();
        self.0.called.wait_while(calls, |calls| !calls.is_pending).unwrap().is_pending = false;
    }

    /// How often somebody called.
    pub(super) fn calls(&self) -> usize {
        self.0.calls.lock().unwrap().total
    }
}
