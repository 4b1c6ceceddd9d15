//! A data directory from outside: what `tidings log` shows, checks, writes out and copies. Nothing here opens it as a server does, so all
//! of it works while one runs, and on a directory that no server can open.

mod export;

pub use export::{Export, Exported, export};
pub use tidings_log::{Depth, FORMAT, IndexState, Progress, Stretch, Survey, SurveyedSegment, Taken, TornTail};

use crate::data_dir::{self, LOG};
use std::io;
use std::path::{Path, PathBuf};
use tidings_hub::{Epoch, EventId, Seq};
use tidings_log::{DiskDir, SnapshotError, SurveyError};

/// Why a data directory could not be looked at, or written out.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is nothing to look at.
    #[error("{}: there is no log here ({error}); --data-dir says where the server keeps its data", .path.display())]
    NoLog {
        /// Where one was looked for.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The log could not be read.
    #[error("{}: {error}", .path.display())]
    Log {
        /// The log's directory.
        path: PathBuf,
        /// Why.
        error: SurveyError,
    },
    /// The copy could not be made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// What was read could not be written out.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl DataError {
    /// Whether a newer version has written it: then nothing is wrong with it.
    pub fn is_newer(&self) -> bool {
        matches!(
            self,
            DataError::Log { error: SurveyError::Newer { .. }, .. }
                | DataError::Snapshot(SnapshotError::Original(SurveyError::Newer { .. }))
        )
    }
}

/// Looks at a data directory's log, and tells `progress` how far it is.
///
/// # Errors
/// There is none, it cannot be read, or a newer version wrote it. Damage is no error: the survey says where it is.
pub fn survey(data_dir: &Path, depth: Depth, progress: &mut dyn FnMut(Progress)) -> Result<Survey, DataError> {
    let (path, dir) = open(data_dir)?;
    tidings_log::survey(&dir, depth, progress).map_err(|error| DataError::Log { path, error })
}

/// Makes a data directory of `to`, which must be empty or missing, with a copy of the log as it is now. Complete log files are shared with
/// the original where the file system can (hard links), so that it takes little space and time.
///
/// # Errors
/// There is no log, `to` is not empty, or something could not be read or written. What was made until then is left for the operator.
pub fn snapshot(data_dir: &Path, to: &Path) -> Result<Taken, DataError> {
    let (path, _) = open(data_dir)?;
    match std::fs::read_dir(to).map(|mut files| files.next().is_none()) {
        Ok(true) => {}
        Ok(false) => return Err(SnapshotError::NotEmpty(to.to_owned()).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(SnapshotError::Storage { path: to.to_owned(), error }.into()),
    }
    data_dir::open(to).map_err(|error| SnapshotError::Storage { path: to.to_owned(), error })?;
    Ok(tidings_log::snapshot(&path, &to.join(LOG))?)
}

/// An event's id, as listeners see it.
pub fn event_id(epoch: [u8; Epoch::LEN], seq: u64) -> String {
    match std::str::from_utf8(&epoch).ok().and_then(|text| text.parse().ok()) {
        Some(epoch) => EventId { epoch, seq: Seq(seq) }.to_string(),
        // Written by nobody: then the number alone says more than nothing.
        None => format!("?.{seq}"),
    }
}

fn open(data_dir: &Path) -> Result<(PathBuf, DiskDir), DataError> {
    let path = data_dir.join(LOG);
    match DiskDir::open_to_read(&path) {
        Ok(dir) => Ok((path, dir)),
        Err(error) => Err(DataError::NoLog { path, error }),
    }
}
