//! What a server answers, read as it comes: head, body, end, and the next answer on the same connection.

use super::chunks::Chunks;

/// The largest head of an answer: what common servers and clients allow.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// As many headers fit in it, of the size headers have.
const HEADERS_MAX: usize = 128;

/// What an answer's first lines say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// As the server writes it: `404 Not Found`.
    pub(super) line: String,
    pub(super) is_event_stream: bool,
    /// The connection is good for no further request.
    pub(super) closes: bool,
}

/// The next thing in the bytes that have come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Nothing, until more bytes come.
    More,
    Head(Head),
    /// A piece of the body.
    Body(&'a [u8]),
    /// The answer is whole; what follows is the next one.
    End,
}

/// Why what came is no HTTP/1.1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the server answers is not HTTP/1.1")]
pub(super) struct BadAnswer;

/// A machine that reads one answer after the other. It holds no more than a head that has not come whole.
#[derive(Debug)]
pub(super) struct Answer {
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    /// The body's length, or what of it is to come.
    Length(u64),
    Chunked(Chunks),
    /// The body ends with the connection.
    UntilClose,
}

impl Answer {
    pub(super) fn new() -> Self {
        Self { state: State::Head(Vec::new()) }
    }

    /// Whether the end of the connection is the proper end of the body.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self.state, State::UntilClose)
    }

    /// The next step; what it took is taken off the front of `bytes`. Call it until it says [`Step::More`].
    pub(super) fn take<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Step<'a>, BadAnswer> {
        let step = match &mut self.state {
            State::Head(kept) => {
                let Some((head, state)) = take_head(kept, bytes)? else { return Ok(Step::More) };
                self.state = state;
                Step::Head(head)
            }
            State::Length(0) => self.end(),
            State::Chunked(chunks) => match chunks.take(bytes).map_err(|_| BadAnswer)? {
                Some(data) => Step::Body(data),
                None if *chunks == Chunks::Ended => self.end(),
                None => Step::More,
            },
            _ if bytes.is_empty() => Step::More,
            State::Length(left) => {
                let (data, rest) = bytes.split_at(bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
                *left -= data.len() as u64;
                *bytes = rest;
                Step::Body(data)
            }
            State::UntilClose => Step::Body(std::mem::take(bytes)),
        };
        Ok(step)
    }

    fn end(&mut self) -> Step<'static> {
        *self = Self::new();
        Step::End
    }
}

/// The head, once it is whole, and how its body is framed. Until then its bytes are kept.
fn take_head(kept: &mut Vec<u8>, bytes: &mut &[u8]) -> Result<Option<(Head, State)>, BadAnswer> {
    loop {
        let before = kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(HEAD_BYTES_MAX - before)]);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(len) = parsed.parse(kept).map_err(|_| BadAnswer)? else {
            *bytes = &[];
            return if kept.len() == HEAD_BYTES_MAX { Err(BadAnswer) } else { Ok(None) };
        };
        let read = read_head(&parsed)?;
        // What was kept before was no whole head, so the head ends in these bytes.
        *bytes = &bytes[len - before..];
        if read.0.status >= 200 {
            return Ok(Some(read));
        }
        // `103 Early Hints`, and the like: the answer itself comes behind it.
        kept.clear();
    }
}

fn read_head(parsed: &httparse::Response<'_, '_>) -> Result<(Head, State), BadAnswer> {
    let status = parsed.code.ok_or(BadAnswer)?;
    let value = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase())
    };
    let lists =
        |name: &str, word: &str| value(name).is_some_and(|value| value.split(',').any(|item| item.trim() == word));
    let state = match value("content-length").map(|value| value.parse::<u64>()) {
        _ if matches!(status, 100..=199 | 204 | 304) => State::Length(0),
        _ if lists("transfer-encoding", "chunked") => State::Chunked(Chunks::START),
        Some(Ok(length)) => State::Length(length),
        Some(Err(_)) => return Err(BadAnswer),
        None => State::UntilClose,
    };
    let kind = value("content-type").unwrap_or_default();
    let head = Head {
        status,
        line: format!("{status} {}", parsed.reason.unwrap_or_default()).trim_end().to_owned(),
        is_event_stream: kind.split(';').next().unwrap_or_default().trim() == "text/event-stream",
        closes: matches!(state, State::UntilClose)
            || lists("connection", "close")
            || parsed.version == Some(0) && !lists("connection", "keep-alive"),
    };
    Ok((head, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `text` in pieces of any size, as words.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        for piece in [1, 7, 10_000] {
            let (mut answer, mut said, mut body) = (Answer::new(), Vec::new(), String::new());
            for mut bytes in text.as_bytes().chunks(piece) {
                loop {
                    match answer.take(&mut bytes) {
                        Ok(Step::More) => break,
                        Ok(Step::Body(data)) => body.push_str(std::str::from_utf8(data).unwrap()),
                        Ok(Step::Head(head)) => {
                            let stream = if head.is_event_stream { " stream" } else { "" };
                            let closes = if head.closes { " closes" } else { "" };
                            said.push(format!("{}{stream}{closes}", head.line));
                        }
                        Ok(Step::End) => said.push(format!("[{}]", std::mem::take(&mut body))),
                        Err(BadAnswer) => {
                            said.push("bad".into());
                            break;
                        }
                    }
                }
                if said.last().is_some_and(|last| last == "bad") {
                    break;
                }
            }
            if !body.is_empty() {
                said.push(body);
            }
            assert_eq!(said.join(" "), expect, "{text:?} in pieces of {piece}");
        }
    }

    #[test]
    fn one_answer_after_the_other() {
        check(
            "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n\
             HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            "201 Created [ok] 204 No Content [] 200 OK [abc]",
        );
        check("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\ncontent-length:0\r\n\r\n", "200 []");
    }

    #[test]
    fn a_stream_has_no_end() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n";
        check(&format!("{head}\r\ndata: a\n\n"), "200 OK stream closes data: a\n\n");
        check(&format!("{head}transfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n"), "200 OK stream data:");
    }

    #[test]
    fn what_closes() {
        check("HTTP/1.1 429 Slow Down\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", "429 Slow Down closes []");
        check("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 OK closes []");
        check("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "200 OK []");
    }

    #[test]
    fn what_is_no_answer() {
        check("SSH-2.0-x\r\n\r\n", "bad");
        check("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "bad");
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx", "200 OK bad");
        check(&format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX)), "bad");
    }
}
