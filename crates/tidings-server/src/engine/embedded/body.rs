//! An event's attributes and data as the log keeps them: fields, each a tag, a length (LEB128) and so many bytes
//! (docs/internals/log-format.md, "Body of an event").
//!
//! Tags that are not known are passed over, so that a later version's events can be read. A body that breaks the form is refused
//! whole: it comes from a file that somebody else may have written, and half an event is none.

use tidings_hub::Content;
use tidings_wire::EventType;

/// The event's type, if it is not `message`.
const TYPE: u8 = 1;
/// The content type.
const CONTENT_TYPE: u8 = 2;
/// Data that is text.
const TEXT: u8 = 3;
/// Data that is bytes.
const BYTES: u8 = 4;
/// Tag and length of a field at the most: ten bytes of LEB128 hold 64 bits.
const FIELD_HEAD_BYTES_MAX: usize = 1 + 10;

/// Writes an event's attributes and data.
pub(crate) fn encode(event_type: Option<&EventType>, content: &Content) -> Vec<u8> {
    let event_type = event_type.map_or("", EventType::as_str);
    let content_type = content.content_type().unwrap_or_default();
    let data = content.bytes();
    let tag = match content {
        Content::Text { .. } => TEXT,
        Content::Binary { .. } => BYTES,
    };
    let mut body = Vec::with_capacity(3 * FIELD_HEAD_BYTES_MAX + event_type.len() + content_type.len() + data.len());
    // Neither a type nor a content type is ever empty: what is empty is not there.
    for (tag, bytes) in [(TYPE, event_type.as_bytes()), (CONTENT_TYPE, content_type.as_bytes())] {
        if !bytes.is_empty() {
            push(&mut body, tag, bytes);
        }
    }
    push(&mut body, tag, data);
    body
}

/// Reads them back; none if the bytes are not what [`encode`] of this or a later version writes.
pub(crate) fn decode(body: &[u8]) -> Option<(Option<EventType>, Content)> {
    let (mut event_type, mut content_type, mut data) = (None, None, None);
    for field in Fields(body) {
        let (tag, bytes) = field?;
        let repeated = match tag {
            TYPE => event_type.replace(parse_type(bytes)?).is_some(),
            CONTENT_TYPE => content_type.replace(essence(bytes)?).is_some(),
            TEXT | BYTES => data.replace((tag, bytes)).is_some(),
            _ => false,
        };
        if repeated {
            return None;
        }
    }
    let content = match (data?, content_type) {
        ((TEXT, text), content_type) => {
            Content::Text { content_type: content_type.map(Into::into), text: utf8(text)?.into() }
        }
        ((_, bytes), Some(content_type)) => Content::Binary { content_type: content_type.into(), bytes: bytes.into() },
        ((_, _), None) => return None,
    };
    Some((event_type, content))
}

/// The type alone, `message` where none is written: for the filter, which need not look at the data. None as of [`decode`], as far
/// as it had to look.
pub(super) fn event_type(body: &[u8]) -> Option<&str> {
    for field in Fields(body) {
        if let (TYPE, bytes) = field? {
            return utf8(bytes);
        }
    }
    Some("message")
}

fn push(body: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    body.push(tag);
    let mut length = bytes.len();
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits fit a byte");
        length >>= 7;
        if length == 0 {
            body.push(low);
            break;
        }
        body.push(low | 0x80);
    }
    body.extend_from_slice(bytes);
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn parse_type(bytes: &[u8]) -> Option<EventType> {
    EventType::new(utf8(bytes)?).ok()
}

/// A content type stands in `data:` URLs and in JSON as it is: nothing but what such a name is made of.
fn essence(bytes: &[u8]) -> Option<&str> {
    let is_plain = |c: &u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(c);
    let is_essence = !bytes.is_empty() && bytes.iter().all(is_plain);
    if is_essence { utf8(bytes) } else { None }
}

/// The fields of a body, one after the other; none for the first that is broken, which is the last.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u8, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, mut rest) = self.0.split_first()?;
        let (mut length, mut shift) = (0_u64, 0);
        loop {
            let (byte, behind) = rest.split_first()?;
            rest = behind;
            // A body is shorter than 2^32: longer lengths are broken ones, and would not fit below.
            if shift > 28 {
                return None;
            }
            length |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (bytes, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = behind;
        Some((*tag, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(event_type: Option<&str>, content: &Content) {
        let event_type = event_type.map(|name| EventType::new(name).unwrap());
        let body = encode(event_type.as_ref(), content);
        assert_eq!(super::event_type(&body), Some(event_type.as_ref().map_or("message", EventType::as_str)));
        assert_eq!(decode(&body), Some((event_type, content.clone())));
    }

    #[test]
    fn what_is_written_is_read_back() {
        check(None, &Content::text(""));
        check(Some("price"), &Content::text("grüße\n"));
        check(None, &Content::Text { content_type: Some("text/csv".into()), text: "a,b".into() });
        check(Some("é 1"), &Content::Binary { content_type: "image/png".into(), bytes: [0, 255].into() });
        for length in [127, 128, 16_383, 16_384, 1 << 20] {
            check(None, &Content::text(&"x".repeat(length)));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_format_document() {
        assert_eq!(encode(None, &Content::text("hi")), b"\x03\x02hi");
        let binary = Content::Binary { content_type: "a/b".into(), bytes: vec![7; 200].into() };
        let mut expect = b"\x01\x02up\x02\x03a/b\x04\xc8\x01".to_vec();
        expect.extend([7; 200]);
        assert_eq!(encode(Some(&EventType::new("up").unwrap()), &binary), expect);
    }

    #[test]
    fn unknown_tags_are_passed_over_and_broken_bodies_refused() {
        assert_eq!(decode(b"\x63\x01x\x03\x02hi\x64\x00"), Some((None, Content::text("hi"))));
        for bad in [
            &b""[..],
            b"\x03",
            b"\x03\x03hi",
            b"\x03\x02hi\x03\x02hi",
            b"\x03\x01\xff",
            b"\x04\x01x",
            b"\x02\x03a\nb\x03\x00",
            b"\x02\x00\x03\x00",
            b"\x01\x01\n\x03\x00",
            b"\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x63\x01x",
        ] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (decode(&bytes), event_type(&bytes));
        }
    }
}
