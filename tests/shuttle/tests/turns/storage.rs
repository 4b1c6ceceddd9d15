//! A directory in memory that sees whether two threads write to one of its files at the same time.

use crate::memory::MemoryDir;
use shuttle::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::fmt::Debug;
use std::io;
use std::sync::Arc;
// Where the log's own directory looks for them.
pub(crate) use tidings_log::{Dir, File};

#[derive(Debug, Default)]
pub(crate) struct WatchedDir(MemoryDir);

#[derive(Debug)]
struct WatchedFile {
    file: Arc<dyn File>,
    is_busy: AtomicBool,
}

fn watched(file: Arc<dyn File>) -> Arc<dyn File> {
    Arc::new(WatchedFile { file, is_busy: AtomicBool::new(false) })
}

impl WatchedFile {
    /// Others may go on between the two steps, and try.
    fn alone(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        assert!(!self.is_busy.swap(true, SeqCst), "two threads write to one file at the same time");
        let worked = work();
        self.is_busy.store(false, SeqCst);
        worked
    }
}

impl Dir for WatchedDir {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.0.open(name).map(watched)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.0.create(name).map(watched)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn lock(&self) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.0.lock()
    }
}

impl File for WatchedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.alone(|| self.file.write_at(bytes, offset))
    }

    fn sync(&self) -> io::Result<()> {
        self.alone(|| self.file.sync())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.alone(|| self.file.set_len(len))
    }

    fn names(&self) -> io::Result<u64> {
        self.file.names()
    }
}
