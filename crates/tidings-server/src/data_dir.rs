//! The data directory: made where it is missing, and opened for the one server that has it.

use std::fs::DirBuilder;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tidings_log::{Dir, DiskDir};

/// Where the log lies in it.
pub(crate) const LOG: &str = "log";

/// Opens the log's directory in a data directory. One that is new is kept out of the repository it may stand in: events are nobody's
/// source code.
///
/// # Errors
/// What the file system says.
pub(crate) fn open(path: &Path) -> io::Result<Arc<dyn Dir>> {
    let is_new = !path.try_exists()?;
    make(path)?;
    if is_new {
        std::fs::write(path.join(".gitignore"), "*\n")?;
    }
    Ok(Arc::new(DiskDir::open(&path.join(LOG))?))
}

/// Makes a directory that its owner alone looks into, with those above it. One that is there is left as it is.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_testkit::TempDir;

    #[test]
    fn a_new_one_is_ignored_by_git_and_an_old_one_left_as_it_is() {
        let temp = TempDir::new();
        let path = temp.path().join("a/data");
        open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(path.join(".gitignore")).unwrap(), "*\n");
        assert!(path.join("log").is_dir());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap()) & 0o077, 0, "nobody else reads it");
        std::fs::remove_file(path.join(".gitignore")).unwrap();
        open(&path).unwrap();
        assert!(!path.join(".gitignore").exists());
        let file = temp.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(open(&file).is_err());
    }
}
