//! A request's path: which route it is, and which topic it names.
//!
//! A topic is percent-decoded exactly once, from the bytes as they came: `%2541` is the topic `%41`, and `%2F` is a slash like any
//! other. Decoding twice would give two names to one topic, and let a name past a check that another one fails.

use super::codes::Code;
use super::problem::Problem;
use percent_encoding::percent_decode_str;
use tidings_hub::{TopicError, TopicName};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/`: the page.
    Home,
    /// `/topics/…`: one topic, still encoded.
    Topic(&'a str),
    /// `/events`: several topics, and batches.
    Events,
    /// `/stream`: the demo's clock.
    Demo,
}

impl<'a> Route<'a> {
    /// The route of a path, if there is one.
    pub(super) fn of(path: &'a str, has_demo: bool) -> Option<Self> {
        match path {
            "/" => Some(Route::Home),
            "/events" => Some(Route::Events),
            "/stream" if has_demo => Some(Route::Demo),
            _ => path.strip_prefix("/topics/").map(Route::Topic),
        }
    }

    /// The methods it takes, as the `Allow` header lists them.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Route::Home | Route::Demo => "GET, HEAD, OPTIONS",
            Route::Topic(_) => "GET, HEAD, POST, DELETE, OPTIONS",
            Route::Events => "GET, HEAD, POST, OPTIONS",
        }
    }
}

/// The topic that stands in a path.
pub(super) fn topic(encoded: &str) -> Result<TopicName, Problem> {
    if !is_percent_encoded(encoded) {
        let detail = "a % that two hexadecimal digits do not follow: write %25 for a percent sign";
        return Err(Problem::new(Code::InvalidTopic, detail));
    }
    let decoded = percent_decode_str(encoded).decode_utf8().map_err(|_| {
        Problem::new(Code::InvalidTopic, "the topic is not UTF-8: percent-encode the bytes of its UTF-8 form")
    })?;
    TopicName::new(&decoded).map_err(|error| match error {
        TopicError::Star => Problem::new(
            Code::InvalidTopic,
            "a topic has no *: listen to a pattern with GET /events?topic=PATTERN; publish to one topic, or to several with POST /events",
        ),
        error => invalid_topic(error),
    })
}

/// Whether every `%` begins an escape. A decoder would let the others stand, and then two spellings would be one topic.
fn is_percent_encoded(text: &str) -> bool {
    let mut escapes = text.split('%').skip(1);
    escapes.all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

/// Why a text is no topic, as an answer.
pub(super) fn invalid_topic(error: TopicError) -> Problem {
    Problem::new(Code::InvalidTopic, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let cases = [
            ("/", Some(Route::Home)),
            ("/events", Some(Route::Events)),
            ("/stream", Some(Route::Demo)),
            ("/topics/a/b", Some(Route::Topic("a/b"))),
            ("/topics/", Some(Route::Topic(""))),
            ("/topics/%2F", Some(Route::Topic("%2F"))),
            ("/topics", None),
            ("/events/", None),
            ("/Events", None),
            ("//", None),
            ("*", None),
            ("/%74opics/a", None),
        ];
        for (path, expect) in cases {
            assert_eq!(Route::of(path, true), expect, "{path}");
        }
        assert_eq!(Route::of("/stream", false), None);
    }

    fn check(encoded: &str, expect: Result<&str, Code>) {
        let found = topic(encoded);
        let found = found.as_ref().map(TopicName::as_str).map_err(|problem| problem.code);
        assert_eq!(found, expect, "{encoded}");
    }

    #[test]
    fn topics_are_decoded_exactly_once() {
        check("news", Ok("news"));
        check("a/b", Ok("a/b"));
        check("a%2Fb", Ok("a/b"));
        check("%2541", Ok("%41"));
        check("a+b", Ok("a+b"));
        check("%E6%97%A5", Ok("日"));
        check("日", Ok("日"));
        check("100%25", Ok("100%"));
        check(&"x".repeat(1024), Ok(&"x".repeat(1024)));
    }

    #[test]
    fn what_is_no_topic() {
        let long = "%C3%A9".repeat(513);
        for bad in [
            "", "%2e%2e", "a/../b", "a//b", "a%2F", "%2Fa", "*", "a/%2A", "a%0Ab", "%00", "%7F", "%FF", "%C3", "100%",
            "%zz", "%4", &long,
        ] {
            check(bad, Err(Code::InvalidTopic));
        }
    }
}
