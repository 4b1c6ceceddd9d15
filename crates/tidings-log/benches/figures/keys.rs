//! What a million idempotency keys cost the log itself; the server's table of them is measured beside it, in its own tests.

use crate::world::{Place, START, allocated, event, fill, micros, options, topics};

const KEYS: usize = 1_000_000;

pub(crate) fn run(place: &Place) {
    let names = topics(1_000);
    let mut opened = place.fresh(options());
    fill(&mut opened, KEYS, 1_000, |i| event(&names[i % names.len()], 16, Some(i as u64)));
    drop(opened);
    let before = allocated();
    let opened = place.open(options());
    let held = allocated() - before;
    let mut found = 0;
    let took = micros(|| found = opened.log.keys(START, KEYS).expect("the keys are read").len());
    assert_eq!(found, KEYS);
    println!("{{\"figure\":\"keys\",\"keys\":{KEYS},\"log_bytes\":{held},\"read_us\":{took:.0}}}");
}
