//! A chunked body (RFC 9112, 7.1), from any server: extensions and trailers are passed over.

/// A broken size line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

/// Takes a chunked body in any pieces; hands out what is in the chunks, without copying it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In a size line; `None` before its first digit.
    Size(Option<u64>),
    /// Behind the size, up to the line's end.
    Extension(u64),
    /// In a chunk of which so much is to come.
    Data(u64),
    /// Behind a chunk's data, up to the line's end.
    DataEnd,
    /// Behind the last chunk. True at a line's start: a blank line is the end.
    Trailer(bool),
    Ended,
}

impl Chunks {
    pub(super) const START: Self = Self::Size(None);

    /// The next piece of data, taken off the front of `bytes` with all that stands before it; `None` when they are used up, or
    /// the body has ended.
    pub(super) fn take<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BadChunk> {
        while *self != Self::Ended {
            if let Self::Data(left) = *self {
                let len = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if len == 0 {
                    return Ok(None);
                }
                let (data, rest) = bytes.split_at(len);
                *bytes = rest;
                *self = if left == len as u64 { Self::DataEnd } else { Self::Data(left - len as u64) };
                return Ok(Some(data));
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(None) };
            *bytes = rest;
            self.handle_byte(byte)?;
        }
        Ok(None)
    }

    /// A byte that is no data. CR is passed over everywhere: the LF behind it ends the line.
    fn handle_byte(&mut self, byte: u8) -> Result<(), BadChunk> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        let next = match (&*self, byte, digit) {
            (Self::Size(Some(size)) | Self::Extension(size), b'\n', _) if *size == 0 => Self::Trailer(true),
            (Self::Size(Some(size)) | Self::Extension(size), b'\n', _) => Self::Data(*size),
            (Self::Size(size), _, Some(digit)) => {
                Self::Size(Some(size.unwrap_or(0).checked_mul(16).ok_or(BadChunk)? + digit))
            }
            (Self::Size(Some(size)), b';' | b' ' | b'\t' | b'\r', _) | (Self::Extension(size), _, _) => {
                Self::Extension(*size)
            }
            (Self::DataEnd, b'\n', _) => Self::START,
            (Self::DataEnd | Self::Trailer(_), b'\r', _) => return Ok(()),
            (Self::Trailer(true), b'\n', _) => Self::Ended,
            (Self::Trailer(_), _, _) => Self::Trailer(byte == b'\n'),
            _ => return Err(BadChunk),
        };
        *self = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the chunks of `body`, however it is cut, and whether it has ended.
    #[track_caller]
    fn check(body: &str, expect: Result<(&str, bool), BadChunk>) {
        for piece in [1, 2, 3, 1_000] {
            let (mut chunks, mut out) = (Chunks::START, Vec::new());
            let result = body.as_bytes().chunks(piece).try_for_each(|mut bytes| {
                while let Some(data) = chunks.take(&mut bytes)? {
                    out.extend_from_slice(data);
                }
                Ok(())
            });
            let got = result.map(|()| (String::from_utf8(out).unwrap(), chunks == Chunks::Ended));
            assert_eq!(got, expect.map(|(text, ended)| (text.to_owned(), ended)), "{body:?} in pieces of {piece}");
        }
    }

    #[test]
    fn bodies() {
        check("3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n", Ok(("abc0123456789abcdef", true)));
        check("3\r\nab", Ok(("ab", false)));
        check("3;name=\"a b\" ; x\r\nabc\r\n0\r\nTrailer: x\r\nother: y\r\n\r\n", Ok(("abc", true)));
        check("0\r\n\r", Ok(("", false)));
        check("A \r\n0123456789\r\n", Ok(("0123456789", false)));
    }

    #[test]
    fn what_is_no_chunk() {
        for bad in ["\r\n", "x\r\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n", "-1\r\n"] {
            check(bad, Err(BadChunk));
        }
    }
}
