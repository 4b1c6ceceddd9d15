//! A connection that speaks HTTP/2: hyper serves it to its end, with a task for each request, which is a stream's for as long as that goes
//! on.
//!
//! A stream's bytes come through its slot. What it may hold here is bounded by the slot: the next of its bytes are asked for when the
//! socket has had those before, so that one that stands still costs what it holds and no neighbour waits for it.

mod replayed;
mod requests;
mod tasks;

pub(crate) use requests::Requests;

use super::Service;
use crate::api::{Answer, Api, ApiBody};
use crate::limits::Limits;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use replayed::Replayed;
use std::pin::pin;
use tasks::{Load, Tasks};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// What hyper takes of a stream before the socket has it: as much as a slot gives at once, which is one frame of the least largest size there
/// is (RFC 9113, 4.2).
const SEND_BYTES_MAX: usize = 16 << 10;

/// Serves a connection until it ends. `first` is what was read of it already.
pub(super) async fn serve(stream: TcpStream, first: Bytes, service: Service) {
    let Service { api, limits, gauges, mut stopping } = service;
    let load = Load::default();
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let api = api.clone();
        // In a box: the task stays as large as the largest of what it does, and a stream is small.
        Box::pin(async move { respond(&api, request).await })
    });
    let tasks = Tasks::new(load.clone(), gauges.requests, limits.end_grace);
    let io = TokioIo::new(Replayed::new(first, stream));
    let mut connection = pin!(builder(tasks, &limits).serve_connection(io, answer));
    let mut look = pin!(sleep(limits.head_timeout));
    let mut is_closing = false;
    loop {
        tokio::select! {
            // How it ended is between hyper and the client.
            _ = connection.as_mut() => return,
            () = stopping.stopped(), if !is_closing => {}
            () = look.as_mut() => match (load.is_idle(), is_closing) {
                // It was told, and had its time to agree.
                (true, true) => return,
                (false, false) => {
                    look.as_mut().reset(Instant::now() + limits.head_timeout);
                    continue;
                }
                _ => {}
            }
        }
        if !is_closing {
            is_closing = true;
            // Says so, and goes on with what was asked for before: streams end by themselves, or are ended by the drain.
            connection.as_mut().graceful_shutdown();
        }
        look.as_mut().reset(Instant::now() + limits.end_grace);
    }
}

/// Answers a request. A stream's body is told how to end it past hyper.
async fn respond(api: &Api, request: hyper::Request<Incoming>) -> Result<hyper::Response<ApiBody>, h2::Error> {
    let ends = tasks::this()?;
    Ok(match api.answer(request).await {
        Answer::Whole(response) => response,
        Answer::Stream(response) => {
            let response = api.stream(response).await;
            if let ApiBody::Stream(body) = response.body() {
                body.attach(&ends);
            }
            response
        }
    })
}

/// hyper with our bounds. Its own are good for the rest: frames of 16 KiB, a table of 4 KiB for headers that come again, and 1,024 streams of a
/// connection that are reset for a client's mistakes.
fn builder(tasks: Tasks, limits: &Limits) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    let window = u32::try_from(limits.http2_window_bytes_max).unwrap_or(u32::MAX);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(limits.http2_streams_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.http2_resets_max)
        // One for the connection and each stream: a client's streams share what it may send before it is read.
        .initial_connection_window_size(window)
        .initial_stream_window_size(window)
        // Each name and value counts with 32 bytes more (RFC 9113, 6.5.2).
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        // A stream's body gives the next bytes when these have gone; a whole answer is here in any case.
        .max_send_buf_size(SEND_BYTES_MAX)
        .keep_alive_interval(limits.http2_ping_interval)
        .keep_alive_timeout(limits.http2_ping_interval);
    builder
}
