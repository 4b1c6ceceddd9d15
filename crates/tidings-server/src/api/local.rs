//! Local mode's checks: who talks to a server that serves its own machine without keys.
//!
//! Three ways lead from outside to a server that listens on loopback only: a web page whose host name was pointed at 127.0.0.1 (it
//! cannot change `Host`), a page of another origin (it cannot change `Origin`), and a proxy on this machine (it says so). Each is
//! refused by name, for reading too.

use super::codes::Code;
use super::problem::Problem;
use http::{HeaderMap, HeaderName, Request, Uri, Version, header};

/// Headers by which a proxy says that a request is not its own.
const PROXY_HEADERS: [HeaderName; 3] = [header::FORWARDED, HeaderName::from_static("x-forwarded-for"), header::VIA];

/// Whether a request is this machine's own: first where it was meant to go, then how it came.
pub(super) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if !is_for_localhost(version, uri, headers) {
        return Err(Code::Misdirected.into());
    }
    if PROXY_HEADERS.iter().any(|name| headers.contains_key(name)) {
        return Err(Code::ProxiedAnonymous.into());
    }
    Ok(())
}

/// Whether a request was meant for this machine under its own names. Of HTTP/1.0 without a `Host` nothing is known: no.
pub(super) fn is_local_host<B>(request: &Request<B>) -> bool {
    is_for_localhost(request.version(), request.uri(), request.headers())
}

fn is_for_localhost(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    // A request line may name the host too (as to a proxy); servers differ over which one counts, so both must be right.
    let in_line = uri.authority().map(|authority| is_local_authority(authority.as_str()));
    let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().is_ok_and(is_local_authority));
    match (hosts.next(), hosts.next()) {
        (Some(is_local), None) => is_local && in_line != Some(false),
        // In HTTP/2 `:authority` takes its place (RFC 9113, 8.3.1).
        (None, _) => version == Version::HTTP_2 && in_line == Some(true),
        (Some(_), Some(_)) => false,
    }
}

/// `localhost`, `127.0.0.1` or `[::1]`, with any port or none.
pub(super) fn is_local_authority(authority: &str) -> bool {
    // An IPv6 address has colons of its own, within brackets.
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => (&authority[..colon], Some(&authority[colon + 1..])),
        _ => (authority, None),
    };
    let is_port = port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|c| c.is_ascii_digit()));
    is_port && (host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_authorities() {
        for good in ["localhost", "LocalHost:3200", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535"] {
            assert!(is_local_authority(good), "{good}");
        }
        for bad in [
            "",
            ":",
            "localhost:",
            "localhost:x",
            "localhost:123456",
            "localhost.",
            "localhost.evil.example",
            "evil.example:3200",
            "a@localhost",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x",
            "[::]",
            "0.0.0.0",
            "localhost:3200:3200",
        ] {
            assert!(!is_local_authority(bad), "{bad}");
        }
    }

    fn check_request(uri: &str, headers: &[(&str, &str)], expect: Result<(), Code>) {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let found = check(request.version(), request.uri(), request.headers()).map_err(|problem| problem.code);
        assert_eq!(found, expect, "{uri} {headers:?}");
        assert_eq!(is_local_host(&request), found != Err(Code::Misdirected));
    }

    #[test]
    fn hosts_come_first_then_proxies() {
        check_request("/", &[("host", "localhost:3200")], Ok(()));
        check_request("/", &[], Err(Code::Misdirected));
        check_request("/", &[("host", "evil.example")], Err(Code::Misdirected));
        check_request("/", &[("host", "localhost"), ("host", "localhost")], Err(Code::Misdirected));
        check_request("http://localhost/", &[("host", "localhost")], Ok(()));
        check_request("http://evil.example/", &[("host", "localhost")], Err(Code::Misdirected));
        check_request("http://localhost/", &[("host", "evil.example")], Err(Code::Misdirected));
        for name in PROXY_HEADERS {
            check_request("/", &[("host", "localhost"), (name.as_str(), "")], Err(Code::ProxiedAnonymous));
            check_request("/", &[("host", "evil.example"), (name.as_str(), "1.1 x")], Err(Code::Misdirected));
        }
    }

    #[test]
    fn the_refusal_of_proxies_says_how_keys_will_be_made() {
        let detail = Problem::from(Code::ProxiedAnonymous).detail;
        assert!(detail.contains("tidings token") && detail.contains("--auth-key-file"), "{detail}");
    }
}
