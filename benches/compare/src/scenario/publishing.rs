//! Publishing: how fast publishes are acknowledged, and whether topics make it slower.

use super::{BUDGET, Case, SYNC, Scenario, Work, side_by_side};
use crate::contestant::Contestant::{self, Axum, DurableStreams, Floor, Nchan, Tidings};
use crate::figure::{ANSWER_P50, ANSWER_P99, Bound, Figure, MEMORY, PUBLISH_CPU, PUBLISHES, Want};
use crate::rig::Load;

/// Long enough that a second of a slow disk does not decide.
const SECS: f64 = 4.0;

/// A thousand syncs and more.
const SYNC_SECS: f64 = 1.0;

const FIGURES: &[Figure] = &[PUBLISHES, ANSWER_P50, ANSWER_P99, PUBLISH_CPU];
const TOPIC_FIGURES: &[Figure] = &[PUBLISHES, ANSWER_P50, ANSWER_P99, PUBLISH_CPU, MEMORY];

/// 1, 16 and 128 publishers to one topic, with one subscriber that must get all.
pub(super) fn publish(secs: Option<f64>) -> Vec<Scenario> {
    let secs = secs.unwrap_or(SECS);
    let scenario = |name, title, publishers, wants: &[_]| {
        let load = Load { verb: "publish", flags: vec![("conns", 1.0), ("publishers", publishers), ("secs", secs)] };
        side_by_side(name, title, &[Tidings, DurableStreams, Floor, Nchan, Axum], &load, FIGURES, wants)
    };
    let mut one = scenario("publish-1", "1 publisher", 1.0, &[]);
    one.cases.push(Case { label: SYNC, work: Work::Sync { secs: SYNC_SECS.min(secs) } });
    one.ratios.push((Tidings.name(), BUDGET));
    one.wants.push(Want { figure: ANSWER_P50, of: Tidings.name(), over: Some(BUDGET), bound: Bound::AtMost(1.0) });
    one.has_budget = true;
    let few = [(PUBLISHES, Some(DurableStreams), Bound::AtLeast(1.25))];
    let many = [(PUBLISHES, Some(DurableStreams), Bound::AtLeast(1.4)), (PUBLISHES, Some(Floor), Bound::AtLeast(0.65))];
    let few = scenario("publish-16", "16 publishers", 16.0, &few);
    vec![one, few, scenario("publish-128", "128 publishers", 128.0, &many)]
}

const TIDINGS_1K: &str = "Tidings, 1,000 topics";
const TIDINGS_100K: &str = "Tidings, 100,000 topics";
const TIDINGS_1M: &str = "Tidings, 1,000,000 topics";
const DS_1K: &str = "DS, 1,000 topics";
const DS_10K: &str = "DS, 10,000 topics";

/// 16 publishers over more and more topics. The floor knows no topics: it shows what the machine was worth in each pair. Durable Streams
/// stops at 10,000, since it keeps a file open for each topic, and small machines allow a process 20,000.
pub(super) fn topics(secs: Option<f64>) -> Scenario {
    let secs = secs.unwrap_or(SECS);
    let case = |label, contestant: Contestant, topics| Case { label, work: Work::Topics { contestant, topics, secs } };
    // "Must not fall by more than a fifth."
    let no_fall = |of| Want { figure: PUBLISHES, of, over: Some(TIDINGS_1K), bound: Bound::AtLeast(0.8) };
    Scenario {
        name: "topics",
        title: "16 publishers over many topics, which have a few events each",
        cases: vec![
            case(TIDINGS_1K, Tidings, 1_000),
            case(TIDINGS_100K, Tidings, 100_000),
            case(TIDINGS_1M, Tidings, 1_000_000),
            case(DS_1K, DurableStreams, 1_000),
            case(DS_10K, DurableStreams, 10_000),
            case(Floor.name(), Floor, 1_000),
        ],
        figures: TOPIC_FIGURES,
        ratios: vec![
            (TIDINGS_100K, TIDINGS_1K),
            (TIDINGS_1M, TIDINGS_1K),
            (DS_10K, DS_1K),
            (TIDINGS_1K, DS_1K),
            (TIDINGS_1K, Floor.name()),
        ],
        wants: vec![no_fall(TIDINGS_100K), no_fall(TIDINGS_1M)],
        has_budget: false,
    }
}
