//! What all parts of a run share: its clock, its mark, the wish to stop, and the line that says how far it is.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::mark::Marker;
use crate::exit::{Exit, Failure};

/// The longest that anybody waits without looking whether to stop: nobody notices it after Ctrl-C, and it costs nothing.
pub(super) const TURN_MAX: Duration = Duration::from_millis(20);

/// How often a person at a terminal is told how far it is, and how often a file is that holds what was said.
const TELL_EVERY: Duration = Duration::from_secs(1);
const TELL_FILE_EVERY: Duration = Duration::from_secs(5);

/// The clock of all marks: nanoseconds since the run began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    pub(super) fn nanos(self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The wish to end early.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ctrl-C is the wish. A thread of its own hears it: the run's own threads know no runtime. It ends with the process.
    fn on_ctrl_c(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let wanted = Arc::clone(&self.0);
        thread::Builder::new().name("ctrl-c".into()).spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                wanted.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(())
    }
}

/// One run.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) clock: Clock,
    pub(super) stop: Stop,
    pub(super) marker: Marker,
    progress: Progress,
}

impl Session {
    pub(super) fn start() -> Result<Self, Failure> {
        let session = Self::quiet();
        let heard = session.stop.on_ctrl_c();
        heard.map_err(|error| Failure::new(Exit::Failed, format_args!("cannot wait for Ctrl-C: {error}")))?;
        Ok(session)
    }

    /// One that hears nobody: it ends by itself.
    pub(super) fn quiet() -> Self {
        let clock = Clock { began: Instant::now() };
        Self { clock, stop: Stop::default(), marker: Marker::new(fastrand::u32(..)), progress: Progress::new() }
    }

    /// Says how far it is, if it is time to.
    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        self.progress.tell(line);
    }

    /// Takes the line away: what follows is the report.
    pub(super) fn end_progress(&mut self) {
        self.progress.end();
    }
}

#[derive(Debug)]
struct Progress {
    /// On a terminal each line replaces the one before.
    terminal: bool,
    every: Duration,
    told: Instant,
}

impl Progress {
    fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        let every = if terminal { TELL_EVERY } else { TELL_FILE_EVERY };
        Self { terminal, every, told: Instant::now() }
    }

    /// A closed standard error is nobody's failure.
    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.told.elapsed() < self.every {
            return;
        }
        self.told = Instant::now();
        let (before, behind) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let _ = write!(io::stderr(), "{before}{}{behind}", line());
    }

    fn end(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
