//! The names of the log's files. What bears none of them is left alone.

/// A spare in the making.
pub(crate) const SPARE_TMP: &str = "spare.tmp";
/// An index in the making.
pub(crate) const INDEX_TMP: &str = "index.tmp";
/// A rewritten segment in the making.
pub(crate) const REWRITE_TMP: &str = "rewrite.tmp";

/// What a file of the log's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A segment, or the spare.
    Segment(u32),
    /// A sealed segment's index.
    Index(u32),
    /// Left over by a process that ended while it made a file.
    Unfinished,
    /// None of the log's.
    Other,
}

/// The file of a segment. Ten digits hold every number, so that names sort as numbers do.
pub(crate) fn segment(number: u32) -> String {
    format!("{number:010}.log")
}

/// The file of a segment's index.
pub(crate) fn index(number: u32) -> String {
    format!("{number:010}.index")
}

/// Reads a name.
pub(crate) fn parse(name: &str) -> Name {
    if [SPARE_TMP, INDEX_TMP, REWRITE_TMP].contains(&name) {
        return Name::Unfinished;
    }
    let Some((digits, kind)) = name.split_once('.') else { return Name::Other };
    let number = Some(digits).filter(|digits| digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    match (number.and_then(|digits| digits.parse().ok()), kind) {
        (Some(number), "log") => Name::Segment(number),
        (Some(number), "index") => Name::Index(number),
        _ => Name::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_it_was_written() {
        for number in [1, 42, u32::MAX] {
            assert_eq!(parse(&segment(number)), Name::Segment(number));
            assert_eq!(parse(&index(number)), Name::Index(number));
        }
        assert_eq!(parse(SPARE_TMP), Name::Unfinished);
    }

    #[test]
    fn what_looks_like_ours_is_left_alone() {
        for name in
            ["lock", "1.log", "4294967296.log", "+000000001.log", "0000000001.log.bak", "0000000001", ".log", "a.tmp"]
        {
            assert_eq!(parse(name), Name::Other, "{name}");
        }
    }
}
