//! A small HTTP/1.1 client over hyper, for `http://` only: what `listen` and `publish` need, and no more.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::exit::{Exit, Failure};
use crate::url::{Url, UrlError};

/// A request, its body whole: retries and redirects send it again.
pub(crate) type Outgoing = Request<Full<Bytes>>;

/// The longest wait for a TCP connection. The kernel alone would try for two minutes.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// As many redirects are followed; browsers take 20, but a chain of more than a hop or two is a mistake.
const REDIRECTS_MAX: usize = 5;

/// The largest error answer that is read: a problem document is a few hundred bytes.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("cannot connect to {authority}: {source}")]
    Connect { authority: String, source: io::Error },
    #[error("{authority} broke the connection off: {source}")]
    Exchange { authority: String, source: hyper::Error },
    #[error("{from} redirects to {to:?}: {source}")]
    Redirect { from: Url, to: String, source: UrlError },
    #[error("{0} redirects more than {REDIRECTS_MAX} times")]
    Redirects(Url),
}

/// One connection to one server, opened when it is needed and kept while the server keeps it.
#[derive(Debug)]
pub(crate) struct Client {
    host: String,
    port: u16,
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(url: &Url) -> Self {
        Self { host: url.host().to_owned(), port: url.port(), authority: url.authority(), sender: None }
    }

    /// Sends a request and returns the head of the answer.
    pub(crate) async fn send(&mut self, mut request: Outgoing) -> Result<Response<Incoming>, HttpError> {
        let host = HeaderValue::from_str(&self.authority).expect("a parsed authority holds no control character");
        request.headers_mut().insert(HOST, host);
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(concat!("tidings/", env!("CARGO_PKG_VERSION"))));
        let mut sender = self.ready().await?;
        let answer = sender.send_request(request).await.map_err(|source| self.broken(source))?;
        self.sender = Some(sender);
        Ok(answer)
    }

    /// The kept connection, unless the server has closed it meanwhile; else a new one.
    async fn ready(&mut self) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        if let Some(mut kept) = self.sender.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let unbracketed = self.host.trim_start_matches('[').trim_end_matches(']');
        let connect = TcpStream::connect((unbracketed, self.port));
        let stream = match tokio::time::timeout(CONNECT_MAX, connect).await {
            Ok(connected) => connected,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 s")),
        };
        // Small requests must not wait for the acknowledgement of the one before.
        let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream =
            stream.map_err(|source| HttpError::Connect { authority: self.authority.clone(), source: plain(source) })?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|source| self.broken(source))?;
        // It ends when the sender and the last body are dropped; its error reaches them too.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn broken(&self, source: hyper::Error) -> HttpError {
        HttpError::Exchange { authority: self.authority.clone(), source }
    }
}

/// `Connection refused`, without the number that std appends for programmers.
fn plain(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => io::Error::new(error.kind(), words.to_lowercase()),
        None => error,
    }
}

/// GETs a URL on a connection of its own and follows redirects. Every call begins at the first address again: what a server
/// redirects to may be gone when the listener returns (sse-facts P29).
pub(crate) async fn get(url: &Url, headers: &HeaderMap) -> Result<Response<Incoming>, HttpError> {
    let mut at = url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let mut request = Outgoing::default();
        *request.uri_mut() = at.request_target();
        *request.headers_mut() = headers.clone();
        let answer = Client::new(&at).send(request).await?;
        if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(answer);
        }
        let to = header(&answer, &LOCATION).unwrap_or_default().to_owned();
        at = at.join(&to).map_err(|source| HttpError::Redirect { from: at, to, source })?;
    }
    Err(HttpError::Redirects(url.clone()))
}

/// A header's value, where it is there and text.
pub(crate) fn header<'a>(answer: &'a Response<Incoming>, name: &hyper::header::HeaderName) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// `Retry-After` in its form of seconds; the form of a date is rare and as good as absent.
pub(crate) fn retry_after(answer: &Response<Incoming>) -> Option<Duration> {
    header(answer, &RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
}

/// An answer's body, if it is at most `bytes_max` long.
pub(crate) async fn read_body(body: Incoming, bytes_max: usize) -> Option<Bytes> {
    Limited::new(body, bytes_max).collect().await.ok().map(http_body_util::Collected::to_bytes)
}

/// What the server says in an error answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    /// The stable name, and what to do about it: from `application/problem+json`, if the answer is one.
    told: Option<(String, String)>,
}

impl Problem {
    /// Reads it from the answer.
    pub(crate) async fn read(answer: Response<Incoming>) -> Self {
        let status = answer.status();
        let body = if is_problem(&answer) { read_body(answer.into_body(), PROBLEM_BYTES_MAX).await } else { None };
        Self { status, told: body.and_then(|body| told(&serde_json::from_slice(&body).ok()?)) }
    }

    /// The failure that ends the program.
    pub(crate) fn into_failure(self) -> Failure {
        Failure::new(Exit::Refused, self)
    }
}

/// Whether the answer as a whole is an error that says why.
pub(crate) fn is_problem(answer: &Response<Incoming>) -> bool {
    header(answer, &CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/problem+json"))
}

/// Name and advice of a problem document, or of an NDJSON line that tells one.
pub(crate) fn told(problem: &serde_json::Value) -> Option<(String, String)> {
    let text = |name: &str| Some(problem.get(name)?.as_str()?.to_owned());
    Some((text("code")?, text("detail").or_else(|| text("title"))?))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.told {
            Some((code, detail)) => {
                write!(f, "the server refused ({}): {detail} (see: tidings explain {code})", self.status.as_u16())
            }
            None => write!(f, "the server answered {}", self.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line() {
        let document = serde_json::json!({ "code": "origin_refused", "title": "Refused", "detail": "Use a key." });
        let problem = Problem { status: StatusCode::FORBIDDEN, told: told(&document) };
        assert_eq!(problem.to_string(), "the server refused (403): Use a key. (see: tidings explain origin_refused)");
        let bare = Problem { status: StatusCode::NOT_FOUND, told: told(&serde_json::json!([1])) };
        assert_eq!(bare.to_string(), "the server answered 404 Not Found");
    }

    #[test]
    fn the_systems_words_lose_their_number() {
        let error = plain(io::Error::from_raw_os_error(111));
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::ConnectionRefused, "connection refused")
        );
    }
}
