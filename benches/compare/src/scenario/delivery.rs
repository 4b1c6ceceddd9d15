//! Delivery: what a subscriber costs, at rest, at an easy rate, at full speed and on its return.

use super::{Case, Scenario, Work, side_by_side};
use crate::contestant::Contestant::{Axum, DurableStreams, Floor, InMemory, Nchan, Node, Tidings};
use crate::figure::{
    Bound, CONN_BYTES, CONNECT_CPU, CONNECTS, DELIVERIES, DELIVERY_CPU, EVENT_CPU, Figure, GROWTH, LATENCY_P50,
    LATENCY_P99, PUBLISHES, REPLAYED, Want,
};
use crate::rig::Load;

/// Below the 20,000 open files that small machines allow a process, with 100 subscribers that the rig opens first, and room for a server's
/// own files.
const IDLE: f64 = 18_000.0;

/// At 10 events a second 50, a quarter of a million deliveries.
const EASY_SECS: f64 = 5.0;

const BURST_SECS: f64 = 4.0;

const FANOUT_FIGURES: &[Figure] = &[DELIVERIES, DELIVERY_CPU, LATENCY_P50, LATENCY_P99, GROWTH, PUBLISHES];

/// Idle subscribers.
pub(super) fn hold() -> Scenario {
    let load = Load { verb: "hold", flags: vec![("conns", IDLE)] };
    let wants = [
        (CONN_BYTES, None, Bound::AtMost(300.0)),
        (CONNECTS, Some(Floor), Bound::AtLeast(0.8)),
        (CONNECT_CPU, Some(DurableStreams), Bound::AtMost(1.0)),
        (CONNECT_CPU, Some(Floor), Bound::AtMost(2.5)),
    ];
    let contestants = [Tidings, DurableStreams, Floor, Nchan, Axum, Node];
    let figures = &[CONN_BYTES, CONNECTS, CONNECT_CPU];
    side_by_side("hold", "18,000 idle subscribers", &contestants, &load, figures, &wants)
}

/// Idle subscribers that share connections, as those of a gateway do. No peer here speaks HTTP/2 without TLS.
pub(super) fn hold_h2() -> Scenario {
    /// As many as browsers and gateways put on one.
    const STREAMS: usize = 100;
    let work = Work::Streams { contestant: Tidings, connections: IDLE as usize / STREAMS, streams: STREAMS };
    Scenario {
        name: "hold-h2",
        title: "18,000 idle subscribers over HTTP/2, 100 on each connection",
        cases: vec![Case { label: Tidings.name(), work }],
        figures: &[CONN_BYTES, CONNECTS, CONNECT_CPU],
        ratios: Vec::new(),
        wants: vec![Want { figure: CONN_BYTES, of: Tidings.name(), over: None, bound: Bound::AtMost(2_500.0) }],
        has_budget: false,
    }
}

/// Many subscribers at an easy rate, and fewer at full speed.
pub(super) fn fanout(secs: Option<f64>) -> Vec<Scenario> {
    let load = |conns, rate, publishers, secs| Load {
        verb: "fanout",
        flags: vec![("conns", conns), ("rate", rate), ("publishers", publishers), ("secs", secs)],
    };
    let easy = load(5_000.0, 10.0, 1.0, secs.unwrap_or(EASY_SECS));
    let burst = |publishers| load(500.0, 0.0, publishers, secs.unwrap_or(BURST_SECS));
    let easy_wants = [
        (DELIVERY_CPU, Some(Floor), Bound::AtMost(1.15)),
        (LATENCY_P50, Some(DurableStreams), Bound::AtMost(1.0)),
        (LATENCY_P99, Some(DurableStreams), Bound::AtMost(1.0)),
        (LATENCY_P50, Some(Nchan), Bound::AtMost(1.0)),
        (LATENCY_P99, Some(Nchan), Bound::AtMost(1.0)),
    ];
    let one_wants = [
        (DELIVERIES, Some(DurableStreams), Bound::AtLeast(1.1)),
        (DELIVERY_CPU, Some(DurableStreams), Bound::AtMost(0.9)),
    ];
    let eight_wants = [
        (DELIVERIES, Some(DurableStreams), Bound::AtLeast(1.2)),
        (DELIVERY_CPU, Some(DurableStreams), Bound::AtMost(0.7)),
        (LATENCY_P99, None, Bound::AtMost(150.0)),
        (GROWTH, None, Bound::AtMost(16.0)),
    ];
    // A plain Node server needs about the 100 ms between two events to write one to 5,000 sockets: it would miss the rate as often as not.
    let steady = [Tidings, DurableStreams, Floor, Nchan, Axum];
    let everybody = [Tidings, DurableStreams, Floor, Nchan, Axum, Node];
    let title = "5,000 subscribers, 10 events a second";
    vec![
        side_by_side("fanout", title, &steady, &easy, FANOUT_FIGURES, &easy_wants),
        side_by_side(
            "burst-1",
            "500 subscribers, 1 publisher at full speed",
            &everybody,
            &burst(1.0),
            FANOUT_FIGURES,
            &one_wants,
        ),
        side_by_side(
            "burst-8",
            "500 subscribers, 8 publishers at full speed",
            &[Tidings, DurableStreams, Floor],
            &burst(8.0),
            FANOUT_FIGURES,
            &eight_wants,
        ),
    ]
}

/// A storm of clients that return. The other peers' streams have no ids, or none that the rig could return with.
pub(super) fn replay() -> Scenario {
    let load = Load { verb: "replay", flags: vec![("conns", 500.0), ("history", 9_000.0)] };
    let wants = [(REPLAYED, Some(Floor), Bound::AtLeast(0.5))];
    let title = "500 subscribers return at once, 9,000 events behind";
    side_by_side("replay", title, &[Tidings, Floor, Nchan], &load, &[REPLAYED, EVENT_CPU], &wants)
}

/// Many topics with a subscriber each: every delivery is an event, and an event's whole cost is its delivery's. Four publishers, so that
/// the rate is kept on disks whose sync takes a millisecond too.
pub(super) fn spread(secs: Option<f64>) -> Scenario {
    let secs = secs.unwrap_or(EASY_SECS);
    let flags = vec![("conns", 5_000.0), ("topics", 5_000.0), ("rate", 2_000.0), ("publishers", 4.0), ("secs", secs)];
    let mut spread = side_by_side(
        "spread",
        "5,000 topics with one subscriber each, 2,000 events a second",
        &[Tidings, InMemory, DurableStreams, Nchan],
        &Load { verb: "fanout", flags },
        &[DELIVERY_CPU, LATENCY_P50, LATENCY_P99, PUBLISHES],
        &[(DELIVERY_CPU, Some(DurableStreams), Bound::AtMost(0.6))],
    );
    // nchan stores nothing: a sync for each event is not what is compared with it.
    let (of, over) = (InMemory.name(), Nchan.name());
    spread.ratios.push((of, over));
    spread.wants.push(Want { figure: DELIVERY_CPU, of, over: Some(over), bound: Bound::AtMost(1.0) });
    spread
}
