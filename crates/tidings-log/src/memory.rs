//! A directory in memory, for unit tests: it loses nothing, and fails only for want of space. The storage that does both is the testkit's.

use crate::storage::{Dir, File};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex};

/// A directory; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryDir {
    files: Arc<Mutex<BTreeMap<String, Arc<MemoryFile>>>>,
    /// By so many bytes files may still grow, if that is bounded.
    room: Arc<Mutex<Option<u64>>>,
}

/// A file; public to tests so that they can damage it.
#[derive(Debug, Default)]
pub(crate) struct MemoryFile(pub(crate) Mutex<Vec<u8>>);

/// An open file: whoever has it can tell whether somebody else has it too.
#[derive(Debug)]
struct Handle {
    file: Arc<MemoryFile>,
    dir: MemoryDir,
}

impl MemoryDir {
    /// A file, to be looked into or damaged.
    pub(crate) fn file(&self, name: &str) -> Arc<MemoryFile> {
        Arc::clone(&self.files.lock().unwrap()[name])
    }

    /// By so many bytes files may grow from now on; none is without bound.
    pub(crate) fn set_room(&self, room: Option<u64>) {
        *self.room.lock().unwrap() = room;
    }

    /// Gives a file a second name.
    pub(crate) fn link(&self, from: &str, to: &str) {
        let mut files = self.files.lock().unwrap();
        let file = Arc::clone(&files[from]);
        files.insert(to.to_owned(), file);
    }

    /// A directory with the same bytes in it, as a killed process leaves them.
    pub(crate) fn copied(&self) -> MemoryDir {
        let files = self.files.lock().unwrap();
        let copy = |file: &MemoryFile| Arc::new(MemoryFile(Mutex::new(file.0.lock().unwrap().clone())));
        let files = files.iter().map(|(name, file)| (name.clone(), copy(file))).collect();
        MemoryDir { files: Arc::new(Mutex::new(files)), room: Arc::default() }
    }

    fn handle(&self, file: &Arc<MemoryFile>) -> Arc<dyn File> {
        Arc::new(Handle { file: Arc::clone(file), dir: self.clone() })
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Dir for MemoryDir {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().unwrap().keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let files = self.files.lock().unwrap();
        Ok(self.handle(files.get(name).ok_or_else(missing)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = Arc::new(MemoryFile::default());
        self.files.lock().unwrap().insert(name.to_owned(), Arc::clone(&file));
        Ok(self.handle(&file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.lock().unwrap();
        let file = files.remove(from).ok_or_else(missing)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.lock().unwrap().remove(name).map(drop).ok_or_else(missing)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Debug + Send + Sync>> {
        Ok(Box::new(()))
    }
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let from = bytes.len().min(offset as usize);
        let read = buf.len().min(bytes.len() - from);
        buf[..read].copy_from_slice(&bytes[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut all = self.0.lock().unwrap();
        let end = offset as usize + bytes.len();
        if all.len() < end {
            all.resize(end, 0);
        }
        all[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn names(&self) -> io::Result<u64> {
        Ok(1)
    }
}

impl File for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let more = (offset + bytes.len() as u64).saturating_sub(self.file.len()?);
        if let Some(room) = &mut *self.dir.room.lock().unwrap() {
            *room = room.checked_sub(more).ok_or(io::ErrorKind::StorageFull)?;
        }
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn names(&self) -> io::Result<u64> {
        let files = self.dir.files.lock().unwrap();
        Ok(files.values().filter(|file| Arc::ptr_eq(file, &self.file)).count() as u64)
    }
}
