//! Text out of bytes, as every browser makes it: what is not UTF-8 becomes U+FFFD, and nothing is an error.

/// Decodes `bytes` as WHATWG's "UTF-8 decode" does, one U+FFFD for each maximal part of a broken character.
///
/// The standard decodes the whole stream and then looks for lines; here each line's value is decoded by itself. The
/// result is the same, because CR, LF, colon and space are ASCII: no character, whole or broken, reaches across them.
pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::into_text;

    #[test]
    fn text_stays_text() {
        for text in ["", "a", "\0", "é…豆😀", "\u{fffd}", "\u{feff}", "\u{10ffff}"] {
            assert_eq!(into_text(text.as_bytes().to_vec()), text);
        }
    }

    #[test]
    fn each_maximal_part_of_a_broken_character_is_one_replacement() {
        for (bytes, expect) in [
            (&b"a\x80b"[..], "a\u{fffd}b"),
            (b"\xe2\x82", "\u{fffd}"),
            (b"\xf0\x9f\x98a", "\u{fffd}a"),
            (b"\xc0\xaf", "\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xe2\x82\xe2\x82\xac", "\u{fffd}€"),
        ] {
            assert_eq!(into_text(bytes.to_vec()), expect, "{bytes:?}");
        }
    }
}
