//! An `http://` address, parsed once at the edge, and how topics and query values are written into it.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986 (section 2.3) are encoded: safe in a segment and in a query value.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a Tidings server listens that was started without any flag.
pub(crate) const LOCAL: &str = "http://localhost:3200";

/// An absolute `http://` URL without user or fragment. Always holds a host, and a path that begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    target: PathAndQuery,
}

/// Why a text is not a URL that can be used here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("https:// is not there yet: give an http:// address")]
    Https,
    #[error("only http:// addresses can be used, not {0}://")]
    Scheme(String),
    #[error("not an http:// address: it has no host, a user, or a character that must be percent-encoded")]
    Malformed,
}

impl Url {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What the request line names: `/topics/news?last=3`.
    pub(crate) fn request_target(&self) -> Uri {
        self.target.clone().into()
    }

    /// The value of `Host`: the port stands there unless it is 80.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            80 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// The same server, another path, behind the path that this address has: a server may stand below a prefix.
    pub(crate) fn at(&self, path_and_query: &str) -> Self {
        let prefix = self.target.path().trim_end_matches('/');
        let target =
            format!("{prefix}{path_and_query}").parse().expect("topic_path and query encode all that is not plain");
        Self { target, ..self.clone() }
    }

    /// Resolves the `Location` of a redirect (RFC 9110, 10.2.2).
    pub(crate) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let location = location.split('#').next().unwrap_or_default();
        let path = self.target.path();
        let absolute = match location {
            "" => return Err(UrlError::Malformed),
            _ if location.contains("://") => location.to_owned(),
            _ if location.starts_with("//") => format!("http:{location}"),
            _ if location.starts_with('/') => format!("http://{}{location}", self.authority()),
            _ if location.starts_with('?') => format!("http://{}{path}{location}", self.authority()),
            _ => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("http://{}{folder}/{location}", self.authority())
            }
        };
        absolute.parse()
    }
}

impl FromStr for Url {
    type Err = UrlError;

    /// `localhost:3200` is taken for `http://localhost:3200`, as curl takes it.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err(UrlError::Https),
            other => return Err(UrlError::Scheme(other.to_owned())),
        }
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| UrlError::Malformed)?;
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        // A password in a URL ends in logs and histories; nothing here would send it.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(UrlError::Malformed);
        }
        // `Authority` takes any text behind the colon and says `None` for what is no port.
        let port = match authority.as_str().len() - authority.host().len() {
            0 => 80,
            _ => authority.port_u16().ok_or(UrlError::Malformed)?,
        };
        let host = authority.host().to_owned();
        let target = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { host, port, target })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

/// `/topics/a/b%20c`: every segment percent-encoded exactly once, the slashes between them kept.
pub(crate) fn topic_path(topic: &str) -> String {
    let segments: Vec<String> = topic.split('/').map(encoded).collect();
    format!("/topics/{}", segments.join("/"))
}

/// `?a=1&b=x%20y`, or nothing where there are no pairs.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, UrlError>) {
        assert_eq!(text.parse::<Url>().map(|url| url.to_string()), expect.map(str::to_owned), "{text}");
    }

    #[test]
    fn what_is_a_url() {
        check("http://localhost:3200", Ok("http://localhost:3200/"));
        check("localhost:3200", Ok("http://localhost:3200/"));
        check("HTTP://[::1]:80/a?b=c#d", Ok("http://[::1]/a?b=c"));
        check("example.org?x=1", Ok("http://example.org/?x=1"));
        check("https://example.org", Err(UrlError::Https));
        check("ftp://example.org", Err(UrlError::Scheme("ftp".into())));
        for bad in
            ["", "http://", "http://a b", "http://user:word@host/", "http://host:x/", "http://host:70000/", "http:///x"]
        {
            check(bad, Err(UrlError::Malformed));
        }
    }

    #[test]
    fn where_a_redirect_leads() {
        let from: Url = "http://a:3200/x/y?z=1".parse().unwrap();
        for (location, expect) in [
            ("http://b/c", "http://b/c"),
            ("//b:81/c", "http://b:81/c"),
            ("/c?d#e", "http://a:3200/c?d"),
            ("c", "http://a:3200/x/c"),
            ("?d", "http://a:3200/x/y?d"),
        ] {
            assert_eq!(from.join(location).map(|url| url.to_string()), Ok(expect.to_owned()), "{location}");
        }
        assert_eq!(from.join("#e"), Err(UrlError::Malformed));
        assert_eq!(from.join("https://b/"), Err(UrlError::Https));
    }

    #[test]
    fn topics_are_encoded_once_and_slashes_kept() {
        assert_eq!(topic_path("news"), "/topics/news");
        assert_eq!(topic_path("a b/ü/%41"), "/topics/a%20b/%C3%BC/%2541");
        assert_eq!(query(&[]), "");
        assert_eq!(query(&[("topic", "a/*"), ("since", "1+2 m")]), "?topic=a%2F%2A&since=1%2B2%20m");
    }

    #[test]
    fn a_server_may_stand_below_a_prefix() {
        let server: Url = "http://a/push/".parse().unwrap();
        assert_eq!(server.at("/topics/news").to_string(), "http://a/push/topics/news");
        let server: Url = "http://a:3200".parse().unwrap();
        assert_eq!(server.at("/events?topic=x").to_string(), "http://a:3200/events?topic=x");
    }
}
