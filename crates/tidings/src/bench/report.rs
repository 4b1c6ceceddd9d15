//! What a run found: one list of figures, printed for people or as JSON, and a chart.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use tidings_server::units::grouped;

use super::chart::Chart;
use super::latency::{Latencies, Percentiles};
use super::scenario::Load;
use super::session::Session;
use super::swarm::Swarm;
use crate::exit::{Exit, Failure, Outcome};
use crate::print::harmless;

/// The width of the column of names: the longest has a space behind it.
const NAMES_WIDTH: usize = 30;

/// In what form the report comes.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,

    /// Write a chart of the run's main figure to a file, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Figures, in the order in which they are told.
#[derive(Debug)]
pub(super) struct Report {
    scenario: &'static str,
    /// The address that was subscribed to.
    target: String,
    figures: Vec<Figure>,
    /// What was not as it should be, each a sentence's end: any makes the run a failure.
    faults: Vec<String>,
    chart: Option<Chart>,
}

#[derive(Debug)]
struct Figure {
    /// In JSON: bears its unit.
    key: &'static str,
    /// For people.
    name: &'static str,
    value: Number,
}

#[derive(Debug)]
enum Number {
    Count(u64),
    /// With so many decimals, and its unit.
    Measure(f64, usize, &'static str),
    /// In milliseconds.
    Percentiles(Percentiles),
}

impl Report {
    pub(super) fn new(scenario: &'static str, target: String) -> Self {
        Self { scenario, target, figures: Vec::new(), faults: Vec::new(), chart: None }
    }

    pub(super) fn count(&mut self, key: &'static str, name: &'static str, count: u64) {
        self.figures.push(Figure { key, name, value: Number::Count(count) });
    }

    /// Left out where there is none, and where it is no number: a rate of nothing.
    pub(super) fn measure(
        &mut self,
        key: &'static str,
        name: &'static str,
        unit: &'static str,
        decimals: usize,
        value: Option<f64>,
    ) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.figures.push(Figure { key, name, value: Number::Measure(value, decimals, unit) });
        }
    }

    /// Left out where there are none.
    pub(super) fn latencies(&mut self, key: &'static str, name: &'static str, latencies: &Latencies) {
        if let Some(percentiles) = latencies.percentiles() {
            self.figures.push(Figure { key, name, value: Number::Percentiles(percentiles) });
        }
    }

    /// `count` of something that should not be: a figure in any case, and a fault if there is any.
    pub(super) fn fault(&mut self, key: &'static str, name: &'static str, count: u64) {
        self.count(key, name, count);
        if count > 0 {
            self.faults.push(format!("{name} {}", grouped(&count.to_string())));
        }
    }

    /// What went wrong first, in words.
    pub(super) fn trouble(&mut self, trouble: Option<String>) {
        self.faults.extend(trouble);
    }

    /// The faults that any subscribers may have met. `missing` is what did not reach them; it is their fault only if all was waited
    /// for.
    pub(super) fn subscribers(&mut self, swarm: &Swarm<'_>, missing: u64, whole: bool) {
        if whole {
            self.fault("missing", "events missing", missing);
        } else {
            self.count("unread", "events not read any more", missing);
        }
        self.fault("doubled", "events doubled", swarm.seen.doubled);
        self.fault("out_of_order", "events out of order", swarm.seen.out_of_order);
        if swarm.seen.too_large > 0 {
            self.fault("too_large", "events too large to read", swarm.seen.too_large);
        }
        self.connections(swarm);
    }

    /// The faults that a load may have had.
    pub(super) fn load(&mut self, load: &Load, swarm: &Swarm<'_>) {
        self.subscribers(swarm, load.missing, load.whole);
        self.fault("publishes_refused", "publishes refused", load.published.refused);
        self.trouble(load.published.trouble.clone());
    }

    pub(super) fn connections(&mut self, swarm: &Swarm<'_>) {
        self.fault("refused", "subscriptions refused", swarm.refused);
        self.fault("closed", "streams closed", swarm.closed);
        self.trouble(swarm.trouble.clone());
    }

    pub(super) fn chart(&mut self, chart: Chart) {
        self.chart = Some(chart);
    }

    /// Tells it all; the outcome is a failure if there were faults. A run that Ctrl-C ended is told like any other.
    pub(super) fn finish(self, args: &ReportArgs, session: &mut Session) -> Outcome {
        session.end_progress();
        let interrupted = session.stop.is_wanted();
        let text = if args.json { format!("{}\n", self.as_json(interrupted)) } else { self.as_text(interrupted) };
        // A reader that has seen enough and closed the pipe is no failure.
        let _ = io::stdout().write_all(text.as_bytes());
        if let (Some(path), Some(chart)) = (&args.svg, &self.chart) {
            let cannot = |error| Failure::new(Exit::Failed, format_args!("cannot write {}: {error}", path.display()));
            fs::write(path, chart.svg()).map_err(cannot)?;
        }
        match self.faults.as_slice() {
            [] => Ok(()),
            faults => Err(Failure::new(Exit::Failed, faults.join("; "))),
        }
    }

    fn as_text(&self, interrupted: bool) -> String {
        let early = if interrupted { ", ended early" } else { "" };
        let mut out = format!("{}: {}{early}\n\n", self.scenario, harmless(&self.target));
        for Figure { name, value, .. } in &self.figures {
            let value = match value {
                Number::Count(count) => grouped(&count.to_string()),
                Number::Measure(value, decimals, unit) => format!("{} {unit}", grouped(&format!("{value:.decimals$}"))),
                Number::Percentiles(Percentiles { p50, p90, p99, p999, max }) => {
                    format!("p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {max:.2} ms")
                }
            };
            out.push_str(&format!("{name:NAMES_WIDTH$}{}\n", value.trim_end()));
        }
        out
    }

    fn as_json(&self, interrupted: bool) -> Value {
        let mut object = Map::new();
        object.insert("scenario".into(), json!(self.scenario));
        object.insert("target".into(), json!(self.target));
        for Figure { key, value, .. } in &self.figures {
            let value = match value {
                Number::Count(count) => json!(count),
                Number::Measure(value, decimals, _) => json!(rounded(*value, *decimals)),
                Number::Percentiles(Percentiles { p50, p90, p99, p999, max }) => {
                    json!({ "p50": p50, "p90": p90, "p99": p99, "p999": p999, "max": max })
                }
            };
            object.insert((*key).into(), value);
        }
        object.insert("interrupted".into(), json!(interrupted));
        object.insert("faults".into(), json!(self.faults));
        Value::Object(object)
    }
}

/// No more digits than are told to people.
fn rounded(value: f64, decimals: usize) -> f64 {
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("fanout", "http://host/\u{1b}".into());
        report.count("published", "published", 1_234_567);
        report.measure("deliveries_per_s", "deliveries", "/s", 0, Some(98_765.4));
        report.measure("server_cpu_us", "server CPU", "µs", 2, Some(7.126));
        report.measure("absent", "absent", "µs", 2, None);
        report.measure("rate_of_nothing", "rate of nothing", "µs", 2, Some(f64::NAN));
        report.latencies("latency_ms", "latency", &Latencies::new());
        report
    }

    #[test]
    fn people_and_programs_get_the_same_figures() {
        let mut report = report();
        let expect = "fanout: http://host/\\u{1b}\n\n\
                      published                     1,234,567\n\
                      deliveries                    98,765 /s\n\
                      server CPU                    7.13 µs\n";
        assert_eq!(report.as_text(false), expect);
        report.fault("missing", "events missing", 0);
        assert_eq!(report.faults, [""; 0]);
        report.fault("doubled", "events doubled", 1_000);
        let expect = json!({
            "scenario": "fanout", "target": "http://host/\u{1b}", "published": 1_234_567, "deliveries_per_s": 98_765.0,
            "server_cpu_us": 7.13, "missing": 0, "doubled": 1_000, "interrupted": true, "faults": ["events doubled 1,000"],
        });
        assert_eq!(report.as_json(true), expect);
    }
}
