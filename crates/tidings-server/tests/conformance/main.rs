//! The transports' suite on a whole server, over sockets: what the hub says must arrive through the API, hyper and the kernel.

mod http2;
mod served;

use http2::Http2;
use served::{Http, Served};
use tidings_testkit::conformance;

/// On a socket that hyper has given back, an event a chunk.
#[test]
fn http_1_1() {
    conformance::run(|| Box::new(Served::start(Http::V1_1)));
}

/// hyper keeps the connection, and cuts chunks of its own.
#[test]
fn http_1_1_through_hyper() {
    conformance::run(|| Box::new(Served::start(Http::V1_1ThroughHyper)));
}

/// No chunks at all: the body ends with the connection.
#[test]
fn http_1_0() {
    conformance::run(|| Box::new(Served::start(Http::V1_0)));
}

/// Every client a stream of one connection, through hyper.
#[test]
fn http_2() {
    conformance::run(|| Box::new(Http2::start()));
}
