//! Threads whose panic ends the process.

/// Ends the process if the thread that holds it panics. A broken invariant in the hub or in the order of events is no state to go
/// on from, and a thread that stands still would be a server that lies; recovery is quick and exact (invariant 12).
pub(crate) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
