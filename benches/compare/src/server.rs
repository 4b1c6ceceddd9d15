//! A contestant that runs: a fresh process on a free port, its data in a fresh folder.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::bench::{Bench, RunDir};
use crate::contestant::Contestant;
use crate::launch;
use crate::load;
use crate::process::Process;

/// What a server gets until it takes connections: ten times what the slowest of them needs on a busy machine.
const START_MAX: Duration = Duration::from_secs(10);

/// How often it is knocked at until then.
const KNOCK_EVERY: Duration = Duration::from_millis(10);

/// Rest between a start and the load: what a server does once, such as laying out its files, is then done.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);

/// How much of a log an error quotes.
const LOG_QUOTED_MAX: usize = 400;

/// A server and its folder. Fields are dropped in order: the process ends before its data go.
pub(crate) struct Server {
    process: Process,
    pub(crate) contestant: Contestant,
    pub(crate) addr: SocketAddr,
    target: PathBuf,
    _dir: RunDir,
}

impl Server {
    /// Starts it, waits until it takes connections, makes the topics `t0…` where it wants them made, and lets it settle.
    ///
    /// # Errors
    /// It cannot be started, or does not answer in time: with the end of what it said.
    pub(crate) fn start(bench: &Bench, contestant: Contestant, topics: usize) -> Result<Self> {
        let dir = bench.fresh_dir()?;
        let addr = free_addr()?;
        let log = dir.path().join("server.log");
        let mut command = bench.programs.command(contestant, addr, dir.path())?;
        let out = File::create(&log)?;
        command.current_dir(dir.path()).stdout(out.try_clone()?).stderr(out);
        let mut process = Process::start(&mut command)?;
        wait_for(&mut process, addr).with_context(|| format!("{contestant}: {}", end_of(&log)))?;
        let target = dir.path().join("target.json");
        fs::write(&target, launch::target(contestant, addr).to_string())?;
        if contestant == Contestant::DurableStreams {
            load::create(addr, topics).context("DS: creating topics")?;
        }
        sleep(SETTLE);
        Ok(Self { process, contestant, addr, target, _dir: dir })
    }

    /// All ids whose time and memory are the server's.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.process.ids()
    }

    /// The rig's target file.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}

/// A port that was free a moment ago. Nobody else on a machine that is measured on takes ports.
fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?)
}

fn wait_for(process: &mut Process, addr: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + START_MAX;
    loop {
        if TcpStream::connect_timeout(&addr, START_MAX).is_ok() {
            return Ok(());
        }
        if process.ended()?.is_some() {
            bail!("ended at once");
        }
        if Instant::now() >= deadline {
            bail!("takes no connection after {} s", START_MAX.as_secs());
        }
        sleep(KNOCK_EVERY);
    }
}

fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let from = text.len().saturating_sub(LOG_QUOTED_MAX);
    format!("it said {:?}", String::from_utf8_lossy(&text[from..]).trim())
}
