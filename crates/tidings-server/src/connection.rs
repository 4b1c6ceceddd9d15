//! One HTTP/1.1 connection: hyper on a socket that counts what waits in front of it, and that can be reset. It ends with a stream that
//! needs hyper no more: then the socket is given back.

use crate::api::{Answer, Api, ApiBody};
use crate::delivery::{Head, Subscribing, Taken};
use crate::stop::Stopping;
use http::header;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit};

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
    /// Bytes that hyper has offered to the socket, and that it has not taken.
    waiting: AtomicUsize,
    /// The stream for which the socket is wanted back.
    wanted: Mutex<Option<Wanted>>,
}

/// A stream that goes out without hyper, once hyper has given the socket back.
#[derive(Debug)]
struct Wanted {
    head: Head,
    subscribing: Subscribing,
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

    fn want(&self, wanted: Wanted) {
        *self.lock() = Some(wanted);
    }

    /// What the socket is wanted for, if everything that hyper wrote is out.
    fn take_wanted(&self) -> Option<Wanted> {
        if self.0.waiting.load(Ordering::Relaxed) > 0 {
            return None;
        }
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wanted>> {
        self.0.wanted.lock().expect("nobody panics while holding a stream that is wanted")
    }
}

/// Serves a connection until it ends, or until a stream begins that needs hyper no more: then its socket is given back. `permit` is its place
/// among the connections.
pub(crate) async fn serve(stream: TcpStream, service: Service, permit: OwnedSemaphorePermit) -> Option<Taken> {
    let handle = ConnectionHandle::default();
    let io = Socket { stream, waiting: Waiting { handle: handle.clone(), gauge: service.pending.clone() } };
    let (api, of_stream) = (service.api.clone(), handle.clone());
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (api, handle) = (api.clone(), of_stream.clone());
        async move { Ok::<_, Infallible>(respond(&api, &handle, request).await) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.head_timeout)
        .max_buf_size(service.head_bytes_max)
        // One flat buffer: what it holds is what the socket refused, and can be counted.
        .writev(false)
        .serve_connection(TokioIo::new(io), answer);
    let mut stopping = service.stopping;
    let mut told_to_stop = false;
    loop {
        let served = poll_fn(|cx| {
            if Pin::new(&mut connection).poll(cx).is_ready() {
                // How it ended is between hyper and the client: the stream's own end was counted by the hub.
                return Poll::Ready(None);
            }
            // hyper writes what it can before it waits.
            handle.take_wanted().map_or(Poll::Pending, |wanted| Poll::Ready(Some(wanted)))
        });
        tokio::select! {
            served = served => {
                let Wanted { head, subscribing } = served?;
                let parts = connection.into_parts();
                // A socket that the poller does not give up is gone.
                let stream = parts.io.into_inner().stream.into_std().ok()?;
                return Some(Taken { stream, heard: parts.read_buf.len(), head, subscribing, permit });
            }
            () = handle.0.wake.notified() => {
                if handle.0.ending.load(Ordering::Relaxed) {
                    let grace = tokio::time::timeout(service.end_grace, &mut connection).await;
                    if grace.is_ok() {
                        return None;
                    }
                    if !handle.0.ended.load(Ordering::Relaxed) {
                        handle.reset();
                    }
                }
                if handle.0.reset.load(Ordering::Relaxed) {
                    let Socket { stream, .. } = connection.into_parts().io.into_inner();
                    // Linger 0 makes the close a reset. If the option cannot be set the socket is gone already.
                    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    return None;
                }
            }
            () = stopping.stopped(), if !told_to_stop => {
                told_to_stop = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}

/// Answers a request. A stream over plain HTTP/1 is not answered here: it asks for the socket, and waits until it is dropped with hyper.
async fn respond(api: &Api, handle: &ConnectionHandle, request: hyper::Request<Incoming>) -> hyper::Response<ApiBody> {
    let version = request.version();
    // Who expects 100 Continue would have it to come first.
    let needs_hyper = request.headers().contains_key(header::EXPECT);
    match api.answer(request).await {
        Answer::Whole(response) => response,
        Answer::Stream(response) if needs_hyper => {
            let response = api.stream(response).await;
            if let ApiBody::Stream(body) = response.body() {
                body.attach(handle);
            }
            response
        }
        Answer::Stream(response) => {
            let (parts, subscribing) = response.into_parts();
            let head = Head::new(version, &parts);
            drop(parts);
            let subscribing = subscribing.framed(head.framing());
            handle.want(Wanted { head, subscribing });
            pending().await
        }
    }
}

/// A socket that says how much it was offered and did not take.
struct Socket {
    stream: TcpStream,
    waiting: Waiting,
}

/// Bytes that wait in front of a socket: told to its connection, and counted among all.
struct Waiting {
    handle: ConnectionHandle,
    gauge: PendingGauge,
}

impl Waiting {
    fn note(&self, waiting: usize) {
        let before = self.handle.0.waiting.swap(waiting, Ordering::Relaxed);
        self.gauge.0.fetch_add(waiting, Ordering::Relaxed);
        self.gauge.0.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.note(0);
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
        this.waiting.note(buf.len() - taken);
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
