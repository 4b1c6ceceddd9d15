//! Control events: what the server says on a stream about the stream itself. They pass every filter.
//!
//! Each is written in the form its subscription reads: a block of `text/event-stream` whose type begins with `tidings.`, or an
//! NDJSON line `{"control":…}`. They differ from one subscriber to the next, so they are never shared, and there are few.

use crate::block::write_chunk;
use crate::json::field;
use crate::{EndReason, EventId, Form, Format, Framing, Gap};
use bytes::Bytes;
use tidings_wire::{EventType, Frame, HEARTBEAT, Retry, encode_comment, encode_retry};

/// The prefix of the types that are the server's own; publishers may not use it.
pub const CONTROL_PREFIX: &str = "tidings.";

/// Something the server says.
#[derive(Clone, Debug)]
pub(crate) enum Control<'a> {
    /// The stream starts: behind this id, for those who return before their first event.
    Open { retry: Retry, id: EventId },
    /// Events are missing here.
    Gap(&'a Gap),
    /// Nothing for you up to here.
    Checkpoint(EventId),
    /// The connection lives.
    Heartbeat,
    /// The stream ends; come back after `retry`.
    End { reason: EndReason, retry: Retry },
}

impl Control<'_> {
    /// The bytes, in the format the subscription reads.
    pub(crate) fn encode(&self, format: Format) -> Bytes {
        let mut frame = Vec::with_capacity(96);
        match format.form {
            Form::Sse | Form::Enveloped => self.encode_sse(&mut frame),
            Form::Ndjson => self.encode_line(&mut frame),
        }
        match format.framing {
            Framing::Bare => frame.into(),
            Framing::Chunked => {
                let mut chunk = Vec::with_capacity(frame.len() + 8);
                write_chunk(&frame, &mut chunk);
                chunk.into()
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Control::Open { .. } => "tidings.open",
            Control::Gap(_) => "tidings.gap",
            Control::Checkpoint(_) => "tidings.checkpoint",
            Control::Heartbeat => "tidings.heartbeat",
            Control::End { .. } => "tidings.end",
        }
    }

    fn id(&self) -> Option<EventId> {
        match self {
            Control::Open { id, .. } | Control::Checkpoint(id) => Some(*id),
            Control::Gap(gap) => Some(gap.resumed),
            Control::Heartbeat | Control::End { .. } => None,
        }
    }

    fn write_data(&self, out: &mut Vec<u8>) {
        match self {
            Control::Gap(gap) => gap.write_json(out),
            Control::End { reason, retry } => {
                out.push(b'{');
                field("reason", reason.row().name, out);
                out.extend_from_slice(format!(",\"retry\":{}}}", retry.millis()).as_bytes());
            }
            Control::Open { retry, .. } => {
                out.extend_from_slice(format!("{{\"retry\":{}}}", retry.millis()).as_bytes());
            }
            Control::Checkpoint(_) | Control::Heartbeat => out.extend_from_slice(b"{}"),
        }
    }

    fn encode_sse(&self, out: &mut Vec<u8>) {
        match self {
            Control::Heartbeat => return out.extend_from_slice(HEARTBEAT),
            // The comment makes Safari open at once, and proxies that wait for a first byte pass the head on.
            Control::Open { retry, .. } => {
                encode_retry(*retry, out);
                encode_comment("ok", out);
            }
            Control::End { retry, .. } => encode_retry(*retry, out),
            Control::Gap(_) | Control::Checkpoint(_) => {}
        }
        let mut data = Vec::new();
        self.write_data(&mut data);
        let event = EventType::new(self.name()).expect("a control event's name has no CR, LF or NUL");
        let id = self.id().map(EventId::to_wire);
        // An id always comes with data: Firefox and WebKit ignore the id of a block without (sse-facts P25).
        let data = std::str::from_utf8(&data).expect("JSON is UTF-8");
        Frame { event: Some(&event), id: id.as_ref(), data }.encode(out);
    }

    fn encode_line(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        field("control", self.name(), out);
        if let Some(id) = self.id() {
            out.push(b',');
            field("id", &id.to_string(), out);
        }
        out.extend_from_slice(b",\"data\":");
        self.write_data(out);
        out.extend_from_slice(b"}\n");
    }
}

/// The whole body of a stream that ends as it begins: for a server that takes no more subscribers and will not answer 503,
/// after which no `EventSource` returns.
pub fn refusal(format: Format, reason: EndReason, retry: Retry) -> Bytes {
    Control::End { reason, retry }.encode(format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, GapReason, Seq};

    const SSE: Format = Format { form: Form::Sse, framing: Framing::Bare };
    const NDJSON: Format = Format { form: Form::Ndjson, framing: Framing::Chunked };

    fn id(seq: u64) -> EventId {
        EventId { epoch: Epoch::from_random(0), seq: Seq(seq) }
    }

    #[test]
    fn what_opens_a_stream() {
        let open = Control::Open { retry: Retry::from_millis(1500), id: id(7) };
        assert_eq!(
            open.encode(SSE),
            "retry: 1500\n: ok\n\nevent: tidings.open\nid: 00000000.7\ndata: {\"retry\":1500}\n\n"
        );
        assert_eq!(
            open.encode(NDJSON),
            "43\r\n{\"control\":\"tidings.open\",\"id\":\"00000000.7\",\"data\":{\"retry\":1500}}\n\r\n"
        );
    }

    #[test]
    fn what_ends_one_bears_no_id() {
        let end = Control::End { reason: EndReason::Drain, retry: Retry::from_millis(2000) };
        assert_eq!(end.encode(SSE), "retry: 2000\nevent: tidings.end\ndata: {\"reason\":\"drain\",\"retry\":2000}\n\n");
    }

    #[test]
    fn a_gap_says_what_was_asked_for() {
        let gap = Gap {
            requested: Some("x\"y".into()),
            resumed: id(3),
            reason: GapReason::Unknown,
            truncated: true,
            lost: None,
        };
        assert_eq!(
            Control::Gap(&gap).encode(SSE),
            "event: tidings.gap\nid: 00000000.3\ndata: {\"requested\":\"x\\\"y\",\"resumed\":\"00000000.3\",\"reason\":\"unknown\",\"truncated\":true}\n\n"
        );
    }
}
