//! Tells code, text and comments of a Rust file apart, byte by byte.
//!
//! Rules look for words, and a word in a string or a comment is not a use of it. A full parser would say more than any
//! rule asks; this knows just enough of Rust's lexical grammar to be right about these three.

/// What a byte of a Rust file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Code,
    /// A string or character literal, its quotes too.
    Text,
    Comment,
}

/// The class of every byte of `text`. Text that is not Rust gets some answer, never a panic.
pub(crate) fn classify(text: &str) -> Vec<Class> {
    let bytes = text.as_bytes();
    let mut classes = Vec::with_capacity(bytes.len());
    while classes.len() < bytes.len() {
        let (class, length) = token(&bytes[classes.len()..]);
        let end = (classes.len() + length).min(bytes.len());
        classes.resize(end, class);
    }
    classes
}

/// Class and length (at least 1) of the token that `rest` starts with.
fn token(rest: &[u8]) -> (Class, usize) {
    match rest {
        [b'/', b'/', ..] => (Class::Comment, rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => (Class::Comment, block_comment(rest)),
        [b'"', ..] => (Class::Text, quoted(rest, b'"')),
        [b'\'', ..] => character(rest).map_or((Class::Code, 1), |length| (Class::Text, length)),
        _ => raw_string(rest).map_or((Class::Code, word(rest)), |length| (Class::Text, length)),
    }
}

/// Block comments nest in Rust.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a literal that starts and ends with `quote` and knows backslashes.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character literal's length, or `None` for a lifetime, which starts alike.
fn character(rest: &[u8]) -> Option<usize> {
    let second = *rest.get(1)?;
    if second == b'\\' {
        return Some(quoted(rest, b'\''));
    }
    // The first byte of a UTF-8 sequence tells its length: one for ASCII, else the number of its leading ones.
    let character_len = if second.is_ascii() { 1 } else { second.leading_ones() as usize };
    (rest.get(1 + character_len) == Some(&b'\'')).then_some(character_len + 2)
}

/// `r"…"`, `r#"…"#`, with `b` or `c` before it: no escapes, ends at a quote and as many `#` as it began with.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = match rest {
        [b'r', ..] => 1,
        [b'b' | b'c', b'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let found = rest[open + 1..].windows(close.len()).position(|window| window == close);
    Some(found.map_or(rest.len(), |at| open + 1 + at + close.len()))
}

/// A whole identifier at once, so that the `r` at the end of `for` never opens a raw string; else one byte.
fn word(rest: &[u8]) -> usize {
    rest.iter().take_while(|&&byte| is_word(byte)).count().max(1)
}

/// Whether `byte` may stand in an identifier.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expect` has `c` under code, `t` under text and `/` under comments.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        let classes: String = classify(text)
            .iter()
            .map(|class| match class {
                Class::Code => 'c',
                Class::Text => 't',
                Class::Comment => '/',
            })
            .collect();
        assert_eq!(classes, expect, "{text}");
    }

    #[test]
    fn comments() {
        check("a // b\nc", "cc////cc");
        check("a /* /* b */ */ c", "cc/////////////cc");
        check("a /* b", "cc////");
        check("a / b", "ccccc");
    }

    #[test]
    fn strings() {
        check(r#"f("a//b")"#, "ccttttttc");
        check(r#""a\"b" c"#, "ttttttcc");
        check(r##"r#"a"b"# c"##, "ttttttttcc");
        check(r#"br"\" c"#, "tttttcc");
        check(r#"for"a""#, "cccttt");
        check("\"open", "ttttt");
    }

    #[test]
    fn characters_and_lifetimes() {
        check("'\"' c", "tttcc");
        check(r"'\'' c", "ttttcc");
        check("'é' c", "ttttcc");
        check("<'a> c", "cccccc");
    }
}
