//! Why the server ends a stream, with the time after which its client may come back. One table; the docs are made from it.

use std::time::Duration;

/// A reason that stands in `tidings.end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The server is stopping, or handing over.
    Drain,
    /// The server has all the subscribers it takes.
    Overload,
    /// The stream reached its greatest age; it goes on at once on another connection.
    MaxAge,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// The reason.
    pub reason: EndReason,
    /// Its name on the wire.
    pub name: &'static str,
    /// The shortest `retry:` sent with it.
    pub retry_min: Duration,
    /// The longest: a client draws between the two, so that those who were cut together do not return together.
    pub retry_max: Duration,
    /// What it means, for people.
    pub meaning: &'static str,
}

/// The table of endings.
pub const ENDINGS: &[Ending] = &[
    Ending {
        reason: EndReason::Drain,
        name: "drain",
        // Long enough that a restart (a second or two) is over before the first of them knocks.
        retry_min: Duration::from_secs(2),
        retry_max: Duration::from_secs(6),
        meaning: "The server is stopping or restarting. The client returns by itself and misses nothing.",
    },
    Ending {
        reason: EndReason::Overload,
        name: "overload",
        // A minute on average: an EventSource never returns after a 503, so the stream is answered and ended instead.
        retry_min: Duration::from_secs(30),
        retry_max: Duration::from_secs(90),
        meaning: "The server has as many subscribers as it takes. The client returns by itself, later.",
    },
    Ending {
        reason: EndReason::MaxAge,
        name: "max_age",
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(3),
        meaning: "The stream reached its greatest age (some balancers cut long ones without a word). The client returns at once.",
    },
];

impl EndReason {
    /// This reason's row.
    pub fn row(self) -> &'static Ending {
        ENDINGS.iter().find(|row| row.reason == self).expect("every reason has a row")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_row_and_no_retry_is_short() {
        for reason in [EndReason::Drain, EndReason::Overload, EndReason::MaxAge] {
            let row = reason.row();
            assert!(row.retry_min >= Duration::from_secs(1) && row.retry_max > row.retry_min, "{row:?}");
        }
    }
}
