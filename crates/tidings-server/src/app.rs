//! The server, put together: load, bind, say the addresses, run, drain under a deadline, say how it ended.

use crate::accept;
use crate::api::{Admin, Api, ApiParts, check_origins};
use crate::auth;
use crate::config::Config;
use crate::connection::{Gauges, Service};
use crate::data_dir;
use crate::delivery::{self, Delivery};
use crate::demo::{self, Demo};
use crate::engine::{EmbeddedEngine, Engine, EngineParts, OpenError};
use crate::files;
use crate::front::{self, Fronts};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::stop::{self, Stopping};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long connections may take to finish once everything has been drained.
const CLOSE_GRACE: Duration = Duration::from_secs(2);
/// How often the drain looks whether everybody has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Why a server did not start. Each is one clear line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there.
    #[error(
        "{0} is in use by another process: stop that one, or choose another address with --listen or --admin-listen"
    )]
    AddressInUse(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, #[source] io::Error),
    /// A server without keys would stand open to the network.
    #[error(
        "{0} is not a loopback address, and this server has no keys: without them anybody who reaches it could publish. \
         Listen on 127.0.0.1 or [::1]"
    )]
    NotLocal(SocketAddr),
    /// An allowed origin that no browser would send.
    #[error(
        "{0:?} is not an origin: write it as a browser does, https://app.example or http://127.0.0.1:8080, without a path"
    )]
    BadOrigin(String),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The data directory cannot be made, or is not to be read or written.
    #[error("cannot use the data directory {}: {reason}", .path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another server has the data directory.
    #[error("the data directory {} is taken: {holder}. Stop that one, or choose another directory with --data-dir", .path.display())]
    DataDirTaken {
        /// The directory.
        path: PathBuf,
        /// Who has it, as far as that is known.
        holder: String,
    },
    /// The data directory is of a newer version.
    #[error("the data directory {} cannot be opened: {reason}. Run the newer version, or choose another directory with --data-dir", .path.display())]
    DataDirNewer {
        /// The directory.
        path: PathBuf,
        /// Which formats.
        reason: String,
    },
}

/// What a started server says of itself.
#[derive(Debug)]
pub struct Ready {
    /// Where the API listens.
    pub listen: Vec<SocketAddr>,
    /// Where the admin listener is.
    pub admin: SocketAddr,
    /// Where the demo's page is, if it is served.
    pub demo: Option<SocketAddr>,
    /// Where the data lies, and what is kept there.
    pub data: String,
    /// What was found there, a line each: the first says how much, the others what was not as it was left.
    pub found: Vec<String>,
    /// What did not go as usual, a line each.
    pub notes: Vec<String>,
}

impl Ready {
    /// The addresses, the page, and a curl line to try.
    pub fn lines(&self) -> Vec<String> {
        let port = self.listen.first().map_or(0, SocketAddr::port);
        let listen: Vec<String> = self.listen.iter().map(ToString::to_string).collect();
        let mut lines = vec![format!("listening on {}, admin on {}", listen.join(" and "), self.admin)];
        lines.push(format!("page        http://localhost:{port}/"));
        if let Some(demo) = self.demo {
            lines.push(format!("demo        http://{demo}/  (listens to http://localhost:{port}/stream)"));
        }
        lines.push(format!("listen      curl -N localhost:{port}/topics/news"));
        lines.push(format!("publish     curl -d 'hello' localhost:{port}/topics/news"));
        lines.push(format!("data        {}", self.data));
        lines.extend(self.found.iter().map(|line| format!("log         {line}")));
        lines.extend(self.notes.iter().cloned());
        lines
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Streams that were ended by the drain.
    pub drained: usize,
    /// Whether every stream and connection ended in time.
    pub clean: bool,
    /// Whether the log had failed: what was answered before is stored, and nothing was published afterwards.
    pub log_failed: bool,
}

/// Runs a server until `shutdown`, then drains it.
///
/// # Errors
/// An address cannot be bound, or is not allowed, or the data directory cannot be used; nothing was served then.
pub async fn serve(
    config: Config,
    on_ready: impl FnOnce(&Ready),
    shutdown: impl Future<Output = ()>,
) -> Result<Ended, StartError> {
    let mut limits = Limits { max_age: config.max_age, ..Limits::default() };
    files::fit(&mut limits, Limits::log_files(config.retention.bytes));
    limits.subscribers_max =
        config.subscribers_max.map_or(limits.subscribers_max, |max| max.min(limits.subscribers_max));
    let limits = Arc::new(limits);
    let bound = Bound::new(&config)?;
    let (stop, stopping) = stop::channel();
    let running = Running::start(&config, &limits, stopping)?;
    let port = bound.listeners.first().map_or(0, |(addr, _)| addr.port());
    let mut tasks = running.accept(&config, bound, &limits, port, on_ready)?;
    shutdown.await;
    let ended = running.drain(&config, &limits).await;
    stop.stop();
    let closed = tokio::time::timeout(CLOSE_GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    // Last: whoever was answered until now was answered by the log.
    let log_failed = running.close().await;
    Ok(Ended { clean: ended.clean && closed.is_ok(), log_failed, ..ended })
}

/// The listeners, before anything runs: a port that is in use is said before a thread is started.
struct Bound {
    listeners: Vec<(SocketAddr, TcpListener)>,
    admin: (SocketAddr, TcpListener),
    demo: Option<(SocketAddr, TcpListener)>,
    notes: Vec<String>,
}

impl Bound {
    fn new(config: &Config) -> Result<Self, StartError> {
        let (addresses, chosen) = config.addresses();
        let mut notes = Vec::new();
        let mut listeners = Vec::new();
        for addr in addresses {
            if !addr.ip().is_loopback() {
                return Err(StartError::NotLocal(addr));
            }
            match bind(addr) {
                Ok(bound) => listeners.push(bound),
                // A machine without IPv6 is served on IPv4 alone, and told so once.
                Err(StartError::Bind(addr, error)) if !chosen && addr.is_ipv6() && !listeners.is_empty() => {
                    notes.push(format!("no IPv6 here ({error}): serving 127.0.0.1 alone"));
                }
                Err(error) => return Err(error),
            }
        }
        if !config.admin_listen.ip().is_loopback() {
            return Err(StartError::NotLocal(config.admin_listen));
        }
        let admin = bind(config.admin_listen)?;
        let demo = match config.demo.then(|| bind(config.demo_listen)) {
            Some(Ok(bound)) => Some(bound),
            Some(Err(error)) => {
                notes.push(format!("the demo's page is not served: {error}"));
                None
            }
            None => None,
        };
        Ok(Bound { listeners, admin, demo, notes })
    }
}

fn bind(addr: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let listener = accept::bind(addr).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse(addr),
        _ => StartError::Bind(addr, error),
    })?;
    // Port 0 asks the system for one: what is said is the one it gave.
    let addr = listener.local_addr().map_err(|error| StartError::Bind(addr, error))?;
    Ok((addr, listener))
}

/// Everything that runs.
struct Running {
    api: Arc<Api>,
    engine: Arc<EmbeddedEngine>,
    delivery: Delivery,
    metrics: Metrics,
    admin: Admin,
    gauges: Gauges,
    /// Room for connections, over all listeners.
    connections: Arc<Semaphore>,
    stopping: Stopping,
}

impl Running {
    fn start(config: &Config, limits: &Arc<Limits>, stopping: Stopping) -> Result<Self, StartError> {
        // Before anything is made: a mistake on the command line leaves no data directory behind.
        check_origins(&config.allowed_origins).map_err(|bad| StartError::BadOrigin(bad.0))?;
        let embedded = open(config, limits)?;
        let keys = embedded.keys(limits.idempotency_age, limits.idempotency_keys_max);
        let keys = keys.map_err(|error| data_dir_error(config, &error))?;
        let engine: Arc<dyn Engine> = embedded.clone();
        let shards = config.shards.unwrap_or_else(delivery::shards_that_fit);
        let connections = Arc::new(Semaphore::new(limits.connections_max));
        let delivery = Delivery::start(&engine, limits, shards, &connections).map_err(StartError::Thread)?;
        let gauges = Gauges::new(limits);
        let demo = config.demo.then(|| Demo::new(delivery.clone(), engine.clone(), auth::local()));
        let metrics = Metrics::new(delivery.clone(), embedded.clone(), demo.clone(), gauges.clone());
        let api = Api::new(ApiParts {
            limits: limits.clone(),
            engine: engine.clone(),
            delivery: delivery.clone(),
            metrics: metrics.clone(),
            allowed_origins: config.allowed_origins.clone(),
            demo,
            keys,
        })
        .map_err(|bad| StartError::BadOrigin(bad.0))?;
        let admin = Admin::new(delivery.clone(), engine, metrics.clone());
        let api = Arc::new(api);
        Ok(Running { api, engine: embedded, delivery, metrics, admin, gauges, connections, stopping })
    }

    /// Starts to accept on every listener, and says so.
    fn accept(
        &self,
        config: &Config,
        bound: Bound,
        limits: &Arc<Limits>,
        port: u16,
        on_ready: impl FnOnce(&Ready),
    ) -> Result<JoinSet<()>, StartError> {
        let Config { data_dir, retention, .. } = config;
        let ready = Ready {
            listen: bound.listeners.iter().map(|(addr, _)| *addr).collect(),
            admin: bound.admin.0,
            demo: bound.demo.as_ref().map(|(addr, _)| *addr),
            data: format!("{}, keeping {retention}", data_dir.display()),
            found: self.engine.found().to_vec(),
            notes: bound.notes,
        };
        let service = Service {
            api: self.api.clone(),
            limits: limits.clone(),
            gauges: self.gauges.clone(),
            stopping: self.stopping.clone(),
        };
        let front_threads = config.front_threads.unwrap_or_else(front::threads_that_fit);
        let fronts =
            Arc::new(Fronts::start(front_threads, service, self.delivery.clone()).map_err(StartError::Thread)?);
        let mut tasks = JoinSet::new();
        for (addr, listener) in bound.listeners {
            accept::tune(&listener, limits);
            let listener = listener.into_std().map_err(|error| StartError::Bind(addr, error))?;
            let accepting = accept::run(listener, fronts.clone(), self.connections.clone(), self.stopping.clone());
            let accepting = async move {
                if let Err(error) = accepting.await {
                    tracing::error!(%addr, %error, "cannot watch a listener: nobody is served there");
                }
            };
            fronts.spawn(accepting, &mut tasks);
        }
        if let Some((_, listener)) = bound.demo {
            tasks.spawn(demo::serve_page(listener, port, self.metrics.clone(), self.stopping.clone()));
        }
        self.admin.start(bound.admin.1, self.stopping.clone()).map_err(StartError::Thread)?;
        self.admin.ready();
        on_ready(&ready);
        Ok(tasks)
    }

    /// Says it is not ready, waits, refuses what is new, ends what is open over the spread.
    async fn drain(&self, config: &Config, limits: &Limits) -> Ended {
        self.admin.draining();
        tokio::time::sleep(config.drain_delay).await;
        self.api.drain();
        self.delivery.refuse();
        let drained = self.delivery.subscribers();
        self.delivery.drain(config.drain_spread);
        let deadline = Instant::now() + config.drain_spread + limits.end_grace * 2;
        while self.delivery.subscribers() > 0 && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        Ended { drained, clean: self.delivery.subscribers() == 0, log_failed: false }
    }

    /// Closes the log, and says whether it had failed.
    async fn close(&self) -> bool {
        let engine = self.engine.clone();
        let closing = tokio::task::spawn_blocking(move || engine.close());
        match closing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the log was not sealed: nothing is lost, the next start reads more of it");
            }
            // It was said where it happened.
            Err(_panicked) => {}
        }
        self.engine.health().has_failed
    }
}

/// Opens the log, so that it is known what is in it before anybody is served.
fn open(config: &Config, limits: &Limits) -> Result<Arc<EmbeddedEngine>, StartError> {
    let path = &config.data_dir;
    let dir = data_dir::open(path).map_err(|error| data_dir_error(config, &error))?;
    let parts = EngineParts { dir, retention: &config.retention, limits, clock: crate::clock::unix_millis };
    let engine = EmbeddedEngine::open(parts).map_err(|error| match error {
        OpenError::Locked(holder) => StartError::DataDirTaken { path: path.clone(), holder },
        error @ OpenError::Newer { .. } => StartError::DataDirNewer { path: path.clone(), reason: error.to_string() },
        error => data_dir_error(config, &error),
    })?;
    Ok(Arc::new(engine))
}

fn data_dir_error(config: &Config, reason: &dyn std::fmt::Display) -> StartError {
    StartError::DataDir { path: config.data_dir.clone(), reason: reason.to_string() }
}
