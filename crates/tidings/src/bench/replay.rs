//! `tidings bench replay`: subscribers return at once, and read what they missed.

use std::time::Duration;

use super::chart::Chart;
use super::files::make_room;
use super::process::Processes;
use super::publishing::{End, Plan, Published, Publishing};
use super::report::Report;
use super::scenario::{LoadArgs, linger, micros_each};
use super::session::{Session, TURN_MAX};
use super::swarm::{Swarm, Wanted};
use super::target::Target;
use crate::exit::{Exit, Failure, Outcome};

/// The first event must come within it, and while history is read no longer silence may be.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// Events of a batch, and their bytes: a tenth of the lines that Tidings takes, and half of the bytes.
const BATCH_LINES: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;

/// What JSON puts around an event in a batch, at most: the topic's name and the names of the fields.
const LINE_BYTES: usize = 64;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    load: LoadArgs,

    /// Subscribers that return
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    conns: u32,

    /// Events that each of them missed
    #[arg(long, value_name = "M", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    history: u32,
}

pub(super) fn run(args: &Args) -> Outcome {
    let (load, common) = (&args.load, &args.load.common);
    let conns = usize::try_from(args.conns).unwrap_or(usize::MAX);
    make_room(conns + 1)?;
    let processes = Processes::new(&common.pids)?;
    let target = load.target()?;
    let mut session = Session::start()?;
    let topics = target.topics(session.marker.run(), 1)?;
    let begun = first_event(args, &target, &topics, &mut session)?;
    let published = publish(plan(args, &target, &topics, 1)?, &mut session)?;
    // With Ctrl-C in between, as much as there is now.
    let history = u32::try_from(published.events).unwrap_or(u32::MAX);

    let cpu = processes.cpu_seconds();
    let wanted = Wanted {
        endpoint: &target.subscribe,
        topics: &topics,
        publishers: 1,
        last_event_id: Some(&begun),
        all: Some(history),
    };
    let began = session.clock.nanos();
    let mut swarm = Swarm::new(wanted, &session)?;
    swarm.open(conns, &mut session)?;
    let whole = swarm.wait_for(swarm.live() as u64 * published.events, QUIET_MAX, &mut session)?;
    let seconds = swarm.seen.last_nanos.saturating_sub(began) as f64 / 1e9;
    let cpu = processes.cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    linger(&mut swarm, &mut session)?;

    let received = swarm.seen.received;
    let mut report = Report::new("replay", target.subscribe.template.url(&topics[0]).to_string());
    report.count("subscribers", "subscribers", swarm.live() as u64);
    report.count("history", "events missed by each", history.into());
    report.measure("history_per_s", "publishes", "/s", 0, Some(published.events as f64 / published.seconds));
    report.count("replayed", "events read again", received);
    report.measure("seconds", "time to the last", "s", 3, Some(seconds));
    report.measure("replayed_per_s", "events read a second", "/s", 0, Some(received as f64 / seconds));
    report.latencies("caught_up_ms", "a subscriber has all after", &swarm.caught_up);
    report.measure("server_cpu_us_per_event", "server CPU an event read", "µs", 3, micros_each(cpu, received));
    report.subscribers(&swarm, swarm.missing(&published.ends), whole);
    report.fault("publishes_refused", "publishes refused", published.refused);
    report.trouble(published.trouble);
    let title = format!("time until a subscriber has {history} events: {}", target.subscribe.template.url(&topics[0]));
    report.chart(Chart::latencies(title, "ms", swarm.caught_up.curve()));
    report.finish(&common.report, &mut session)
}

/// Publishes the event that all will return behind, and answers with its id, as a subscriber sees it.
fn first_event(args: &Args, target: &Target, topics: &[String], session: &mut Session) -> Result<String, Failure> {
    let wanted = Wanted { endpoint: &target.subscribe, topics, publishers: 1, last_event_id: None, all: None };
    let mut first = Swarm::new(wanted, session)?;
    first.open(1, session)?;
    let published = publish(Plan { end: End::Events(1), ..plan(args, target, topics, 0)? }, session)?;
    first.wait_for(1, QUIET_MAX, session)?;
    let trouble = first.trouble.or(published.trouble);
    match first.seen.first_event_id {
        Some(id) if !id.is_empty() => Ok(id),
        Some(_) => Err(Failure::new(Exit::Failed, "events come without an id: this server cannot replay")),
        None if session.stop.is_wanted() => Err(Failure::new(Exit::Failed, "ended before anything was measured")),
        None => {
            let why = trouble.unwrap_or_else(|| "it was published, but did not come".into());
            Err(Failure::new(Exit::Failed, format_args!("the first event did not reach its subscriber: {why}")))
        }
    }
}

/// The history behind the event of number `first - 1`.
fn plan(args: &Args, target: &Target, topics: &[String], first: u32) -> Result<Plan, Failure> {
    let bytes = args.load.bytes();
    let (endpoint, together) = match &target.batch {
        Some(batch) => (batch.clone(), (BATCH_BYTES / (bytes + LINE_BYTES)).clamp(1, BATCH_LINES)),
        None => (target.publishing()?, 1),
    };
    let end = End::Events(args.history);
    Ok(Plan { endpoint, topics: topics.to_vec(), publishers: 1, rate: None, end, bytes, first, together })
}

fn publish(plan: Plan, session: &mut Session) -> Result<Published, Failure> {
    let publishing = Publishing::start(plan, session)?;
    while !publishing.is_over() {
        std::thread::sleep(TURN_MAX);
        session.tell(|| format!("publishing: {} acknowledged", publishing.events()));
    }
    publishing.join()
}
