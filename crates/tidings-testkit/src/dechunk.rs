//! HTTP/1.1 chunks, read strictly: only what RFC 9112 section 7.1 allows, and of that only what the hub and hyper write.

/// Takes a chunked body in any pieces. No extension, no trailer, no leading zero: more would be somebody else's framing. Sizes are
/// lower-case (the hub's) or upper-case (hyper's).
#[derive(Debug, Default)]
pub struct Dechunker {
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// Inside a size line, with its digits so far.
    #[default]
    Start,
    Size(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    LastCr,
    LastLf,
    Ended,
}

impl Dechunker {
    /// Adds the body bytes in `bytes` to `out`; an error says what was wrong.
    pub fn handle_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            if let State::Data(left) = &mut self.state {
                let len = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                out.extend_from_slice(&rest[..len]);
                rest = &rest[len..];
                *left -= len as u64;
                if *left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            self.state = self.step(byte)?;
            rest = behind;
        }
        Ok(())
    }

    fn step(&self, byte: u8) -> Result<State, String> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        match (&self.state, byte, digit) {
            (State::Start, _, Some(digit)) => Ok(State::Size(digit)),
            (State::Size(0), _, Some(_)) => Err("a chunk's size has a leading zero".into()),
            (State::Size(size), _, Some(digit)) => {
                size.checked_mul(16).map(|s| State::Size(s + digit)).ok_or_else(|| "a chunk's size overflows".into())
            }
            (State::Size(size), b'\r', _) => Ok(State::SizeLf(*size)),
            (State::SizeLf(0), b'\n', _) => Ok(State::LastCr),
            (State::SizeLf(size), b'\n', _) => Ok(State::Data(*size)),
            (State::DataCr, b'\r', _) => Ok(State::DataLf),
            (State::DataLf, b'\n', _) => Ok(State::Start),
            (State::LastCr, b'\r', _) => Ok(State::LastLf),
            (State::LastLf, b'\n', _) => Ok(State::Ended),
            (state, byte, _) => Err(format!("byte {byte:#04x} in a chunked body at {state:?}")),
        }
    }

    /// Whether the next byte would begin a chunk.
    pub fn is_at_boundary(&self) -> bool {
        self.state == State::Start
    }

    /// Whether the last chunk came.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], expect: Result<&str, ()>) {
        for piece in [1, 2, 3, 100] {
            let (mut dechunker, mut out) = (Dechunker::default(), Vec::new());
            let result = body.chunks(piece).try_for_each(|bytes| dechunker.handle_bytes(bytes, &mut out));
            assert_eq!(result.map(|()| String::from_utf8(out).unwrap()).map_err(|_| ()), expect.map(str::to_string));
        }
    }

    #[test]
    fn strict() {
        check(b"3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n", Ok("abc0123456789abcdef"));
        check(b"A\r\n0123456789\r\na\r\n0123456789", Ok("01234567890123456789"));
        check(b"3\r\nab", Ok("ab"));
        for bad in [
            &b"3\nabc\r\n"[..],
            b"3\r\nabcd",
            b"03\r\nabc",
            b"0x3\r\nabc",
            b"3;x\r\n",
            b"\r\n",
            b"0\r\nx: y\r\n\r\n",
            b"0\r\n\r\n0",
        ] {
            check(bad, Err(()));
        }
    }
}
