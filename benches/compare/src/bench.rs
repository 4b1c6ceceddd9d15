//! What every run shares: the programs, and a place on the file system that is measured.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::launch::Programs;

/// The programs and the folder of this invocation, which goes when it is dropped.
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    root: PathBuf,
    /// Runs so far, so that no two share a folder.
    runs: Cell<u32>,
}

impl Bench {
    /// Makes a folder of its own below `dir`, and raises the limit of open files that servers and rig inherit.
    ///
    /// # Errors
    /// A program is not there, or nothing can be written below `dir`.
    pub(crate) fn new(programs: Programs, dir: &Path) -> Result<Self> {
        let programs = programs.resolved()?;
        let dir = fs::canonicalize(dir).with_context(|| format!("--dir {} is not there", dir.display()))?;
        let root = dir.join(format!("tidings-compare-{}", std::process::id()));
        fs::create_dir(&root).with_context(|| format!("cannot make {}", root.display()))?;
        raise_open_files();
        Ok(Self { programs, root, runs: Cell::new(0) })
    }

    /// A new, empty folder for one run.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn fresh_dir(&self) -> Result<RunDir> {
        self.runs.set(self.runs.get() + 1);
        let path = self.root.join(format!("run-{}", self.runs.get()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(RunDir { path })
    }

    /// What Tidings says of itself.
    pub(crate) fn tidings_version(&self) -> String {
        let output = Command::new(&self.programs.tidings).arg("--version").output();
        output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// One run's folder, which goes when it is dropped.
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        // What the removal left to be written would else be written under the next run.
        if let Some(Ok(parent)) = self.path.parent().map(fs::File::open) {
            let _ = rustix::fs::syncfs(parent);
        }
    }
}

/// The soft limit becomes the hard one: some servers raise it themselves, and none must be better off for it.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where even that is refused, the scenarios that need many files say so themselves.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
