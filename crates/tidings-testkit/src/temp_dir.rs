//! A directory for one test, which goes when the test ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of its own, removed with all that is in it.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes an empty one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes something: nobody wants one by the way")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidings-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("tests may write to the system's temporary directory");
        TempDir(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What is left over lies where everything is removed one day.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
