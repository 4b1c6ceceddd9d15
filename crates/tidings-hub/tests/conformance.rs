//! The transports' suite on the hub itself, over pipes that take a few bytes a call.

use tidings_hub::Framing;
use tidings_testkit::{Piecewise, conformance};

fn check(per_call_max: usize, framing: Framing) {
    conformance::run(|| Box::new(Piecewise::new(1, per_call_max, framing)));
}

#[test]
fn chunked_a_byte_a_call() {
    check(1, Framing::Chunked);
}

#[test]
fn chunked_seven_bytes_a_call() {
    check(7, Framing::Chunked);
}

#[test]
fn chunked_a_page_a_call() {
    check(4096, Framing::Chunked);
}

#[test]
fn bare_a_byte_a_call() {
    check(1, Framing::Bare);
}

#[test]
fn bare_seven_bytes_a_call() {
    check(7, Framing::Bare);
}

#[test]
fn bare_a_page_a_call() {
    check(4096, Framing::Bare);
}
