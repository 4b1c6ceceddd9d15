//! What the threads of delivery wait for each other by. Named in one place, as `tests/shuttle` builds the modules that use it over others,
//! with which it chooses at each step who goes on.

pub(super) use mio::Waker;
pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
