//! What the operator says. Plain data; the binary fills it from flags and variables.

use crate::retention::Retention;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The port of the API and the page.
pub const PORT: u16 = 3200;
/// The port of the admin listener.
pub const ADMIN_PORT: u16 = 3201;
/// The port of the demo's client page: another origin than the API's, on purpose.
pub const DEMO_PORT: u16 = 5500;

/// Where the data lies unless the operator says otherwise: in the working directory, to be seen.
pub const DATA_DIR: &str = "./tidings-data";

/// A server's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Empty: both loopback addresses on [`PORT`]; a machine without IPv6 has one of them.
    pub listen: Vec<SocketAddr>,
    /// Where health, readiness and metrics are served.
    pub admin_listen: SocketAddr,
    /// Where the log is kept. Made where it is missing.
    pub data_dir: PathBuf,
    /// What is kept in it.
    pub retention: Retention,
    /// Whether `/stream` and the page on [`DEMO_PORT`] are served.
    pub demo: bool,
    /// Where the demo's page is served.
    pub demo_listen: SocketAddr,
    /// Origins of pages that may read and publish, beside those of this machine: `https://app.example`.
    pub allowed_origins: Vec<String>,
    /// The most subscriptions at once, if fewer than there are files for. More are answered with a stream that ends at once and
    /// says when to return.
    pub subscribers_max: Option<usize>,
    /// Threads that read requests and answer them. None: half as many as there are cores, or two.
    pub front_threads: Option<NonZeroUsize>,
    /// Threads that deliver. None: half as many as there are cores.
    pub shards: Option<NonZeroUsize>,
    /// The age at which a stream is ended, spread by a fifth to either side: for balancers that cut long ones without a word.
    /// None is no limit.
    pub max_age: Option<Duration>,
    /// How long to go on serving after `/readyz` says no, so that balancers look elsewhere first.
    pub drain_delay: Duration,
    /// Over how long streams are ended when the server stops.
    pub drain_spread: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: Vec::new(),
            admin_listen: (Ipv4Addr::LOCALHOST, ADMIN_PORT).into(),
            data_dir: DATA_DIR.into(),
            retention: Retention::default(),
            demo: true,
            demo_listen: (Ipv4Addr::LOCALHOST, DEMO_PORT).into(),
            allowed_origins: Vec::new(),
            subscribers_max: None,
            front_threads: None,
            shards: None,
            max_age: None,
            // Local mode has no balancer in front of it, and a developer who presses Ctrl-C wants the prompt back.
            drain_delay: Duration::ZERO,
            drain_spread: Duration::from_millis(500),
        }
    }
}

impl Config {
    /// The addresses to bind, and whether the operator chose them (then each of them must be there).
    pub(crate) fn addresses(&self) -> (Vec<SocketAddr>, bool) {
        if self.listen.is_empty() {
            (vec![(Ipv4Addr::LOCALHOST, PORT).into(), (Ipv6Addr::LOCALHOST, PORT).into()], false)
        } else {
            (self.listen.clone(), true)
        }
    }
}
