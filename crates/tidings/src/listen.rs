//! `tidings listen`: print events as they come; come back after every cut and miss nothing.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use jiff::tz::TimeZone;

use crate::exit::{Exit, Failure, Outcome};
use crate::follow;
use crate::print::Printer;
use crate::url::{LOCAL, Url, query, topic_path};

/// Tidings sends a heartbeat every 15 s (DESIGN.md 5.1): after three that did not come, the connection is dead, whatever
/// the kernel believes (sse-facts P20). Other servers may be silent as long as they like.
const SILENCE_MAX: Duration = Duration::from_secs(45);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Topics, or patterns such as `news/*`; or the http:// address of any event stream
    #[arg(required = true, value_name = "TOPIC", value_parser = NonEmptyStringValueParser::new())]
    targets: Vec<String>,

    /// The Tidings server
    #[arg(long, env = "TIDINGS_URL", default_value = LOCAL)]
    url: Url,

    /// Begin after this event id, or `all`, a span such as `10m`, or a time such as 2025-05-20T12:00:00Z
    #[arg(long, value_name = "S", conflicts_with = "last")]
    since: Option<String>,

    /// Begin with the newest N events
    #[arg(long, value_name = "N")]
    last: Option<u32>,

    /// Only events of this type; may be repeated
    #[arg(long = "type", value_name = "T")]
    types: Vec<String>,

    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

/// Where the stream is, and how what comes is printed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) url: Url,
    pub(crate) printer: Printer,
    /// After so long without a byte the connection counts as dead.
    pub(crate) silence_max: Option<Duration>,
}

/// Listens until the server says that it is over, Ctrl-C is pressed, or nobody reads the output any more.
pub(crate) fn run(args: Args) -> Outcome {
    let plan = args.into_plan()?;
    let failed = |error| Failure::new(Exit::Failed, format_args!("cannot listen: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        tokio::select! {
            outcome = follow::follow(plan) => outcome,
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
        }
    })
}

impl Args {
    fn into_plan(self) -> Result<Plan, Failure> {
        let usage = |message: &str| Failure::new(Exit::Usage, message);
        let zone = TimeZone::system();
        if self.targets.iter().any(|target| target.contains("://")) {
            let [address] = self.targets.as_slice() else {
                return Err(usage("an address stands alone: give one address, or topics"));
            };
            if self.since.is_some() || self.last.is_some() {
                return Err(usage("--since and --last are for topics: write them into the address"));
            }
            let url = address.parse().map_err(|error| Failure::new(Exit::Usage, error))?;
            let printer = Printer { json: self.json, enveloped: false, topics: false, types: self.types, zone };
            return Ok(Plan { url, printer, silence_max: None });
        }
        let last = self.last.map(|count| count.to_string());
        let exact_one = self.targets.len() == 1 && !self.targets[0].contains('*');
        // The envelope says an event's own time and topic, and how binary data is meant.
        let mut pairs = vec![("envelope", "json")];
        pairs.extend(self.since.as_deref().map(|since| ("since", since)));
        pairs.extend(last.as_deref().map(|last| ("last", last)));
        pairs.extend(self.types.iter().map(|kind| ("type", kind.as_str())));
        let path = match exact_one {
            true => topic_path(&self.targets[0]),
            false => {
                pairs.extend(self.targets.iter().map(|topic| ("topic", topic.as_str())));
                "/events".to_owned()
            }
        };
        let url = self.url.at(&(path + &query(&pairs)));
        // The server filters by type.
        let printer = Printer { json: self.json, enveloped: true, topics: !exact_one, types: Vec::new(), zone };
        Ok(Plan { url, printer, silence_max: Some(SILENCE_MAX) })
    }
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

    fn plan(line: &str) -> Result<Plan, Failure> {
        Cli::try_parse_from(line.split(' ')).unwrap().args.into_plan()
    }

    fn check(line: &str, expect: &str) {
        let plan = plan(line).unwrap();
        assert_eq!(plan.url.to_string(), expect, "{line}");
    }

    #[test]
    fn where_a_listener_goes() {
        let local = "http://localhost:3200";
        check("listen news", &format!("{local}/topics/news?envelope=json"));
        check("listen a/ü --last 3", &format!("{local}/topics/a/%C3%BC?envelope=json&last=3"));
        check("listen a b/* --since 1+2", &format!("{local}/events?envelope=json&since=1%2B2&topic=a&topic=b%2F%2A"));
        check("listen a/** --type x --type y", &format!("{local}/events?envelope=json&type=x&type=y&topic=a%2F%2A%2A"));
        check("listen news --url host:1/push/", "http://host:1/push/topics/news?envelope=json");
        check("listen http://host/any?x=%20", "http://host/any?x=%20");
    }

    #[test]
    fn only_tidings_is_held_to_its_heartbeats_and_its_envelope() {
        let topic = plan("listen news").unwrap();
        assert_eq!((topic.silence_max, topic.printer.enveloped), (Some(SILENCE_MAX), true));
        let other = plan("listen http://host/any --type up").unwrap();
        assert_eq!((other.silence_max, other.printer.enveloped), (None, false));
        assert_eq!(other.printer.types, ["up"]);
    }

    #[test]
    fn what_does_not_go_together_is_a_usage_error() {
        for line in ["listen http://host/ news", "listen http://host/ --since all", "listen https://host/"] {
            let failure = plan(line).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{line}: {failure}");
        }
        assert!(Cli::try_parse_from(["listen", "news", "--since", "all", "--last", "3"]).is_err());
        assert!(Cli::try_parse_from(["listen"]).is_err());
        assert!(Cli::try_parse_from(["listen", ""]).is_err());
    }
}
