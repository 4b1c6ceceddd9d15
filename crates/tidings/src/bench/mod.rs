//! `tidings bench`: a load on any server of server-sent events, and what it did under it.
//!
//! Subscribers live on one poll loop and one thread, with next to no memory each; publishers on another. Every event bears a mark
//! (`mark.rs`), by which each subscriber checks that it gets all of them once and in order (`checker.rs`). A scenario is a file.

mod answer;
mod chart;
mod checker;
mod chunks;
mod endpoint;
mod fanout;
mod files;
mod hold;
mod lanes;
mod latency;
mod mark;
mod process;
mod publish;
mod publisher;
mod publishing;
mod replay;
mod report;
mod scenario;
mod session;
mod socket;
mod subscriber;
mod swarm;
mod target;
mod template;

use crate::exit::Outcome;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Open many subscriptions and keep them: what one costs
    Hold(hold::Args),
    /// Publish to many subscribers: how many deliveries, how late, and none wrong
    Fanout(fanout::Args),
    /// Publish with one subscriber: how many publishes are acknowledged, and how soon
    Publish(publish::Args),
    /// Let many subscribers return at once and read what they missed
    Replay(replay::Args),
}

/// Ends with a failure if events were missing, doubled or out of order, or the server refused something.
pub(crate) fn run(args: &Args) -> Outcome {
    match &args.verb {
        Verb::Hold(args) => hold::run(args),
        Verb::Fanout(args) => fanout::run(args),
        Verb::Publish(args) => publish::run(args),
        Verb::Replay(args) => replay::run(args),
    }
}
