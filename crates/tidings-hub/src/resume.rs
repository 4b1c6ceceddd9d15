//! Where a subscription starts, and what it is told when that place is gone.

use crate::{EventId, UnixMillis};

/// Where to start reading. Subscribing takes this, never a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResumePoint {
    /// At the head: only what comes from now on.
    Live,
    /// Behind the event with this id.
    After(EventId),
    /// The client named a place that is no id of ours: the newest [`UNKNOWN_EVENTS_MAX`] events, and a gap that says so.
    Unknown {
        /// What it sent, cut to [`EventId::BYTES_MAX`] bytes.
        requested: Box<str>,
    },
    /// At the first event taken at this time or later.
    Since(UnixMillis),
    /// At the oldest event kept.
    All,
    /// The newest `n` events of the whole selection, then on.
    Last(u32),
    /// The newest event of each exact topic, then on.
    LastEach,
}

/// How many events a client gets whose position means nothing here: enough to redraw a page, too few to be a flood when
/// all of them return after a new history began.
pub const UNKNOWN_EVENTS_MAX: u32 = 1_000;

impl ResumePoint {
    /// The point a client names by an id, of whatever content: no value is an error.
    pub fn from_client_id(text: &str) -> Self {
        match text.parse() {
            Ok(id) => ResumePoint::After(id),
            Err(_) => ResumePoint::unknown(text),
        }
    }

    /// A place that means nothing here.
    pub fn unknown(requested: &str) -> Self {
        let mut end = requested.len().min(EventId::BYTES_MAX);
        while !requested.is_char_boundary(end) {
            end -= 1;
        }
        ResumePoint::Unknown { requested: requested[..end].into() }
    }
}

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Events after the requested place are no longer kept.
    Expired,
    /// The requested place is not one of this history.
    Unknown,
    /// A reader of a memory-only topic fell behind the tail.
    Lagged,
}

impl GapReason {
    /// The reason on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            GapReason::Expired => "expired",
            GapReason::Unknown => "unknown",
            GapReason::Lagged => "lagged",
        }
    }
}

/// What a subscriber is told instead of the events it will not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The place it asked for, if it named one.
    pub requested: Option<Box<str>>,
    /// The position just before the first event that follows.
    pub resumed: EventId,
    /// Why.
    pub reason: GapReason,
    /// Whether events are kept before `resumed` that are left out all the same.
    pub truncated: bool,
    /// How many were lost, where it is known (`lagged`).
    pub lost: Option<u64>,
}

impl Gap {
    /// The data of `tidings.gap`, and of `"gap"` in a page.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        use crate::json::{field, string};
        out.extend_from_slice(b"{\"requested\":");
        match &self.requested {
            Some(requested) => string(requested, out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
        field("resumed", &self.resumed.to_string(), out);
        out.push(b',');
        field("reason", self.reason.as_str(), out);
        out.extend_from_slice(format!(",\"truncated\":{}", self.truncated).as_bytes());
        if let Some(lost) = self.lost {
            out.extend_from_slice(format!(",\"lost\":{lost}").as_bytes());
        }
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_request_is_cut_at_a_character() {
        let long = "é".repeat(100);
        let ResumePoint::Unknown { requested } = ResumePoint::from_client_id(&long) else { panic!("no id") };
        assert_eq!(requested.len(), 128);
    }
}
