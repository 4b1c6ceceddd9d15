//! `GET /stream`: the date every second, as JavaScript prints it. One clock however many listeners, none when they have gone.

use super::date::DateText;
use crate::api::{Answer, ApiBody};
use crate::delivery::{Delivery, Refused};
use crate::engine::{Draft, Engine};
use http::{HeaderValue, Response, header};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidings_hub::{Content, Form, Format, Framing, Grant, ResumePoint, Selection, Spec, TopicName};
use tokio::task::JoinHandle;

/// The memory-only topic the clock ticks on.
const TOPIC: &str = "tidings/clock";
/// The origin of the demo's page, whatever the request's.
const ORIGIN: &str = "http://127.0.0.1:5500";

/// The demo's clock.
#[derive(Clone)]
pub struct Demo(Arc<Inner>);

struct Inner {
    delivery: Delivery,
    engine: Arc<dyn Engine>,
    topic: TopicName,
    selection: Arc<Selection>,
    clock: Mutex<Clock>,
}

/// The one clock, and those who listen.
#[derive(Default)]
struct Clock {
    listeners: usize,
    ticking: Option<JoinHandle<()>>,
}

/// One listener; the clock stops with the last.
struct Listener(Arc<Inner>);

impl Demo {
    /// A clock that does not tick yet. `grant` must cover the clock's topic.
    pub fn new(delivery: Delivery, engine: Arc<dyn Engine>, grant: Arc<Grant>) -> Self {
        let topic = TopicName::new(TOPIC).expect("the clock's topic is a topic");
        let selection = Selection::new(vec![topic.clone()], Vec::new(), Vec::new(), grant)
            .expect("a local grant covers every topic");
        let selection = Arc::new(selection);
        Demo(Arc::new(Inner { delivery, engine, topic, selection, clock: Mutex::default() }))
    }

    /// Answers `GET /stream`: the sketch's headers and nothing else, then dates.
    pub fn stream(&self) -> Answer {
        let format = Format { form: Form::Sse, framing: Framing::Bare };
        let spec = Spec { selection: self.0.selection.clone(), format, bare_events: true };
        match self.0.delivery.admit(spec, ResumePoint::Live) {
            Ok(subscribing) => Answer::Stream(with_head(subscribing.with_guard(self.listen()))),
            // The sketch has no word for it: a stream that ends, to which an EventSource returns by itself.
            Err(Refused::Overload | Refused::Drain) => self.head().into(),
        }
    }

    /// Its head alone.
    pub fn head(&self) -> Response<ApiBody> {
        with_head(ApiBody::empty())
    }

    /// Listeners now, and clocks that tick: one, or none.
    pub fn counts(&self) -> (usize, usize) {
        let clock = self.0.lock();
        (clock.listeners, usize::from(clock.ticking.as_ref().is_some_and(|task| !task.is_finished())))
    }

    fn listen(&self) -> Listener {
        let mut clock = self.0.lock();
        clock.listeners += 1;
        if clock.ticking.is_none() {
            clock.ticking = Some(tokio::spawn(tick(self.0.engine.clone(), self.0.topic.clone())));
        }
        drop(clock);
        Listener(self.0.clone())
    }
}

/// The sketch's headers, to the letter.
fn with_head<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "keep-alive"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "*"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Clock> {
        self.clock.lock().expect("nobody panics while holding the clock")
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut clock = self.0.lock();
        clock.listeners -= 1;
        if clock.listeners == 0
            && let Some(task) = clock.ticking.take()
        {
            task.abort();
        }
    }
}

/// Publishes the date every second until it is stopped.
async fn tick(engine: Arc<dyn Engine>, topic: TopicName) {
    let text = DateText::system();
    let second = Duration::from_secs(1);
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + second, second);
    loop {
        interval.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let draft = Draft {
            topics: topic.clone().into(),
            event_type: None,
            content: Content::text(&text.text(millis)),
            durable: false,
            expires: None,
            key: None,
        };
        if engine.append(vec![draft]).await.is_err() {
            return;
        }
    }
}

impl std::fmt::Debug for Demo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Demo").finish_non_exhaustive()
    }
}
