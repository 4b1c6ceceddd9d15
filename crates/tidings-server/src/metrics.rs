//! What is counted, and how it is read: one registry, in the OpenMetrics text format.
//!
//! Requests are counted here as they are answered. What the delivery side counts stays in plain numbers there, and is collected when
//! somebody asks.

mod log;

use crate::api::codes::Code;
use crate::connection::Gauges;
use crate::delivery::{Closed, Delivery};
use crate::demo::Demo;
use crate::engine::EmbeddedEngine;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use tidings_hub::{Counters, Holdings};

/// The status that nearly every answer has.
const OK: u16 = 200;

/// The server's metrics. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: Family<StatusLabel, Counter>,
    /// The one of them that nearly every answer counts in: found once, not under a lock for each.
    ok: Counter,
    refused: Family<CodeLabel, Counter>,
    published: Counter,
    turned_away: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

impl Metrics {
    /// Metrics of what is served from now on.
    pub(crate) fn new(
        delivery: Delivery,
        engine: Arc<EmbeddedEngine>,
        demo: Option<Demo>,
        connections: Gauges,
    ) -> Self {
        let mut registry = Registry::with_prefix("tidings");
        let requests = Family::<StatusLabel, Counter>::default();
        let ok = requests.get_or_create_owned(&StatusLabel { status: OK });
        registry.register("requests", "Requests answered, by status", requests.clone());
        let refused = Family::default();
        registry.register(
            "requests_refused",
            "Requests, streams and lines of batches refused, by error code",
            refused.clone(),
        );
        // Present from the start: an alert on the first refusal needs a zero to rise from.
        for code in Code::ALL {
            drop(refused.get_or_create(&CodeLabel { code: code.name() }));
        }
        let published = Counter::default();
        registry.register("published", "Events published and acknowledged", published.clone());
        let commits = engine.commit_seconds();
        registry.register(
            "log_commit_seconds",
            "From an append's way into the queue to its answer, the first of each group",
            commits,
        );
        let turned_away = Counter::default();
        registry.register(
            "small_listeners_turned_away",
            "Connections dropped by the admin's listener and the demo page's, which serve few",
            turned_away.clone(),
        );
        registry.register_collector(Box::new(log::LogCollector(engine)));
        registry.register_collector(Box::new(DeliveryCollector { delivery, demo, connections }));
        Metrics(Arc::new(Inner { registry, requests, ok, refused, published, turned_away }))
    }

    /// All of them, as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("a String takes every character");
        text
    }

    /// A request was answered.
    pub(crate) fn answered(&self, status: u16) {
        if status == OK {
            self.0.ok.inc();
        } else {
            self.0.requests.get_or_create(&StatusLabel { status }).inc();
        }
    }

    /// A request, a stream or a line of a batch was refused.
    pub(crate) fn refused(&self, code: Code) {
        self.0.refused.get_or_create(&CodeLabel { code: code.name() }).inc();
    }

    /// A small listener had no room for a connection.
    pub(crate) fn turned_away(&self) {
        self.0.turned_away.inc();
    }

    /// Events were published.
    pub(crate) fn published(&self, events: usize) {
        self.0.published.inc_by(events as u64);
    }
}

/// Reads the numbers of the delivery side, summed over its shards.
#[derive(Debug)]
struct DeliveryCollector {
    delivery: Delivery,
    demo: Option<Demo>,
    connections: Gauges,
}

impl Collector for DeliveryCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shards = self.delivery.shards();
        let sum = |field: fn(&Counters) -> u64| shards.iter().map(|shard| field(&shard.counters)).sum::<u64>();
        let held = |field: fn(&Holdings) -> usize| shards.iter().map(|shard| field(&shard.holdings)).sum::<usize>();
        counter(&mut encoder, "delivered", "Event frames sent, whole", sum(|c| c.delivered))?;
        counter(&mut encoder, "delivered_bytes", "Bytes sent on streams", sum(|c| c.bytes))?;
        counter(&mut encoder, "heartbeats", "Heartbeats and checkpoints sent", sum(|c| c.heartbeats))?;
        counter(&mut encoder, "history_reads", "Reads of history for streams behind the tail", sum(|c| c.fetched))?;
        let gaps = [
            ("expired", sum(|c| c.gaps_expired)),
            ("unknown", sum(|c| c.gaps_unknown)),
            ("lagged", sum(|c| c.gaps_lagged)),
        ];
        counters(&mut encoder, "gaps", "Gaps told to subscribers, by reason", "reason", &gaps)?;
        let ended = [
            ("clean", sum(|c| c.ended)),
            ("reset_grace", sum(|c| c.reset_grace)),
            ("reset_stalled", sum(|c| c.reset_stalled)),
            ("reset_held", sum(|c| c.reset_held)),
            ("reset_history", sum(|c| c.reset_history)),
        ];
        counters(&mut encoder, "streams_ended", "Streams the server ended, by how", "how", &ended)?;
        let closed = |field: fn(&Closed) -> u64| shards.iter().map(|shard| field(&shard.closed)).sum::<u64>();
        let closed = [("peer", closed(|c| c.peer)), ("talk", closed(|c| c.talk)), ("grace", closed(|c| c.grace))];
        counters(&mut encoder, "streams_closed", "Streams' sockets closed before their end, by why", "by", &closed)?;
        gauge(&mut encoder, "subscribers", "Subscriptions whose clients are there", self.delivery.subscribers())?;
        let blocked = held(|h| h.blocked);
        gauge(&mut encoder, "subscribers_blocked", "Subscribers whose sockets take nothing for now", blocked)?;
        gauge(&mut encoder, "subscriber_groups", "Groups of equal subscriptions", held(|h| h.groups))?;
        gauge(&mut encoder, "topics", "Topics with events in the tail, or named by a subscriber", held(|h| h.topics))?;
        gauge(&mut encoder, "held_bytes", "Half-sent frames held beyond the tail", held(|h| h.held_bytes))?;
        gauge(&mut encoder, "replay_bytes", "Encoded pages of history alive", held(|h| h.replay_bytes))?;
        let transport = self.delivery.slot_bytes() + self.connections.pending.get();
        gauge(&mut encoder, "transport_bytes", "Bytes taken from the hub that no socket has taken yet", transport)?;
        let requests = &self.connections.requests;
        gauge(
            &mut encoder,
            "http2_requests",
            "Requests over HTTP/2 under way, streams among them",
            requests.under_way(),
        )?;
        let refused = "Requests over HTTP/2 refused for want of room, unseen";
        counter(&mut encoder, "http2_requests_refused", refused, requests.refused())?;
        gauge(&mut encoder, "tail_bytes", "Events and frames in the tail", self.delivery.tail().bytes())?;
        let waits = self.delivery.tail().waits();
        counter(&mut encoder, "shard_waits", "Batches that waited for a shard, and their publishers with them", waits)?;
        let held = self.delivery.publishes_held();
        counter(
            &mut encoder,
            "publishes_held",
            "Publishes that waited for a shard to catch up with its readers",
            held,
        )?;
        gauge(&mut encoder, "tail_events", "Events in the tail", self.delivery.tail().events())?;
        if let Some(demo) = &self.demo {
            let (listeners, clocks) = demo.counts();
            gauge(&mut encoder, "clock_listeners", "Listeners of the demo's clock", listeners)?;
            gauge(&mut encoder, "clocks_running", "Clocks that tick for them: one, or none", clocks)?;
        }
        Ok(())
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(encoder)
}

/// One counter with a label of a few fixed values.
fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(&'static str, u64)],
) -> fmt::Result {
    let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        ConstCounter::new(*count).encode(encoder.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: usize) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(encoder)
}
