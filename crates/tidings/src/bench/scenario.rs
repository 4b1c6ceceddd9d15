//! What the scenarios that publish have in common: their flags, and publishing while subscribers listen.

use std::time::{Duration, Instant};

use super::mark::MARK_BYTES;
use super::process::Processes;
use super::publishing::{Plan, Published, Publishing};
use super::report::ReportArgs;
use super::session::{Session, TURN_MAX};
use super::swarm::Swarm;
use super::target::{ListenArgs, PublishArgs, Target};
use crate::exit::Failure;

/// Between the last subscription and the first publish: what opening leaves to do is not to be measured.
pub(super) const SETTLE: Duration = Duration::from_secs(1);

/// When nothing has come for so long, nothing will: it is missing.
const QUIET_MAX: Duration = Duration::from_secs(3);

/// When all have come, so long is looked for what comes twice.
const LINGER: Duration = Duration::from_millis(200);

/// How often the servers' memory is looked at. Looking takes their address spaces' lock for a moment.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The largest event: what Tidings takes. The smallest holds its mark.
const BYTES_MAX: u32 = 1 << 20;

/// Flags of every scenario.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    pub(super) listen: ListenArgs,

    /// A process of the server: its CPU time and memory are told. May be repeated (Linux)
    #[arg(long = "pid", value_name = "PID")]
    pub(super) pids: Vec<u32>,

    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Flags of every scenario that publishes.
#[derive(Debug, clap::Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    pub(super) common: CommonArgs,
    #[command(flatten)]
    pub(super) publish: PublishArgs,

    /// Bytes of an event's data
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(MARK_BYTES as i64..=BYTES_MAX as i64))]
    pub(super) size: u32,
}

impl LoadArgs {
    pub(super) fn target(&self) -> Result<Target, Failure> {
        Target::new(&self.common.listen, Some(&self.publish))
    }

    /// [`LoadArgs::size`] as a length.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }
}

/// A run of publishing with subscribers, and what it took.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) published: Published,
    /// Events that did not come, at all subscribers.
    pub(super) missing: u64,
    /// False: Ctrl-C was pressed while some were still coming.
    pub(super) whole: bool,
    /// From the first publish to the last delivery, or to the last publish if that was later.
    pub(super) seconds: f64,
    pub(super) cpu_seconds: Option<f64>,
    /// How far the servers' memory rose above what it was before.
    memory_growth: Option<u64>,
    /// What all subscribers read: events, their framing, and whatever else was sent meanwhile.
    pub(super) bytes: u64,
}

impl Load {
    pub(super) fn memory_growth_mib(&self) -> Option<f64> {
        self.memory_growth.map(|bytes| bytes as f64 / f64::from(1 << 20))
    }
}

/// Publishes while the swarm listens, and waits for the last event.
pub(super) fn publish(
    plan: Plan,
    swarm: &mut Swarm<'_>,
    processes: &Processes,
    session: &mut Session,
) -> Result<Load, Failure> {
    let bytes = swarm.seen.bytes;
    let (memory, cpu, began) = (processes.memory_bytes(), processes.cpu_seconds(), session.clock.nanos());
    let publishing = Publishing::start(plan, session)?;
    let (started, mut looked, mut peak) = (Instant::now(), Instant::now(), memory);
    while !publishing.is_over() {
        swarm.turn(TURN_MAX)?;
        if looked.elapsed() > LOOK_EVERY {
            (looked, peak) = (Instant::now(), peak.max(processes.memory_bytes()));
        }
        session.tell(|| {
            let (seconds, events) = (started.elapsed().as_secs(), publishing.events());
            format!("publishing for {seconds} s: {events} acknowledged, {} delivered", swarm.seen.received)
        });
    }
    let published = publishing.join()?;
    let counts = swarm.opened_by_topic();
    let of_topic = |ends: &Vec<u32>| ends.iter().map(|end| u64::from(*end)).sum::<u64>();
    let expected = published.ends.iter().zip(counts).map(|(ends, count)| of_topic(ends) * count).sum();
    let whole = swarm.wait_for(expected, QUIET_MAX, session)?;
    let cpu_after = processes.cpu_seconds();
    linger(swarm, session)?;
    let last = swarm.seen.last_nanos.saturating_sub(began) as f64 / 1e9;
    Ok(Load {
        whole,
        missing: swarm.missing(&published.ends),
        bytes: swarm.seen.bytes - bytes,
        seconds: last.max(published.seconds),
        published,
        cpu_seconds: cpu_after.zip(cpu).map(|(after, before)| after - before),
        memory_growth: peak.max(processes.memory_bytes()).zip(memory).map(|(peak, before)| peak.saturating_sub(before)),
    })
}

/// Goes on for a moment, in which nothing should come.
pub(super) fn linger(swarm: &mut Swarm<'_>, session: &mut Session) -> Result<(), Failure> {
    swarm.run_for(LINGER, session, "looking for more")
}

/// Seconds of CPU as microseconds for each of `count`.
pub(super) fn micros_each(seconds: Option<f64>, count: u64) -> Option<f64> {
    seconds.map(|seconds| seconds * 1e6 / count as f64)
}
