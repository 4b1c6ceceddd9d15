//! What threads wait for each other by: std's. Under `cfg(shuttle)`, the tests in `tests/shuttle` choose at each step who goes on.

#![allow(
    clippy::disallowed_types,
    reason = "how long a turn takes is measured, and decides nothing about what is stored"
)]

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, TryLockError},
    thread,
    time::Instant,
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, TryLockError},
    thread,
};

/// A clock that stands still: what is measured there is not the storage, and every run must be like the one before.
#[cfg(shuttle)]
pub(crate) struct Instant;

#[cfg(shuttle)]
impl Instant {
    pub(crate) fn now() -> Self {
        Instant
    }

    pub(crate) fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}
