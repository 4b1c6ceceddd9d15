//! How long a log of a million events takes from `open` to its first read, after its process was killed: nothing was closed.

use crate::world::{Place, event, fill, micros, options, spread, topics};
use tidings_log::{From, Query};

const EVENTS: usize = 1_000_000;
const BODY_BYTES: usize = 200;
/// The first opening finds an unclean end, the others what it made of it.
const TIMES: usize = 7;

pub(crate) fn run(place: &Place) {
    let names = topics(1_000);
    let mut opened = place.fresh(options());
    fill(&mut opened, EVENTS, 1_000, |i| event(&names[i * 7 % names.len()], BODY_BYTES, None));
    // As after a kill: no close, no index of the active segment.
    drop(opened);
    let mut first = 0.0;
    let mut again = Vec::new();
    for time in 0..TIMES {
        let took = micros(|| {
            let opened = place.open(options());
            assert_eq!(opened.log.head(), EVENTS as u64);
            let from = From::After { seq: EVENTS as u64 - 100, told: 0 };
            let query = Query {
                topics: &names[..10],
                pattern: None,
                accept: &|_| true,
                from,
                events_max: 100,
                bytes_max: 1 << 20,
                examined_max: 10_000,
                now: options().now,
            };
            opened.log.read(&query).expect("the log is read");
        });
        if time == 0 { first = took } else { again.push(took) }
    }
    let again = spread(again);
    println!("{{\"figure\":\"reopen\",\"events\":{EVENTS},\"after_kill_us\":{first:.0},\"again\":{{{again}}}}}");
}
