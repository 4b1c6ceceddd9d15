//! What the API answers with, and its body: whole, or a subscription's stream.

use crate::delivery::{StreamBody, StreamReset, Subscribing};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// All of it.
    Whole(Response<ApiBody>),
    /// The head of a stream, and what it is to carry.
    Stream(Response<Subscribing>),
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        match self {
            Answer::Whole(response) => response.status(),
            Answer::Stream(response) => response.status(),
        }
    }

    /// Its headers.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Answer::Whole(response) => response.headers_mut(),
            Answer::Stream(response) => response.headers_mut(),
        }
    }
}

impl From<Response<ApiBody>> for Answer {
    fn from(response: Response<ApiBody>) -> Self {
        Answer::Whole(response)
    }
}

/// What the API answers with.
#[derive(Debug)]
pub enum ApiBody {
    /// Everything at once.
    Whole(Full<Bytes>),
    /// A subscription, which goes on until one side ends it.
    Stream(StreamBody),
}

impl ApiBody {
    /// A body that is there already.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        ApiBody::Whole(Full::new(bytes.into()))
    }

    /// No body.
    pub fn empty() -> Self {
        ApiBody::whole(Bytes::new())
    }
}

impl Body for ApiBody {
    type Data = Bytes;
    type Error = StreamReset;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamReset>>> {
        match self.get_mut() {
            ApiBody::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            ApiBody::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ApiBody::Whole(body) => body.is_end_stream(),
            ApiBody::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ApiBody::Whole(body) => body.size_hint(),
            ApiBody::Stream(body) => body.size_hint(),
        }
    }
}
