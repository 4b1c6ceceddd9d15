//! `tidings bench fanout`: events to many subscribers, each checked at each of them.

use std::time::Duration;

use super::chart::Chart;
use super::files::make_room;
use super::process::Processes;
use super::publishing::{End, Plan};
use super::report::Report;
use super::scenario::{LoadArgs, SETTLE, micros_each, publish};
use super::session::Session;
use super::swarm::{Swarm, Wanted};
use crate::exit::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    load: LoadArgs,

    /// Subscribers
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    conns: u32,

    /// Events a second, from all publishers together; 0: as fast as answers come
    #[arg(long, value_name = "R", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    rate: u32,

    /// Publishers, each with a connection of its own
    #[arg(long, value_name = "P", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    publishers: u8,

    /// Seconds of publishing
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    secs: u64,

    /// Topics over which subscribers and events are spread
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    topics: u32,
}

pub(super) fn run(args: &Args) -> Outcome {
    let (load, common) = (&args.load, &args.load.common);
    let conns = usize::try_from(args.conns).unwrap_or(usize::MAX);
    make_room(conns + usize::from(args.publishers))?;
    let processes = Processes::new(&common.pids)?;
    let target = load.target()?;
    let mut session = Session::start()?;
    let topics = target.topics(session.marker.run(), args.topics)?;
    let publishers = args.publishers.into();
    let wanted = Wanted { endpoint: &target.subscribe, topics: &topics, publishers, last_event_id: None, all: None };
    let mut swarm = Swarm::new(wanted, &session)?;
    swarm.open(conns, &mut session)?;
    swarm.run_for(SETTLE, &mut session, "opened all")?;
    let plan = Plan {
        endpoint: target.publishing()?,
        topics: topics.clone(),
        publishers: args.publishers,
        rate: (args.rate > 0).then(|| args.rate.into()),
        end: End::After(Duration::from_secs(args.secs)),
        bytes: load.bytes(),
        first: 0,
        together: 1,
    };
    let done = publish(plan, &mut swarm, &processes, &mut session)?;

    let (published, received) = (&done.published, swarm.seen.received);
    let mut report = Report::new("fanout", target.subscribe.template.url(&topics[0]).to_string());
    report.count("subscribers", "subscribers", swarm.live() as u64);
    report.count("published", "events published", published.events);
    report.measure("publishes_per_s", "publishes", "/s", 1, Some(published.events as f64 / published.seconds));
    report.count("deliveries", "deliveries", received);
    report.measure("deliveries_per_s", "deliveries a second", "/s", 0, Some(received as f64 / done.seconds));
    report.latencies("latency_ms", "latency", &swarm.seen.latencies);
    report.measure(
        "server_cpu_us_per_delivery",
        "server CPU a delivery",
        "µs",
        3,
        micros_each(done.cpu_seconds, received),
    );
    report.measure("server_memory_growth_mib", "server memory grew by", "MiB", 1, done.memory_growth_mib());
    report.measure(
        "wire_bytes_per_delivery",
        "bytes on the wire a delivery",
        "bytes",
        0,
        Some(done.bytes as f64 / received as f64),
    );
    report.load(&done, &swarm);
    let title = format!("latency of {received} deliveries: {}", target.subscribe.template.url(&topics[0]));
    report.chart(Chart::latencies(title, "ms", swarm.seen.latencies.curve()));
    report.finish(&common.report, &mut session)
}
