//! What was measured on: enough to judge the figures by, nothing that names one machine.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// Above it, something else runs: a load average of a quiet machine is near 0.
const BUSY_LOAD: f64 = 0.5;

/// The machine as the kernel tells it; what it does not tell is "unknown".
#[derive(Debug)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_gib: u64,
    kernel: String,
    file_system: String,
    /// Of the last minute, before anything was started.
    load: f64,
}

impl Machine {
    /// Asks about the machine, and the file system that `dir` is on.
    pub(crate) fn read(dir: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory_kib =
            field(&text("/proc/meminfo"), "MemTotal").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
        let dir = fs::canonicalize(dir).unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: field(&text("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            memory_gib: memory_kib.unwrap_or(0) >> 20,
            kernel: Some(text("/proc/sys/kernel/osrelease").trim().to_owned())
                .filter(|it| !it.is_empty())
                .unwrap_or_else(unknown),
            file_system: file_system(&text("/proc/self/mounts"), &dir).unwrap_or_else(unknown),
            load: text("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN),
        }
    }

    /// Says so when something else seems to run.
    pub(crate) fn warn_if_busy(&self) {
        if self.load > BUSY_LOAD {
            eprintln!("compare: the load average is {}: something else runs, and figures will be noisy", self.load);
        }
    }

    /// One line for the report.
    pub(crate) fn text(&self) -> String {
        let Self { cores, cpu, memory_gib, kernel, file_system, load } = self;
        format!(
            "{cores} cores ({cpu}), {memory_gib} GiB, Linux {kernel}, data on {file_system}, load average {load} before"
        )
    }

    pub(crate) fn json(&self) -> Value {
        let Self { cores, cpu, memory_gib, kernel, file_system, load } = self;
        json!({"cores": cores, "cpu": cpu, "memory_gib": memory_gib, "kernel": kernel, "file_system": file_system, "load": load})
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// The first `name : value` of a file in /proc.
fn field(text: &str, name: &str) -> Option<String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(field, _)| field.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// The type of the file system with the longest mount point above `dir`; the later one where two are mounted on each other.
fn file_system(mounts: &str, dir: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((Path::new(fields.nth(1)?), fields.next()?))
    });
    let above = mounts.filter(|(point, _)| dir.starts_with(point));
    above.max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "a / ext4 rw 0 0\nb /data tmpfs rw 0 0\nc /database xfs rw 0 0\nd /data btrfs rw 0 0\n";
        let check =
            |dir: &str, expect| assert_eq!(file_system(mounts, Path::new(dir)).as_deref(), Some(expect), "{dir}");
        check("/", "ext4");
        check("/data/x", "btrfs");
        check("/database", "xfs");
        check("/elsewhere", "ext4");
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemTotalX: 1 kB\nmodel name\t: A CPU\nMemTotal:  24 kB\n";
        assert_eq!(field(text, "MemTotal").as_deref(), Some("24 kB"));
        assert_eq!(field(text, "model name").as_deref(), Some("A CPU"));
        assert_eq!(field(text, "model"), None);
    }
}
