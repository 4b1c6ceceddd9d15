//! A block of events and their bytes: encoded at most once in each form, shared by everyone who reads them.
//!
//! The layout of an encoded frame is `hex CRLF frame CRLF`, an HTTP/1.1 chunk. So the chunked bytes of frames that lie back
//! to back are one slice, and the bare frame is a slice inside: one allocation serves both framings.

use crate::{Content, Epoch, Event, EventId, Form, Format, Framing, json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tidings_wire::Frame;

/// Events in order, with their encodings.
#[derive(Debug)]
pub(crate) struct Block {
    epoch: Epoch,
    events: Box<[Event]>,
    /// The order in which frames lie in memory: those of one topic back to back.
    layout: Box<[u32]>,
    /// Most blocks are wanted in one form only: each lies in a box of its own.
    forms: [OnceLock<Box<Encoded>>; Form::COUNT],
    gauge: Gauge,
    /// What of its bytes the gauge counts.
    counted: AtomicUsize,
    /// Its owner let go of it; who still reads it keeps it alive, uncounted.
    retired: AtomicBool,
}

/// Encoded bytes that are alive, over all blocks that share it. Forms are encoded by whoever asks first, on any shard's
/// thread, so the bound on the tail needs a counter that all of them reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// Bytes that are alive now.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One form of a block.
#[derive(Debug)]
struct Encoded {
    bytes: Bytes,
    /// Where each event's chunk lies; indexed as the events are.
    spans: Box<[Span]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
    /// Bytes before the bare frame: the chunk's size line.
    head: u8,
}

/// The CRLF behind a chunk's data.
const CHUNK_END: &[u8] = b"\r\n";

impl Block {
    /// A block of `events`, laid out in memory in the order of `layout` (a permutation of their indexes).
    pub(crate) fn new(epoch: Epoch, events: Vec<Event>, layout: Vec<u32>, gauge: Gauge) -> Self {
        assert_eq!(events.len(), layout.len(), "the layout is a permutation of the events");
        Block {
            epoch,
            events: events.into(),
            layout: layout.into(),
            forms: Default::default(),
            gauge,
            counted: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
        }
    }

    /// The events, in their order.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Where the frame of event `index` lies among the bytes of its form: two frames of which one ends where the other
    /// starts may be sent as one slice.
    pub(crate) fn extent(&self, index: usize, format: Format) -> (usize, usize) {
        let (_, start, end) = self.place(index, format);
        (start, end)
    }

    /// Some bytes of a form, by an extent.
    pub(crate) fn bytes(&self, form: Form, start: usize, end: usize) -> Bytes {
        self.encoded(form).bytes.slice(start..end)
    }

    /// Encodes the most common form, and has every text that lies in its frame as it is (one of one line does) be that slice
    /// of it. Answers how many bytes are held once less.
    pub(crate) fn share_texts(&mut self) -> usize {
        let bytes = self.encoded(Form::Sse).bytes.clone();
        let mut shared = 0;
        for index in 0..self.events.len() {
            let (_, end) = self.extent(index, Format { form: Form::Sse, framing: Framing::Bare });
            let Content::Text { text, .. } = &mut self.events[index].content else { continue };
            // The data stands last in a frame, and the frame ends with an empty line.
            let end = end - b"\n\n".len();
            let slice = end.saturating_sub(text.len())..end;
            if bytes[slice.clone()] == *text.as_bytes() {
                shared += text.len();
                *text = ByteString::try_from(bytes.slice(slice)).expect("equal to a text");
            }
        }
        shared
    }

    fn place(&self, index: usize, format: Format) -> (&Encoded, usize, usize) {
        let encoded = self.encoded(format.form);
        let span = encoded.spans[index];
        let (start, end) = (span.start as usize, span.start as usize + span.len as usize);
        match format.framing {
            Framing::Chunked => (encoded, start, end),
            Framing::Bare => (encoded, start + usize::from(span.head), end - CHUNK_END.len()),
        }
    }

    fn encoded(&self, form: Form) -> &Encoded {
        self.forms[form as usize].get_or_init(|| {
            let encoded = encode(self.epoch, &self.events, &self.layout, form);
            if !self.retired.load(Ordering::Relaxed) {
                self.counted.fetch_add(encoded.bytes.len(), Ordering::Relaxed);
                self.gauge.0.fetch_add(encoded.bytes.len(), Ordering::Relaxed);
            }
            Box::new(encoded)
        })
    }

    /// Counts its bytes no more: the tail dropped it, though shards may read it for a moment yet. (One who encodes a form in this
    /// very moment may still count it; dropping the block puts that right.)
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.uncount();
    }

    fn uncount(&self) {
        self.gauge.0.fetch_sub(self.counted.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.uncount();
    }
}

fn encode(epoch: Epoch, events: &[Event], layout: &[u32], form: Form) -> Encoded {
    // Near enough that it grows once at most: the id, the fields' names, the chunk's frame.
    const AROUND: usize = 64;
    let mut bytes = Vec::with_capacity(events.iter().map(|event| event.content.bytes().len() + AROUND).sum());
    let mut spans = vec![Span::default(); events.len()];
    let mut frame = Vec::new();
    for &index in layout {
        let event = &events[index as usize];
        frame.clear();
        encode_frame(epoch, event, form, &mut frame);
        let start = bytes.len();
        let head = write_chunk(&frame, &mut bytes);
        spans[index as usize] = Span {
            start: u32::try_from(start).expect("a batch is bounded far below 4 GiB"),
            len: u32::try_from(bytes.len() - start).expect("a batch is bounded far below 4 GiB"),
            head,
        };
    }
    assert!(spans.iter().all(|span| span.len > 0), "the layout has every event");
    // It may lie in the tail for long: without the room that it was made in.
    Encoded { bytes: bytes.into_boxed_slice().into(), spans: spans.into() }
}

/// Appends `frame` as one chunk (RFC 9112, 7.1) and returns the length of its size line.
pub(crate) fn write_chunk(frame: &[u8], out: &mut Vec<u8>) -> u8 {
    const DIGIT_BITS: u32 = 4;
    let digits = (usize::BITS - frame.len().leading_zeros()).div_ceil(DIGIT_BITS).max(1);
    let head = digits as usize + CHUNK_END.len();
    out.reserve(head + frame.len() + CHUNK_END.len());
    for digit in (0..digits).rev() {
        let value = frame.len() >> (digit * DIGIT_BITS) & 0xf;
        out.push(b"0123456789abcdef"[value]);
    }
    out.extend_from_slice(CHUNK_END);
    out.extend_from_slice(frame);
    out.extend_from_slice(CHUNK_END);
    u8::try_from(head).expect("a size line has at most 16 digits and CRLF")
}

fn encode_frame(epoch: Epoch, event: &Event, form: Form, out: &mut Vec<u8>) {
    let id = event.seq.map(|seq| EventId { epoch, seq }.to_wire());
    let sse = |data: &str, out: &mut Vec<u8>| {
        Frame { event: event.event_type.as_ref(), id: id.as_ref(), data }.encode(out);
    };
    match (form, &event.content) {
        (Form::Sse, Content::Text { text, .. }) => sse(text, out),
        (Form::Sse, Content::Binary { content_type, bytes }) => {
            sse(&format!("data:{content_type};base64,{}", STANDARD.encode(bytes)), out);
        }
        (Form::Enveloped, _) => {
            let mut envelope = Vec::with_capacity(event.content.bytes().len() + 128);
            json::write_event(epoch, event, &mut envelope);
            sse(std::str::from_utf8(&envelope).expect("JSON is UTF-8"), out);
        }
        (Form::Ndjson, _) => {
            json::write_event(epoch, event, out);
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Seq, TopicName, UnixMillis};

    fn event(seq: u64, data: &str) -> Event {
        Event {
            seq: Some(Seq(seq)),
            time: UnixMillis(0),
            topics: TopicName::new("t").unwrap().into(),
            event_type: None,
            content: Content::text(data),
            expires: None,
        }
    }

    fn frame(block: &Block, index: usize, format: Format) -> Bytes {
        let (start, end) = block.extent(index, format);
        block.bytes(format.form, start, end)
    }

    const CHUNKED: Format = Format { form: Form::Sse, framing: Framing::Chunked };
    const BARE: Format = Format { form: Form::Sse, framing: Framing::Bare };

    #[test]
    fn the_bare_frame_lies_inside_the_chunked_one() {
        let block = Block::new(Epoch::from_random(0), vec![event(1, "a"), event(2, "b")], vec![1, 0], Gauge::default());
        assert_eq!(frame(&block, 0, BARE), "id: 00000000.1\ndata: a\n\n");
        assert_eq!(frame(&block, 0, CHUNKED), "18\r\nid: 00000000.1\ndata: a\n\n\r\n");
        // Event 1 lies first in memory, and event 0 right behind it.
        assert_eq!(block.extent(1, CHUNKED).1, block.extent(0, CHUNKED).0);
        let chunked = frame(&block, 0, CHUNKED);
        let bare = frame(&block, 0, BARE);
        let inside = chunked.as_ptr_range();
        assert!(inside.contains(&bare.as_ptr()), "one allocation serves both");
    }

    #[test]
    fn a_text_of_one_line_is_a_slice_of_its_frame() {
        let texts = ["one line", "two\nlines", "ends\n", "with\rreturn", "grüße", ""];
        let events: Vec<Event> = (1..).zip(texts).map(|(seq, text)| event(seq, text)).collect();
        let layout = (0..texts.len() as u32).rev().collect();
        let mut block = Block::new(Epoch::from_random(0), events.clone(), layout, Gauge::default());
        assert_eq!(block.share_texts(), "one line".len() + "grüße".len());
        assert_eq!(block.events(), events, "the same texts");
        for (index, event) in block.events().iter().enumerate() {
            let frames = block.encoded(Form::Sse).bytes.as_ptr_range();
            let Content::Text { text, .. } = &event.content else { unreachable!("all are texts") };
            let is_slice = !text.is_empty() && frames.contains(&text.as_ptr());
            assert_eq!(is_slice, ["one line", "grüße"].contains(&&**text), "{index}: {text:?}");
        }
    }

    #[test]
    fn a_size_line_is_the_length_in_hexadecimal() {
        for len in [0, 1, 9, 10, 15, 16, 255, 256, 4095, 4096, 70_000] {
            let mut out = Vec::new();
            let head = write_chunk(&vec![b'x'; len], &mut out);
            let line = format!("{len:x}\r\n");
            assert_eq!(usize::from(head), line.len());
            assert!(out.starts_with(line.as_bytes()) && out.len() == line.len() + len + 2, "{len}");
        }
    }

    #[test]
    fn a_form_is_encoded_once_and_counted_while_it_lives() {
        let gauge = Gauge::default();
        let block = Block::new(Epoch::from_random(0), vec![event(1, "a")], vec![0], gauge.clone());
        assert_eq!(gauge.get(), 0, "nobody asked yet");
        let first = frame(&block, 0, CHUNKED);
        let again = frame(&block, 0, CHUNKED);
        assert_eq!(first.as_ptr(), again.as_ptr());
        assert_eq!(gauge.get(), first.len());
        frame(&block, 0, Format { form: Form::Ndjson, framing: Framing::Bare });
        assert!(gauge.get() > first.len());
        drop(block);
        assert_eq!(gauge.get(), 0);
    }
}
