//! The portable transport: a slot between a shard's thread and the response body that hyper polls.
//!
//! The slot is to hyper what a socket's buffer is to a thread that writes itself: it takes bytes while it has room, and says when
//! it has room again. A stalled client fills it, and then its subscription is an old cursor and nothing else.
//!
//! hyper gets the next bytes when it has let go of those before: so what gathers meanwhile goes out in one piece (a chunk, or a DATA frame of
//! HTTP/2: peers close on floods of small ones), and no more than one piece waits behind the slot.

use super::mailbox::{Mailbox, Word};
use super::room::Place;
use super::subscribing::Guard;
use crate::connection::Ends;
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
    /// Whether a piece is on its way, and hyper holds it.
    is_sending: bool,
    closed: Option<Close>,
    waker: Option<Waker>,
    ends: Option<Ends>,
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
        let (waker, ends) = (inner.waker.take(), inner.ends.clone());
        drop(inner);
        // A stalled client's body is not polled: its connection has to be told.
        match (close, ends) {
            (Close::Reset, Some(ends)) => ends.reset(),
            (Close::Clean, Some(ends)) => ends.end_soon(),
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

/// Bytes on their way: counted until hyper lets go of them.
struct Piece {
    bytes: BytesMut,
    slot: Arc<Slot>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.slot.gauge.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        let mut inner = self.slot.lock();
        inner.is_sending = false;
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
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

    /// Tells the body how to reach what it goes out on, so that a stalled one can be reset.
    pub(crate) fn attach(&self, ends: &Ends) {
        ends.begin();
        let mut inner = self.slot.lock();
        let closed = inner.closed;
        inner.ends = Some(ends.clone());
        drop(inner);
        match closed {
            Some(Close::Reset) => ends.reset(),
            Some(Close::Clean) => ends.end_soon(),
            None => {}
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
        if !inner.is_sending && !inner.bytes.is_empty() {
            let bytes = std::mem::take(&mut inner.bytes);
            inner.is_sending = true;
            let refused = std::mem::take(&mut inner.refused);
            drop(inner);
            if refused {
                self.mailbox.send(Word::Writable(self.id));
            }
            let piece = Piece { bytes, slot: self.slot.clone() };
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))));
        }
        if !inner.is_sending && inner.closed == Some(Close::Clean) {
            if let Some(ends) = &inner.ends {
                ends.ended();
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

#[cfg(test)]
mod tests {
    use super::super::room::Room;
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;
    use tidings_hub::SubscriberId;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// A body, polled by hand.
    struct Polled {
        body: StreamBody,
        woken: Arc<Woken>,
        /// Its mailbox's: nobody sleeps on it here.
        _poll: mio::Poll,
    }

    impl Polled {
        fn new(slot: &Arc<Slot>) -> Self {
            let poll = mio::Poll::new().unwrap();
            let mailbox = Mailbox::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
            let place = Room::new(1).enter().unwrap();
            let body = StreamBody::new(slot.clone(), SubscriberId::from_u64(1), mailbox, place, None);
            Polled { body, woken: Arc::default(), _poll: poll }
        }

        fn poll(&mut self) -> Poll<Option<Bytes>> {
            let waker = self.woken.clone().into();
            let frame = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(&waker));
            frame.map(|frame| frame.map(|frame| frame.unwrap().into_data().unwrap()))
        }

        /// Whether it was woken since it was asked last.
        fn is_woken(&self) -> bool {
            self.woken.0.swap(false, Ordering::Relaxed)
        }
    }

    fn ready(polled: Poll<Option<Bytes>>) -> Bytes {
        let Poll::Ready(Some(piece)) = polled else { panic!("{polled:?}") };
        piece
    }

    #[test]
    fn what_gathers_while_a_piece_is_on_its_way_goes_out_in_one() {
        let gauge = SlotGauge::default();
        let slot = Arc::new(Slot::new(gauge.clone()));
        let mut polled = Polled::new(&slot);
        assert!(polled.poll().is_pending());
        slot.offer(&[Bytes::from("a")]);
        assert!(polled.is_woken());
        let first = ready(polled.poll());
        for data in ["b", "c", "d"] {
            slot.offer(&[Bytes::from(data)]);
        }
        assert!(polled.poll().is_pending());
        assert_eq!((&first[..], gauge.get()), (&b"a"[..], 4), "what is on its way counts");
        drop(first);
        assert!(polled.is_woken());
        let second = ready(polled.poll());
        assert_eq!((&second[..], gauge.get()), (&b"bcd"[..], 3));
        slot.close(Close::Clean);
        assert!(polled.poll().is_pending(), "the end comes behind what is on its way");
        drop(second);
        assert!(polled.is_woken() && matches!(polled.poll(), Poll::Ready(None)));
        assert_eq!(gauge.get(), 0);
    }
}
