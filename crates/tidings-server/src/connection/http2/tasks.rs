//! The tasks of a connection: hyper makes one of each request, and here each can be cut though hyper does not poll its body.

use super::super::Ends;
use super::requests::Requests;
use h2::Reason;
use hyper::rt::Executor;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

tokio::task_local! {
    /// What a request's task is told by what it answers with. hyper stands between the two.
    static THIS: Option<Ends>;
}

/// The way to this request's task.
///
/// # Errors
/// There is no room for the request: its stream is reset with a word that says that nothing was done for it, so that it may be sent again.
pub(super) fn this() -> Result<Ends, h2::Error> {
    THIS.with(Clone::clone).ok_or_else(|| Reason::REFUSED_STREAM.into())
}

/// What is under way on one connection. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Load(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    under_way: AtomicUsize,
    /// Whether anything began since the last look.
    began: AtomicBool,
}

impl Load {
    /// Whether nothing is under way, and nothing began since the last look.
    pub(super) fn is_idle(&self) -> bool {
        let began = self.0.began.swap(false, Ordering::Relaxed);
        !began && self.0.under_way.load(Ordering::Relaxed) == 0
    }

    fn begin(&self) -> UnderWay {
        self.0.began.store(true, Ordering::Relaxed);
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }
}

/// One request under way.
#[derive(Debug)]
struct UnderWay(Load);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a connection's tasks.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    load: Load,
    requests: Requests,
    end_grace: Duration,
}

impl Tasks {
    pub(super) fn new(load: Load, requests: Requests, end_grace: Duration) -> Self {
        Tasks { load, requests, end_grace }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, request: F) {
        let (place, under_way, end_grace) = (self.requests.enter(), self.load.begin(), self.end_grace);
        let ends = Ends::default();
        tokio::spawn(async move {
            // Both live as long as the task does.
            let _counted = (under_way, &place);
            let request = pin!(THIS.scope(place.as_ref().map(|_| ends.clone()), request));
            tokio::select! {
                biased;
                () = request => {}
                // What is dropped before its end is reset by h2.
                () = cut(&ends, end_grace) => {}
            }
        });
    }
}

/// Waits until a stream is to be cut.
async fn cut(ends: &Ends, end_grace: Duration) {
    loop {
        ends.told().await;
        if ends.is_reset() {
            return;
        }
        if ends.is_ending() {
            // In a box: few streams end, and a timer is large.
            return Box::pin(tokio::time::sleep(end_grace)).await;
        }
    }
}
