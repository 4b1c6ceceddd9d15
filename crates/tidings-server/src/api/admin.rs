//! The admin listener: health, readiness, metrics. On a thread of its own, so that it answers when nothing else does.

use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::small;
use crate::stop::Stopping;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// A shard turns at least once a second, and so does the log's writer while appends wait: after five without, something is wrong.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// What the server says of itself to an orchestrator.
#[derive(Clone, Debug)]
pub struct Admin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    delivery: Delivery,
    engine: Arc<dyn Engine>,
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
    pub fn new(delivery: Delivery, engine: Arc<dyn Engine>, metrics: Metrics) -> Self {
        Admin(Arc::new(Inner { delivery, engine, metrics, phase: AtomicU8::new(Phase::Starting as u8) }))
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

    async fn run(self, listener: std::net::TcpListener, stopping: Stopping) {
        let listener = TcpListener::from_std(listener).expect("a listener of tokio's is one again");
        let metrics = self.0.metrics.clone();
        let turned_away = move || metrics.turned_away();
        small::run(listener, small::CONNECTIONS_MAX, turned_away, stopping, move |request| self.answer(request)).await;
    }

    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
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
        let (shard, writer) = (self.0.delivery.stalled_for(), self.0.engine.health().stalled);
        if shard >= STALLED_AFTER {
            not(format!("a shard has not turned for {} s\n", shard.as_secs()))
        } else if writer >= STALLED_AFTER {
            not(format!("the log's writer has not answered for {} s, though publishes wait\n", writer.as_secs()))
        } else {
            text(StatusCode::OK, "ok\n".into())
        }
    }

    /// Ready is who can be read and published to. A server whose disk is full can be read, and takes publishes again by itself: it stays
    /// ready, and says so, since a balancer has no better place for its readers.
    fn readiness(&self) -> Response<Full<Bytes>> {
        let phase = self.0.phase.load(Ordering::Relaxed);
        let health = self.0.engine.health();
        if phase == Phase::Draining as u8 {
            not("not ready: draining\n".into())
        } else if phase != Phase::Ready as u8 {
            not("not ready: starting\n".into())
        } else if health.has_failed {
            not("not ready: the log has failed, nothing is published any more; readers are served\n".into())
        } else if health.is_full {
            text(StatusCode::OK, "ready; the disk is full: publishes are refused until there is room\n".into())
        } else {
            text(StatusCode::OK, "ready\n".into())
        }
    }
}

fn not(why: String) -> Response<Full<Bytes>> {
    text(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
