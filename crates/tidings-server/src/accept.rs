//! Listening: binds the addresses, accepts while there is room, and backs off when files run out.

use crate::front::Fronts;
use crate::stop::Stopping;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections the kernel holds before they are accepted: a burst of reconnects waits here rather than being refused.
const BACKLOG: u32 = 4096;
/// The pause after an accept that failed for want of files or memory: long enough not to spin, short enough not to be felt.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(100);

/// Binds an address. IPv6 means IPv6 alone: both loopbacks are bound one by one.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if addr.is_ipv6() {
        socket2::SockRef::from(&socket).set_only_v6(true)?;
    }
    // A restarted server takes its port back at once, though old connections linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Accepts until told to stop, has every connection served, and ends once all of them have. `room` bounds connections over all
/// listeners; beyond it they wait in the kernel's queue.
pub(crate) async fn run(listener: TcpListener, fronts: Arc<Fronts>, room: Arc<Semaphore>, mut stopping: Stopping) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let permit = tokio::select! {
            permit = room.clone().acquire_owned() => permit.expect("the room is never closed"),
            () = stopping.stopped() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.stopped() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                // Events are small and each is wanted now: Nagle's delay would hold the second of two. Best effort.
                let _ = stream.set_nodelay(true);
                // A socket that this thread's poller does not give up is gone.
                if let Ok(stream) = stream.into_std() {
                    fronts.serve(stream, permit, &mut connections);
                }
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept, waiting");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
    // The listener closes here: from now on the address is free for a successor.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A connection that broke before it was accepted: the next one may be fine.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
