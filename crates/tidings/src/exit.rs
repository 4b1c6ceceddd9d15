//! How the program ends: one table of exit codes for every verb, and one clear line on standard error.

use std::fmt::{self, Display};
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::print::harmless;

/// What a verb ends with: nothing to say, or a failure.
pub(crate) type Outcome = Result<(), Failure>;

/// Why the program ends. The numbers are part of the command line's contract: scripts test for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Refused = 3,
    AddressInUse = 4,
    Unreachable = 5,
    DataDirTaken = 6,
    DataDirNewer = 7,
    LogFailed = 8,
}

impl Exit {
    /// The table, in the order of its numbers.
    const TABLE: [(Exit, &str); 9] = [
        (Exit::Done, "done"),
        (Exit::Failed, "failed: a file, an address or an answer was not as it should be"),
        (Exit::Usage, "usage: an unknown flag, a bad value, an unknown error code"),
        (Exit::Refused, "refused by the server: the message says why"),
        (Exit::AddressInUse, "address in use: another program listens there"),
        (Exit::Unreachable, "the server could not be reached"),
        (Exit::DataDirTaken, "data directory taken: another server has it open"),
        (Exit::DataDirNewer, "data directory too new: a newer version wrote it"),
        (
            Exit::LogFailed,
            "the log failed: a write or sync of the disk failed while the server ran, and it stopped publishing",
        ),
    ];

    /// The table as text, for `--help`.
    pub(crate) fn help() -> String {
        let rows = Self::TABLE.map(|(exit, meaning)| format!("\n  {}  {meaning}", exit as u8));
        format!("Exit codes:{}", rows.concat())
    }
}

/// An end that is not a success: its exit code, and the line that is printed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Tells the outcome: nothing, or the failure's line.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    say(format_args!("error: {failure}"));
    ExitCode::from(failure.exit as u8)
}

/// A line on standard error; what it quotes may come from a stranger. A closed one is nobody's failure: there is nowhere left to
/// say so.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless(&line.to_string()));
}

/// Tells what clap found. Help and version go to standard output whole, a mistake becomes one line.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // `tidings --help | head -1` closes the pipe early, which is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    say(one_line(&error.render().to_string()));
    ExitCode::from(Exit::Usage as u8)
}

/// clap's paragraphs up to the usage, joined: the error and its tips.
fn one_line(rendered: &str) -> String {
    let lines = rendered.lines().take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> =
        lines.map(str::trim).filter(|line| !line.is_empty() && !line.contains("try '--help'")).collect();
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        for (place, (exit, _)) in Exit::TABLE.iter().enumerate() {
            assert_eq!(*exit as usize, place);
        }
        assert!(Exit::help().contains("\n  4  address in use"), "{}", Exit::help());
    }

    #[test]
    fn a_mistake_is_one_line() {
        let rendered = "error: unexpected argument '--lisen' found\n\n  tip: a similar argument exists: '--listen'\n\n\
                        Usage: tidings --listen <ADDR>\n\nFor more information, try '--help'.\n";
        assert_eq!(
            one_line(rendered),
            "error: unexpected argument '--lisen' found tip: a similar argument exists: '--listen'"
        );
    }
}
