//! An event to be published, said in plain strings.

use std::time::Duration;
use tidings_hub::{Content, UnixMillis};

/// An event to be published.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its topics, the first its own.
    pub topics: Vec<String>,
    /// Its type, if not `message`.
    pub event_type: Option<String>,
    /// Bytes of padding behind the label in its data.
    pub padding: usize,
    /// Whether it is stored.
    pub durable: bool,
    /// Whether its data is binary.
    pub binary: bool,
    /// After how long it is worthless, if it ever is.
    pub time_to_live: Option<Duration>,
}

impl Draft {
    /// A short stored text event of one topic.
    pub fn to(topic: &str) -> Self {
        Draft {
            topics: vec![topic.into()],
            event_type: None,
            padding: 0,
            durable: true,
            binary: false,
            time_to_live: None,
        }
    }

    /// The same, to further topics.
    #[must_use]
    pub fn and_to(mut self, topics: &[&str]) -> Self {
        self.topics.extend(topics.iter().map(ToString::to_string));
        self
    }

    /// The same, of a type.
    #[must_use]
    pub fn of_type(mut self, event_type: &str) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// The same with so many bytes of padding.
    #[must_use]
    pub fn padded(mut self, bytes: usize) -> Self {
        self.padding = bytes;
        self
    }

    /// The same, worthless after so long.
    #[must_use]
    pub fn living(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// When it expires, if it is published at `time`.
    pub(super) fn expires(&self, time: UnixMillis) -> Option<UnixMillis> {
        let millis = self.time_to_live?.as_millis();
        Some(UnixMillis(time.0 + i64::try_from(millis).expect("a test lasts no age")))
    }

    /// The same, in memory only.
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.durable = false;
        self
    }

    /// The data: the event's place in the order, by which readers name it, then lines of padding.
    pub(super) fn content(&self, place: usize) -> Content {
        let mut text = place.to_string();
        text.push('\n');
        // A newline now and then, so that frames have several lines of data.
        text.extend((0..self.padding).map(|i| if i % 61 == 60 { '\n' } else { 'x' }));
        if self.binary {
            Content::Binary { content_type: "application/x-test".into(), bytes: text.into_bytes().into() }
        } else {
            Content::text(&text)
        }
    }
}
