//! A process that this program started, and ends by its id.

use std::fs;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// What a server gets to end by itself: Tidings drains for less, and 18,000 connections are closed in it.
const END_MAX: Duration = Duration::from_secs(10);

/// How often an end is looked for: rarely enough to cost a run nothing.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running child; dropped, it is ended.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child })
    }

    /// Its id and those of its children: a server may be a master and a worker.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(own).chain(children).collect()
    }

    /// Whether it succeeded, once it has ended.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(crate) fn ended(&mut self) -> Result<Option<bool>> {
        Ok(self.child.try_wait()?.map(|status| status.success()))
    }

    /// Waits for its end, at most until `deadline`; `None` when it still runs then.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> Result<Option<bool>> {
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            sleep(LOOK_EVERY);
        }
    }

    /// Asks it to end, and makes it when it does not.
    fn end(&mut self) {
        if matches!(self.ended(), Ok(Some(_))) {
            return;
        }
        let _ = signal(self.child.id(), Signal::TERM);
        if matches!(self.wait_until(Instant::now() + END_MAX), Ok(None)) {
            // Its children are read now, while it lives: they are its own beyond doubt, and nobody else would end them.
            let ids = self.ids();
            let _ = self.child.kill();
            for id in &ids[1..] {
                let _ = signal(*id, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn signal(id: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("ids are positive")?;
    Ok(kill_process(pid, signal)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(id: u32) -> bool {
        fs::exists(format!("/proc/{id}")).expect("/proc can be read")
    }

    #[test]
    fn dropping_ends_it() {
        let process = Process::start(Command::new("sleep").arg("100")).expect("sleep is everywhere");
        let id = process.ids()[0];
        assert!(runs(id));
        drop(process);
        assert!(!runs(id));
    }

    #[test]
    fn how_it_ended_is_told_and_waiting_is_bounded() {
        let far = Instant::now() + Duration::from_secs(20);
        let mut good = Process::start(&mut Command::new("true")).expect("it is everywhere");
        assert_eq!(good.wait_until(far).expect("a child"), Some(true));
        let mut bad = Process::start(&mut Command::new("false")).expect("it is everywhere");
        assert_eq!(bad.wait_until(far).expect("a child"), Some(false));
        let mut long = Process::start(Command::new("sleep").arg("100")).expect("it is everywhere");
        assert_eq!(long.wait_until(Instant::now()).expect("a child"), None);
    }
}
