//! The portable transport: a slot between a shard's thread and the response body that hyper polls.
//!
//! The slot is to hyper what a socket's buffer is to a thread that writes itself: it takes bytes while it has room, and says when
//! it has room again. A stalled client fills it, and then its subscription is an old cursor and nothing else.

use super::mailbox::{Mailbox, Word};
use super::room::Place;
use super::subscribing::Guard;
use crate::connection::ConnectionHandle;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use tidings_hub::{Close, SubscriberId};

/// What a slot holds at most. Small, for every stalled client has one full: 16 KiB is hyper's own buffer once more.
pub(super) const SLOT_BYTES_MAX: usize = 16 * 1024;

/// Bytes in slots, over all subscriptions.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotGauge(Arc<AtomicUsize>);

impl SlotGauge {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Slot {
    inner: Mutex<Inner>,
    gauge: SlotGauge,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: BytesMut,
    /// Whether the shard was refused bytes, and waits to be told of room.
    refused: bool,
    closed: Option<Close>,
    waker: Option<Waker>,
    connection: Option<ConnectionHandle>,
}

impl Slot {
    pub(super) fn new(gauge: SlotGauge) -> Self {
        Slot { inner: Mutex::default(), gauge }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding a slot")
    }

    /// Takes bytes from the front of `slices` while there is room, and answers how many. Bare frames are a slice each, and a slice
    /// is taken whole: so a chunk of the response ends where an event does, and whoever reads chunks reads events. Only a frame
    /// larger than the slot is taken in parts.
    pub(super) fn offer(&self, slices: &[Bytes]) -> usize {
        let mut inner = self.lock();
        let mut taken = 0;
        for slice in slices {
            let room = SLOT_BYTES_MAX - inner.bytes.len();
            let part = if inner.bytes.is_empty() || slice.len() <= room { slice.len().min(room) } else { 0 };
            // Copied, not kept by reference: a slice would hold its whole batch for as long as a client stalls.
            inner.bytes.extend_from_slice(&slice[..part]);
            taken += part;
            if part < slice.len() {
                inner.refused = true;
                break;
            }
        }
        self.gauge.0.fetch_add(taken, Ordering::Relaxed);
        let waker = inner.waker.take_if(|_| taken > 0);
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        taken
    }

    /// The stream ends: behind what is in the slot, or at once.
    pub(super) fn close(&self, close: Close) {
        let mut inner = self.lock();
        inner.closed = Some(close);
        let (waker, connection) = (inner.waker.take(), inner.connection.clone());
        drop(inner);
        // A stalled client's body is not polled: its connection has to be told.
        match (close, connection) {
            (Close::Reset, Some(connection)) => connection.reset(),
            (Close::Clean, Some(connection)) => connection.end_soon(),
            (_, None) => {}
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let left = self.lock().bytes.len();
        self.gauge.0.fetch_sub(left, Ordering::Relaxed);
    }
}

/// The stream is cut inside a frame: the connection ends without the last chunk, and the client discards what it has of it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the stream was reset")]
pub struct StreamReset;

/// A subscription as a response body. Dropping it ends the subscription.
pub struct StreamBody {
    slot: Arc<Slot>,
    id: SubscriberId,
    mailbox: Mailbox,
    /// Its place among the subscribers.
    _place: Place,
    _guard: Option<Guard>,
}

impl StreamBody {
    pub(super) fn new(slot: Arc<Slot>, id: SubscriberId, mailbox: Mailbox, place: Place, guard: Option<Guard>) -> Self {
        StreamBody { slot, id, mailbox, _place: place, _guard: guard }
    }

    /// Tells the body on which connection it goes out, so that a stalled one can be reset.
    pub(crate) fn attach(&self, connection: &ConnectionHandle) {
        connection.begin();
        let mut inner = self.slot.lock();
        let closed = inner.closed;
        inner.connection = Some(connection.clone());
        drop(inner);
        if closed == Some(Close::Reset) {
            connection.reset();
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = StreamReset;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StreamReset>>> {
        let mut inner = self.slot.lock();
        if inner.closed == Some(Close::Reset) {
            return Poll::Ready(Some(Err(StreamReset)));
        }
        if !inner.bytes.is_empty() {
            let bytes = std::mem::take(&mut inner.bytes).freeze();
            let refused = std::mem::take(&mut inner.refused);
            drop(inner);
            self.slot.gauge.0.fetch_sub(bytes.len(), Ordering::Relaxed);
            if refused {
                self.mailbox.send(Word::Writable(self.id));
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if inner.closed == Some(Close::Clean) {
            if let Some(connection) = &inner.connection {
                connection.ended();
            }
            return Poll::Ready(None);
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.mailbox.send(Word::Gone(self.id));
    }
}

impl std::fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamBody").field("id", &self.id).finish_non_exhaustive()
    }
}
