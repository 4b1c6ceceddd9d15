//! Which form a reader wants, by its `Accept` header. A stream is never refused with 406: where nothing fits, it is a stream.

use http::{HeaderMap, header};

/// The forms in which a subscription can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `text/event-stream`, the default.
    EventStream,
    /// `application/x-ndjson`: the same as JSON lines.
    Ndjson,
    /// `application/json`: a page of history.
    Page,
    /// `text/html`: a person's browser.
    Html,
}

/// The form that `Accept` asks for: of those we have, the one with the highest quality; of equals, the one named exactly, then the
/// one named first. A browser that navigates names `text/html` first.
pub(super) fn reply(headers: &HeaderMap) -> Reply {
    let mut best: Option<(Reply, Rank)> = None;
    // What is not ASCII names no type of ours: such a header is passed over.
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in accepts.flat_map(|value| value.split(',')) {
        let Some((reply, rank)) = parse(range) else { continue };
        if best.is_none_or(|(_, highest)| rank > highest) {
            best = Some((reply, rank));
        }
    }
    best.map_or(Reply::EventStream, |(reply, _)| reply)
}

/// Quality in thousandths, then whether the type was named exactly.
type Rank = (u16, bool);

/// One media range; none if it is none of ours, or not acceptable.
fn parse(range: &str) -> Option<(Reply, Rank)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let (reply, is_exact) = match name.as_str() {
        "text/event-stream" => (Reply::EventStream, true),
        "application/x-ndjson" => (Reply::Ndjson, true),
        "application/json" => (Reply::Page, true),
        "text/html" => (Reply::Html, true),
        "*/*" | "text/*" => (Reply::EventStream, false),
        _ => return None,
    };
    let quality = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1_000, |(_, value)| thousandths(value.trim()));
    (quality > 0).then_some((reply, (quality, is_exact)))
}

/// `0.5` as 500. What is no number counts as 1: the client did name the type.
fn thousandths(value: &str) -> u16 {
    match value.parse::<f32>() {
        // At most 1000, and never negative: the cast loses nothing but digits behind the third.
        Ok(quality) => (quality.clamp(0.0, 1.0) * 1_000.0).round() as u16,
        Err(_) => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(accepts: &[&str], expect: Reply) {
        let mut headers = HeaderMap::new();
        for accept in accepts {
            headers.append(header::ACCEPT, HeaderValue::from_bytes(accept.as_bytes()).unwrap());
        }
        assert_eq!(reply(&headers), expect, "{accepts:?}");
    }

    #[test]
    fn nothing_and_anything_is_a_stream() {
        for accepts in
            [&[][..], &["*/*"], &[""], &["text/*"], &["image/png"], &["text/event-stream;q=0"], &["é"], &[",;,"]]
        {
            check(accepts, Reply::EventStream);
        }
    }

    #[test]
    fn what_is_named_is_given() {
        check(&["text/event-stream"], Reply::EventStream);
        check(&["application/x-ndjson"], Reply::Ndjson);
        check(&["Application/JSON; charset=utf-8"], Reply::Page);
        check(&["application/json, text/plain, */*"], Reply::Page);
        check(&["image/png", "application/json"], Reply::Page);
    }

    #[test]
    fn a_navigating_browser_gets_the_page() {
        check(&["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], Reply::Html);
    }

    #[test]
    fn quality_decides_then_order() {
        check(&["application/json;q=0.5, text/event-stream"], Reply::EventStream);
        check(&["text/event-stream;q=0.5, application/json ; q=0.9"], Reply::Page);
        check(&["text/event-stream, application/json"], Reply::EventStream);
        check(&["application/json, text/event-stream"], Reply::Page);
        check(&["*/*, application/x-ndjson"], Reply::Ndjson);
        check(&["application/json;q=x, */*"], Reply::Page);
        check(&["application/json;q=0, text/html;q=0.1"], Reply::Html);
    }
}
