//! The API over real sockets, byte by byte: one server a test, raw requests in, status, headers and bodies out.

mod batch;
mod guard;
mod http2;
mod log;
mod pages;
mod publish;
mod server;
mod streams;
mod taken;
