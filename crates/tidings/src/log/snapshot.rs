//! `tidings log snapshot DIR`: a copy of the log as it is now.

use std::path::PathBuf;

use tidings_server::data;

use super::numbers::count;
use super::{Place, failed};
use crate::exit::{Outcome, say};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An empty directory, or one that is not there yet: it becomes a data directory
    dir: PathBuf,

    #[command(flatten)]
    place: Place,
}

/// Makes the copy, and says what it is made of.
pub(super) fn run(args: &Args) -> Outcome {
    let taken = data::snapshot(&args.place.data_dir, &args.dir).map_err(|error| failed(&error))?;
    let head = taken.epoch.map(|epoch| data::event_id(epoch, taken.head));
    say(format_args!(
        "{}: {} linked, {} copied ({}), {}",
        args.dir.display(),
        count(taken.linked, "file"),
        count(taken.copied, "file"),
        count(taken.copied_bytes, "byte"),
        head.map_or_else(|| "an empty log".to_owned(), |head| format!("events up to {head}")),
    ));
    Ok(())
}
