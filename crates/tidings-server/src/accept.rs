//! Listening: binds the addresses, accepts while there is room, and backs off when files run out.

use crate::front::Fronts;
use crate::limits::Limits;
use crate::stop::Stopping;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
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

/// What every connection of a listener inherits from it: so it costs no system call for each (tcp(7)). Best effort: a kernel without one of
/// them serves all the same.
#[cfg(target_os = "linux")]
pub(crate) fn tune(listener: &TcpListener, limits: &Limits) {
    let socket = socket2::SockRef::from(listener);
    let _ = socket.set_tcp_notsent_lowat(u32::try_from(limits.unsent_bytes_max).unwrap_or(u32::MAX));
    let _ = socket.set_tcp_user_timeout(Some(limits.dead_timeout));
    // Events are small and each is wanted now: Nagle's delay would hold the second of two.
    let _ = socket.set_tcp_nodelay(true);
}

/// Elsewhere connections have what the system gives them.
#[cfg(not(target_os = "linux"))]
pub(crate) fn tune(_listener: &TcpListener, _limits: &Limits) {}

/// Accepts until told to stop, has every connection served, and ends once all of them have. `room` bounds connections over all
/// listeners; beyond it they wait in the kernel's queue. Runs on a front thread, so that a connection that stays there wakes nobody.
pub(crate) async fn run(
    listener: StdListener,
    fronts: Arc<Fronts>,
    room: Arc<Semaphore>,
    mut stopping: Stopping,
) -> io::Result<()> {
    // Entered into the poller of the thread that it runs on.
    let listener = TcpListener::from_std(listener)?;
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
                // Elsewhere than on Linux it is not inherited. Best effort.
                #[cfg(not(target_os = "linux"))]
                let _ = stream.set_nodelay(true);
                fronts.serve(stream, permit, &mut connections);
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
    Ok(())
}

/// A connection that broke before it was accepted: the next one may be fine.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use socket2::SockRef;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn connections_inherit_what_their_listener_has() {
        let limits = Limits::DEFAULT;
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        tune(&listener, &limits);
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap() as usize, limits.unsent_bytes_max);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(limits.dead_timeout));
    }
}
