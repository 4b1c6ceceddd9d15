//! `tidings serve`: run the server until a signal ends it.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use tidings_server::{BadRule, Config, Ready, Retention, RetentionRule, StartError, units};
use tracing_subscriber::EnvFilter;

use crate::exit::{Exit, Failure, Outcome, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on; may be repeated [default: 127.0.0.1:3200 and [::1]:3200]
    #[arg(long, value_name = "ADDR", env = "TIDINGS_LISTEN", value_delimiter = ',', value_parser = address)]
    listen: Vec<SocketAddr>,

    /// Address for health checks and metrics [default: 127.0.0.1:3201]
    #[arg(long, value_name = "ADDR", env = "TIDINGS_ADMIN_LISTEN", value_parser = address)]
    admin_listen: Option<SocketAddr>,

    /// Directory that events are kept in; made where it is missing [default: ./tidings-data]
    #[arg(long, value_name = "DIR", env = "TIDINGS_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Bytes kept on disk, such as 512MiB or 1TiB; the oldest go first [default: 10GiB]
    #[arg(long, value_name = "BYTES", env = "TIDINGS_RETAIN_BYTES", value_parser = retain_bytes)]
    retain_bytes: Option<u64>,

    /// Keep events for so long, such as 12h or 7d [default: as long as there is room]
    #[arg(long, value_name = "TIME", env = "TIDINGS_RETAIN_AGE", value_parser = time)]
    retain_age: Option<Duration>,

    /// Keep so many events, or a few more [default: as many as there is room for]
    #[arg(long, value_name = "N", env = "TIDINGS_RETAIN_EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    retain_events: Option<u64>,

    /// What is kept of some topics instead, such as 'audit/** age=365d', 'prices/** keep_last=1' or, of what is worthless later,
    /// 'cursors/** durable=false'; may be repeated, in the variable with semicolons; the first that matches counts
    #[arg(long, value_name = "RULE", env = "TIDINGS_RETAIN", value_delimiter = ';', value_parser = rule)]
    retain: Vec<RetentionRule>,

    /// Serve neither the clock on /stream nor its page on 127.0.0.1:5500
    #[arg(long, env = "TIDINGS_NO_DEMO", value_parser = BoolishValueParser::new())]
    no_demo: bool,

    /// Origin whose pages may read and publish, such as http://localhost:8080; may be repeated
    #[arg(long, value_name = "ORIGIN", env = "TIDINGS_ALLOWED_ORIGIN", value_delimiter = ',')]
    allowed_origin: Vec<String>,

    /// Take so many subscriptions at most; further ones are told when to return [default: as many as there are files for]
    #[arg(long, value_name = "N", env = "TIDINGS_SUBSCRIBERS_MAX")]
    subscribers_max: Option<usize>,

    /// Threads that read requests and answer them, at most 256 [default: half as many as there are cores, or two]
    #[arg(long, value_name = "N", env = "TIDINGS_FRONT_THREADS", value_parser = threads)]
    front_threads: Option<NonZeroUsize>,

    /// Threads that deliver events, at most 256 [default: half as many as there are cores]
    #[arg(long, value_name = "N", env = "TIDINGS_SHARDS", value_parser = threads)]
    shards: Option<NonZeroUsize>,

    /// End each stream at this age, such as 30m, a fifth sooner or later; its client goes on at once [default: none]
    #[arg(long, value_name = "TIME", env = "TIDINGS_MAX_AGE", value_parser = time)]
    max_age: Option<Duration>,
}

impl Args {
    fn into_config(self) -> Config {
        let defaults = Config::default();
        let retention = Retention {
            bytes: self.retain_bytes.unwrap_or(defaults.retention.bytes),
            age: self.retain_age,
            events: self.retain_events,
            rules: self.retain,
        };
        Config {
            listen: self.listen,
            admin_listen: self.admin_listen.unwrap_or(defaults.admin_listen),
            data_dir: self.data_dir.unwrap_or(defaults.data_dir),
            retention,
            demo: !self.no_demo,
            allowed_origins: self.allowed_origin,
            subscribers_max: self.subscribers_max,
            front_threads: self.front_threads,
            shards: self.shards,
            max_age: self.max_age,
            ..defaults
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "an address is an IP address and a port, such as 127.0.0.1:3200 or [::1]:3200")
}

/// A time with its unit. Below a second, streams would do little but end, and events be gone before they are read.
fn time(text: &str) -> Result<Duration, &'static str> {
    let time = units::time(text).filter(|time| *time >= Duration::from_secs(1));
    time.ok_or("a time has a unit and is at least a second: 90s, 30m, 2h or 7d")
}

fn retain_bytes(text: &str) -> Result<u64, &'static str> {
    let bytes = units::bytes(text).filter(|bytes| (Retention::BYTES_MIN..=Retention::BYTES_MAX).contains(bytes));
    bytes.ok_or("a size has a unit and is from 16MiB to 4TiB: 512MiB, 10GiB or 1TiB")
}

/// More than any machine has a use for would only take memory.
fn threads(text: &str) -> Result<NonZeroUsize, &'static str> {
    const MAX: usize = 256;
    let count = text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= MAX);
    count.ok_or("from 1 to 256 threads")
}

fn rule(text: &str) -> Result<RetentionRule, BadRule> {
    text.parse()
}

/// Starts the server, says where it listens, and waits for its end.
pub(crate) fn run(args: Args) -> Outcome {
    let failed = |error| Failure::new(Exit::Failed, format_args!("the server cannot start: {error}"));
    // TIDINGS_LOG takes the words of tracing's filters, such as `debug` or `tidings_server=trace`.
    let filter = EnvFilter::try_from_env("TIDINGS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    // Only accepts, and watches over the rest: requests are served by threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let ended = runtime.block_on(async {
        let signal = shutdown_signal().map_err(failed)?;
        tidings_server::serve(args.into_config(), print_ready, signal).await.map_err(|error| refusal(&error))
    })?;
    let how = if ended.clean { "" } else { ", not all of them in time" };
    say(format_args!("stopped; {} streams were ended{how}", ended.drained));
    if ended.log_failed {
        let why = "the log failed while the server ran: what was answered until then is stored, look at the disk before starting again";
        return Err(Failure::new(Exit::LogFailed, why));
    }
    Ok(())
}

/// The addresses go to standard output at once: scripts wait for them. Nobody reading them is no reason to stop.
fn print_ready(ready: &Ready) {
    let mut stdout = io::stdout().lock();
    for line in ready.lines() {
        let _ = writeln!(stdout, "{line}");
    }
    let _ = stdout.flush();
}

fn refusal(error: &StartError) -> Failure {
    let exit = match error {
        StartError::AddressInUse(_) => Exit::AddressInUse,
        StartError::NotLocal(_) | StartError::BadOrigin(_) => Exit::Usage,
        StartError::DataDirTaken { .. } => Exit::DataDirTaken,
        StartError::DataDirNewer { .. } => Exit::DataDirNewer,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// Ends with the first Ctrl-C or SIGTERM. Both are caught from here on, so that none is lost while the server starts.
#[cfg(unix)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends with the first Ctrl-C.
#[cfg(not(unix))]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // An error means that nobody can interrupt the program this way; then it runs on.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_bear_their_units() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "30", "s", "0s", "500ms", "-1s", "1.5h", "1w", "99999999999999999999h"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        for (text, bytes) in [("16MiB", 16 << 20), ("10GiB", 10 << 30), ("4TiB", 4 << 40)] {
            assert_eq!(retain_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["", "10", "10GB", "15MiB", "5TiB"] {
            assert!(retain_bytes(bad).is_err(), "{bad}");
        }
        assert!(threads("1").is_ok() && threads("256").is_ok());
        assert!(["", "0", "-1", "257", "many"].into_iter().all(|bad| threads(bad).is_err()));
        assert_eq!((Retention::BYTES_MIN, Retention::BYTES_MAX), (16 << 20, 4 << 40), "as the message says");
    }
}
