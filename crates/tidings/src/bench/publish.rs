//! `tidings bench publish`: acknowledged publishes, with one subscriber that must get them all.

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

    /// Publishers, each with a connection of its own, that publish as fast as answers come
    #[arg(long, value_name = "P", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..))]
    publishers: u8,

    /// Seconds of publishing
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    secs: u64,
}

pub(super) fn run(args: &Args) -> Outcome {
    let (load, common) = (&args.load, &args.load.common);
    make_room(1 + usize::from(args.publishers))?;
    let processes = Processes::new(&common.pids)?;
    let target = load.target()?;
    let mut session = Session::start()?;
    let topics = target.topics(session.marker.run(), 1)?;
    let publishers = args.publishers.into();
    let wanted = Wanted { endpoint: &target.subscribe, topics: &topics, publishers, last_event_id: None, all: None };
    let mut swarm = Swarm::new(wanted, &session)?;
    swarm.open(1, &mut session)?;
    swarm.run_for(SETTLE, &mut session, "opened")?;
    let plan = Plan {
        endpoint: target.publishing()?,
        topics: topics.clone(),
        publishers: args.publishers,
        rate: None,
        end: End::After(Duration::from_secs(args.secs)),
        bytes: load.bytes(),
        first: 0,
        together: 1,
    };
    let done = publish(plan, &mut swarm, &processes, &mut session)?;

    let published = &done.published;
    let mut report = Report::new("publish", target.publishing()?.template.url(&topics[0]).to_string());
    report.count("publishers", "publishers", args.publishers.into());
    report.count("published", "events published", published.events);
    report.measure("publishes_per_s", "publishes", "/s", 0, Some(published.events as f64 / published.seconds));
    report.latencies("answer_ms", "answer", &published.answers);
    report.latencies("latency_ms", "latency to the subscriber", &swarm.seen.latencies);
    let cpu = micros_each(done.cpu_seconds, published.events);
    report.measure("server_cpu_us_per_publish", "server CPU a publish", "µs", 2, cpu);
    report.measure("server_memory_growth_mib", "server memory grew by", "MiB", 1, done.memory_growth_mib());
    report.load(&done, &swarm);
    let title = format!(
        "time to the answer of {} publishes: {}",
        published.events,
        target.publishing()?.template.url(&topics[0])
    );
    report.chart(Chart::latencies(title, "ms", published.answers.curve()));
    report.finish(&common.report, &mut session)
}
