//! Instructions of the hot paths, each with a limit: who makes one slower sees it, and by how much.
//!
//! Seconds on a busy machine differ by a tenth from run to run and hide what a change costs; instructions repeat to the last one.
//! They are no seconds: a miss in a cache counts as little as any other. What they are for is to stay where they are.
//!
//! `./test counts` counts them with callgrind, and fails over a limit. A limit is what was measured and three percent: room for an edit
//! that moves code about, not for one that does more. **To lower one** when code got faster: add three percent to the count of the run,
//! and write that into its line. **To raise one** takes a reason in the commit. A new compiler moves them all; that is a commit of its
//! own. They hold for x86-64 and Debian's libc.
//!
//! Only the benchmark's function is counted: what `setup` makes is there before, and `teardown`, which looks whether the path was
//! walked at all, comes after.

#![expect(
    missing_docs,
    clippy::disallowed_methods,
    reason = "gungraun's macros make modules without docs, and a main that exits"
)]

use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use std::hint::black_box;
use std::sync::Arc;
use tidings_counts::{Committed, DATA_BYTES, Delivered, Published, Stage};
use tidings_hub::Batch;
use tidings_wire::{Frame, Id};

// The product's: what it costs is part of most paths.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
/// It gives nothing back, looks at no clock and counts no cores, so that it does the same every time.
const ALLOCATOR_CONF: &str =
    "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1,experimental_tcache_gc:false,tcache_gc_incr_bytes:1073741824";

/// The limit of a benchmark.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

// --- encode

type Encoding = (Id, String, Vec<u8>);

fn id_and_data() -> Encoding {
    let id = Id::new("abcdefgh.1234567").expect("it has no CR, LF or NUL");
    (id, "x".repeat(DATA_BYTES), Vec::with_capacity(1_024))
}

fn is_a_block((_, data, out): Encoding) {
    assert_eq!(out, format!("id: abcdefgh.1234567\ndata: {data}\n\n").as_bytes());
}

// An event's id and data as one block of a stream, into a buffer that has room.
#[library_benchmark(setup = id_and_data, teardown = is_a_block)]
#[bench::one_event(args = (), config = at_most(531))]
fn encode((id, data, mut out): Encoding) -> Encoding {
    Frame { event: None, id: Some(&id), data: black_box(&data) }.encode(&mut out);
    (id, data, out)
}

// --- append

fn commit(tail_bytes_max: usize, events: usize) -> Committed {
    // More than fit into the smaller tail.
    (0..100).fold(Stage::new(tail_bytes_max), |stage, _| stage.after("news")).committing("news", events)
}

fn is_in_the_tail((stage, batch): (Box<Stage>, Arc<Batch>)) {
    assert_eq!(stage.tail().head(), batch.head);
    assert_eq!(stage.tail().events() < 100, batch.start.0 > 0, "the oldest leaves a full tail, and no other");
}

// What the pump does with a commit: a batch is made and encoded, and what is oldest leaves a full tail.
#[library_benchmark(setup = commit, teardown = is_in_the_tail)]
#[bench::one_event(args = (64 << 20, 1), config = at_most(6_805))]
#[bench::one_event_to_a_full_tail(args = (32 << 10, 1), config = at_most(5_386))]
#[bench::thousand_events(args = (64 << 20, 1_000), config = at_most(2_327_000))]
fn append((mut stage, events): Committed) -> (Box<Stage>, Arc<Batch>) {
    let batch = stage.publish(black_box(events));
    (stage, batch)
}

// --- match

/// The event's topic has been seen before, or has not: a known one's subscribers are listed.
fn batch_among_patterns(known: &str, topic: &str) -> Published {
    // A thousand of four kinds.
    let patterns = (0..1_000).map(|n| match n % 4 {
        0 => format!("site-{n}/**"),
        1 => format!("site-{n}/*/temperature"),
        2 => format!("*/line-{n}/*"),
        _ => format!("**/sensor-{n}"),
    });
    Stage::default().with_patterns(patterns).after(known).publishing(topic, 1)
}

fn three_are_ready((stage, _): Published) {
    assert_eq!(stage.ready(), 3, "one of each kind but the second");
}

// A shard finds out who wants an event, among a thousand patterns.
#[library_benchmark(setup = batch_among_patterns, teardown = three_are_ready)]
#[bench::known_topic(args = ("site-40/line-42/sensor-43", "site-40/line-42/sensor-43"), config = at_most(982))]
#[bench::new_topic(args = ("site-40/line-42/sensor-43", "site-80/line-82/sensor-83"), config = at_most(3_798))]
fn match_patterns((mut stage, batch): Published) -> Published {
    stage.handle_batch(black_box(&batch));
    (stage, batch)
}

// --- deliver

fn batch_for(subscribers: usize, events: usize) -> Published {
    let topics = std::iter::repeat_n("news", subscribers);
    Stage::default().with_topics(topics).after("news").publishing("news", events)
}

fn all_have_all(delivered: Delivered) {
    let Delivered { stage, events, bytes } = delivered;
    let data = stage.subscriptions() * events * DATA_BYTES;
    // An id, a field's name and a chunk's frame are a third of it at most.
    assert!((data..2 * data).contains(&bytes), "{bytes} bytes were sent for {data} of data");
    assert_eq!(stage.ready(), 0);
}

// A batch on its way from the mailbox to the last byte, all taken: of one event to one subscriber, to a thousand of its topic (a
// thousandth of it is what a delivery costs), and of a thousand events to one.
#[library_benchmark(setup = batch_for, teardown = all_have_all)]
#[bench::one_event_to_one(args = (1, 1), config = at_most(2_553))]
#[bench::one_event_to_a_thousand(args = (1_000, 1), config = at_most(873_000))]
#[bench::thousand_events_to_one(args = (1, 1_000), config = at_most(341_000))]
fn deliver((mut stage, batch): Published) -> Delivered {
    stage.handle_batch(black_box(&batch));
    let bytes = stage.pass();
    Delivered { stage, events: batch.events().len(), bytes }
}

fn reader_behind(batches: usize) -> (Box<Stage>, usize) {
    (Box::new(Stage::default().with_reader_behind("news", batches)), batches)
}

// One who takes bytes again reads what came meanwhile: a slice of each of 500 batches, gathered in one turn.
#[library_benchmark(setup = reader_behind, teardown = all_have_all)]
#[bench::five_hundred_batches(args = (500), config = at_most(271_000))]
fn gather((mut stage, events): (Box<Stage>, usize)) -> Delivered {
    let bytes = stage.pass();
    Delivered { stage, events, bytes }
}

library_benchmark_group!(name = paths, benchmarks = [encode, append, match_patterns, deliver, gather]);

main!(
    // Instructions alone: the caches that callgrind simulates are no machine's.
    config = LibraryBenchmarkConfig::default()
        .env("_RJEM_MALLOC_CONF", ALLOCATOR_CONF)
        .tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = paths
);
