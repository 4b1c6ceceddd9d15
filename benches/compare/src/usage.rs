//! What the kernel says of a server's processes.

use std::fs;

/// CPU seconds, user and system, that these processes have used since they started. A process that is gone counts nothing.
pub(crate) fn cpu_seconds(ids: &[u32]) -> f64 {
    let stats = ids.iter().filter_map(|id| fs::read_to_string(format!("/proc/{id}/stat")).ok());
    let ticks: u64 = stats.filter_map(|stat| ticks(&stat)).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Resident memory of these processes in bytes, shared pages counted by share.
pub(crate) fn memory_bytes(ids: &[u32]) -> u64 {
    let rollups = ids.iter().filter_map(|id| fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok());
    rollups.filter_map(|rollup| pss_kib(&rollup)).sum::<u64>() * 1024
}

/// User and system ticks of a line of `/proc/ID/stat`. The program's name, in brackets, may hold blanks and brackets itself.
fn ticks(stat: &str) -> Option<u64> {
    let mut behind_name = stat.rsplit_once(')')?.1.split_whitespace();
    // Fields 14 and 15 of proc_pid_stat(5); field 3 is the first behind the name.
    let user: u64 = behind_name.nth(11)?.parse().ok()?;
    let system: u64 = behind_name.next()?.parse().ok()?;
    Some(user + system)
}

fn pss_kib(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_any_name() {
        assert_eq!(ticks("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 100 20 0 0"), Some(120));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn pss_is_its_own_line() {
        assert_eq!(pss_kib("Rss:  9 kB\nPss_Dirty: 8 kB\nPss:      77 kB\n"), Some(77));
        assert_eq!(pss_kib("Rss: 9 kB\n"), None);
    }

    #[test]
    fn this_process_uses_some() {
        assert!(memory_bytes(&[std::process::id()]) > 100_000);
        assert!(cpu_seconds(&[std::process::id()]) >= 0.0);
    }
}
