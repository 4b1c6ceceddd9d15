//! Listeners for few: the admin's and the demo page's. Each has a bound of its own, so that neither takes files from the API's
//! connections, and answers are whole and made at once.

use crate::accept::BACK_OFF;
use crate::stop::Stopping;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections of one such listener at once: a browser opens six, and a few monitors ask in turn.
pub(crate) const CONNECTIONS_MAX: usize = 64;
/// How long a request head may take, and a connection stay without a request: all who ask here are near.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves `listener` with what `answer` makes of each request, until told to stop. Beyond `connections_max` a connection is dropped,
/// and `turned_away` counts it: waiting in line would hide from a monitor that something holds all of them.
pub(crate) async fn run<A>(
    listener: TcpListener,
    connections_max: usize,
    turned_away: impl Fn(),
    mut stopping: Stopping,
    answer: A,
) where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Clone + Send + 'static,
{
    let room = Arc::new(Semaphore::new(connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.stopped() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(BACK_OFF).await;
            continue;
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            turned_away();
            continue;
        };
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let response = answer(&request);
            async move { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // How it ended is the asker's affair.
            let _ = connection.await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// Asks once, and answers everything that came until the connection ended or the answer was there.
    async fn ask(stream: &mut TcpStream) -> String {
        // A connection that was dropped may refuse the request, or take it and end.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let (mut text, mut buffer) = (String::new(), [0; 1_024]);
        while !text.ends_with("here") {
            match stream.read(&mut buffer).await {
                Ok(read) if read > 0 => text.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
                _ => break,
            }
        }
        text
    }

    #[tokio::test]
    async fn one_connection_too_many_is_dropped_and_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopping) = crate::stop::channel();
        let turned_away = Arc::new(AtomicUsize::new(0));
        let count = turned_away.clone();
        let counted = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let running = tokio::spawn(run(listener, 2, counted, stopping, |_| Response::new(Full::from("here"))));
        let mut connections = Vec::new();
        for _ in 0..2 {
            let mut connection = TcpStream::connect(addr).await.unwrap();
            assert!(ask(&mut connection).await.starts_with("HTTP/1.1 200"));
            connections.push(connection);
        }
        assert_eq!(ask(&mut TcpStream::connect(addr).await.unwrap()).await, "");
        assert_eq!(turned_away.load(Ordering::Relaxed), 1);
        // Who goes makes room, as soon as the server has noticed.
        drop(connections.pop());
        while ask(&mut TcpStream::connect(addr).await.unwrap()).await.is_empty() {}
        stop.stop();
        running.await.unwrap();
    }
}
