//! The word to stop, given once and heard by everything that runs.

use tokio::sync::watch;

/// The one who gives the word.
#[derive(Debug)]
pub(crate) struct Stop(watch::Sender<bool>);

/// One who waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<bool>);

/// The two ends.
pub(crate) fn channel() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// Gives the word.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stopping {
    /// Waits for the word. One who may give it no more has given it.
    pub(crate) async fn stopped(&mut self) {
        // The guard that comes with the answer is dropped here: a select would hold it across its branches.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
