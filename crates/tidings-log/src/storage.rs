//! What the log needs of a file system: two small traits. `disk.rs` is the real one; the tests' simulated one loses what was not
//! synced, flips bits, runs out of space and fails syncs.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// One flat directory of files. Names are plain file names.
///
/// What `create`, `rename` and `remove` did to the directory is on stable storage only after [`Dir::sync`]; before that a power cut
/// may undo each of them by itself.
pub trait Dir: Debug + Send + Sync {
    /// The names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Makes an empty file, in place of one that has the name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Renames a file, in place of one that has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Who has it open reads on.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Brings the directory's names to stable storage.
    fn sync(&self) -> io::Result<()>;

    /// Takes the directory for this process, until the answer is dropped. [`io::ErrorKind::WouldBlock`]: another one has it; the error's
    /// text says which, where that is known.
    fn lock(&self) -> io::Result<Box<dyn Debug + Send + Sync>>;
}

/// One open file. Writing within its length takes no new space; writing beyond it may fail for lack of space.
///
/// What was written is on stable storage only after [`File::sync`]; before that a power cut keeps any of the written sectors and
/// loses the others. After a sync that failed nothing can be said of what was written before it, whatever a later sync answers.
// Nobody asks whether a segment's file is empty.
#[allow(clippy::len_without_is_empty)]
pub trait File: Debug + Send + Sync {
    /// Fills `buf` from `offset` on as far as the file reaches, and says how far.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Brings data and length to stable storage.
    fn sync(&self) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file at `len`, or lengthens it by a hole.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// By how many names the file is known: more than one, and somebody keeps it who must not see it overwritten.
    fn names(&self) -> io::Result<u64>;
}
