//! `tidings log verify`: everything is read, with all checksums; an exit code says whether all was whole.

use std::io::{self, IsTerminal as _, Write as _};

use tidings_server::data::{self, Depth, Progress, Survey};

use super::inspect::{damage, unfinished};
use super::numbers::{count, grouped};
use super::{Place, failed};
use crate::exit::{Exit, Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

/// Reads the whole log. An unfinished end is what a crash leaves, and no damage; neither is an index that is missing.
pub(super) fn run(args: &Args) -> Outcome {
    let mut shown = Shown { terminal: io::stderr().is_terminal(), percent: None };
    let survey = data::survey(&args.place.data_dir, Depth::Everything, &mut |progress| shown.progress(progress));
    shown.clear();
    let survey = survey.map_err(|error| failed(&error))?;
    let damaged = damage(&survey);
    let mut out: String = unfinished(&survey).iter().chain(&damaged).map(|line| format!("{line}\n")).collect();
    out.push_str(&summary(&survey));
    // A reader that has seen enough and closed the pipe still gets the exit code.
    let _ = io::stdout().write_all(out.as_bytes());
    match damaged.len() {
        0 => Ok(()),
        damaged => Err(Failure::new(Exit::Failed, format_args!("{} damaged", count(damaged as u64, "place")))),
    }
}

fn summary(survey: &Survey) -> String {
    let events: u64 = survey.segments.iter().map(|segment| segment.events).sum();
    let bytes: u64 = survey.segments.iter().map(|segment| segment.end).sum();
    let segments = count(survey.segments.len() as u64, "segment");
    format!("{segments}, {} and {} read\n", count(events, "event"), count(bytes, "byte"))
}

/// The line on a terminal that says how far it is.
struct Shown {
    terminal: bool,
    percent: Option<u64>,
}

impl Shown {
    fn progress(&mut self, Progress { done, total }: Progress) {
        // A whole hundredth is what anybody can see move; a log of zero bytes is read.
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        if self.terminal && self.percent != Some(percent) {
            self.percent = Some(percent);
            let (done, total) = (grouped(done), grouped(total));
            // Nobody is harmed if it cannot be shown.
            let _ = write!(io::stderr(), "\r{percent:3} %  {done} of {total} bytes");
        }
    }

    /// Takes the line away, for what is said next.
    fn clear(&self) {
        if self.percent.is_some() {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
