//! Digests: what is kept of a key and of the event it was used for. Neither can be read back from them.
//!
//! 16 bytes of SHA-256 each. Two keys that collide would have to be found by 2^64 tries, and then confuse only the one who found
//! them: the subject is part of the key.

use sha2::{Digest, Sha256};
use tidings_hub::{Content, TopicName, Topics};
use tidings_wire::EventType;

/// Whose key, on which topic, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyDigest([u8; 16]);

/// What was published with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyDigest([u8; 16]);

impl KeyDigest {
    /// The digest of a subject's key on a topic.
    pub(crate) fn new(subject: &str, topic: &TopicName, key: &[u8]) -> Self {
        KeyDigest(digest([subject.as_bytes(), topic.as_str().as_bytes(), key]))
    }

    /// The digest that was kept as these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        KeyDigest(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl BodyDigest {
    /// The digest of an event as it was sent.
    pub(crate) fn new(topics: &Topics, event_type: Option<&EventType>, content: &Content) -> Self {
        let kind: &[u8] = match content {
            Content::Text { .. } => b"text",
            Content::Binary { .. } => b"binary",
        };
        let fields = [
            kind,
            event_type.map_or("message", EventType::as_str).as_bytes(),
            content.content_type().unwrap_or_default().as_bytes(),
            content.bytes(),
        ];
        BodyDigest(digest(fields.into_iter().chain(topics.iter().map(|topic| topic.as_str().as_bytes()))))
    }

    /// The digest that was kept as these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        BodyDigest(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Each field behind its length, so that no two lists of fields are the same bytes.
fn digest<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_sent_counts() {
        let topic = |name: &str| TopicName::new(name).unwrap();
        let text = |content_type: Option<&str>, text: &str| Content::Text {
            content_type: content_type.map(Into::into),
            text: text.into(),
        };
        let a: Topics = topic("a").into();
        let ab = Topics::new(vec![topic("a"), topic("b")]).unwrap();
        let up = EventType::new("up").unwrap();
        let binary = Content::Binary { content_type: "text/plain".into(), bytes: (*b"x").into() };
        let bodies = [
            BodyDigest::new(&a, None, &text(None, "x")),
            BodyDigest::new(&a, None, &text(None, "y")),
            BodyDigest::new(&a, None, &text(Some("text/plain"), "x")),
            BodyDigest::new(&a, None, &binary),
            BodyDigest::new(&a, Some(&up), &text(None, "x")),
            BodyDigest::new(&ab, None, &text(None, "x")),
        ];
        for (i, body) in bodies.iter().enumerate() {
            assert!(!bodies[..i].contains(body), "{i}");
        }
        assert_eq!(bodies[0], BodyDigest::new(&a, Some(&EventType::message()), &text(None, "x")));
    }

    #[test]
    fn keys_are_a_subjects_on_a_topic() {
        let topic = |name: &str| TopicName::new(name).unwrap();
        let key = KeyDigest::new("ab", &topic("c"), b"d");
        assert_eq!(key, KeyDigest::new("ab", &topic("c"), b"d"));
        for other in [("a", "bc", "d"), ("abc", "x", "d"), ("ab", "cd", ""), ("ab", "c", "dd")] {
            assert_ne!(key, KeyDigest::new(other.0, &topic(other.1), other.2.as_bytes()));
        }
    }
}
