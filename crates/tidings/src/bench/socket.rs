//! Connections by the thousand to one address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections from one address of this machine: few enough that the kernel finds a free port at once, of the 28,000 it has.
const PER_SOURCE: usize = 10_000;

/// Begins to connect, without waiting. `place` counts the run's connections.
pub(super) fn connect(to: SocketAddr, place: usize) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Small requests must not wait for the acknowledgement of the one before.
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source(to, place) {
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&to.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Linux has all of 127.0.0.0/8: each of these addresses has ports of its own. The first connections, and all elsewhere, leave the
/// choice to the kernel, which is the least work.
fn source(to: SocketAddr, place: usize) -> Option<IpAddr> {
    if place < PER_SOURCE || !cfg!(target_os = "linux") || !to.is_ipv4() || !to.ip().is_loopback() {
        return None;
    }
    let host = u32::try_from(place / PER_SOURCE + 1).ok().filter(|host| *host < 1 << 24)?;
    Some(Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 0).to_bits() | host).into())
}

#[cfg(unix)]
fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        || error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(not(unix))]
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn loopback_has_addresses_enough() {
        let here = SocketAddr::from(([127, 0, 0, 1], 80));
        let source = |place| source(here, place).map(|address| address.to_string());
        assert_eq!(source(PER_SOURCE - 1), None);
        assert_eq!(source(PER_SOURCE).as_deref(), Some("127.0.0.2"));
        assert_eq!(source(999_999).as_deref(), Some("127.0.0.100"));
        assert_eq!(source(usize::MAX), None);
    }

    #[test]
    fn other_addresses_are_the_kernels_to_choose() {
        for to in ["192.0.2.1:80", "[::1]:80"] {
            assert_eq!(source(to.parse().unwrap(), PER_SOURCE), None);
        }
    }
}
