//! A POST that is sent again where that is safe: every request here bears an idempotency key, so it always is.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};

use crate::exit::{Exit, Failure, say};
use crate::http::{Client, Problem, is_problem, read_body, retry_after};
use crate::url::Url;

/// The attempts for one request. With the waits between them they outlast the restart of a server (a second or two), and
/// still say within some seconds that there is none.
const ATTEMPTS: u32 = 6;

/// The first wait is at most this long, and each further one at most twice the one before: 6.2 s in all.
const WAIT_FIRST_MAX: Duration = Duration::from_millis(200);

/// The longest `Retry-After` that is waited for; whoever is told to wait longer hears the server's answer instead.
const ASKED_MAX: Duration = Duration::from_secs(30);

/// The longest wait for an answer: a full batch over a slow line, and the commit.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The largest answer: 10,000 lines of an id and a topic of 1,024 bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A secret: it prints as stars.
#[derive(Clone)]
pub(crate) struct Token(String);

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Sends to one server.
#[derive(Debug)]
pub(crate) struct Sender {
    client: Client,
    authorization: Option<HeaderValue>,
}

/// What one attempt led to.
enum Attempt {
    Answered(Bytes),
    /// The server refuses for good.
    Refused(Problem),
    /// The server refuses for now.
    Busy(Problem, Option<Duration>),
    Lost(String),
}

impl Sender {
    pub(crate) fn new(url: &Url, token: Option<&Token>) -> Result<Self, Failure> {
        let bearer = |Token(token): &Token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Failure::new(Exit::Usage, "the token holds a character that no header can carry"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self { client: Client::new(url), authorization: token.map(bearer).transpose()? })
    }

    /// POSTs until there is an answer, or none of the attempts brought one. `headers` or `body` hold an idempotency key.
    pub(crate) async fn post(&mut self, url: &Url, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Failure> {
        let mut limit = WAIT_FIRST_MAX;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let attempt = tokio::time::timeout(ANSWER_MAX, self.attempt(url, headers, body.clone())).await;
            let (failure, asked) = match attempt.unwrap_or_else(|_| Attempt::Lost("the server does not answer".into()))
            {
                Attempt::Answered(body) => return Ok(body),
                Attempt::Refused(problem) => return Err(problem.into_failure()),
                Attempt::Busy(problem, asked) => (problem.into_failure(), asked.unwrap_or_default()),
                Attempt::Lost(why) => (Failure::new(Exit::Unreachable, why), Duration::ZERO),
            };
            if attempts == ATTEMPTS || asked > ASKED_MAX {
                return Err(failure);
            }
            if attempts == 1 {
                say(format_args!("{failure}; trying again"));
            }
            tokio::time::sleep(asked.max(limit.mul_f64(fastrand::f64()))).await;
            limit *= 2;
        }
    }

    async fn attempt(&mut self, url: &Url, headers: &HeaderMap, body: Bytes) -> Attempt {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.request_target();
        *request.headers_mut() = headers.clone();
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Attempt::Lost(error.to_string()),
        };
        let status = answer.status();
        // A batch of which no line is good is answered line by line, like any other.
        let code =
            if status == StatusCode::UNPROCESSABLE_ENTITY && !is_problem(&answer) { 200 } else { status.as_u16() };
        match code {
            200..=299 => match read_body(answer.into_body(), ANSWER_BYTES_MAX).await {
                Some(body) => Attempt::Answered(body),
                None => Attempt::Lost("the answer broke off".into()),
            },
            408 | 429 | 502..=504 => {
                let asked = retry_after(&answer);
                Attempt::Busy(Problem::read(answer).await, asked)
            }
            _ => Attempt::Refused(Problem::read(answer).await),
        }
    }
}
