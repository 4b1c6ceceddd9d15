//! `tidings publish`: one event from an argument or a file, or one event for each line of standard input.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::builder::NonEmptyStringValueParser;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use crate::exit::{Exit, Failure, Outcome};
use crate::pipe;
use crate::send::{Sender, Token};
use crate::url::{LOCAL, Url, topic_path};

/// The largest file that is read. The server's own limit is far below (1 MiB unless configured) and its answer names it.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Content types by extension. What is not here is `application/octet-stream`, and comes back byte for byte all the same.
const CONTENT_TYPES: [(&str, &str); 20] = [
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The topic, such as `news` or `orders/42`
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) topic: String,

    /// The event's text; `-` or nothing: each line of standard input is an event
    #[arg(conflicts_with = "file", allow_negative_numbers = true)]
    data: Option<String>,

    /// Publish a file's bytes as one event, with a content type by its extension
    #[arg(long, value_name = "F")]
    file: Option<PathBuf>,

    /// The events' type
    #[arg(long = "type", value_name = "T")]
    pub(crate) event_type: Option<String>,

    /// The Tidings server
    #[arg(long, env = "TIDINGS_URL", default_value = LOCAL)]
    pub(crate) url: Url,

    /// A token that allows to publish. Better in the variable: other users see a command line
    #[arg(long, env = "TIDINGS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Token>,
}

/// Publishes, and prints the ids on standard output, one a line.
pub(crate) fn run(args: &Args) -> Outcome {
    let failed = |error| Failure::new(Exit::Failed, format_args!("cannot publish: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        match (&args.file, args.data.as_deref()) {
            (Some(file), _) => one(args, read_file(file)?.into(), Some(content_type(file))).await,
            (None, Some(data)) if data != "-" => one(args, data.to_owned().into(), None).await,
            (None, _) => pipe::publish_lines(args).await,
        }
    })
}

/// One event: its body as it is.
async fn one(args: &Args, body: Bytes, content_type: Option<&'static str>) -> Outcome {
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::try_from(random_name()).expect("hexadecimal digits make a header"));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(event_type) = &args.event_type {
        // As its UTF-8 bytes. What no header can carry no event type can.
        let value = HeaderValue::from_bytes(event_type.as_bytes());
        headers
            .insert("event-type", value.map_err(|_| Failure::new(Exit::Usage, "an event type is one line of text"))?);
    }
    let mut sender = Sender::new(&args.url, args.token.as_ref())?;
    let answer = sender.post(&args.url.at(&topic_path(&args.topic)), &headers, body).await?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    match receipt(&answer) {
        Some(id) => print_ids(&[id]),
        None => Err(Failure::new(Exit::Failed, "the answer is no receipt: is this a Tidings server?")),
    }
}

/// What is printed for an event that was taken: its id, or `-` for one that is not stored and has none. `None` if the server says
/// something else.
pub(crate) fn receipt(answer: &Value) -> Option<&str> {
    answer["topic"].as_str()?;
    Some(answer["id"].as_str().unwrap_or("-"))
}

/// A name that no other run has: it makes this run's idempotency keys.
pub(crate) fn random_name() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Prints ids, one a line. A reader who has seen enough of them and closed the pipe does not stop the publishing.
pub(crate) fn print_ids(ids: &[&str]) -> Outcome {
    let mut text = ids.join("\n");
    text.push('\n');
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, format_args!("published, but the ids cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |why: &dyn Display| Failure::new(Exit::Failed, format_args!("{}: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(&format_args!("more than {FILE_BYTES_MAX} bytes are no event")));
    }
    Ok(bytes)
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    let known = CONTENT_TYPES.iter().find(|(known, _)| *known == extension);
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &[&str]) -> Result<Args, clap::Error> {
        Cli::try_parse_from([&["publish"], line].concat()).map(|cli| cli.args)
    }

    #[test]
    fn what_is_published() {
        assert_eq!(parse(&["news", "hello"]).unwrap().data.as_deref(), Some("hello"));
        assert_eq!(parse(&["news", "-"]).unwrap().data.as_deref(), Some("-"));
        assert_eq!(parse(&["news", "-5"]).unwrap().data.as_deref(), Some("-5"));
        assert_eq!(parse(&["news"]).unwrap().data, None);
        assert!(parse(&["news", "hello", "--file", "x"]).is_err());
        assert!(parse(&["news", "--tpye", "x"]).is_err(), "a mistyped flag is not data");
        assert!(parse(&["", "hello"]).is_err());
        assert!(parse(&["news", "--url", "https://x"]).is_err());
    }

    #[test]
    fn a_token_is_never_shown() {
        let args = parse(&["news", "x", "--token", "secret"]).unwrap();
        assert!(!format!("{args:?}").contains("secret"), "{args:?}");
        let broken = parse(&["news", "x", "--token", "sec\nret"]).unwrap();
        let failure = Sender::new(&broken.url, broken.token.as_ref()).unwrap_err();
        assert!(failure.exit == Exit::Usage && !failure.message.contains("sec"), "{failure}");
    }

    #[test]
    fn what_a_receipt_is() {
        let check =
            |answer: &str, expect| assert_eq!(receipt(&serde_json::from_str(answer).unwrap()), expect, "{answer}");
        check(r#"{"id":"e.1","topic":"a","duplicate":true}"#, Some("e.1"));
        check(r#"{"topic":"a"}"#, Some("-"));
        check(r#"{"error":{"code":"x","detail":"y"},"line":1}"#, None);
        check("null", None);
    }

    #[test]
    fn content_types_by_extension() {
        for (path, expect) in [
            ("a.png", "image/png"),
            ("x/A.JPG", "image/jpeg"),
            ("a.tar.gz", "application/octet-stream"),
            ("png", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(path)), expect, "{path}");
        }
        assert!(CONTENT_TYPES.is_sorted(), "the table is in order, and has no extension twice");
    }
}
