//! A small report, from runs to text.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::args::Group;
use crate::contestant::Contestant;
use crate::rounds::{Pair, Run};
use crate::scenario;

fn answer(rate: f64) -> Run {
    Ok(json!({"publish_per_s": rate}))
}

/// Tidings against Durable Streams with 16 publishers, where 1.25 times its rate is wanted.
fn report(pairs: Vec<(Run, Run)>) -> Report {
    let has = |contestant| matches!(contestant, Contestant::Tidings | Contestant::DurableStreams);
    let mut scenarios = scenario::of(Group::Publish, None, &has);
    let pairs = pairs.into_iter().map(|(tidings, ds)| Pair { runs: vec![("Tidings", tidings), ("DS", ds)] });
    let results = vec![Measured { scenario: scenarios.remove(1), pairs: pairs.collect() }];
    Report {
        machine: Machine::read(Path::new("/")),
        plan: "compare publish".into(),
        tidings: "tidings 1".into(),
        results,
    }
}

#[test]
fn every_pair_and_every_ratio_is_in_the_text() {
    let text = report(vec![(answer(3_000.0), answer(1_000.0)), (answer(2_000.0), answer(2_000.0))]).markdown();
    for expect in [
        "| publish-16 | publishes/s | Tidings / DS | 2.00 | 1.00 to 3.00 | ≥ 1.25: met |\n",
        "### publish-16: 16 publishers",
        "| figure | of | median | range | wanted | pair 1 | pair 2 |\n|---|---|---|---|---|---|---|\n",
        "| publishes/s | Tidings | 2,500 | 2,000 to 3,000 |  | 3,000 | 2,000 |\n",
        "| publishes/s | Tidings / DS | 2.00 | 1.00 to 3.00 | ≥ 1.25: met | 3.00 | 1.00 |\n",
    ] {
        assert!(text.contains(expect), "{expect:?} is not in:\n{text}");
    }
    assert!(!text.contains("answer p50"), "what no run has is left out:\n{text}");
}

#[test]
fn a_run_that_is_no_figure_is_said_and_fails_the_whole() {
    let whole = report(vec![(answer(1.0), answer(1.0))]);
    assert!(whole.is_whole());
    assert!(whole.markdown().contains("≥ 1.25: **missed**"), "{}", whole.markdown());
    let broken = report(vec![(answer(3.0), Err("missing 7".into()))]);
    let text = broken.markdown();
    assert!(!broken.is_whole());
    assert!(text.contains("- **no figure**: DS, pair 1: missing 7\n"), "{text}");
    assert!(text.contains("| publishes/s | Tidings / DS | – | – | ≥ 1.25: **no figure** | – |\n"), "{text}");
}

#[test]
fn the_json_has_the_rows_and_the_runs() {
    let json = report(vec![(answer(3.0), answer(2.0)), (Err("failed 1".into()), answer(2.0))]).json();
    let scenario = &json["scenarios"][0];
    let ratio = scenario["rows"].as_array().and_then(|rows| rows.iter().find(|row| row["over"] == "DS"));
    let ratio = ratio.expect("Tidings over DS is a row");
    assert_eq!(ratio["pairs"], json!([1.5, null]));
    assert_eq!((&ratio["median"], &ratio["met"]), (&json!(1.5), &json!(true)));
    assert_eq!(scenario["pairs"][0][0]["answer"]["publish_per_s"], 3.0);
    assert_eq!(scenario["pairs"][1][0]["no_figure"], "failed 1");
}
