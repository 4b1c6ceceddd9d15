//! A request's body, read under bounds: in bytes, in time, and over all requests together.
//!
//! A body that is refused is read and thrown away, up to a bound: most clients look for the answer only when they have sent
//! everything, and a connection that is closed under them is reset before they can read it.

use super::codes::Code;
use super::problem::Problem;
use crate::limits::Limits;
use bytes::{Buf, Bytes};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Bytes of bodies in memory, over all requests, and their bound.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    held: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Budget { held: Arc::default(), bytes_max }
    }
}

/// A share of the budget, given back when it goes.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    bytes: usize,
}

/// A body that was read whole. Its bytes count against the budget for as long as it lives.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    pub(super) share: Share,
}

/// A body that is still to be read.
pub(super) struct Upload<B> {
    body: B,
    /// What the client says it will send.
    announced: Option<u64>,
    /// The client waits to be told before it sends anything.
    is_held_back: bool,
    /// Nothing more will come of it.
    is_broken: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Upload<B> {
    pub(super) fn new(headers: &HeaderMap, body: B) -> Self {
        let is_held_back = headers.contains_key(header::EXPECT);
        Upload { announced: body.size_hint().exact(), is_held_back, is_broken: false, body }
    }

    /// Whether there is no body, or nothing left of it.
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Reads it whole, if it has at most `bytes_max` bytes; `too_large` says what it is if it has more.
    pub(super) async fn read(
        &mut self,
        bytes_max: usize,
        too_large: impl Fn() -> Problem,
        budget: &Budget,
        limits: &Limits,
    ) -> Result<Held, Problem> {
        if self.announced.is_some_and(|announced| announced > bytes_max as u64) {
            return Err(too_large());
        }
        // From the first look on the client is told to go on, and sends.
        self.is_held_back = false;
        let read = tokio::select! {
            biased;
            read = self.read_frames(bytes_max, too_large, budget) => Some(read),
            () = out_of_time(limits.body_timeout) => None,
        };
        read.unwrap_or_else(|| {
            self.is_broken = true;
            Err(Code::BodyTimeout.into())
        })
    }

    async fn read_frames(
        &mut self,
        bytes_max: usize,
        too_large: impl Fn() -> Problem,
        budget: &Budget,
    ) -> Result<Held, Problem> {
        let mut bytes = Vec::new();
        let mut share = Share { budget: budget.clone(), bytes: 0 };
        while let Some(frame) = self.body.frame().await {
            let Ok(frame) = frame else {
                self.is_broken = true;
                return Err(Code::BodyIncomplete.into());
            };
            // Trailers mean nothing here.
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > bytes_max - bytes.len() {
                return Err(too_large());
            }
            share.grow(data.len())?;
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes, share })
    }

    /// Reads what is left and throws it away, within the bounds; behind them the connection is closed.
    pub(super) async fn discard(mut self, limits: &Limits) {
        if self.is_broken || self.is_held_back || self.is_empty() {
            return;
        }
        let mut room = limits.refused_body_bytes_max;
        let reading = async {
            while let Some(Ok(frame)) = self.body.frame().await {
                let read = frame.data_ref().map_or(0, Buf::remaining);
                match room.checked_sub(read) {
                    Some(left) => room = left,
                    None => return,
                }
            }
        };
        // Out of time is as good as out of room.
        let _ = tokio::time::timeout(limits.refused_body_timeout, reading).await;
    }
}

/// Waits so long. The timer is set only on the second look: most bodies come with their head and are there by then, and a timer costs
/// as much as reading one.
async fn out_of_time(timeout: Duration) {
    let mut is_first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
    tokio::time::sleep(timeout).await;
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let held = self.budget.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes += bytes;
        if held > self.budget.bytes_max { Err(Code::Busy.into()) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame;
    use http_body_util::Full;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    const LIMITS: Limits = Limits { body_timeout: Duration::from_millis(20), ..Limits::DEFAULT };

    /// A body in pieces, whose length nobody announced.
    struct Pieces(std::slice::Iter<'static, &'static str>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
        }
    }

    fn pieces(pieces: &'static [&'static str]) -> Pieces {
        Pieces(pieces.iter())
    }

    async fn read<B>(body: B, bytes_max: usize, budget: &Budget) -> Result<Held, Code>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let too_large = || Problem::from(Code::EventTooLarge);
        let mut upload = Upload::new(&HeaderMap::new(), body);
        upload.read(bytes_max, too_large, budget, &LIMITS).await.map_err(|problem| problem.code)
    }

    #[tokio::test]
    async fn a_body_is_read_whole_or_not_at_all() {
        let budget = Budget::new(100);
        assert_eq!(read(Full::from("12345"), 5, &budget).await.unwrap().bytes, b"12345");
        assert_eq!(read(Full::from("123456"), 5, &budget).await.unwrap_err(), Code::EventTooLarge);
        assert_eq!(read(pieces(&["123", "45"]), 5, &budget).await.unwrap().bytes, b"12345");
        assert_eq!(read(pieces(&["123", "456"]), 5, &budget).await.unwrap_err(), Code::EventTooLarge);
        assert_eq!(read(Full::default(), 5, &budget).await.unwrap().bytes, b"");
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_the_share_comes_back() {
        let budget = Budget::new(8);
        let held = read(Full::from("12345"), 5, &budget).await.unwrap();
        assert_eq!(read(Full::from("1234"), 5, &budget).await.unwrap_err(), Code::Busy);
        assert_eq!(budget.held.load(Ordering::Relaxed), 5, "what was refused holds nothing");
        drop(held);
        assert_eq!(read(Full::from("1234"), 5, &budget).await.unwrap().bytes, b"1234");
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    /// A body of which nothing comes, or an error.
    struct Silent(Poll<()>);

    impl Body for Silent {
        type Data = Bytes;
        type Error = &'static str;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            self.0.map(|()| Some(Err("cut")))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let budget = Budget::new(8);
        assert_eq!(read(Silent(Poll::Pending), 5, &budget).await.unwrap_err(), Code::BodyTimeout);
        assert_eq!(read(Silent(Poll::Ready(())), 5, &budget).await.unwrap_err(), Code::BodyIncomplete);
    }
}
