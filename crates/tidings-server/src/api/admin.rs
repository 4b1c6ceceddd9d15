//! The admin listener: health, readiness, metrics. On a thread of its own, so that it answers when nothing else does.

use crate::delivery::Delivery;
use crate::metrics::Metrics;
use crate::stop::Stopping;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// A shard turns at least once a second: after five without, something is wrong.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How long a request head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after an accept that failed.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What the server says of itself to an orchestrator.
#[derive(Clone, Debug)]
pub struct Admin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    delivery: Delivery,
    metrics: Metrics,
    phase: AtomicU8,
}

/// Where the server is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting = 0,
    Ready = 1,
    Draining = 2,
}

impl Admin {
    /// Not ready yet.
    pub fn new(delivery: Delivery, metrics: Metrics) -> Self {
        Admin(Arc::new(Inner { delivery, metrics, phase: AtomicU8::new(Phase::Starting as u8) }))
    }

    /// From now on `/readyz` says yes.
    pub fn ready(&self) {
        self.0.phase.store(Phase::Ready as u8, Ordering::Relaxed);
    }

    /// From now on `/readyz` says no: balancers look elsewhere.
    pub fn draining(&self) {
        self.0.phase.store(Phase::Draining as u8, Ordering::Relaxed);
    }

    /// Serves on a thread of its own until told to stop.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(crate) fn start(&self, listener: TcpListener, stopping: Stopping) -> std::io::Result<()> {
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let admin = self.clone();
        std::thread::Builder::new()
            .name("tidings-admin".to_owned())
            .spawn(move || runtime.block_on(admin.run(listener, stopping)))?;
        Ok(())
    }

    async fn run(self, listener: std::net::TcpListener, mut stopping: Stopping) {
        let listener = TcpListener::from_std(listener).expect("a listener of tokio's is one again");
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopping.stopped() => return,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(BACK_OFF).await;
                continue;
            };
            let admin = self.clone();
            let answer = service_fn(move |request| {
                let response = admin.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            // One request at a time is asked here; how its connection ends is the asker's affair.
            tokio::spawn(async move {
                let _ = connection.await;
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !super::local::is_local_host(request) {
            return text(StatusCode::MISDIRECTED_REQUEST, "this listener answers to localhost only\n".into());
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/healthz" => self.health(),
            "/readyz" => self.readiness(),
            "/metrics" => {
                let mut response = text(StatusCode::OK, self.0.metrics.encode());
                let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            _ => text(StatusCode::NOT_FOUND, "not found: /healthz, /readyz and /metrics are here\n".into()),
        }
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let stalled = self.0.delivery.stalled_for();
        if stalled < STALLED_AFTER {
            text(StatusCode::OK, "ok\n".into())
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, format!("a shard has not turned for {} s\n", stalled.as_secs()))
        }
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
        let phase = self.0.phase.load(Ordering::Relaxed);
        if phase == Phase::Ready as u8 {
            text(StatusCode::OK, "ready\n".into())
        } else if phase == Phase::Draining as u8 {
            text(StatusCode::SERVICE_UNAVAILABLE, "not ready: draining\n".into())
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, "not ready: starting\n".into())
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
