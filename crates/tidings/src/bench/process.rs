//! What the kernel says of the server's processes: CPU time and memory. Linux alone says it in files.

use std::fs;

use crate::exit::{Exit, Failure};

/// The processes to watch; there may be none.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    pids: Vec<u32>,
}

impl Processes {
    /// Fails if one of them cannot be looked at, rather than after the run.
    pub(super) fn new(pids: &[u32]) -> Result<Self, Failure> {
        if !pids.is_empty() && !cfg!(target_os = "linux") {
            return Err(Failure::new(Exit::Usage, "--pid works on Linux alone"));
        }
        let unreadable = |pid: &&u32| cpu_ticks(**pid).is_none() || memory_bytes(**pid).is_none();
        match pids.iter().find(unreadable) {
            Some(pid) => {
                let message = format!("cannot look at process {pid}: there is none, or it is another user's");
                Err(Failure::new(Exit::Usage, message))
            }
            None => Ok(Self { pids: pids.to_vec() }),
        }
    }

    /// Seconds of CPU, user and system, that all of them have used since they began; `None` if there are none, or one has
    /// ended. It comes in ticks of 10 ms.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        Some(self.sum(cpu_ticks)? as f64 / ticks_a_second())
    }

    /// Proportional memory, in bytes: pages that several share count for each in part. The kernel's own is not in it.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        self.sum(memory_bytes)
    }

    fn sum(&self, of: fn(u32) -> Option<u64>) -> Option<u64> {
        if self.pids.is_empty() { None } else { self.pids.iter().map(|pid| of(*pid)).sum() }
    }
}

fn cpu_ticks(pid: u32) -> Option<u64> {
    ticks_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn memory_bytes(pid: u32) -> Option<u64> {
    pss_in(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

/// The 14th and 15th field. The second is the program's name in parentheses, and may hold anything.
fn ticks_in(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn pss_in(rollup: &str) -> Option<u64> {
    let kib = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

#[cfg(unix)]
fn ticks_a_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Nothing is watched there.
#[cfg(not(unix))]
fn ticks_a_second() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_files_say() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 110 22 0 0 20 0 9 0 1";
        assert_eq!(ticks_in(stat), Some(132));
        assert_eq!(ticks_in("7 (a) S 1"), None);
        assert_eq!(pss_in("0 - 1 [rollup]\nRss:   9 kB\nPss:       12 kB\nPss_Dirty: 3 kB\n"), Some(12 * 1_024));
        assert_eq!(pss_in(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_can_be_looked_at() {
        let own = Processes::new(&[std::process::id()]).unwrap();
        assert!(own.cpu_seconds().unwrap() >= 0.0);
        assert!(own.memory_bytes().unwrap() > 100_000);
        let twice = Processes::new(&[std::process::id(), std::process::id()]).unwrap();
        assert!(twice.memory_bytes().unwrap() > own.memory_bytes().unwrap());
        assert_eq!(Processes::new(&[]).unwrap().memory_bytes(), None);
        assert_eq!(Processes::new(&[u32::MAX]).unwrap_err().exit, Exit::Usage);
    }
}
