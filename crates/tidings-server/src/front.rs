//! Front threads: each serves its share of the connections, and none helps another.
//!
//! Threads that share their tasks wake one more for what another is about to do anyhow; with publishers on a few cores those wakes cost
//! more than the work. Here a connection stays where it was put, and threads are chosen by how many they have.

use crate::connection::{self, Service};
use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// All front threads.
pub(crate) struct Fronts {
    fronts: Vec<Front>,
    service: Service,
}

/// A thread, as a runtime with a single worker: one that is busy is not woken again for each answer that another thread has for it,
/// as a runtime that runs on its caller's thread would be.
struct Front {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    connections: Arc<AtomicUsize>,
}

/// Half as many as there are cores: the other half is for the shards and the log's writer.
pub(crate) fn threads_that_fit() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores / 2).unwrap_or(NonZeroUsize::MIN)
}

/// One connection's share of what is bounded and counted, however it ends.
#[derive(Debug)]
struct Seat {
    connections: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    fn take(connections: &Arc<AtomicUsize>, permit: OwnedSemaphorePermit) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Seat { connections: connections.clone(), _permit: permit }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Fronts {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// The system gives no thread, or no poller for one.
    pub(crate) fn start(count: NonZeroUsize, service: Service) -> io::Result<Self> {
        let start = |index| {
            let mut builder = Builder::new_multi_thread();
            let runtime =
                builder.worker_threads(1).thread_name(format!("tidings-front-{index}")).enable_all().build()?;
            Ok(Front { runtime: Some(runtime), connections: Arc::default() })
        };
        Ok(Fronts { fronts: (0..count.get()).map(start).collect::<io::Result<_>>()?, service })
    }

    /// Has a connection served, as a task among `connections`, by the thread that has the fewest.
    pub(crate) fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit, connections: &mut JoinSet<()>) {
        let front = self.fronts.iter().min_by_key(|front| front.connections.load(Ordering::Relaxed));
        let front = front.expect("there is at least one front");
        let (seat, service) = (Seat::take(&front.connections, permit), self.service.clone());
        let serving = async move {
            // A socket that no poller takes is gone.
            if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                connection::serve(stream, service).await;
            }
            drop(seat);
        };
        let runtime = front.runtime.as_ref().expect("a front that is there runs");
        connections.spawn_on(serving, runtime.handle());
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Its last connection has ended, or had its time: nobody waits for a thread here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
