//! A socket on its way from a front thread to a shard, with all that the shard needs of it.

use super::head::Head;
use super::subscribing::Subscribing;
use std::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

/// What hyper gave back once it had read a request for a stream, and what is to be said first.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Connected, and does not block.
    pub(crate) stream: TcpStream,
    /// Bytes that came behind the request. They are never looked at.
    pub(crate) heard: usize,
    pub(crate) head: Head,
    pub(crate) subscribing: Subscribing,
    /// Its place among the connections.
    pub(crate) permit: OwnedSemaphorePermit,
}
