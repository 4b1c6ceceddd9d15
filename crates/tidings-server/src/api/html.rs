//! The page a person gets: one file with its script and style inside, under a policy that runs exactly those two.

use super::ApiBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Response, header};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The page as it stands in the tree.
const PAGE: &str = include_str!("../demo/index.html");

/// What the page may do: run its own script and style, talk to its own server, show images it was sent as `data:`. Whatever an event
/// smuggles into it can do nothing, nor can another page frame it.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'",
        hash_of(PAGE, "<script>", "</script>"),
        hash_of(PAGE, "<style>", "</style>"),
    );
    HeaderValue::from_str(&policy).expect("base64 and words can stand in a header")
});

/// Answers with the page.
pub(super) fn page() -> Response<ApiBody> {
    let mut response = Response::new(ApiBody::whole(PAGE));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The hash by which a policy allows what stands between two tags, of which the page has one pair.
fn hash_of(page: &str, open: &str, close: &str) -> String {
    let inside = page.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(inside, _)| inside);
    let inside = inside.expect("the page has one script and one style");
    format!("sha256-{}", STANDARD.encode(Sha256::digest(inside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_what_stands_between_the_tags() {
        // sha256 of "abc", as FIPS 180-2 gives it.
        assert_eq!(hash_of("x<a>abc</a>y", "<a>", "</a>"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn the_page_has_one_script_and_one_style_and_nothing_inline() {
        for tag in ["<script", "<style"] {
            assert_eq!(PAGE.matches(tag).count(), 1, "{tag}: the policy allows one");
        }
        // The policy would stop these, and the page would be broken without a word.
        for inline in [" style=", " onclick=", " onsubmit=", " oninput=", " onload="] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        let response = page();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'sha256-") && policy.contains("style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
