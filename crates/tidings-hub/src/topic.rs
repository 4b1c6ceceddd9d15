//! A topic's name: parsed once at the edge, compared as bytes, cheap to share.

use std::fmt;
use std::sync::Arc;

/// A named sequence of events. One to [`TopicName::BYTES_MAX`] bytes of UTF-8; segments between `/`, none of them empty,
/// `.` or `..`; no control characters, no `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Why a text is no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Zero bytes.
    #[error("a topic needs at least one character")]
    Empty,
    /// Longer than [`TopicName::BYTES_MAX`].
    #[error("a topic has at most 1024 bytes; this one has {0}")]
    TooLong(usize),
    /// `a//b`, `/a`, `a/`.
    #[error("a topic has no empty segment: write a/b, not /a, a/ or a//b")]
    EmptySegment,
    /// A segment is `.` or `..`: proxies and browsers would rewrite the path.
    #[error("a topic has no segment . or ..: proxies and browsers rewrite such paths")]
    DotSegment,
    /// A control character, CR, LF and NUL among them.
    #[error("a topic has no control characters (U+{0:04X} found)")]
    Control(u32),
    /// `*` is for patterns.
    #[error("a topic has no *: that is for patterns, and a pattern cannot be published to")]
    Star,
}

impl TopicName {
    /// The longest name, in bytes: a name stands in URLs, whose heads are bounded at 16 KiB.
    pub const BYTES_MAX: usize = 1024;

    /// The first segment that is the server's own.
    pub const RESERVED: &str = "tidings";

    /// Parses a name, already percent-decoded.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        Self::try_from(Arc::from(name))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text to be shared: by those who keep many events of one topic.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The segments, in order; at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether the topic is the server's own: nobody else publishes to it.
    pub fn is_reserved(&self) -> bool {
        self.segments().next() == Some(Self::RESERVED)
    }
}

impl TryFrom<Arc<str>> for TopicName {
    type Error = TopicError;

    /// As [`TopicName::new`], without a copy of the text.
    fn try_from(name: Arc<str>) -> Result<Self, TopicError> {
        if name.contains('*') {
            return Err(TopicError::Star);
        }
        check_segments(&name)?;
        Ok(TopicName(name))
    }
}

/// What topics and patterns have in common.
pub(crate) fn check_segments(name: &str) -> Result<(), TopicError> {
    if name.is_empty() {
        return Err(TopicError::Empty);
    }
    if name.len() > TopicName::BYTES_MAX {
        return Err(TopicError::TooLong(name.len()));
    }
    if let Some(control) = name.chars().find(|c| c.is_control()) {
        return Err(TopicError::Control(control.into()));
    }
    for segment in name.split('/') {
        match segment {
            "" => return Err(TopicError::EmptySegment),
            "." | ".." => return Err(TopicError::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicName({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "news", "a/b/c", "%41", "日本/語", "a b", ".a", "...", &"x".repeat(1024)] {
            assert!(TopicName::new(good).is_ok(), "{good:?}");
        }
        let cases = [
            ("", TopicError::Empty),
            ("/", TopicError::EmptySegment),
            ("a//b", TopicError::EmptySegment),
            ("a/", TopicError::EmptySegment),
            ("..", TopicError::DotSegment),
            ("a/./b", TopicError::DotSegment),
            ("a*", TopicError::Star),
            ("a\nb", TopicError::Control(10)),
            ("a\u{85}", TopicError::Control(0x85)),
        ];
        for (bad, error) in cases {
            assert_eq!(TopicName::new(bad), Err(error), "{bad:?}");
        }
        assert_eq!(TopicName::new(&"x".repeat(1025)), Err(TopicError::TooLong(1025)));
    }

    #[test]
    fn the_first_segment_reserves() {
        assert!(TopicName::new("tidings/stats").unwrap().is_reserved());
        assert!(TopicName::new("tidings").unwrap().is_reserved());
        assert!(!TopicName::new("tidingsx").unwrap().is_reserved());
        assert!(!TopicName::new("a/tidings").unwrap().is_reserved());
    }
}
