//! Every limit of the server, in one table, with the arithmetic that chose it. The reference page is made from it.
//!
//! Names end in their unit and bound: `…_bytes_max` is a number of bytes that is never exceeded. Durations bear their unit in
//! their type. What must hold between limits is asserted when the program is compiled.

use crate::units::grouped;
use std::fmt;
use std::time::Duration;
use tidings_hub::{Epoch, Seq, ShardConfig, TopicName};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

/// A limit's value, printed with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number of bytes.
    Bytes(usize),
    /// A number of things.
    Count(usize),
    /// A time.
    Time(Duration),
    /// A time that may be without end.
    Age(Option<Duration>),
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The limit's name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// What it bounds, and how it was chosen.
    pub meaning: &'static str,
}

/// One definition makes the struct, its values and the rows of the table, so that the three cannot differ.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ident = $value:expr;)+) => {
        /// The server's limits. [`Limits::DEFAULT`] is the table; a test may set others.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $name: limits!(@type $kind),)+
        }

        impl Limits {
            /// The table's values.
            pub const DEFAULT: Limits = Limits { $($name: $value,)+ };

            /// The table, in its order.
            pub fn table(&self) -> Vec<Row> {
                vec![$(Row {
                    name: stringify!($name),
                    value: Value::$kind(self.$name),
                    meaning: concat!($($doc),+).trim_ascii(),
                },)+]
            }
        }
    };
    (@type Bytes) => { usize };
    (@type Count) => { usize };
    (@type Time) => { Duration };
    (@type Age) => { Option<Duration> };
}

limits! {
    /// Data of one event. What a phone takes in one piece, and what a stalled reader may hold of a half-sent frame.
    event_bytes_max: Bytes = MIB;
    /// An event's type: it is a name in somebody's program.
    event_type_bytes_max: Bytes = 256;
    /// A content type without its parameters: twice the 127 of RFC 6838, and the slash.
    content_type_bytes_max: Bytes = 255;
    /// An idempotency key: a UUID has 36.
    idempotency_key_bytes_max: Bytes = 256;
    /// The body of a batch: eight of the largest events.
    batch_bytes_max: Bytes = 8 * MIB;
    /// Lines of a batch: at 100 bytes a line, a megabyte.
    batch_lines_max: Count = 10_000;
    /// Bodies being read or handled at once, over all connections: eight of the largest batches. Beyond it a body is refused.
    bodies_bytes_max: Bytes = 64 * MIB;
    /// The time a body may take to come: the largest event at 140 kbit/s.
    body_timeout: Time = Duration::from_secs(60);
    /// What is read and thrown away of a body that was refused, so that its sender gets to read why: two of the largest batches.
    refused_body_bytes_max: Bytes = 16 * MIB;
    /// The time that may take.
    refused_body_timeout: Time = Duration::from_secs(5);
    /// A request's line and headers: a topic of the greatest length, three bytes for each of its own, and as much again.
    head_bytes_max: Bytes = 16 * KIB;
    /// The time a request's head may take to come, and the time a connection may stay without a request.
    head_timeout: Time = Duration::from_secs(30);
    /// Connections at once, over all listeners; more wait in the kernel's queue. Up to 20 KB each, so 1.3 GB at the worst.
    connections_max: Count = 65_536;
    /// Subscriptions at once; more are answered with a stream that ends and says when to return. Below `connections_max`, so that
    /// publishers still find a connection when the listeners fill up.
    subscribers_max: Count = 60_000;
    /// Requests over HTTP/2 under way at once, streams among them, over all connections: as many as there may be connections, though each takes
    /// less. One more is refused by a reset that says so (`REFUSED_STREAM`), and may be sent again.
    http2_requests_max: Count = 65_536;
    /// The same on one connection: more than a page opens, for browsers wait in silence beyond it. A gateway opens another connection.
    http2_streams_max: Count = 256;
    /// What a client may send on an HTTP/2 connection before it is read: 5 MB/s over 50 ms.
    http2_window_bytes_max: Bytes = 256 * KIB;
    /// Streams that a client opened and reset before the server had looked at them; beyond it the connection is ended, as a flood.
    http2_resets_max: Count = 20;
    /// Silence on an HTTP/2 connection after which its client is asked for a sign, and the time it has for that: a dead one is found no later
    /// than one that stands still.
    http2_ping_interval: Time = Duration::from_secs(30);
    /// What a client may send on its stream's connection behind the request: it is thrown away, and beyond this the connection is closed.
    heard_bytes_max: Bytes = 64 * KIB;
    /// The newest events in memory with their encoded forms: a few seconds of a busy server, all that most returning clients need.
    tail_bytes_max: Bytes = 64 * MIB;
    /// Publishes that wait for the engine's next group; a publisher waits for room. Their bytes are those of `bodies_bytes_max`.
    appends_queued_max: Count = 1_024;
    /// Half-sent frames held after the tail let go of them; at the bound, the reader longest without progress is reset.
    held_bytes_max: Bytes = 32 * MIB;
    /// Bytes one subscription is offered in a turn: what a socket takes at once, and no more than others wait for.
    turn_bytes_max: Bytes = 256 * KIB;
    /// Slices one subscription is offered in a turn: writev takes 1,024, and a stream's head may stand before them.
    turn_slices_max: Count = 1_000;
    /// How long events may come faster than they go out on sockets that take bytes, before publishers wait: less than half of the
    /// tenth of a second that people take for at once. A full socket makes nobody wait.
    delivery_debt_max: Time = Duration::from_millis(40);
    /// Positions a subscription with filters or patterns looks at in a turn: about 100 µs.
    turn_scan_max: Count = 4_096;
    /// Positions of the newest events noted for each choice of several topics or of patterns: at 8 bytes each, 5 MB for 18,000 choices. Who
    /// has more ahead searches, 30 µs for a thousand topics: about a microsecond for each event found.
    noted_max: Count = 32;
    /// Pages of history alive in a shard, encoded: a page each for 64 places that returning clients are at.
    replay_bytes_max: Bytes = 64 * MIB;
    /// Reads of history under way at once in a shard: enough to keep a disk busy.
    fetches_max: Count = 16;
    /// Events of one page of history, and the most `limit` may ask for.
    page_events_max: Count = 1_000;
    /// Data of one page of history; one event comes in any case.
    page_bytes_max: Bytes = MIB;
    /// Events looked at for one page of history: a millisecond or two. A page may be short, and says that there is more.
    page_examined_max: Count = 10_000;
    /// The most `last` may ask for: ten pages.
    last_max: Count = 10_000;
    /// The longest `wait`: below the 60 s after which common proxies give up on an answer that has not begun.
    wait_max: Time = Duration::from_secs(55);
    /// What one append may take on disk, and one write of the log with its sync: twice the largest batch. A smaller retention has
    /// smaller segments, and may not take the largest batches.
    log_batch_bytes_max: Bytes = 16 * MIB;
    /// Bytes of events that wait for the log's writer; a publisher waits for room. The log has a copy, so twice this at the worst.
    log_queued_bytes_max: Bytes = 32 * MIB;
    /// Reads of the log under way at once, each on a thread of its own: enough to keep a disk busy. More wait for their turn.
    log_reads_max: Count = 8;
    /// The longest time to live: longer is for ever.
    ttl_max: Time = Duration::from_secs(3_650 * 24 * 60 * 60);
    /// The shortest.
    ttl_min: Time = SECOND;
    /// Topics with kept events; an event of one more is refused.
    topics_max: Count = 1_000_000;
    /// Idempotency keys remembered; the oldest are forgotten first. At 31 bytes each, 32 MB at the worst.
    idempotency_keys_max: Count = 1_000_000;
    /// Publishes with idempotency keys under way, each line of a batch one: five of the largest batches. Beyond it they are refused.
    idempotency_claims_max: Count = 50_000;
    /// How long an idempotency key is remembered: longer than any client goes on retrying.
    idempotency_age: Time = Duration::from_secs(5 * 60);
    /// Silence on a stream after which a heartbeat is sent: proxies cut at 30 to 60 s.
    heartbeat: Time = Duration::from_secs(15);
    /// Silence after which a heartbeat bears an id, so that a client of a quiet topic returns to a place that is still kept.
    checkpoint_after: Time = Duration::from_secs(60);
    /// The age at which a stream is ended, spread by a fifth to either side: for balancers that cut long ones without a word.
    max_age: Age = None;
    /// How long a reader may take nothing of what waits for it before its connection is cut: it comes back where it was. As long as
    /// common proxies wait for an answer; told within a heartbeat's interval.
    stall_timeout: Time = Duration::from_secs(60);
    /// How long the kernel goes on sending to one who confirms nothing: longer than `stall_timeout`, which counts.
    dead_timeout: Time = Duration::from_secs(90);
    /// What the kernel holds of a stream beyond what is on its way: what is sent while the shard is elsewhere, and no more. Without a
    /// bound a stalled client hides megabytes.
    unsent_bytes_max: Bytes = 64 * KIB;
    /// What an ending stream gets for its last bytes before it is cut.
    end_grace: Time = SECOND;
    /// The shortest time after which clients are told to return: below a second, a restart becomes a storm.
    retry_min: Time = SECOND;
    /// The longest: drawn for each client, so that those who were cut together do not return together.
    retry_max: Time = Duration::from_secs(3);
}

impl Limits {
    /// What a shard is told of them. Seeds are arguments: a simulation repeats bit for bit.
    pub fn shard_config(&self, epoch: Epoch, head: Seq, rng_seed: u64, hash_seed: u64) -> ShardConfig {
        ShardConfig {
            epoch,
            head,
            rng_seed,
            hash_seed,
            subscriptions_max: self.subscribers_max,
            turn_bytes_max: self.turn_bytes_max,
            turn_slices_max: self.turn_slices_max,
            turn_scan_max: self.turn_scan_max,
            noted_max: self.noted_max,
            held_bytes_max: self.held_bytes_max,
            replay_bytes_max: self.replay_bytes_max,
            fetches_max: self.fetches_max,
            page_events_max: self.page_events_max,
            page_bytes_max: self.page_bytes_max,
            debt_max: self.delivery_debt_max,
            heartbeat: self.heartbeat,
            checkpoint_after: self.checkpoint_after,
            max_age: self.max_age,
            stall_timeout: self.stall_timeout,
            end_grace: self.end_grace,
            retry_min: self.retry_min,
            retry_max: self.retry_max,
        }
    }

    /// Event bytes in memory at the worst, connections and keys aside: what the big buffers add up to with one shard.
    pub const fn buffers_bytes(&self) -> usize {
        self.tail_bytes_max
            + self.held_bytes_max
            + self.replay_bytes_max
            + self.bodies_bytes_max
            + 2 * self.log_queued_bytes_max
    }

    /// Bytes of a segment's file where so much is kept, `retain_bytes` at least [`RETAIN_BYTES_MIN`]. A segment is what goes at once
    /// when there is too much, and beside what is kept there are the one that is written and a spare: so an eighth of it at the
    /// most. More than 64 MiB make nothing faster. But at most 256 of them: each costs open files.
    pub const fn segment_bytes(retain_bytes: u64) -> u64 {
        const BYTES_MAX: u64 = 64 << 20;
        const FILES_MAX: u64 = 256;
        let eighth = retain_bytes / 8;
        let most = if eighth < BYTES_MAX { eighth } else { BYTES_MAX };
        let least = retain_bytes / FILES_MAX;
        // Whole blocks of a file system.
        (if most > least { most } else { least }).next_multiple_of(4096)
    }

    /// Files of the log that are open at once where so much is kept: each segment and its index, the active one, the spare, one in the
    /// making, the directory and its lock.
    pub const fn log_files(retain_bytes: u64) -> u64 {
        2 * (retain_bytes / Self::segment_bytes(retain_bytes) + 3) + 2
    }
}

/// The least that can be kept: eight segments, each of which takes the largest event, however little of it is.
pub const RETAIN_BYTES_MIN: u64 = 16 << 20;
/// The most: 256 segments of 16 GiB, each of which is filled with zeros before it is first used.
pub const RETAIN_BYTES_MAX: u64 = 4 << 40;

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}

// What must hold between limits, whatever is changed above.
const _: () = {
    const L: Limits = Limits::DEFAULT;
    assert!(L.turn_bytes_max <= L.tail_bytes_max / 2, "a turn must not outrun the tail it reads");
    assert!(L.turn_slices_max < 1024, "writev takes no more, and the head is one");
    assert!(L.event_bytes_max * 2 <= L.batch_bytes_max, "the largest event in base64 fits a batch");
    assert!(L.batch_bytes_max <= L.tail_bytes_max / 2, "a batch fits the tail beside another");
    assert!(L.batch_bytes_max <= L.bodies_bytes_max, "a batch can be read at all");
    assert!(L.fetches_max * L.page_bytes_max <= L.replay_bytes_max, "every read under way has room for its page");
    assert!(L.page_examined_max >= L.page_events_max, "a page without a filter fills");
    assert!(3 * TopicName::BYTES_MAX <= L.head_bytes_max / 2, "the longest topic, percent-encoded, fits a head");
    assert!(L.subscribers_max < L.connections_max, "publishers find a connection when the listeners fill up");
    assert!(L.subscribers_max < L.http2_requests_max, "streams are refused as streams, and publishers find a place");
    assert!(L.http2_window_bytes_max >= 65_535, "a smaller one cannot be said at once");
    assert!(2 * L.http2_ping_interval.as_millis() <= L.stall_timeout.as_millis());
    assert!(L.event_type_bytes_max < L.head_bytes_max && L.idempotency_key_bytes_max < L.head_bytes_max);
    assert!(L.heartbeat.as_millis() < L.checkpoint_after.as_millis(), "a checkpoint is a heartbeat");
    assert!(
        L.stall_timeout.as_millis() > L.heartbeat.as_millis()
            && L.dead_timeout.as_millis() > L.stall_timeout.as_millis()
    );
    assert!(L.retry_min.as_millis() >= 1_000, "a shorter retry is a storm");
    assert!(L.retry_min.as_millis() < L.retry_max.as_millis(), "there is something to draw");
    assert!(L.wait_max.as_secs() < 60, "proxies give up after 60 s without an answer");
    assert!(L.buffers_bytes() == 288 * MIB, "the sum is written down: 64 + 32 + 64 + 64 + 2 * 32 MiB");
    assert!(
        L.log_batch_bytes_max >= 2 * L.batch_bytes_max,
        "what a line adds on disk is less than the line, or 128 bytes"
    );
    assert!(L.batch_lines_max * 128 <= L.batch_bytes_max, "and so many of them are less than a batch");
    assert!(L.log_queued_bytes_max >= 2 * L.batch_bytes_max, "a batch is written while another waits");
    assert!(L.idempotency_claims_max >= L.batch_lines_max, "every line of a batch may have a key");
    assert!(
        Limits::segment_bytes(RETAIN_BYTES_MIN) as usize >= 2 * L.event_bytes_max,
        "the largest event fits any segment"
    );
    assert!(Limits::segment_bytes(10 << 30) == 64 << 20 && Limits::log_files(10 << 30) == 328);
    assert!(Limits::segment_bytes(1 << 40) == 4 << 30 && Limits::log_files(1 << 40) == 520);
};

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Bytes(bytes) if bytes >= MIB && bytes % MIB == 0 => write!(f, "{} MiB", bytes / MIB),
            Value::Bytes(bytes) if bytes >= KIB && bytes % KIB == 0 => write!(f, "{} KiB", bytes / KIB),
            Value::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Value::Count(count) => f.write_str(&grouped(&count.to_string())),
            Value::Time(time) | Value::Age(Some(time)) if time.subsec_millis() != 0 => {
                write!(f, "{} ms", time.as_millis())
            }
            Value::Time(time) | Value::Age(Some(time)) => write!(f, "{} s", time.as_secs()),
            Value::Age(None) => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_bear_their_units() {
        let cases = [
            (Value::Bytes(MIB), "1 MiB"),
            (Value::Bytes(16 * KIB), "16 KiB"),
            (Value::Bytes(255), "255 bytes"),
            (Value::Bytes(MIB + 1), "1048577 bytes"),
            (Value::Count(999), "999"),
            (Value::Count(1_024), "1,024"),
            (Value::Count(1_000_000), "1,000,000"),
            (Value::Time(Duration::from_millis(1_500)), "1500 ms"),
            (Value::Time(Duration::from_secs(15)), "15 s"),
            (Value::Age(None), "none"),
        ];
        for (value, expect) in cases {
            assert_eq!(value.to_string(), expect);
        }
    }

    #[test]
    fn every_name_says_its_unit_and_every_row_its_meaning() {
        for row in Limits::DEFAULT.table() {
            let named = match row.value {
                Value::Bytes(_) => row.name.ends_with("_bytes_max"),
                Value::Count(_) => row.name.ends_with("_max") && !row.name.ends_with("_bytes_max"),
                Value::Time(_) | Value::Age(_) => !row.name.contains("bytes"),
            };
            assert!(named, "{}", row.name);
            assert!(row.meaning.ends_with('.') && row.meaning.len() > 10, "{}: {}", row.name, row.meaning);
        }
    }

    #[test]
    fn a_shard_is_told_the_tables_values() {
        let limits = Limits { turn_bytes_max: 7, max_age: Some(SECOND), ..Limits::DEFAULT };
        let config = limits.shard_config(Epoch::from_random(1), Seq(2), 3, 4);
        assert_eq!((config.head, config.rng_seed, config.hash_seed), (Seq(2), 3, 4));
        assert_eq!((config.turn_bytes_max, config.max_age), (7, Some(SECOND)));
    }
}
