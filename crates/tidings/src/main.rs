//! The program: a table of contents. Each verb is a file.

mod allocator;
mod batch;
mod bench;
mod exit;
mod explain;
mod follow;
mod http;
mod listen;
mod log;
mod pipe;
mod print;
mod publish;
mod reconnect;
mod send;
mod serve;
mod url;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The push server for the web: publish over HTTP, listen with EventSource, resume exactly.
///
/// Without a verb it serves.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::Exit::help(), args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server
    Serve(serve::Args),
    /// Publish events
    Publish(publish::Args),
    /// Print events as they come, from Tidings or any other event stream
    Listen(listen::Args),
    /// Put a load on a server of event streams, and say what it did
    Bench(bench::Args),
    /// Say what an error code means, and what to do
    Explain(explain::Args),
    /// Look into a data directory, check it, write it out, copy it
    Log(log::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::report_usage(&error),
    };
    exit::report(match cli.verb.unwrap_or(Verb::Serve(cli.serve)) {
        Verb::Serve(args) => serve::run(args),
        Verb::Publish(args) => publish::run(&args),
        Verb::Listen(args) => listen::run(args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Log(args) => log::run(&args),
    })
}
