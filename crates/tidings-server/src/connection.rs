//! One HTTP/1.1 connection: hyper on a socket that counts what waits in front of it, and that can be reset.

use crate::api::{Api, ApiBody};
use crate::stop::Stopping;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Bytes that hyper holds and the socket has not taken, over all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingGauge(Arc<AtomicUsize>);

impl PendingGauge {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What every connection is served with.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) api: Arc<Api>,
    pub(crate) head_bytes_max: usize,
    pub(crate) head_timeout: Duration,
    pub(crate) end_grace: Duration,
    pub(crate) pending: PendingGauge,
    /// True once the server stops: connections finish what they do, and take no further request.
    pub(crate) stopping: Stopping,
}

/// The way to a connection for the stream that goes out on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionHandle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    reset: AtomicBool,
    ending: AtomicBool,
    ended: AtomicBool,
    wake: Notify,
}

impl ConnectionHandle {
    /// A stream begins on this connection, which may have carried another before.
    pub(crate) fn begin(&self) {
        self.0.ending.store(false, Ordering::Relaxed);
        self.0.ended.store(false, Ordering::Relaxed);
    }

    /// Cuts the connection: by RST, so that nothing the client did not read is kept for it.
    pub(crate) fn reset(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    /// The stream has its last bytes ahead: if they do not go out within the grace, the connection is cut.
    pub(crate) fn end_soon(&self) {
        self.0.ending.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    /// The stream has ended: hyper took all of it.
    pub(crate) fn ended(&self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(stream: TcpStream, service: Service) {
    let handle = ConnectionHandle::default();
    let io = Socket { stream, handle: handle.clone(), gauge: service.pending.clone(), waiting: 0 };
    let (api, of_stream) = (service.api.clone(), handle.clone());
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (api, handle) = (api.clone(), of_stream.clone());
        async move {
            let response = api.handle(request).await;
            if let ApiBody::Stream(body) = response.body() {
                body.attach(&handle);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.head_timeout)
        .max_buf_size(service.head_bytes_max)
        // One flat buffer: what it holds is what the socket refused, and can be counted.
        .writev(false)
        .serve_connection(TokioIo::new(io), answer);
    let mut connection = pin!(connection);
    let mut stopping = service.stopping;
    let mut told_to_stop = false;
    loop {
        tokio::select! {
            // How it ended is between hyper and the client: the stream's own end was counted by the hub.
            _ = &mut connection => return,
            () = handle.0.wake.notified() => {
                if handle.0.reset.load(Ordering::Relaxed) {
                    return;
                }
                if handle.0.ending.load(Ordering::Relaxed) {
                    let grace = tokio::time::timeout(service.end_grace, &mut connection).await;
                    if grace.is_ok() {
                        return;
                    }
                    if !handle.0.ended.load(Ordering::Relaxed) {
                        return handle.reset();
                    }
                }
            }
            () = stopping.stopped(), if !told_to_stop => {
                told_to_stop = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// A socket that says how much it was offered and did not take.
struct Socket {
    stream: TcpStream,
    handle: ConnectionHandle,
    gauge: PendingGauge,
    waiting: usize,
}

impl Socket {
    fn note(&mut self, waiting: usize) {
        self.gauge.0.fetch_add(waiting, Ordering::Relaxed);
        self.gauge.0.fetch_sub(self.waiting, Ordering::Relaxed);
        self.waiting = waiting;
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        let taken = if let Poll::Ready(Ok(n)) = &result { *n } else { 0 };
        this.note(buf.len() - taken);
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.note(0);
        if self.handle.0.reset.load(Ordering::Relaxed) {
            // Linger 0 makes the close a reset. If the option cannot be set the socket is gone already.
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}
