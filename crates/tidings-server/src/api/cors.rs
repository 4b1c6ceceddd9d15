//! Cross-origin rules: decided before everything else, and put on every answer, so that a page can read why it was refused.
//!
//! An allowed origin is answered by name and with credentials, never with `*`: an `EventSource` with credentials fails on `*`, and
//! does not come back. Everything says `vary: origin`, since another origin gets another answer.

use super::codes::Code;
use super::problem::Problem;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// Request headers that a page may set.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Accept, Cache-Control, Last-Event-ID, Event-Type, Event-TTL, Idempotency-Key",
);
/// Answer headers that a page may read beyond the usual ones.
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static("Tidings-Gap, Retry-After");
/// How long a browser may remember a preflight, in seconds: Chromium's own bound.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// An allowed origin that no browser would send: it can never match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin such as https://app.example or http://127.0.0.1:8080")]
pub struct BadOrigin(pub String);

/// Whether all of them are origins as a browser would send them.
///
/// # Errors
/// The first that is none.
pub fn check_origins(allowed: &[String]) -> Result<(), BadOrigin> {
    Cors::new(allowed).map(drop)
}

/// Whose pages may use the server.
#[derive(Clone, Debug)]
pub(super) struct Cors {
    /// Beside those of this machine. As browsers write them.
    allowed: Box<[HeaderValue]>,
}

/// What is known of a request's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// None was sent: no page, or a page's own origin.
    None,
    /// A page that may use the server.
    Allowed(HeaderValue),
    /// A page that may not.
    Refused,
}

impl Cors {
    /// The rules, with the origins the operator allows.
    pub(super) fn new(allowed: &[String]) -> Result<Self, BadOrigin> {
        let parse = |text: &String| as_browsers_write(text).ok_or_else(|| BadOrigin(text.clone()));
        Ok(Cors { allowed: allowed.iter().map(parse).collect::<Result<_, _>>()? })
    }

    /// Looks at a request's `Origin`. `null`, which sandboxed and `file:` pages send, is never allowed.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Origin {
        let mut sent = headers.get_all(header::ORIGIN).iter();
        match (sent.next(), sent.next()) {
            (None, _) => Origin::None,
            (Some(origin), None) if self.allowed.contains(origin) || is_loopback(origin) => {
                Origin::Allowed(origin.clone())
            }
            // Two of them are no browser's doing.
            (Some(_), _) => Origin::Refused,
        }
    }
}

impl Origin {
    /// Marks an answer.
    pub(super) fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Origin::Allowed(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
        }
    }

    /// Adds what a preflight asks for: what may be sent to a path that takes `methods`.
    pub(super) fn put_preflight_on(&self, methods: &'static str, headers: &mut HeaderMap) {
        if matches!(self, Origin::Allowed(_)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }

    /// Whether the request may go on: a page of another origin may not, nor a request that a browser calls cross-site although it
    /// names no origin (an image, a link, a script).
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let refused = match self {
            Origin::Allowed(_) => false,
            Origin::Refused => true,
            Origin::None => headers.get_all(SEC_FETCH_SITE).iter().any(|site| site == "cross-site"),
        };
        if refused { Err(Code::OriginRefused.into()) } else { Ok(()) }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An origin as a browser writes it: scheme and host in lower case, no path, no default port.
fn as_browsers_write(text: &str) -> Option<HeaderValue> {
    let (scheme, authority) = text.split_once("://")?;
    let is_name = |c: u8| c.is_ascii_alphanumeric() || b"+-.".contains(&c);
    let uri: Uri = text.parse().ok()?;
    // `Uri` takes a path, a query and a user for granted: none of them stands in an origin.
    let plain = uri.authority()?.as_str() == authority && !authority.contains('@') && !authority.ends_with(':');
    if !plain || scheme.is_empty() || !scheme.bytes().all(is_name) {
        return None;
    }
    let mut origin = text.to_ascii_lowercase();
    for (scheme, port) in [("http://", ":80"), ("https://", ":443")] {
        if origin.starts_with(scheme) && origin.ends_with(port) {
            origin.truncate(origin.len() - port.len());
        }
    }
    HeaderValue::from_str(&origin).ok()
}

/// A page of this machine, on any port.
fn is_loopback(origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(super::local::is_local_authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    fn origin(sent: &str) -> Origin {
        let allowed = ["https://app.example".to_owned(), "https://B.example:443".to_owned()];
        Cors::new(&allowed).unwrap().origin(&headers(&[("origin", sent)]))
    }

    #[test]
    fn who_is_allowed() {
        for good in [
            "http://localhost",
            "http://localhost:5500",
            "https://localhost:8443",
            "http://127.0.0.1:5500",
            "http://[::1]:3200",
            "https://app.example",
            "https://b.example",
        ] {
            assert_eq!(origin(good), Origin::Allowed(HeaderValue::from_str(good).unwrap()), "{good}");
        }
        for bad in [
            "null",
            "",
            "*",
            "http://evil.example",
            "http://localhost.evil.example",
            "http://localhost:5500.evil.example",
            "http://evil.example/localhost",
            "http://localhost@evil.example",
            "http://127.0.0.1.evil.example",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example/",
            "ftp://localhost",
            "localhost",
        ] {
            assert_eq!(origin(bad), Origin::Refused, "{bad}");
        }
    }

    #[test]
    fn two_origins_are_none_of_ours() {
        let mut headers = headers(&[("origin", "http://localhost")]);
        headers.append(header::ORIGIN, HeaderValue::from_static("http://evil.example"));
        assert_eq!(Cors::new(&[]).unwrap().origin(&headers), Origin::Refused);
    }

    #[test]
    fn cross_site_without_an_origin_is_refused() {
        let cases = [
            (&[][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            // The demo's page on 127.0.0.1 is another site than localhost: its origin says who it is.
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:5500")], true),
            (&[("origin", "null")], false),
        ];
        for (pairs, expect) in cases {
            let headers = headers(pairs);
            let allowed = Cors::new(&[]).unwrap().origin(&headers).check(&headers);
            assert_eq!(allowed.is_ok(), expect, "{pairs:?}");
        }
    }

    #[test]
    fn answers_name_the_origin_and_nobody_else_is_told_anything() {
        let mut answer = HeaderMap::new();
        origin("http://localhost:1").put_on(&mut answer);
        origin("http://localhost:1").put_preflight_on("GET", &mut answer);
        let expect = headers(&[
            ("vary", "origin"),
            ("access-control-allow-origin", "http://localhost:1"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "Tidings-Gap, Retry-After"),
            ("access-control-allow-methods", "GET"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type, Accept, Cache-Control, Last-Event-ID, Event-Type, Event-TTL, Idempotency-Key",
            ),
            ("access-control-max-age", "7200"),
        ]);
        assert_eq!(answer, expect);
        for other in [Origin::None, Origin::Refused] {
            let mut answer = HeaderMap::new();
            other.put_on(&mut answer);
            other.put_preflight_on("GET", &mut answer);
            assert_eq!(answer, headers(&[("vary", "origin")]));
        }
    }

    #[test]
    fn what_the_operator_may_write() {
        for (text, expect) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443", "https://app.example"),
            ("http://a:80", "http://a"),
            ("http://a:8080", "http://a:8080"),
            ("http://[::1]:1", "http://[::1]:1"),
            ("chrome-extension://abc", "chrome-extension://abc"),
        ] {
            assert_eq!(as_browsers_write(text).unwrap(), expect, "{text}");
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:",
            "://a",
        ] {
            assert_eq!(Cors::new(&[bad.to_owned()]).unwrap_err(), BadOrigin(bad.to_owned()));
        }
    }
}
