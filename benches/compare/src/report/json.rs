//! The report as JSON: what the tables are made of, and every run's answer whole.

use serde_json::{Value, json};

use super::{Report, Row, rows};
use crate::rounds::{Measured, Run};

impl Report {
    pub(crate) fn json(&self) -> Value {
        json!({
            "command": self.plan,
            "tidings": self.tidings,
            "machine": self.machine.json(),
            "scenarios": self.results.iter().map(scenario).collect::<Vec<_>>(),
        })
    }
}

fn scenario(measured: &Measured) -> Value {
    let run = |(label, run): &(&str, Run)| match run {
        Ok(answer) => json!({"of": label, "answer": answer}),
        Err(why) => json!({"of": label, "no_figure": why}),
    };
    // Runs stand in the order they were made in.
    let pairs = measured.pairs.iter().map(|pair| pair.runs.iter().map(run).collect::<Vec<_>>());
    json!({
        "name": measured.scenario.name,
        "title": measured.scenario.title,
        "command": measured.scenario.command(),
        "rows": rows(measured).iter().map(row).collect::<Vec<_>>(),
        "pairs": pairs.collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    let summary = row.summary();
    json!({
        "figure": row.figure.name,
        "of": row.of,
        "over": row.over,
        "median": summary.map(|seen| seen.median),
        "min": summary.map(|seen| seen.min),
        "max": summary.map(|seen| seen.max),
        "pairs": row.values,
        "wanted": row.want.map(|want| want.bound.text()),
        "met": row.is_met(),
    })
}
