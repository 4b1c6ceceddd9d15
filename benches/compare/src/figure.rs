//! What a run is asked for, and what Tidings must show.

use serde_json::Value;

/// A number of a run: where it stands in the run's JSON, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// A JSON pointer.
    pub(crate) pointer: &'static str,
    /// Its name and unit in tables.
    pub(crate) name: &'static str,
    pub(crate) decimals: usize,
}

impl Figure {
    /// Whether one case is shown less another, not over it: how often a growth of nothing goes into something says nothing.
    pub(crate) fn is_difference(&self) -> bool {
        self.pointer == GROWTH_KIB.pointer
    }

    /// Its value in a run, where the run has it.
    pub(crate) fn of(&self, run: &Value) -> Option<f64> {
        run.pointer(self.pointer).and_then(Value::as_f64)
    }
}

pub(crate) const PUBLISHES: Figure = Figure { pointer: "/publish_per_s", name: "publishes/s", decimals: 0 };
pub(crate) const ANSWER_P50: Figure = Figure { pointer: "/answer_ms/p50", name: "answer p50, ms", decimals: 3 };
pub(crate) const ANSWER_P99: Figure = Figure { pointer: "/answer_ms/p99", name: "answer p99, ms", decimals: 3 };
pub(crate) const PUBLISH_CPU: Figure =
    Figure { pointer: "/server_cpu_us_per_publish", name: "CPU a publish, µs", decimals: 1 };
pub(crate) const CONN_BYTES: Figure =
    Figure { pointer: "/server_bytes_per_conn", name: "user bytes a subscriber", decimals: 0 };
pub(crate) const CONNECTS: Figure = Figure { pointer: "/connects_per_s", name: "connects/s", decimals: 0 };
pub(crate) const CONNECT_CPU: Figure =
    Figure { pointer: "/server_cpu_us_per_connect", name: "CPU a connect, µs", decimals: 1 };
pub(crate) const DELIVERIES: Figure = Figure { pointer: "/deliveries_per_s", name: "deliveries/s", decimals: 0 };
pub(crate) const DELIVERY_CPU: Figure =
    Figure { pointer: "/server_cpu_us_per_delivery", name: "CPU a delivery, µs", decimals: 3 };
pub(crate) const LATENCY_P50: Figure = Figure { pointer: "/latency_ms/p50", name: "latency p50, ms", decimals: 1 };
pub(crate) const LATENCY_P99: Figure = Figure { pointer: "/latency_ms/p99", name: "latency p99, ms", decimals: 1 };
pub(crate) const GROWTH: Figure = Figure { pointer: "/server_mib_growth", name: "memory growth, MiB", decimals: 0 };
pub(crate) const REPLAYED: Figure = Figure { pointer: "/replayed_per_s", name: "events/s", decimals: 0 };
pub(crate) const EVENT_CPU: Figure =
    Figure { pointer: "/server_cpu_us_per_event", name: "CPU an event, µs", decimals: 3 };
pub(crate) const MEMORY: Figure = Figure { pointer: "/server_mib", name: "memory after loading, MiB", decimals: 0 };

pub(crate) const GROWTH_KIB: Figure = Figure { pointer: "/server_kib_growth", name: "memory growth, KiB", decimals: 0 };
pub(crate) const STALLED_KERNEL: Figure =
    Figure { pointer: "/stalled/kernel_kib_each", name: "kernel memory a stuck socket, KiB", decimals: 1 };
pub(crate) const QUEUED_MOST: Figure =
    Figure { pointer: "/stalled/queued_kib_most", name: "most queued on one, KiB", decimals: 1 };
pub(crate) const READ_ON: Figure =
    Figure { pointer: "/stalled/read_on_s", name: "until the stuck have read all, s", decimals: 2 };
pub(crate) const ANSWER_MAX: Figure = Figure { pointer: "/answer_ms/max", name: "slowest answer, ms", decimals: 1 };

/// What a median must show: beside another case's, pair by pair, or by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Want {
    pub(crate) figure: Figure,
    /// The case it is about.
    pub(crate) of: &'static str,
    /// The case that is one, or nothing where the figure is a difference; `None` for a bound on the figure itself.
    pub(crate) over: Option<&'static str>,
    pub(crate) bound: Bound,
}

/// On which side of a number a figure must lie; the number itself is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    /// As tables show it.
    pub(crate) fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("≥ {bound}"),
            Self::AtMost(bound) => format!("≤ {bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_is_found_below_its_pointer() {
        let run = json!({"answer_ms": {"p50": 0.25}, "publish_per_s": 3, "connects_per_s": null});
        assert_eq!(ANSWER_P50.of(&run), Some(0.25));
        assert_eq!(PUBLISHES.of(&run), Some(3.0));
        assert_eq!(CONNECTS.of(&run), None);
        assert_eq!(ANSWER_P99.of(&run), None);
    }

    #[test]
    fn bounds_include_their_number() {
        assert!(Bound::AtLeast(0.8).holds(0.8) && !Bound::AtLeast(0.8).holds(0.79));
        assert!(Bound::AtMost(0.8).holds(0.8) && !Bound::AtMost(0.8).holds(0.81));
        assert!(!Bound::AtMost(0.8).holds(f64::NAN) && !Bound::AtLeast(0.8).holds(f64::NAN));
    }
}
