//! Very many subscribers on one thread and one poller.
//!
//! The rig knows one topic a subscriber, and those it names itself; this knows whatever a request says, and can come back to readers
//! that were stuck. It takes as little of the machine: a read goes into one buffer that all share.

mod subscriber;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

pub(crate) use self::subscriber::Seen;
use self::subscriber::{CARRY_BYTES, Subscriber};
use crate::mark::Clock;

/// Subscriptions on their way at once: fewer than the 511 connections that most servers let wait to be accepted.
const OPENING_MAX: usize = 256;

/// The first port that subscribers call from, and how many there are at an address. Named one by one: the kernel's own search for a free
/// port takes longer than a connection when thousands are taken. Below 32,768, where Linux takes those from that it chooses itself.
const PORT_FIRST: u16 = 12_000;
const PER_SOURCE: usize = 16_000;

/// Sockets of which one turn of the poller tells.
const READY_MAX: usize = 1_024;

/// Read at once: as much as a server sends at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The receive buffer of a stuck reader, the least that the kernel gives: what stalls then stands on the server's side.
const STUCK_BUFFER_BYTES: usize = 4_096;

/// The longest wait of a turn, so that whoever takes turns looks at his clock now and then.
const TURN_MAX: Duration = Duration::from_millis(20);

/// A server that answers no further subscription for so long will answer none.
const OPENING_SILENCE_MAX: Duration = Duration::from_secs(20);

/// What makes room for the next subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The answer to one before.
    Answered,
    /// A connection, whether it is answered or not: a storm.
    Asked,
}

/// Subscribers and what they saw.
pub(crate) struct Swarm {
    addr: SocketAddrV4,
    clock: Clock,
    poller: OwnedFd,
    ready: Vec<epoll::Event>,
    buffer: Box<[u8]>,
    subscribers: Vec<Subscriber>,
    /// The first so many are not read once their answers are in.
    stuck: usize,
    asked: usize,
    answered: usize,
    pub(crate) seen: Seen,
}

impl Swarm {
    /// Nobody yet. The first `stuck` subscribers will read nothing until [`Self::resume`].
    ///
    /// # Errors
    /// The address is none of IPv4, or the kernel gives no poller.
    pub(crate) fn new(addr: SocketAddr, clock: Clock, stuck: usize) -> Result<Self> {
        let SocketAddr::V4(addr) = addr else { bail!("servers listen on IPv4 here") };
        Ok(Self {
            addr,
            clock,
            poller: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(READY_MAX),
            buffer: vec![0; BUFFER_BYTES].into(),
            subscribers: Vec::new(),
            stuck,
            asked: 0,
            answered: 0,
            seen: Seen::default(),
        })
    }

    /// The server.
    pub(crate) fn addr(&self) -> SocketAddrV4 {
        self.addr
    }

    /// Opens subscriptions until there are `count`; `request` writes the one of a number. Ends when all are asked for or answered, as
    /// `pace` says.
    ///
    /// # Errors
    /// The kernel gives no socket, or the server answers nobody any more.
    pub(crate) fn open(&mut self, count: usize, pace: Pace, request: &dyn Fn(usize) -> Vec<u8>) -> Result<()> {
        let mut moved = (0, Instant::now());
        loop {
            let done = if pace == Pace::Asked { self.asked } else { self.answered };
            if done >= count {
                return Ok(());
            }
            if done > moved.0 {
                moved = (done, Instant::now());
            }
            if moved.1.elapsed() > OPENING_SILENCE_MAX {
                bail!("only {done} of {count} subscriptions were answered");
            }
            while self.subscribers.len() < count && self.subscribers.len() - done < OPENING_MAX {
                self.add()?;
            }
            self.turn(request)?;
        }
    }

    /// Reads what has come; waits for it a moment.
    ///
    /// # Errors
    /// The poller fails.
    pub(crate) fn read(&mut self) -> Result<()> {
        self.turn(&|_| Vec::new())
    }

    /// Reads until so many events have come in all, or none has for `quiet_max`.
    ///
    /// # Errors
    /// The poller fails.
    pub(crate) fn read_until(&mut self, received: u64, quiet_max: Duration) -> Result<()> {
        let mut moved = (self.seen.received, Instant::now());
        while self.seen.received < received && moved.1.elapsed() < quiet_max {
            self.read()?;
            if self.seen.received > moved.0 {
                moved = (self.seen.received, Instant::now());
            }
        }
        Ok(())
    }

    /// Reads for so long.
    ///
    /// # Errors
    /// The poller fails.
    pub(crate) fn read_for(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.read()?;
        }
        Ok(())
    }

    /// Lets the stuck ones read on.
    ///
    /// # Errors
    /// The poller takes one no more.
    pub(crate) fn resume(&mut self) -> Result<()> {
        for number in 0..std::mem::take(&mut self.stuck).min(self.subscribers.len()) {
            if let Some(socket) = &self.subscribers[number].socket {
                epoll::add(&self.poller, socket, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
            }
        }
        Ok(())
    }

    /// Begins to connect one more.
    fn add(&mut self) -> Result<()> {
        let number = self.subscribers.len();
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).context("opening a socket")?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        // An address used in an earlier run is free again at once: the other end's port differs.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if number < self.stuck {
            sockopt::set_socket_recv_buffer_size(&socket, STUCK_BUFFER_BYTES)?;
        }
        if self.addr.ip().is_loopback() {
            let source = source(number);
            // Where somebody has the port, any other does.
            bind(&socket, &source).or_else(|_| bind(&socket, &SocketAddrV4::new(*source.ip(), 0)))?;
        }
        match connect(&socket, &self.addr) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error).context("connecting"),
        }
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT;
        epoll::add(&self.poller, &socket, epoll::EventData::new_u64(number as u64), flags)?;
        self.subscribers.push(Subscriber::new(TcpStream::from(socket)));
        Ok(())
    }

    fn turn(&mut self, request: &dyn Fn(usize) -> Vec<u8>) -> Result<()> {
        let wait = Timespec::try_from(TURN_MAX).context("a short time")?;
        let mut ready = std::mem::take(&mut self.ready);
        match epoll::wait(&self.poller, spare_capacity(&mut ready), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in ready.drain(..) {
            let number = event.data.u64() as usize;
            if self.subscribers[number].asked {
                self.receive(number);
            } else {
                self.ask(number, &request(number));
            }
        }
        self.ready = ready;
        Ok(())
    }

    /// The connection stands or has failed: sends the request, which a new socket takes whole.
    fn ask(&mut self, number: usize, request: &[u8]) {
        let subscriber = &mut self.subscribers[number];
        let Some(socket) = &mut subscriber.socket else { return };
        subscriber.asked = true;
        self.asked += 1;
        let event = epoll::EventData::new_u64(number as u64);
        let asked = socket.write_all(request).is_ok();
        if !asked || epoll::modify(&self.poller, &*socket, event, epoll::EventFlags::IN).is_err() {
            self.close(number);
        }
    }

    fn receive(&mut self, number: usize) {
        let subscriber = &mut self.subscribers[number];
        let kept = subscriber.put_carry(&mut self.buffer);
        let Some(socket) = &mut subscriber.socket else { return };
        match socket.read(&mut self.buffer[kept..]) {
            Ok(0) => self.close(number),
            Ok(read) => {
                let answered = subscriber.take(&self.buffer[..kept + read], self.clock.micros(), &mut self.seen);
                self.answered += usize::from(answered);
                let stuck = subscriber.socket.as_ref().filter(|_| answered && number < self.stuck);
                if stuck.is_some_and(|socket| epoll::delete(&self.poller, socket).is_err()) {
                    self.close(number);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.close(number),
        }
    }

    fn close(&mut self, number: usize) {
        let subscriber = &mut self.subscribers[number];
        subscriber.socket = None;
        if subscriber.answered {
            self.seen.closed += 1;
        } else {
            self.seen.refused += 1;
            self.answered += 1;
        }
    }
}

/// Linux has all of 127.0.0.0/8; each of these addresses has ports of its own. The first is left to whoever publishes.
fn source(number: usize) -> SocketAddrV4 {
    let host = u8::try_from(number / PER_SOURCE + 2).unwrap_or(u8::MAX);
    let port = PORT_FIRST + u16::try_from(number % PER_SOURCE).expect("there are fewer than 2^16");
    SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), port)
}

const _: () = assert!(CARRY_BYTES < BUFFER_BYTES);
const _: () = assert!(PORT_FIRST as usize + PER_SOURCE <= 32_768);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::mark::data;

    /// A server that answers so many requests, each with a stream of two events, and closes those of odd turns.
    fn serve(count: usize) -> (SocketAddr, std::thread::JoinHandle<Vec<TcpStream>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let answer = move || {
            let mut socket = listener.accept().expect("it comes").0;
            let mut request = [0; 64];
            let read = socket.read(&mut request).expect("it asks");
            assert!(request[..read].ends_with(b"\r\n\r\n"));
            let events = format!("HTTP/1.1 200 OK\r\n\r\n{}{}", data(0, 0, 30), data(1, 0, 30));
            socket.write_all(events.as_bytes()).expect("it listens");
            socket
        };
        (addr, std::thread::spawn(move || (0..count).map(|_| answer()).collect()))
    }

    #[test]
    fn all_are_opened_and_read() {
        for pace in [Pace::Answered, Pace::Asked] {
            let (addr, server) = serve(300);
            let mut swarm = Swarm::new(addr, Clock::start(), 0).expect("a poller");
            let request = |number: usize| format!("GET /{number} HTTP/1.1\r\n\r\n").into_bytes();
            swarm.open(300, pace, &request).expect("it answers");
            swarm.read_until(600, Duration::from_secs(10)).expect("a poller");
            assert_eq!((swarm.seen.received, swarm.seen.out_of_order, swarm.seen.refused), (600, 0, 0), "{pace:?}");
            drop(server.join().expect("no panic"));
            swarm.read_for(Duration::from_millis(200)).expect("a poller");
            assert_eq!(swarm.seen.closed, 300, "{pace:?}");
        }
    }

    #[test]
    fn the_stuck_read_on_when_they_are_let() {
        let (addr, server) = serve(3);
        let mut swarm = Swarm::new(addr, Clock::start(), 1).expect("a poller");
        swarm.open(3, Pace::Answered, &|_| b"GET / HTTP/1.1\r\n\r\n".to_vec()).expect("it answers");
        let mut sockets = server.join().expect("no panic");
        swarm.read_until(6, Duration::from_millis(50)).expect("a poller");
        for socket in &mut sockets {
            socket.write_all(data(2, 0, 30).as_bytes()).expect("it is open");
        }
        let before = swarm.seen.received;
        swarm.read_until(9, Duration::from_millis(200)).expect("a poller");
        assert_eq!(swarm.seen.received - before, 2);
        swarm.resume().expect("a poller");
        swarm.read_until(9, Duration::from_secs(10)).expect("a poller");
        assert_eq!((swarm.seen.received, swarm.seen.out_of_order), (9, 0));
    }
}
