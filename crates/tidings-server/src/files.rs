//! How many connections the process has files for.

use crate::limits::Limits;

/// Files that are neither connections nor the log's: listeners, pollers, and room for what an operator opens, and for segments that
/// are kept longer than the others.
const RESERVED: usize = 512;

/// Raises the process's own limit of open files as far as it may go, and fits the limits on connections under it: a flood of
/// connections must not take the files that everything else needs, `log_files` of them for the log.
#[cfg(unix)]
pub(crate) fn fit(limits: &mut Limits, log_files: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    // None is no limit.
    let files = if raised { maximum } else { current };
    if let Some(files) = files.and_then(|files| usize::try_from(files).ok()) {
        limit(limits, files, usize::try_from(log_files).unwrap_or(usize::MAX));
    }
}

/// Elsewhere the table's own values hold.
#[cfg(not(unix))]
pub(crate) fn fit(_limits: &mut Limits, _log_files: u64) {}

#[cfg_attr(not(unix), allow(dead_code))]
fn limit(limits: &mut Limits, files: usize, log_files: usize) {
    let others = RESERVED.saturating_add(log_files);
    limits.connections_max = limits.connections_max.min(files.saturating_sub(others).max(1));
    // One connection in 32 stays for publishers.
    let subscribers = limits.connections_max - limits.connections_max / 32;
    limits.subscribers_max = limits.subscribers_max.min(subscribers.max(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_under_the_file_limit() {
        let mut limits = Limits::DEFAULT;
        limit(&mut limits, 20_000, 328);
        assert_eq!(limits.connections_max, 19_160);
        assert!(limits.subscribers_max < limits.connections_max);
        limit(&mut limits, 10, 328);
        assert_eq!((limits.connections_max, limits.subscribers_max), (1, 1), "too few is still one");
    }
}
