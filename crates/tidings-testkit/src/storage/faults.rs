//! What is to go wrong, and when; and the count of what was done.

use super::inode::Inode;
use std::sync::Arc;

/// What was done to a disk, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Everything that changes something: the places where a crash can fall.
    pub operations: u64,
    /// Reads of files.
    pub reads: u64,
    /// Writes, each of which may span many sectors.
    pub writes: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Syncs of the directory.
    pub dir_syncs: u64,
    /// Files made, renamed or removed.
    pub renames: u64,
    /// Times the power was cut.
    pub power_cuts: u64,
    /// Times the process was killed.
    pub kills: u64,
    /// Syncs and writes that were made to fail.
    pub faults: u64,
    /// Writes that found no space.
    pub refused: u64,
}

/// What a call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What it is asked.
    Go,
    /// Fail, after a part perhaps.
    Fail,
    /// Get as far as luck has it, and never answer: the process ends here.
    Stop,
}

/// Which call is to go wrong: each counts down, and none is far off.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) stop_in: Option<u64>,
    pub(super) fail_sync_in: Option<u64>,
    /// Its next sync fails, whatever else is synced before.
    pub(super) fail_sync_of: Option<Arc<Inode>>,
    pub(super) fail_write_in: Option<u64>,
    pub(super) stopped: bool,
}

/// What is asked of the disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Write,
    /// Of a file, or of the directory.
    Sync(Option<&'a Arc<Inode>>),
    Other,
}

impl Faults {
    pub(super) fn judge(&mut self, asked: Asked<'_>) -> Verdict {
        if falls_due(&mut self.stop_in) {
            self.stopped = true;
            return Verdict::Stop;
        }
        let fails = match asked {
            Asked::Write => falls_due(&mut self.fail_write_in),
            Asked::Sync(file) => {
                let is_meant = |meant: &mut Arc<Inode>| file.is_some_and(|file| Arc::ptr_eq(meant, file));
                self.fail_sync_of.take_if(is_meant).is_some() | falls_due(&mut self.fail_sync_in)
            }
            Asked::Other => false,
        };
        if fails { Verdict::Fail } else { Verdict::Go }
    }
}

fn falls_due(countdown: &mut Option<u64>) -> bool {
    let Some(left) = countdown else { return false };
    *left = left.saturating_sub(1);
    let due = *left == 0;
    if due {
        *countdown = None;
    }
    due
}
