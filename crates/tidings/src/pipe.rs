//! Standard input into events: a line each, sent as soon as the source pauses, many at once where it does not.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::{Duration, Instant};

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::batch::{Batch, Line, Lines, PushError, Template};
use crate::exit::{Exit, Failure, Outcome, say};
use crate::http;
use crate::publish::{Args, print_ids, random_name, receipt};
use crate::send::Sender;
use crate::url::Url;

/// Standard input is read in pieces of this size: what a pipe holds at once.
const PIECE_BYTES: usize = 64 * 1024;

/// As many pieces are read ahead of the network: enough to fill batches, and a source faster than the server waits.
const PIECES_AHEAD: usize = 8;

/// The count on a terminal is renewed at most so often: faster cannot be read.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// The lines that one reading completed, or why there will be no more.
type Piece = Result<Vec<Line>, Failure>;

/// Publishes standard input to its end, and prints the ids in the order of its lines.
pub(crate) async fn publish_lines(args: &Args) -> Outcome {
    if io::stdin().is_terminal() {
        say("each line becomes an event; Ctrl-D ends");
    }
    let mut run = Run::new(args)?;
    let mut input = read_input();
    loop {
        let piece = match input.try_recv() {
            Ok(piece) => Some(piece),
            // The source pauses, or is at its end: what it said must not wait for what it says next.
            Err(_) => {
                run.flush().await?;
                input.recv().await
            }
        };
        match piece {
            Some(Ok(lines)) => run.add(lines).await?,
            Some(Err(failure)) => {
                run.flush().await?;
                return Err(failure);
            }
            None => return run.end(),
        }
    }
}

/// Reads on a thread of its own, since a read from a pipe cannot be awaited. The thread ends with the input or the program.
fn read_input() -> mpsc::Receiver<Piece> {
    let (pieces, input) = mpsc::channel(PIECES_AHEAD);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut lines = Lines::default();
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let piece = match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => lines.handle_bytes(&buffer[..length]).map_err(|error| Failure::new(Exit::Failed, error)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(Failure::new(Exit::Failed, format_args!("cannot read standard input: {error}"))),
            };
            let is_last = piece.is_err();
            if pieces.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
        // Nobody is left to hear it only when the publishing has failed.
        let _ = pieces.blocking_send(Ok(lines.handle_eof().into_iter().collect()));
    });
    input
}

/// One run over the input.
struct Run {
    sender: Sender,
    url: Url,
    headers: HeaderMap,
    template: Template,
    /// What was read and not yet sent: empty whenever the source is waited for.
    batch: Batch,
    /// The lines seen so far; the next one's number less one.
    seen: u64,
    published: u64,
    refused: u64,
    progress: Progress,
}

impl Run {
    fn new(args: &Args) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        Ok(Self {
            sender: Sender::new(&args.url, args.token.as_ref())?,
            url: args.url.at("/events"),
            headers,
            template: Template { topic: args.topic.clone(), event_type: args.event_type.clone(), run: random_name() },
            batch: Batch::default(),
            seen: 0,
            published: 0,
            refused: 0,
            progress: Progress::new(),
        })
    }

    /// Gathers lines; sends only when a batch is full, since more may be waiting.
    async fn add(&mut self, lines: Vec<Line>) -> Outcome {
        for line in lines {
            self.seen += 1;
            if let Err(why) = self.add_line(&line).await? {
                // What came before the bad line is published all the same.
                self.flush().await?;
                return Err(Failure::new(Exit::Failed, format_args!("line {}: {why}", self.seen)));
            }
        }
        Ok(())
    }

    /// The inner error is the line's own fault, the outer one that of a batch sent to make room.
    async fn add_line(&mut self, line: &[u8]) -> Result<Result<(), &'static str>, Failure> {
        let Ok(data) = std::str::from_utf8(line) else {
            return Ok(Err("not UTF-8: use --file for bytes"));
        };
        let mut pushed = self.batch.push(&self.template, self.seen, data);
        if pushed == Err(PushError::Full) {
            self.flush().await?;
            pushed = self.batch.push(&self.template, self.seen, data);
        }
        Ok(pushed.map_err(|_| "too large for an event: use --file for bytes"))
    }

    /// Sends what was gathered, and prints what became of it.
    async fn flush(&mut self) -> Outcome {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (body, numbers) = std::mem::take(&mut self.batch).into_parts();
        let answer = self.sender.post(&self.url, &self.headers, body.into()).await?;
        // Answers stand in the order of the lines: that is how a receipt finds its line.
        let answers: Vec<Value> =
            serde_json::Deserializer::from_slice(&answer).into_iter().map_while(Result::ok).collect();
        if answers.len() != numbers.len() {
            let message =
                format_args!("{} lines were answered by {}: is this a Tidings server?", numbers.len(), answers.len());
            return Err(Failure::new(Exit::Failed, message));
        }
        let mut ids = Vec::with_capacity(numbers.len());
        for (number, answer) in numbers.iter().zip(&answers) {
            match receipt(answer) {
                Some(id) => ids.push(id),
                None => {
                    self.refused += 1;
                    let (code, detail) = http::told(&answer["error"]).unwrap_or_default();
                    say(format_args!("line {number} was refused: {detail} (see: tidings explain {code})"));
                }
            }
        }
        self.published += ids.len() as u64;
        self.progress.show(self.published);
        if ids.is_empty() { Ok(()) } else { print_ids(&ids) }
    }

    /// Refused lines do not stop a run, but a script must see that there were some.
    fn end(self) -> Outcome {
        self.progress.end(self.published);
        match self.refused {
            0 => Ok(()),
            refused => Err(Failure::new(Exit::Refused, format_args!("{refused} of {} lines were refused", self.seen))),
        }
    }
}

/// A count on standard error, where a person sees it and the ids go elsewhere.
struct Progress {
    shown: Option<Instant>,
    is_wanted: bool,
}

impl Progress {
    fn new() -> Self {
        Self { shown: None, is_wanted: io::stderr().is_terminal() && !io::stdout().is_terminal() }
    }

    fn show(&mut self, published: u64) {
        if self.is_wanted && self.shown.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
            self.shown = Some(Instant::now());
            write_count(published, "");
        }
    }

    fn end(&self, published: u64) {
        if self.is_wanted {
            write_count(published, "\n");
        }
    }
}

/// Over the last count, from the start of the line. A closed standard error stops nothing.
fn write_count(published: u64, end: &str) {
    let _ = write!(io::stderr(), "\r{published} published{end}");
}
