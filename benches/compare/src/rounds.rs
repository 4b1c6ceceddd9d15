//! Runs a scenario's pairs and keeps what each run gave.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::contestant::Contestant;
use crate::figure::{ANSWER_P50, Figure};
use crate::http2;
use crate::rig;
use crate::scenario::{BUDGET, Case, SYNC, Scenario, Work};
use crate::server::Server;
use crate::topics;

/// What a single publish may take beside the sync and the floor's answer.
const BUDGET_MS: f64 = 0.050;

/// A scenario and its runs.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) pairs: Vec<Pair>,
}

/// The runs of one pair, by label, in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Pair {
    pub(crate) runs: Vec<(&'static str, Run)>,
}

/// What a run gave, or why it is no figure.
pub(crate) type Run = Result<Value, String>;

impl Pair {
    /// A case's figure in this pair.
    pub(crate) fn figure(&self, label: &str, figure: Figure) -> Option<f64> {
        let (_, run) = self.runs.iter().find(|(of, _)| *of == label)?;
        figure.of(run.as_ref().ok()?)
    }
}

impl Measured {
    /// A case's figure, pair by pair.
    pub(crate) fn figures(&self, label: &str, figure: Figure) -> Vec<Option<f64>> {
        self.pairs.iter().map(|pair| pair.figure(label, figure)).collect()
    }

    /// The labels of all cases, the budget too.
    pub(crate) fn labels(&self) -> Vec<&'static str> {
        let cases = self.scenario.cases.iter().map(|case| case.label);
        cases.chain(self.scenario.has_budget.then_some(BUDGET)).collect()
    }

    /// Runs that are no figure: pair from 1, label, reason.
    pub(crate) fn flaws(&self) -> impl Iterator<Item = (usize, &'static str, &str)> {
        self.pairs.iter().enumerate().flat_map(|(at, pair)| {
            pair.runs.iter().filter_map(move |(label, run)| Some((at + 1, *label, run.as_ref().err()?.as_str())))
        })
    }
}

/// Runs all pairs. A run that fails does not end the others: it is kept with its reason.
pub(crate) fn run(bench: &Bench, scenario: Scenario, pairs: u16) -> Measured {
    let mut done = Vec::new();
    for number in 0..usize::from(pairs) {
        let mut pair = Pair::default();
        for &at in &order(scenario.cases.len(), number) {
            let case = &scenario.cases[at];
            eprint!("{} {}/{pairs} {}: ", scenario.name, number + 1, case.label);
            let run = run_case(bench, case).map_err(|error| format!("{error:#}"));
            eprintln!("{}", progress(&scenario, &run));
            pair.runs.push((case.label, run));
        }
        if scenario.has_budget {
            pair.runs.extend(budget(&pair).map(|run| (BUDGET, run)));
        }
        done.push(pair);
    }
    Measured { scenario, pairs: done }
}

/// Forth in even pairs, back in odd ones: what a run leaves behind then burdens each in turn.
fn order(cases: usize, pair: usize) -> Vec<usize> {
    if pair.is_multiple_of(2) { (0..cases).collect() } else { (0..cases).rev().collect() }
}

fn run_case(bench: &Bench, case: &Case) -> Result<Value> {
    match &case.work {
        Work::Rig { contestant, load } => load.run(bench, &Server::start(bench, *contestant, load.topics())?),
        Work::Topics { contestant, topics, secs } => {
            let server = Server::start(bench, *contestant, 0)?;
            rig::flawless(topics::measure(&server, *topics, Duration::from_secs_f64(*secs))?, 0.0)
        }
        Work::Streams { contestant, connections, streams } => {
            http2::measure(&Server::start(bench, *contestant, 0)?, *connections, *streams)
        }
        Work::Crowd { contestant, crowd } => crowd.run(bench, *contestant),
        Work::Storm { contestant, storm } => storm.run(bench, *contestant),
        Work::Sync { secs } => crate::sync::measure(bench.fresh_dir()?.path(), Duration::from_secs_f64(*secs)),
    }
}

fn progress(scenario: &Scenario, run: &Run) -> String {
    let answer = match run {
        Ok(answer) => answer,
        Err(why) => return format!("NO FIGURE: {why}"),
    };
    let shown = scenario.figures.iter().filter_map(|figure| Some((figure, figure.of(answer)?)));
    let shown: Vec<String> =
        shown.map(|(figure, value)| format!("{} {value:.*}", figure.name, figure.decimals)).collect();
    shown.join("; ")
}

/// The budget of a single publish in this pair, where the pair has what it is made of.
///
/// A sync that took longer than Tidings' whole answer, which has one in it, was held up by something else: on a busy machine whoever waits
/// for the disk waits for a turn too. A budget from it would let anything pass.
fn budget(pair: &Pair) -> Option<Run> {
    let sync = pair.figure(SYNC, ANSWER_P50)?;
    let floor = pair.figure(Contestant::Floor.name(), ANSWER_P50)?;
    if pair.figure(Contestant::Tidings.name(), ANSWER_P50).is_some_and(|answer| answer < sync) {
        return Some(Err("the sync alone took longer than Tidings' whole answer: something else runs".to_owned()));
    }
    Some(Ok(json!({"answer_ms": {"p50": sync + floor + BUDGET_MS}})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_alternates() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [2, 1, 0]);
        assert_eq!(order(3, 2), [0, 1, 2]);
    }

    fn answer(p50: f64) -> Run {
        Ok(json!({"answer_ms": {"p50": p50}}))
    }

    #[test]
    fn the_budget_is_the_sum_of_its_own_pair() {
        let mut pair = Pair { runs: vec![(SYNC, answer(0.1)), ("Tidings", answer(9.0))] };
        assert_eq!(budget(&pair), None, "without the floor there is none");
        pair.runs.push(("floor", answer(0.02)));
        let budget = budget(&pair).expect("all is there").expect("a good sync");
        let budget = ANSWER_P50.of(&budget).expect("a figure");
        assert!((budget - 0.17).abs() < 1e-9, "{budget}");
    }

    #[test]
    fn a_sync_longer_than_an_answer_with_a_sync_in_it_is_no_figure() {
        let pair = Pair { runs: vec![(SYNC, answer(4.0)), ("Tidings", answer(0.3)), ("floor", answer(0.02))] };
        assert!(budget(&pair).expect("all is there").is_err());
    }

    #[test]
    fn a_run_that_is_no_figure_has_none() {
        let pair = Pair { runs: vec![("DS", Err("missing 3".into()))] };
        assert_eq!(pair.figure("DS", ANSWER_P50), None);
        assert_eq!(pair.figure("nchan", ANSWER_P50), None);
    }
}
