//! One connection: hyper on a socket that counts what waits in front of it, and that can be reset. Over HTTP/1 it ends with a stream that
//! needs hyper no more: then the socket is given back. One that begins as HTTP/2 goes on as that.

mod ends;
mod http2;
mod socket;

pub(crate) use ends::Ends;

use crate::api::{Answer, Api, ApiBody};
use crate::delivery::{Head, Subscribing, Taken};
use crate::front::Seat;
use crate::limits::Limits;
use crate::stop::Stopping;
use http::header;
use http2::Requests;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket::Socket;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes that hyper holds and the socket has not taken, over all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingGauge(Arc<AtomicUsize>);

impl PendingGauge {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What connections count, all together.
#[derive(Clone, Debug)]
pub(crate) struct Gauges {
    pub(crate) pending: PendingGauge,
    pub(crate) requests: Requests,
}

impl Gauges {
    pub(crate) fn new(limits: &Limits) -> Self {
        Gauges { pending: PendingGauge::default(), requests: Requests::new(limits.http2_requests_max) }
    }
}

/// What every connection is served with.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) api: Arc<Api>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) gauges: Gauges,
    /// True once the server stops: connections finish what they do, and take no further request.
    pub(crate) stopping: Stopping,
}

/// The way to an HTTP/1 connection for the stream that goes out on it.
#[derive(Clone, Debug, Default)]
struct ConnectionHandle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// For a stream that hyper carries.
    ends: Ends,
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
/// among the connections, `seat` its place on this thread.
pub(crate) async fn serve(
    stream: TcpStream,
    mut service: Service,
    permit: OwnedSemaphorePermit,
    seat: &mut Seat,
) -> Option<Taken> {
    let handle = ConnectionHandle::default();
    let io = Socket::new(stream, handle.clone(), service.gauges.pending.clone());
    let (api, of_stream) = (service.api.clone(), handle.clone());
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let (api, handle) = (api.clone(), of_stream.clone());
        async move { Ok::<_, Infallible>(respond(&api, &handle, request).await) }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.limits.head_timeout)
        .max_buf_size(service.limits.head_bytes_max)
        // One flat buffer: what it holds is what the socket refused, and can be counted.
        .writev(false)
        .serve_connection(TokioIo::new(io), answer);
    let mut told_to_stop = false;
    let ends = &handle.0.ends;
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
                let parts = connection.into_parts();
                let socket = parts.io.into_inner();
                if let Some(Wanted { head, subscribing }) = served {
                    // A socket that the poller does not give up is gone.
                    let stream = socket.into_stream().into_std().ok()?;
                    return Some(Taken { stream, heard: parts.read_buf.len(), head, subscribing, permit });
                }
                if socket.is_http2() {
                    seat.fill();
                    // hyper saw it too, and has answered nothing. In a box: this task need not be as large for the others.
                    Box::pin(http2::serve(socket.into_stream(), parts.read_buf, service)).await;
                }
                return None;
            }
            () = ends.told() => {
                if ends.is_ending() {
                    let grace = tokio::time::timeout(service.limits.end_grace, &mut connection).await;
                    if grace.is_ok() {
                        return None;
                    }
                    if !ends.has_ended() {
                        ends.reset();
                    }
                }
                if ends.is_reset() {
                    reset_at_close(&connection.into_parts().io.into_inner().into_stream());
                    return None;
                }
            }
            () = service.stopping.stopped(), if !told_to_stop => {
                told_to_stop = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}

/// Makes the close that follows a reset, by lingering for no time. If the option cannot be set the socket is gone already.
pub(crate) fn reset_at_close(stream: &impl AsFd) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
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
                body.attach(&handle.0.ends);
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

#[cfg(test)]
mod tests;
