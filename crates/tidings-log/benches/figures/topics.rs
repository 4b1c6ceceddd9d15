//! A hundred thousand and a million topics with a few events each: what publishing costs against a thousand topics, and what a topic
//! costs in memory and at the start.

use crate::world::{Place, allocated, event, fill, micros, options, topics, upkeep};

const EVENTS: usize = 3_000_000;
const NAME_BYTES: usize = "orders/0000000".len();

pub(crate) fn run(place: &Place) {
    // Once before anything is measured: the first log grows the allocator and the file system.
    one(place, 1_000);
    for count in [1_000, 100_000, 1_000_000] {
        let Seen { micros_an_event, bytes, reopen_ms } = one(place, count);
        // The benchmark's own names are alive before and after: only the log's are counted, and taken out.
        let a_topic = bytes as f64 / count as f64 - NAME_BYTES as f64;
        println!(
            "{{\"figure\":\"topics\",\"topics\":{count},\"events\":{EVENTS},\"us_an_event\":{micros_an_event:.3},\
             \"bytes_a_topic_beside_its_name\":{a_topic:.0},\"reopen_ms\":{reopen_ms:.0}}}"
        );
    }
}

struct Seen {
    micros_an_event: f64,
    bytes: usize,
    reopen_ms: f64,
}

fn one(place: &Place, count: usize) -> Seen {
    let names = topics(count);
    let mut opened = place.fresh(options());
    // The first round makes the topics; what is measured is publishing to those that are there, and the first round apart.
    fill(&mut opened, count, 1_000, |i| event(&names[i], 200, None));
    let rest = EVENTS - count;
    let took = micros(|| fill(&mut opened, rest, 1_000, |i| event(&names[i * 7_919 % count], 200, None)));
    upkeep(&mut opened, options().now);
    drop(opened);
    let before = allocated();
    let mut opened = None;
    let reopen = micros(|| opened = Some(place.open(options())));
    let mut opened = opened.expect("it was opened");
    upkeep(&mut opened, options().now);
    let bytes = allocated() - before;
    Seen { micros_an_event: took / rest as f64, bytes, reopen_ms: reopen / 1e3 }
}
