//! An address with a place in it for the topic, and a header line, as they stand on the command line.

use std::fmt;
use std::str::FromStr;

use hyper::header::{HeaderName, HeaderValue};

use crate::url::{Url, UrlError};

/// What a topic's name stands in the place of.
const TOPIC: &str = "{topic}";

/// An `http://` address that may hold `{topic}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(String);

impl Template {
    pub(super) fn names_topic(&self) -> bool {
        self.0.contains(TOPIC)
    }

    /// The address of one topic, whose name is letters, digits, `-` and `/`.
    pub(super) fn url(&self, topic: &str) -> Url {
        fill(&self.0, topic).parse().expect("an address that one plain name fits fits others")
    }
}

impl FromStr for Template {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = fill(text, "x").parse::<Url>()?;
        // A place that nobody fills was meant for something.
        if url.to_string().contains(['{', '}']) {
            return Err(UrlError::Malformed);
        }
        Ok(Self(text.to_owned()))
    }
}

/// `text` with the topic's name for `{topic}`.
pub(super) fn fill(text: &str, topic: &str) -> String {
    text.replace(TOPIC, topic)
}

/// A header line to send. It may hold a secret, so it never shows its value.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HeaderLine {
    name: HeaderName,
    value: HeaderValue,
}

/// What the bench says itself, and must be right about.
const OWN: [&str; 5] = ["connection", "content-length", "expect", "host", "transfer-encoding"];

/// Why a text is no header line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("a header is written as 'Name: value'")]
    Malformed,
    #[error("{0} is not yours to set: the bench sends its own")]
    Own(HeaderName),
}

impl HeaderLine {
    /// Lower case.
    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn value(&self) -> &[u8] {
        self.value.as_bytes()
    }
}

impl FromStr for HeaderLine {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').ok_or(HeaderError::Malformed)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| HeaderError::Malformed)?;
        let value = HeaderValue::try_from(value.trim()).map_err(|_| HeaderError::Malformed)?;
        if OWN.contains(&name.as_str()) {
            return Err(HeaderError::Own(name));
        }
        Ok(Self { name, value })
    }
}

impl fmt::Debug for HeaderLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_takes_its_place() {
        let template: Template = "host:81/sub/{topic}?from={topic}".parse().unwrap();
        assert!(template.names_topic());
        assert_eq!(template.url("a/b").to_string(), "http://host:81/sub/a/b?from=a/b");
        let fixed: Template = "http://host/stream".parse().unwrap();
        assert!(!fixed.names_topic());
        assert_eq!(fixed.url("a").to_string(), "http://host/stream");
    }

    #[test]
    fn what_is_no_template() {
        assert_eq!("https://host/{topic}".parse::<Template>(), Err(UrlError::Https));
        assert_eq!("http://host/{other}".parse::<Template>(), Err(UrlError::Malformed));
    }

    #[test]
    fn what_is_a_header_line() {
        let line: HeaderLine = "Authorization: Bearer a:b".parse().unwrap();
        assert_eq!((line.name(), line.value()), ("authorization", &b"Bearer a:b"[..]));
        assert_eq!(format!("{line:?}"), "authorization: ***");
        for bad in ["", "no colon", ": x", "a b: x", "a: x\r\nb: y"] {
            assert_eq!(bad.parse::<HeaderLine>(), Err(HeaderError::Malformed), "{bad:?}");
        }
        assert!(matches!("Host: x".parse::<HeaderLine>(), Err(HeaderError::Own(_))));
    }
}
