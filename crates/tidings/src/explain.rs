//! `tidings explain CODE`: what an error code of the server means, and what to do about it.

use std::io::{self, Write as _};

use crate::exit::{Exit, Failure, Outcome};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The `code` of an error answer, such as `origin_refused`
    code: String,
}

/// Prints the table's entry. It is the server's own table: the two cannot differ.
pub(crate) fn run(args: &Args) -> Outcome {
    let Some(text) = tidings_server::explain::explain(&args.code) else {
        let known: Vec<&str> = tidings_server::explain::codes().collect();
        return Err(Failure::new(Exit::Usage, format_args!("no code {:?}; there are {}", args.code, known.join(", "))));
    };
    // A reader that has seen enough and closed the pipe is no failure.
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
    Ok(())
}
