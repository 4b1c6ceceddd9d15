//! `tidings bench hold`: idle subscribers, and what one of them costs.

use std::time::Duration;

use super::chart::Chart;
use super::files::make_room;
use super::process::Processes;
use super::report::Report;
use super::scenario::{CommonArgs, SETTLE, micros_each};
use super::session::Session;
use super::swarm::{Swarm, Wanted};
use super::target::Target;
use crate::exit::Outcome;

/// The first tenth of the subscriptions, and at most so many, open before anything is measured: what the server allocates once is
/// not charged to the rest.
const FIRST_MAX: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: CommonArgs,

    /// Subscriptions to open
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    conns: u32,

    /// Seconds to hold them
    #[arg(long, value_name = "SECS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    settle: u64,
}

pub(super) fn run(args: &Args) -> Outcome {
    let CommonArgs { listen, pids, report: form } = &args.common;
    let conns = usize::try_from(args.conns).unwrap_or(usize::MAX);
    make_room(conns)?;
    let processes = Processes::new(pids)?;
    let target = Target::new(listen, None)?;
    let mut session = Session::start()?;
    let topics = target.topics(session.marker.run(), 1)?;
    let wanted = Wanted { endpoint: &target.subscribe, topics: &topics, publishers: 0, last_event_id: None, all: None };
    let mut swarm = Swarm::new(wanted, &session)?;

    let first = FIRST_MAX.min(conns / 10);
    let mut line = swarm.open(first, &mut session)?.line;
    swarm.run_for(SETTLE, &mut session, "opened the first")?;
    let (memory, cpu) = (processes.memory_bytes(), processes.cpu_seconds());
    let opened = swarm.open(conns - first, &mut session)?;
    swarm.run_for(Duration::from_secs(args.settle), &mut session, "holding")?;

    let count = opened.count as u64;
    let cpu = processes.cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    let grown = processes.memory_bytes().zip(memory).map(|(after, before)| after.saturating_sub(before) as f64);
    line.extend(opened.line);
    line.push(swarm.point());

    let mut report = Report::new("hold", target.subscribe.template.url(&topics[0]).to_string());
    report.count("open", "open at the end", swarm.live() as u64);
    report.measure("connects_per_s", "connects", "/s", 0, Some(count as f64 / opened.seconds));
    report.measure("server_cpu_us_per_connect", "server CPU a connect", "µs", 2, micros_each(cpu, count));
    report.measure(
        "server_bytes_per_subscriber",
        "server memory a subscriber",
        "bytes",
        0,
        grown.map(|grown| grown / count as f64),
    );
    report.connections(&swarm);
    report.chart(Chart::over_time(
        format!("open connections: {}", target.subscribe.template.url(&topics[0])),
        "open",
        line,
    ));
    report.finish(form, &mut session)
}
