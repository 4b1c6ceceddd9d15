//! Whether the process may open as many files as the run has connections.

use crate::exit::Failure;

/// Files that are no connections: standard streams, pollers, what /proc is read through, a chart.
#[cfg(unix)]
const RESERVED: u64 = 64;

/// Raises the limit of open files as far as `connections` need, or says what the shell must be told first.
#[cfg(unix)]
pub(super) fn make_room(connections: usize) -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = connections as u64 + RESERVED;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit.
    let fits = |limit: Option<u64>| limit.is_none_or(|limit| needed <= limit);
    if fits(current) || fits(maximum) && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        return Ok(());
    }
    Err(too_few(connections, needed, maximum.or(current).unwrap_or(0)))
}

/// Elsewhere connections are not files.
#[cfg(not(unix))]
pub(super) fn make_room(_connections: usize) -> Result<(), Failure> {
    Ok(())
}

#[cfg(unix)]
fn too_few(connections: usize, needed: u64, allowed: u64) -> Failure {
    let message = format!(
        "{connections} connections need {needed} open files, and {allowed} are allowed: raise it with 'ulimit -n {needed}' (as root, \
         or in limits.conf), or run several benches"
    );
    Failure::new(crate::exit::Exit::Usage, message)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn what_does_not_fit_is_said_with_the_way_out() {
        assert!(make_room(1).is_ok());
        let failure = too_few(20_000, 20_064, 1_024);
        assert_eq!(failure.exit, Exit::Usage);
        assert!(
            failure.message.contains("1024 are allowed") && failure.message.contains("ulimit -n 20064"),
            "{failure}"
        );
    }
}
