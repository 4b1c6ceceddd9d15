//! The HTTP API: the route table, and what every answer has in common. Only here is it known what a status code is (invariant 7).
//!
//! The order of decisions: whose pages may read the answer (`cors`), whether the request is this machine's own (`local`), which
//! route and method, and then the route's own: URL, grant, headers, body.

mod admin;
mod batch;
mod body;
pub(crate) mod codes;
mod content;
mod cors;
mod delete;
mod html;
mod local;
mod negotiate;
mod page;
mod path;
mod problem;
mod publish;
mod query;
mod random;
mod subscribe;
mod upload;

pub use admin::Admin;
pub use body::{Answer, ApiBody};
pub use cors::{BadOrigin, check_origins};

use crate::delivery::{Delivery, Subscribing, Subscription, TIDINGS_GAP};
use crate::demo::Demo;
use crate::engine::{Engine, StoredKey};
use crate::idempotency::{BodyDigest, Idempotency, KeyDigest};
use crate::limits::Limits;
use crate::metrics::Metrics;
use bytes::Bytes;
use codes::Code;
use cors::{Cors, Origin};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use path::Route;
use problem::Problem;
use random::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use upload::{Budget, Upload};

/// What the API is made of.
pub struct ApiParts {
    /// The table of limits.
    pub limits: Arc<Limits>,
    /// Where events are taken, and history is read.
    pub engine: Arc<dyn Engine>,
    /// Where subscriptions are made.
    pub delivery: Delivery,
    /// What is counted.
    pub metrics: Metrics,
    /// Origins whose pages may use the server, beside those of this machine.
    pub allowed_origins: Vec<String>,
    /// The demo's clock, if it is served.
    pub demo: Option<Demo>,
    /// The idempotency keys that an earlier process stored, oldest first.
    pub keys: Vec<StoredKey>,
}

/// The HTTP API.
pub struct Api {
    limits: Arc<Limits>,
    engine: Arc<dyn Engine>,
    delivery: Delivery,
    metrics: Metrics,
    demo: Option<Demo>,
    cors: Cors,
    keys: Idempotency,
    bodies: Budget,
    random: Random,
    is_draining: AtomicBool,
}

impl Api {
    /// The API over its parts.
    ///
    /// # Errors
    /// An allowed origin is none.
    pub fn new(parts: ApiParts) -> Result<Self, BadOrigin> {
        let ApiParts { limits, engine, delivery, metrics, allowed_origins, demo, keys: stored } = parts;
        let keys = Idempotency::new(&limits);
        for StoredKey { key, seq, ago } in stored {
            keys.remember(ago, KeyDigest::from_bytes(key.id), BodyDigest::from_bytes(key.body), seq);
        }
        Ok(Api {
            cors: Cors::new(&allowed_origins)?,
            keys,
            bodies: Budget::new(limits.bodies_bytes_max),
            random: Random::new(fastrand::u64(..)),
            is_draining: AtomicBool::new(false),
            limits,
            engine,
            delivery,
            metrics,
            demo,
        })
    }

    /// From now on nothing new is published.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Begins a stream as a body that is polled. Its head says what is missing.
    pub async fn stream(&self, response: Response<Subscribing>) -> Response<ApiBody> {
        let (mut parts, subscribing) = response.into_parts();
        let Subscription { gap, body } = self.delivery.subscribe(subscribing).await;
        if let Some(gap) = gap {
            parts.headers.insert(TIDINGS_GAP, HeaderValue::from_static(gap.as_str()));
        }
        Response::from_parts(parts, ApiBody::Stream(body))
    }

    /// Answers a request. A stream's answer is its head, and the subscription that a transport begins.
    pub async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let mut upload = Upload::new(&parts.headers, body);
        let origin = self.cors.origin(&parts.headers);
        let route = Route::of(parts.uri.path(), self.demo.is_some());
        let answer = self.route(&parts, route, &origin, &mut upload).await;
        let is_demo_stream = route == Some(Route::Demo) && is_read(&parts.method) && answer.is_ok();
        let mut answer = answer.unwrap_or_else(|problem| self.refuse(&problem).into());
        // The demo's stream has the sketch's headers, to the letter.
        if !is_demo_stream {
            origin.put_on(answer.headers_mut());
        }
        self.metrics.answered(answer.status().as_u16());
        upload.discard(&self.limits).await;
        answer
    }

    async fn route<B>(
        &self,
        parts: &Parts,
        route: Option<Route<'_>>,
        origin: &Origin,
        upload: &mut Upload<B>,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        local::check(parts.version, &parts.uri, &parts.headers)?;
        // The demo's dates are for everybody's pages; nothing else is.
        if route != Some(Route::Demo) {
            origin.check(&parts.headers)?;
        }
        let route = route.ok_or_else(|| Problem::from(Code::NotFound))?;
        if is_read(&parts.method) && !upload.is_empty() {
            return Err(Code::BodyNotAllowed.into());
        }
        match (&parts.method, route) {
            (&Method::OPTIONS, _) => Ok(preflight(route, origin).into()),
            (&Method::GET | &Method::HEAD, Route::Home) => Ok(html::page().into()),
            (&Method::GET | &Method::HEAD, Route::Topic(topic)) => subscribe::read(self, Some(topic), parts).await,
            (&Method::GET | &Method::HEAD, Route::Events) => subscribe::read(self, None, parts).await,
            (&Method::GET | &Method::HEAD, Route::Demo) => match &self.demo {
                Some(demo) if parts.method == Method::HEAD => Ok(demo.head().into()),
                Some(demo) => Ok(demo.stream()),
                None => Err(Code::NotFound.into()),
            },
            (&Method::POST, Route::Topic(topic)) => Ok(publish::publish(self, topic, parts, upload).await?.into()),
            (&Method::DELETE, Route::Topic(topic)) => Ok(delete::delete(self, topic).await?.into()),
            (&Method::POST, Route::Events) => Ok(batch::publish(self, parts, upload).await?.into()),
            _ => Err(Problem { allow: Some(route.methods()), ..Code::MethodNotAllowed.into() }),
        }
    }

    /// The answer to a request that is refused: counted, and found again in the log by its id.
    fn refuse(&self, problem: &Problem) -> Response<ApiBody> {
        let (row, request_id) = (problem.code.row(), format!("{:016x}", self.random.next()));
        self.metrics.refused(problem.code);
        if row.status.is_server_error() {
            tracing::warn!(code = row.name, request_id, detail = %problem.detail, "request failed");
        } else {
            tracing::debug!(code = row.name, request_id, detail = %problem.detail, "request refused");
        }
        problem.to_response(&request_id)
    }

    /// Lets a publish in, when no shard is behind with its readers.
    async fn admit_publish(&self) -> Result<(), Problem> {
        self.check_takes_publishes()?;
        self.delivery.gate().pass().await;
        Ok(())
    }

    fn check_takes_publishes(&self) -> Result<(), Problem> {
        if self.is_draining.load(Ordering::Relaxed) { Err(Code::Draining.into()) } else { Ok(()) }
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// What a path takes: for browsers that ask before they send, and for people.
fn preflight(route: Route<'_>, origin: &Origin) -> Response<ApiBody> {
    let mut response = Response::new(ApiBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(route.methods()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    origin.put_preflight_on(route.methods(), headers);
    response
}

#[cfg(test)]
mod tests;
