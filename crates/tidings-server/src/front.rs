//! Front threads: each serves its share of the connections, and none helps another.
//!
//! Threads that share their tasks wake one more for what another is about to do anyhow; with publishers on a few cores those wakes cost
//! more than the work. Here a connection stays where it was put. A few share one thread, so that what one turn of it reads goes to the
//! log, and what the log answers comes back, with one wake for all; many are spread by count.

use crate::connection::{self, Service};
use crate::delivery::Delivery;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// All front threads.
pub(crate) struct Fronts {
    fronts: Vec<Front>,
    service: Service,
    delivery: Delivery,
}

/// A thread, as a runtime with a single worker: one that is busy is not woken again for each answer that another thread has for it,
/// as a runtime that runs on its caller's thread would be.
struct Front {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    connections: Arc<AtomicUsize>,
}

/// Connections that one thread has before a further one is used: about as many publishers keep it busy.
const SHARED_MAX: usize = 32;

/// Nearer than a connection's timers (`limits.rs`), and far enough to cost nothing.
const NEAR: Duration = Duration::from_secs(2);

/// Half as many as there are cores, and two where there are two: the shards and the log's writer work in bursts, and leave the rest.
pub(crate) fn threads_that_fit() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new((cores / 2).max(cores.min(2))).expect("there is a core")
}

/// Each answer on a kept connection begins a timer, for the head of the next request. tokio calls its own poller for a timer that is
/// nearer than what it waits for; where it waits for none that is every timer: a call to the system, and a turn for nothing.
async fn keep_a_timer_near() {
    loop {
        tokio::time::sleep(NEAR).await;
    }
}

/// One connection among those of a thread, however it ends.
#[derive(Debug)]
pub(crate) struct Seat {
    connections: Arc<AtomicUsize>,
    /// As how many it counts.
    weight: usize,
}

impl Seat {
    pub(crate) fn take(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Seat { connections: connections.clone(), weight: 1 }
    }

    /// The connection may carry many streams: it fills a thread, and the next ones go to others.
    pub(crate) fn fill(&mut self) {
        self.connections.fetch_add(SHARED_MAX - self.weight, Ordering::Relaxed);
        self.weight = SHARED_MAX;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

impl Fronts {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// The system gives no thread, or no poller for one.
    pub(crate) fn start(count: NonZeroUsize, service: Service, delivery: Delivery) -> io::Result<Self> {
        let start = |index| {
            let mut builder = Builder::new_multi_thread();
            let runtime =
                builder.worker_threads(1).thread_name(format!("tidings-front-{index}")).enable_all().build()?;
            runtime.spawn(keep_a_timer_near());
            Ok(Front { runtime: Some(runtime), connections: Arc::default() })
        };
        Ok(Fronts { fronts: (0..count.get()).map(start).collect::<io::Result<_>>()?, service, delivery })
    }

    /// Runs something beside the first thread's connections.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static, tasks: &mut JoinSet<()>) {
        tasks.spawn_on(task, self.fronts[0].handle());
    }

    /// Has a connection served, as a task among `connections`: by the first thread that has few, else by the one that has the fewest.
    pub(crate) fn serve(&self, stream: TcpStream, permit: OwnedSemaphorePermit, connections: &mut JoinSet<()>) {
        let index = choose(self.fronts.iter().map(|front| front.connections.load(Ordering::Relaxed)));
        let front = &self.fronts[index];
        let (mut seat, service, delivery) =
            (Seat::take(&front.connections), self.service.clone(), self.delivery.clone());
        let serving = async move {
            // It was accepted on the first thread. A socket that another's poller does not take is gone.
            let stream = if index == 0 {
                stream
            } else {
                let Ok(stream) = stream.into_std().and_then(TcpStream::from_std) else { return };
                stream
            };
            let taken = connection::serve(stream, service, permit, &mut seat).await;
            drop(seat);
            if let Some(taken) = taken {
                delivery.take(taken);
            }
        };
        connections.spawn_on(serving, front.handle());
    }
}

/// Which thread is next, by what each has.
fn choose(connections: impl Iterator<Item = usize>) -> usize {
    // Of equals the first is the least.
    let least = connections.enumerate().min_by_key(|(_, count)| (*count).max(SHARED_MAX - 1));
    least.expect("there is at least one front").0
}

impl Front {
    fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("a front that is there runs").handle()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_share_one_thread_and_many_are_spread() {
        let mut fronts = [0; 3];
        let arrive = |fronts: &mut [usize; 3]| fronts[choose(fronts.iter().copied())] += 1;
        (0..SHARED_MAX).for_each(|_| arrive(&mut fronts));
        assert_eq!(fronts, [SHARED_MAX, 0, 0]);
        (0..SHARED_MAX).for_each(|_| arrive(&mut fronts));
        assert_eq!(fronts, [SHARED_MAX, SHARED_MAX, 0]);
        (0..SHARED_MAX + 300).for_each(|_| arrive(&mut fronts));
        assert_eq!(fronts, [SHARED_MAX + 100; 3]);
        fronts[1] -= 5;
        (0..5).for_each(|_| arrive(&mut fronts));
        assert_eq!(fronts, [SHARED_MAX + 100; 3]);
    }

    #[test]
    fn one_that_fills_a_thread_sends_the_next_to_another() {
        let fronts = [Arc::new(AtomicUsize::new(0)), Arc::default()];
        let counts = || fronts.iter().map(|count| count.load(Ordering::Relaxed));
        let mut first = Seat::take(&fronts[choose(counts())]);
        assert_eq!(choose(counts()), 0);
        first.fill();
        assert_eq!(choose(counts()), 1);
        drop(first);
        assert_eq!((choose(counts()), counts().sum()), (0, 0));
    }
}
