//! How many events a second a server takes in batches: `POST /events` on a few connections, each sending its next batch when the
//! last is answered. It talks to any server that is there, starts none, checks every answer, and prints one line of JSON.
//!
//! `cargo bench -p tidings-server --bench batch -- --addr 127.0.0.1:3200 [--conns 4] [--events 1000] [--size 128] [--topics 1] [--secs 4]`

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A server that does not answer for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(30);

struct Args {
    addr: SocketAddr,
    conns: usize,
    events: usize,
    /// Bytes of data of an event.
    size: usize,
    topics: usize,
    secs: f64,
}

impl Args {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        let (mut addr, mut conns, mut events, mut size, mut topics, mut secs) = (None, 4, 1_000, 128, 1, 4.0);
        while let Some(name) = args.next() {
            let value = args.next().ok_or(format!("{name} needs a value"))?;
            match name.as_str() {
                "--addr" => addr = Some(value.parse()?),
                "--conns" => conns = value.parse()?,
                "--events" => events = value.parse()?,
                "--size" => size = value.parse()?,
                "--topics" => topics = value.parse()?,
                "--secs" => secs = value.parse()?,
                _ => return Err(format!("no such option: {name}").into()),
            }
        }
        Ok(Args { addr: addr.ok_or("--addr says where the server is")?, conns, events, size, topics, secs })
    }

    /// A whole request: its events go to the topics in turn.
    fn request(&self) -> Vec<u8> {
        let data = "x".repeat(self.size);
        let line = |index| format!("{{\"topic\":\"t{}\",\"data\":\"{data}\"}}\n", index % self.topics);
        let body: String = (0..self.events).map(line).collect();
        let head = format!(
            "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (head + &body).into_bytes()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse()?;
    let request = args.request();
    let started = Instant::now();
    let batches = std::thread::scope(|scope| {
        let run = || publish(&args, &request, started).map_err(|error| error.to_string());
        let threads: Vec<_> = (0..args.conns).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a publisher panicked")).sum::<Result<u64, _>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let events = batches * args.events as u64;
    println!(
        "{{\"scenario\":\"batch\",\"conns\":{},\"events_a_batch\":{},\"size\":{},\"batches\":{batches},\"events_per_s\":{:.0},\"ms_a_batch\":{:.2}}}",
        args.conns,
        args.events,
        args.size,
        events as f64 / seconds,
        seconds * 1e3 * args.conns as f64 / batches as f64,
    );
    Ok(())
}

/// One connection's share; answers how many batches were taken.
fn publish(args: &Args, request: &[u8], started: Instant) -> Result<u64, Box<dyn Error>> {
    let mut stream = TcpStream::connect(args.addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut answer = vec![0; 1 << 20];
    let mut batches = 0;
    while started.elapsed().as_secs_f64() < args.secs {
        stream.write_all(request)?;
        let lines = read_answer(&mut stream, &mut answer)?;
        if lines != args.events {
            return Err(format!("{lines} lines were answered of {}", args.events).into());
        }
        batches += 1;
    }
    Ok(batches)
}

/// Reads one answer, which must be a 200 with a length; answers how many lines its body has.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Box<dyn Error>> {
    let mut have = 0;
    loop {
        let read = stream.read(&mut buffer[have..])?;
        if read == 0 {
            return Err("the server closed the connection, or its answer is larger than the buffer".into());
        }
        have += read;
        let Some(end) = buffer[..have].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(format!("answered {head}").into());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).ok_or("no content-length")?;
        let total = end + 4 + length.trim().parse::<usize>()?;
        if have >= total {
            return Ok(buffer[end + 4..total].iter().filter(|byte| **byte == b'\n').count());
        }
    }
}
