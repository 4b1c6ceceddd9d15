//! `tidings log`: what lies in a data directory, whether it is whole, and how to get it out. A server may run on it meanwhile.

mod export;
mod inspect;
mod numbers;
mod snapshot;
mod verify;

use std::path::PathBuf;

use tidings_server::DATA_DIR;
use tidings_server::data::DataError;

use crate::exit::{Exit, Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show what the log's files hold
    Inspect(inspect::Args),
    /// Read everything, with all checksums, and say what is damaged
    Verify(verify::Args),
    /// Write events to standard output, as POST /events takes them
    Export(export::Args),
    /// Copy the log as it is now into an empty directory
    Snapshot(snapshot::Args),
}

/// Where the log is.
#[derive(Debug, clap::Args)]
struct Place {
    /// The server's data directory
    #[arg(long, value_name = "DIR", env = "TIDINGS_DATA_DIR", default_value = DATA_DIR)]
    data_dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.verb {
        Verb::Inspect(args) => inspect::run(args),
        Verb::Verify(args) => verify::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Snapshot(args) => snapshot::run(args),
    }
}

/// A data directory that could not be looked at.
fn failed(error: &DataError) -> Failure {
    let exit = if error.is_newer() { Exit::DataDirNewer } else { Exit::Failed };
    Failure::new(exit, error)
}
