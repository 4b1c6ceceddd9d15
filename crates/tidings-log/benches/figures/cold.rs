//! A replay of 100 events of one topic that nobody read for long, among 50,000 topics; the page cache is warm.

use crate::world::{Place, event, fill, micros, options, spread, topics};
use std::slice::from_ref;
use tidings_log::{From, Query};

const TOPICS: usize = 50_000;
const EVENTS_EACH: usize = 100;
const BODY_BYTES: usize = 200;
/// Topics that are read, once each.
const READ: usize = 501;

pub(crate) fn run(place: &Place) {
    let names = topics(TOPICS);
    let mut opened = place.fresh(options());
    // Round and round: a topic's events lie as far apart as they can.
    fill(&mut opened, TOPICS * EVENTS_EACH, 10_000, |i| event(&names[i % TOPICS], BODY_BYTES, None));
    let read = |topic: usize| {
        let query = Query {
            topics: from_ref(&names[topic]),
            pattern: None,
            accept: &|_| true,
            from: From::After { seq: 0, told: 0 },
            events_max: 1_000,
            bytes_max: 1 << 20,
            examined_max: 10_000,
            now: options().now,
        };
        let page = opened.log.read(&query).expect("the log is read");
        assert_eq!(page.records.len(), EVENTS_EACH);
    };
    let took: Vec<f64> = (0..READ).map(|i| micros(|| read(i * 97 % TOPICS))).collect();
    let took = spread(took);
    println!("{{\"figure\":\"cold\",\"topics\":{TOPICS},\"events\":{EVENTS_EACH},{took}}}");
}
