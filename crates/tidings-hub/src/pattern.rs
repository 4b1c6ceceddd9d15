//! A pattern: a topic in which `*` stands for one segment and `**` for any number of them.

use crate::topic::{TopicError, TopicName, check_segments};
use std::fmt;
use std::sync::Arc;

/// A topic with at least one `*` or `**` segment. `a/**` matches `a`, `a/b` and `a/b/c`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// What a topic may not have, a pattern may not have either.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// `*` inside a segment (`a*`), or three of them.
    #[error("in a pattern, * and ** stand for whole segments: news/* or news/**, not news*")]
    PartialStar,
    /// No star at all: then it is a topic.
    #[error("a pattern has a * or ** segment")]
    NoStar,
}

/// One segment of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Itself.
    Literal(&'a str),
    /// `*`: any one segment.
    One,
    /// `**`: any number of segments, none included.
    Any,
}

impl Pattern {
    /// Parses a pattern, already percent-decoded.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        check_segments(pattern)?;
        if !pattern.contains('*') {
            return Err(PatternError::NoStar);
        }
        if pattern.split('/').any(|s| s.contains('*') && s != "*" && s != "**") {
            return Err(PatternError::PartialStar);
        }
        Ok(Pattern(pattern.into()))
    }

    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.0.split('/').map(|s| match s {
            "*" => Segment::One,
            "**" => Segment::Any,
            literal => Segment::Literal(literal),
        })
    }

    /// Whether the topic matches. Linear in both with one `**` (the last star seen is the only one worth returning to);
    /// the shard asks its trie instead, this one serves pages and grants.
    pub fn matches(&self, topic: &TopicName) -> bool {
        let pattern: Vec<Segment<'_>> = self.segments().collect();
        let topic: Vec<&str> = topic.segments().collect();
        let (mut p, mut t) = (0, 0);
        // Where to go on when a literal fails: just behind the last `**`, one segment further each time.
        let mut retry: Option<(usize, usize)> = None;
        while t < topic.len() {
            match pattern.get(p) {
                Some(Segment::Any) => {
                    retry = Some((p + 1, t));
                    p += 1;
                    continue;
                }
                Some(Segment::One) => {
                    (p, t) = (p + 1, t + 1);
                    continue;
                }
                Some(Segment::Literal(literal)) if *literal == topic[t] => {
                    (p, t) = (p + 1, t + 1);
                    continue;
                }
                _ => {}
            }
            let Some((behind, from)) = retry else { return false };
            retry = Some((behind, from + 1));
            (p, t) = (behind, from + 1);
        }
        pattern[p..].iter().all(|s| *s == Segment::Any)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        let cases = [
            ("*", "a", true),
            ("*", "a/b", false),
            ("**", "a/b/c", true),
            ("a/*", "a/b", true),
            ("a/*", "a", false),
            ("a/**", "a", true),
            ("a/**", "a/b/c", true),
            ("a/**", "b/a", false),
            ("**/z", "a/b/z", true),
            ("**/z", "z", true),
            ("**/z", "z/a", false),
            ("a/**/z", "a/z", true),
            ("a/**/b/**/c", "a/x/b/y/b/z/c", true),
            ("a/**/b/*/c", "a/b/b/x/c", true),
            ("a/**/b/*/c", "a/b/c", false),
        ];
        for (pattern, topic, expect) in cases {
            let matches = Pattern::new(pattern).unwrap().matches(&TopicName::new(topic).unwrap());
            assert_eq!(matches, expect, "{pattern} ~ {topic}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        assert_eq!(Pattern::new("a"), Err(PatternError::NoStar));
        assert_eq!(Pattern::new("a*"), Err(PatternError::PartialStar));
        assert_eq!(Pattern::new("***"), Err(PatternError::PartialStar));
        assert_eq!(Pattern::new("a//*"), Err(PatternError::Topic(TopicError::EmptySegment)));
    }
}
