//! What writer, upkeep and readers share.

use crate::options::Options;
use crate::spare::Spares;
use crate::state::State;
use crate::storage::Dir;
use std::fmt::{Debug, Display};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: Arc<dyn Dir>,
    pub(crate) options: Options,
    state: Mutex<State>,
    pub(crate) spares: Spares,
    /// Why the log takes nothing any more.
    failure: OnceLock<String>,
    /// Held as long as anybody reads or writes: another process would write over what is read here.
    _lock: Box<dyn Debug + Send + Sync>,
}

impl Shared {
    pub(crate) fn new(
        dir: Arc<dyn Dir>,
        options: Options,
        state: State,
        spares: Spares,
        lock: Box<dyn Debug + Send + Sync>,
    ) -> Self {
        Shared { dir, options, state: Mutex::new(state), spares, failure: OnceLock::new(), _lock: lock }
    }

    /// The state. Held shortly, and never while something is read or written (invariant 3).
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock left the state half changed: recovery is quick and exact, and going on is neither (invariant 12).
        self.state.lock().unwrap_or_else(|_| std::process::abort())
    }

    /// The log takes nothing any more: what the storage did with the bytes cannot be known. The first reason stands.
    pub(crate) fn fail(&self, doing: &str, why: impl Display) {
        let _ = self.failure.set(format!("{doing}: {why}"));
    }

    /// Why the log takes nothing any more, if it does not.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}
