//! Growth and trouble: readers that are stuck, many topics, patterns and choices, more subscribers and larger events, a storm.

use super::{Case, Scenario, Work};
use crate::contestant::Contestant::{self, Floor, Tidings};
use crate::crowd::{Crowd, Listens};
use crate::figure::{
    ANSWER_MAX, Bound, CONN_BYTES, DELIVERIES, DELIVERY_CPU, EVENT_CPU, Figure, GROWTH, GROWTH_KIB, LATENCY_P50,
    LATENCY_P99, QUEUED_MOST, READ_ON, REPLAYED, STALLED_KERNEL, Want,
};
use crate::storm::Storm;

/// Long enough for 60,000 deliveries and more at the rates here: CPU is counted in hundredths of a second, and this is half a second of it.
const SECS: f64 = 4.0;

/// Deliveries a second at which costs are compared: a fifth of what two cores can do, so that nobody waits and nothing is sent together.
const EASY: f64 = 20_000.0;

/// As much as the rig's events bear.
const DATA_BYTES: usize = 128;

/// Of the size that the issue names.
const BATCH: usize = 1_000;

/// All listen to one topic, to which events go one by one, `EASY` deliveries a second in all.
fn plain(conns: usize, secs: f64) -> Crowd {
    Crowd {
        listens: Listens::Topic { json: false },
        conns,
        stuck: 0,
        batch: 1,
        requests_per_s: EASY / conns as f64,
        data_bytes: DATA_BYTES,
        secs,
        is_net: false,
    }
}

fn case(label: &'static str, contestant: Contestant, crowd: Crowd) -> Case {
    Case { label, work: Work::Crowd { contestant, crowd } }
}

const ALL_READ: &str = "Tidings, all read";
const STUCK: &str = "Tidings, 500 stuck";

/// 500 of 5,000 stop reading, and read on later. Each event is 16 KiB, so that what they do not read, 640 KiB at least, fits into no
/// buffer between.
pub(super) fn stuck(secs: Option<f64>) -> Scenario {
    let secs = secs.unwrap_or(5.0);
    let all_read = Crowd { requests_per_s: 10.0, data_bytes: 16 << 10, secs, ..plain(5_000, secs) };
    let want = |figure, over, bound| Want { figure, of: STUCK, over, bound };
    Scenario {
        name: "stuck",
        title: "5,000 subscribers, 10 events of 16 KiB a second; 500 of them read nothing, and then all of it",
        cases: vec![case(ALL_READ, Tidings, all_read), case(STUCK, Tidings, Crowd { stuck: 500, ..all_read })],
        figures: &[LATENCY_P50, LATENCY_P99, DELIVERY_CPU, GROWTH_KIB, STALLED_KERNEL, QUEUED_MOST, READ_ON],
        ratios: vec![(STUCK, ALL_READ)],
        wants: vec![
            want(LATENCY_P99, Some(ALL_READ), Bound::AtMost(1.25)),
            want(GROWTH_KIB, Some(ALL_READ), Bound::AtMost(1_024.0)),
            // TCP_NOTSENT_LOWAT is 64 KiB; the kernel looks at it before each buffer of up to 64 KiB that it fills.
            want(STALLED_KERNEL, None, Bound::AtMost(128.0)),
        ],
        has_budget: false,
    }
}

const ONE_TOPIC: &str = "Tidings, one topic";
const TOPICS: &str = "Tidings, 10,000 topics";
const PATTERNS: &str = "Tidings, 1,000 patterns";

/// 10,000 subscribers of a topic each, and 10 of each of 1,000 patterns, beside 10,000 of one topic.
pub(super) fn many(secs: Option<f64>) -> Vec<Scenario> {
    let secs = secs.unwrap_or(SECS);
    let one = Crowd { is_net: true, ..plain(10_000, secs) };
    let scenario = |name, title, label, crowd: Crowd, one: Crowd| Scenario {
        name,
        title,
        cases: vec![case(label, Tidings, crowd), case(ONE_TOPIC, Tidings, one)],
        figures: &[DELIVERY_CPU, LATENCY_P50, LATENCY_P99, CONN_BYTES],
        ratios: vec![(label, ONE_TOPIC)],
        wants: vec![Want { figure: DELIVERY_CPU, of: label, over: Some(ONE_TOPIC), bound: Bound::AtMost(1.5) }],
        has_budget: false,
    };
    let batches = |listens, requests_per_s| Crowd { listens, batch: BATCH, requests_per_s, ..one };
    let topics = batches(Listens::Topics(10_000), EASY / BATCH as f64);
    let patterns = batches(Listens::Patterns(1_000), EASY / BATCH as f64 / 10.0);
    let one_json = Crowd { listens: Listens::Topic { json: true }, ..one };
    vec![
        scenario("many-topics", "10,000 topics with one subscriber each, in batches of 1,000", TOPICS, topics, one),
        scenario(
            "many-patterns",
            "1,000 patterns with 10 subscribers each, in batches of 1,000",
            PATTERNS,
            patterns,
            one_json,
        ),
    ]
}

const SEVERAL: &str = "Tidings, 1,000 topics each";
const OWN: &str = "Tidings, 1,000 topics each, one its own";

/// Subscribers that chose 1,000 topics, beside subscribers of one.
pub(super) fn wide(secs: Option<f64>) -> Scenario {
    let one = Crowd { listens: Listens::Topic { json: true }, ..plain(2_000, secs.unwrap_or(SECS)) };
    let several = |own| Crowd { listens: Listens::Several { topics: 1_000, own }, ..one };
    // "No more than", with what pairs differ by on a quiet machine.
    let want = |of| Want { figure: DELIVERY_CPU, of, over: Some(ONE_TOPIC), bound: Bound::AtMost(1.1) };
    Scenario {
        name: "wide",
        title: "2,000 subscribers of 1,000 topics each; an event goes to one of them",
        cases: vec![
            case(SEVERAL, Tidings, several(false)),
            case(OWN, Tidings, several(true)),
            case(ONE_TOPIC, Tidings, one),
        ],
        figures: &[DELIVERY_CPU, LATENCY_P50, LATENCY_P99, CONN_BYTES],
        ratios: vec![(SEVERAL, ONE_TOPIC), (OWN, ONE_TOPIC)],
        wants: vec![want(SEVERAL), want(OWN)],
        has_budget: false,
    }
}

/// Counts of subscribers, and who has them.
const COUNTS: [(usize, &str, &str); 5] = [
    (1_000, "Tidings, 1,000", "floor, 1,000"),
    (2_000, "Tidings, 2,000", "floor, 2,000"),
    (5_000, "Tidings, 5,000", "floor, 5,000"),
    (10_000, "Tidings, 10,000", "floor, 10,000"),
    (18_000, "Tidings, 18,000", "floor, 18,000"),
];

/// Costs over counts of subscribers, for three sizes of events.
pub(super) fn curves(secs: Option<f64>) -> Vec<Scenario> {
    let curve = |name, title, data_bytes| {
        let crowd = |conns| Crowd { data_bytes, ..plain(conns, secs.unwrap_or(SECS)) };
        let cases = |&(conns, tidings, floor): &(usize, _, _)| {
            [case(tidings, Tidings, crowd(conns)), case(floor, Floor, crowd(conns))]
        };
        let (_, first, _) = COUNTS[0];
        let others = COUNTS[1..].iter().map(|&(_, tidings, _)| (tidings, first));
        let flat = |figure| {
            let bound = Bound::AtMost(1.15);
            COUNTS[1..].iter().map(move |&(_, of, _)| Want { figure, of, over: Some(first), bound })
        };
        Scenario {
            name,
            title,
            cases: COUNTS.iter().flat_map(cases).collect(),
            figures: CURVE_FIGURES,
            ratios: others.chain(COUNTS.map(|(_, tidings, floor)| (tidings, floor))).collect(),
            wants: flat(DELIVERY_CPU).chain(flat(CONN_BYTES)).collect(),
            has_budget: false,
        }
    };
    vec![
        curve("curve-128", "events of 128 bytes, 20,000 deliveries a second", 128),
        curve("curve-1k", "events of 1 KiB, 20,000 deliveries a second", 1 << 10),
        curve("curve-16k", "events of 16 KiB, 20,000 deliveries a second", 16 << 10),
    ]
}

const CURVE_FIGURES: &[Figure] = &[DELIVERY_CPU, CONN_BYTES, LATENCY_P50, LATENCY_P99, DELIVERIES];

const WARM: &str = "Tidings, from memory";
const COLD: &str = "Tidings, from disk";

/// As many as small machines have files for return at once.
pub(super) fn storm() -> Scenario {
    let storm = |is_cold| Storm { conns: 18_000, history: 100, is_cold };
    let case = |label, contestant, is_cold| Case { label, work: Work::Storm { contestant, storm: storm(is_cold) } };
    let want = |figure, of, over, bound| Want { figure, of, over, bound };
    Scenario {
        name: "storm",
        title: "18,000 subscribers return at once, 100 events behind, while somebody publishes",
        cases: vec![case(WARM, Tidings, false), case(COLD, Tidings, true), case(Floor.name(), Floor, false)],
        figures: &[REPLAYED, EVENT_CPU, GROWTH, ANSWER_MAX],
        ratios: vec![(WARM, Floor.name()), (COLD, Floor.name())],
        wants: vec![
            want(REPLAYED, WARM, Some(Floor.name()), Bound::AtLeast(0.5)),
            want(REPLAYED, COLD, Some(Floor.name()), Bound::AtLeast(0.5)),
            // `replay_bytes_max`: what pages of history may take in a shard.
            want(GROWTH, WARM, None, Bound::AtMost(64.0)),
            want(GROWTH, COLD, None, Bound::AtMost(64.0)),
        ],
        has_budget: false,
    }
}
