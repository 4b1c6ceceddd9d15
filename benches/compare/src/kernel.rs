//! What the kernel holds of TCP: memory of all sockets, and what is queued on a server's.

use std::fs;
use std::net::SocketAddrV4;

/// Bytes that wait on a server's connections: sent and not confirmed, or not sent yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) bytes: u64,
    /// On the one with the most.
    pub(crate) most: u64,
}

/// Memory of all TCP sockets of this machine with what they buffer, by the kernel's own count, in bytes. It counts in pages, and each
/// core keeps up to a mebibyte to itself before it tells the others.
pub(crate) fn tcp_bytes() -> u64 {
    let sockstat = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    tcp_pages(&sockstat).unwrap_or(0) * rustix::param::page_size() as u64
}

/// What is queued on all connections of the server at `addr`.
pub(crate) fn queued(addr: SocketAddrV4) -> Queued {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let queues = table.lines().filter_map(|line| queue(line, addr.port()));
    queues.fold(Queued::default(), |all, bytes| Queued { bytes: all.bytes + bytes, most: all.most.max(bytes) })
}

fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

/// The send queue of an established connection of that local port, from its line in /proc/net/tcp.
fn queue(line: &str, port: u16) -> Option<u64> {
    /// TCP_ESTABLISHED; of a listening socket the column means something else.
    const ESTABLISHED: &str = "01";
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?.rsplit_once(':')?.1;
    let (state, queues) = (fields.nth(1)?, fields.next()?);
    let is_it = state == ESTABLISHED && u16::from_str_radix(local, 16) == Ok(port);
    is_it.then(|| u64::from_str_radix(queues.split_once(':')?.0, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn pages_stand_behind_their_word() {
        let text = "sockets: used 9\nTCP: inuse 4 orphan 0 tw 2 alloc 5 mem 33\nUDP: inuse 1 mem 7\n";
        assert_eq!(tcp_pages(text), Some(33));
        assert_eq!(tcp_pages("UDP: mem 7\n"), None);
    }

    #[test]
    fn only_established_connections_of_the_port_count() {
        let line = |state| format!("   1: 0100007F:0CF8 0200007F:8F4A {state} 0001A2B3:00000005 00:00000000 0 0 0 12");
        assert_eq!(queue(&line("01"), 0x0cf8), Some(0x1_a2b3));
        assert_eq!(queue(&line("01"), 80), None);
        assert_eq!(queue(&line("0A"), 0x0cf8), None);
        assert_eq!(queue("  sl  local_address rem_address   st tx_queue rx_queue", 80), None);
    }

    #[test]
    fn what_nobody_reads_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let SocketAddr::V4(addr) = listener.local_addr().expect("it is bound") else { panic!("IPv4") };
        let _reader = TcpStream::connect(addr).expect("it listens");
        let mut writer = listener.accept().expect("it comes").0;
        writer.set_nonblocking(true).expect("a socket");
        let block = vec![b'x'; 1 << 20];
        while writer.write(&block).is_ok() {}
        let queued = queued(addr);
        assert!(queued.bytes > 0 && queued.most == queued.bytes, "{queued:?}");
        // How much it is cannot be said: each core keeps some to itself, and other sockets come and go.
        assert!(tcp_bytes() > 0);
    }
}
