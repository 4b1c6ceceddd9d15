//! The thin driver of [`Reconnect`]: it moves bytes, sleeps, and prints. It decides nothing; a client crate takes both over
//! later.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use jiff::Timestamp;
use tidings_wire::Item;

use crate::exit::{Exit, Failure, Outcome, say};
use crate::http::{self, HttpError, Problem};
use crate::listen::Plan;
use crate::print::Printed;
use crate::reconnect::{Action, Answer, Reconnect, Stop};

/// Does what the machine says until it says stop, or until nobody reads the output any more.
pub(crate) async fn follow(plan: Plan) -> Outcome {
    let machine = Reconnect::new(fastrand::u64(..), plan.silence_max);
    let mut driver = Driver { plan, machine, answer: None };
    loop {
        if driver.print_items()?.is_break() {
            return Ok(());
        }
        match driver.machine.poll_action(Instant::now()) {
            Action::Connect { last_event_id } => driver.connect(&last_event_id).await?,
            Action::Read => driver.read().await,
            Action::Wait => {
                // Dropping the answer closes its connection.
                driver.answer = None;
                within(driver.machine.poll_timeout(), std::future::pending::<()>()).await;
                driver.machine.handle_timeout(Instant::now());
            }
            Action::Stop(stop) => return driver.stopped(stop).await,
        }
    }
}

/// What the loop holds between two steps. All that decides stands in `machine`.
struct Driver {
    plan: Plan,
    machine: Reconnect,
    /// The answer whose body is being read.
    answer: Option<Response<Incoming>>,
}

impl Driver {
    /// One attempt, redirects included. Fails only where a further one could not succeed either.
    async fn connect(&mut self, last_event_id: &str) -> Outcome {
        self.answer = None;
        let headers = headers(last_event_id)?;
        match within(self.machine.poll_timeout(), http::get(&self.plan.url, &headers)).await {
            Some(Ok(answer)) => {
                self.machine.handle_answer(Instant::now(), &head(&answer));
                if self.machine.poll_action(Instant::now()) == Action::Wait {
                    self.say_wait(&format!("the server answered {}", answer.status()));
                }
                self.answer = Some(answer);
            }
            // Where a redirect leads does not change by asking again.
            Some(Err(error @ (HttpError::Redirect { .. } | HttpError::Redirects(_)))) => {
                return Err(Failure::new(Exit::Refused, error));
            }
            Some(Err(error)) => self.lost(&error.to_string()),
            None => self.lost("the server does not answer"),
        }
        Ok(())
    }

    /// The next piece of the stream. It is handed on as it came: one chunk may hold half an event or a hundred.
    async fn read(&mut self) {
        let answer = self.answer.as_mut().expect("the machine reads only from an answer it was told of");
        match within(self.machine.poll_timeout(), answer.body_mut().frame()).await {
            // Trailers mean nothing to a stream.
            Some(Some(Ok(frame))) => self.machine.handle_bytes(Instant::now(), &frame.into_data().unwrap_or_default()),
            Some(Some(Err(_))) => self.lost("the connection broke"),
            Some(None) => self.lost("the stream ended"),
            None => self.lost("the server has fallen silent"),
        }
    }

    fn lost(&mut self, why: &str) {
        self.machine.handle_lost(Instant::now());
        self.say_wait(why);
    }

    /// A person at a terminal is to know that the silence is not the server's.
    fn say_wait(&self, why: &str) {
        let wait = self.machine.poll_timeout().map_or(Duration::ZERO, |until| until - Instant::now());
        say(format_args!("{why}; trying again in {:.1} s", wait.as_secs_f32()));
    }

    /// Prints all that is there, in one write: nothing is held back that has come.
    fn print_items(&mut self) -> Result<ControlFlow<()>, Failure> {
        let mut lines = String::new();
        while let Some(item) = self.machine.poll_item() {
            match item {
                Item::Event(event) => match self.plan.printer.print(&event, Timestamp::now()) {
                    Printed::Line(line) => lines.push_str(&line),
                    Printed::Notice(notice) => say(notice),
                    Printed::Nothing => {}
                },
                Item::TooLarge { limit } => say(format_args!("an event of more than {limit} bytes was left out")),
                Item::Comment(_) | Item::Retry(_) => {}
            }
        }
        if lines.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(Failure::new(Exit::Failed, format_args!("cannot write: {error}"))),
        }
    }

    /// The last word. Only here is the body of a refusal worth reading: it says why.
    async fn stopped(self, stop: Stop) -> Outcome {
        let url = &self.plan.url;
        match (stop, self.answer) {
            (Stop::NoContent, _) => {
                say("the server says that there is nothing more to come");
                Ok(())
            }
            (Stop::Refused, Some(answer)) => Err(Problem::read(answer).await.into_failure()),
            (Stop::Refused | Stop::NotAStream, _) => {
                Err(Failure::new(Exit::Refused, format_args!("{url} is not an event stream")))
            }
        }
    }
}

/// What an `EventSource` sends. `no-cache` keeps caches on the way from answering in the server's place.
fn headers(last_event_id: &str) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !last_event_id.is_empty() {
        // Sent as its UTF-8 bytes. A control character in it cannot be sent, and to go on without the id would lose
        // events without a word; browsers give up there too (sse-facts P31).
        let id = HeaderValue::from_bytes(last_event_id.as_bytes()).map_err(|_| {
            Failure::new(Exit::Failed, format_args!("the server's event id {last_event_id:?} cannot be sent back"))
        })?;
        headers.insert("last-event-id", id);
    }
    Ok(headers)
}

/// The part of an answer's head that decides. The charset that a server may name is ignored: a stream is always UTF-8.
fn head(answer: &Response<Incoming>) -> Answer {
    let kind = http::header(answer, &CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    Answer {
        status: answer.status().as_u16(),
        is_event_stream: essence.eq_ignore_ascii_case("text/event-stream"),
        retry_after: http::retry_after(answer),
    }
}

/// The future's output, unless `until` comes first.
async fn within<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    match until {
        Some(until) => tokio::time::timeout_at(until.into(), future).await.ok(),
        None => Some(future.await),
    }
}
