//! Bugs that are planted on purpose: the crash campaign must find each of them before it is believed about the real log.
//!
//! Compiled with `--cfg planted` only. Which of them a process has is said by the variable `TIDINGS_PLANTED`.

use std::sync::OnceLock;

/// A planted bug, at its place in the real code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A batch is answered, and seen, before it is synced.
    AckBeforeSync,
    /// Damage in the middle of the last segment is taken for a torn tail.
    CutInTheMiddle,
    /// Records of a file's earlier life validate.
    StaleRecord,
    /// The directory is not synced when a spare has got its name.
    LostRename,
    /// A sync that failed is tried again, and believed.
    RetriedSync,
}

/// The variable's values, and what they plant.
const NAMES: [(&str, Bug); 5] = [
    ("ack_before_sync", Bug::AckBeforeSync),
    ("cut_in_the_middle", Bug::CutInTheMiddle),
    ("stale_record", Bug::StaleRecord),
    ("lost_rename", Bug::LostRename),
    ("retried_sync", Bug::RetriedSync),
];

/// Whether this process has the bug.
pub(crate) fn is(bug: Bug) -> bool {
    static PLANTED: OnceLock<Option<Bug>> = OnceLock::new();
    let planted = PLANTED.get_or_init(|| {
        let name = std::env::var("TIDINGS_PLANTED").ok()?;
        let found = NAMES.iter().find(|(known, _)| *known == name);
        // A misspelt bug would be one that no campaign can find.
        Some(found.expect("TIDINGS_PLANTED names a planted bug").1)
    });
    *planted == Some(bug)
}
