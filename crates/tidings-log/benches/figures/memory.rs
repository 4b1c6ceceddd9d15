//! What a log of a million events in a thousand topics holds in memory.

use crate::world::{Place, allocated, event, fill, options, topics, upkeep};

const EVENTS: usize = 1_000_000;
const TOPICS: usize = 1_000;

pub(crate) fn run(place: &Place) {
    let names = topics(TOPICS);
    let before = allocated();
    let mut opened = place.fresh(options());
    fill(&mut opened, EVENTS, 1_000, |i| event(&names[i * 7 % TOPICS], 200, None));
    upkeep(&mut opened, options().now);
    let grown = allocated() - before;
    drop(opened);
    let before = allocated();
    let opened = place.open(options());
    let reopened = allocated() - before;
    drop(opened);
    println!(
        "{{\"figure\":\"memory\",\"events\":{EVENTS},\"topics\":{TOPICS},\"bytes\":{grown},\"reopened_bytes\":{reopened}}}"
    );
}
