//! `tidings log export`: events as JSON lines, which `POST /events` takes back.

use std::io::{self, BufWriter};

use jiff::Timestamp;
use tidings_server::data::{self, Export};
use tidings_server::units;

use super::numbers::count;
use super::{Place, failed};
use crate::exit::{Exit, Failure, Outcome, say};

/// Lines are written in pieces of this size: few calls for many small events.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,

    /// Only events of this topic or pattern, such as `orders/**`; may be repeated
    #[arg(long = "topic", value_name = "PATTERN")]
    topics: Vec<String>,

    /// Only events from this time on: `2025-05-20T04:21:01Z`, or how long ago, such as 90s, 10m, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = point)]
    since: Option<u64>,

    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<u64>,
}

/// Writes the events, and says on standard error what is not among them.
pub(super) fn run(args: &Args) -> Outcome {
    let mut wanted = Export::of(&args.topics).map_err(|error| Failure::new(Exit::Usage, error))?;
    (wanted.since, wanted.until) = (args.since, args.until);
    let mut stdout = BufWriter::with_capacity(PIECE_BYTES, io::stdout().lock());
    let exported = data::export(&args.place.data_dir, &wanted, &mut stdout).map_err(|error| failed(&error))?;
    // After an error there is something in the buffer that nobody will take.
    drop(stdout.into_parts());
    if exported.closed {
        return Ok(());
    }
    say(format_args!("{} exported", count(exported.events, "event")));
    if exported.unreadable > 0 {
        say(format_args!("{} left out: their attributes cannot be read", count(exported.unreadable, "event")));
    }
    match exported.walked.damaged {
        0 => Ok(()),
        damaged => {
            let places = count(damaged, "damaged place");
            Err(Failure::new(Exit::Failed, format_args!("{places} passed over: tidings log verify says where")))
        }
    }
}

/// A point in time, in milliseconds since 1970: said as such, or as how long ago.
fn point(text: &str) -> Result<u64, &'static str> {
    let millis = match units::time(text) {
        Some(ago) => {
            let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
            Timestamp::now().as_millisecond().saturating_sub_unsigned(ago)
        }
        None => {
            const HELP: &str = "a time is such as 2025-05-20T04:21:01Z, or how long ago: 90s, 10m, 2h or 7d";
            text.parse::<Timestamp>().map_err(|_| HELP)?.as_millisecond()
        }
    };
    // Before 1970 there was no event.
    Ok(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time() {
        assert_eq!(point("1970-01-01T00:00:01.5Z"), Ok(1_500));
        assert_eq!(point("1960-01-01T00:00:00Z"), Ok(0));
        let ago = Timestamp::now().as_millisecond().unsigned_abs() - point("10m").unwrap();
        assert!((600_000..660_000).contains(&ago), "{ago}");
        assert_eq!(point("999999999d"), Ok(0));
        for bad in ["", "s", "10", "yesterday", "1w", "99999999999999999999s", "-5s"] {
            assert!(point(bad).is_err(), "{bad}");
        }
    }
}
