//! The directory, as a process has it.

use super::disk::Disk;
use super::faults::{Asked, Verdict};
use super::file::{SimFile, failed, stopped};
use super::inode::Inode;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use tidings_log::{Dir, File};

#[derive(Debug)]
pub(super) struct SimDir {
    pub(super) disk: Disk,
    pub(super) process: u64,
}

impl SimDir {
    fn file(&self, inode: Arc<Inode>) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.disk.clone(), process: self.process, inode })
    }
}

impl Dir for SimDir {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk.enter(self.process)?.names.list().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let inode = self.disk.enter(self.process)?.names.get(name).cloned();
        Ok(self.file(inode.ok_or_else(missing)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.disk.enter(self.process)?;
        let verdict = state.judge(Asked::Other);
        if verdict == Verdict::Stop && state.rng.bool() {
            return Err(stopped());
        }
        // A file that has the name is emptied, for all its names, as O_TRUNC does.
        let inode = match state.names.get(name).cloned() {
            Some(inode) => {
                inode.lock().set_len(0);
                inode
            }
            None => {
                let inode = Inode::new(state.sector, Arc::clone(&state.used));
                state.names.make(name, Arc::clone(&inode));
                state.counts.renames += 1;
                inode
            }
        };
        if verdict == Verdict::Stop { Err(stopped()) } else { Ok(self.file(inode)) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.disk.enter(self.process)?;
        let verdict = state.judge(Asked::Other);
        if verdict == Verdict::Stop && state.rng.bool() {
            return Err(stopped());
        }
        if !state.names.rename(from, to) {
            return Err(missing());
        }
        state.counts.renames += 1;
        if verdict == Verdict::Stop { Err(stopped()) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.disk.enter(self.process)?;
        let verdict = state.judge(Asked::Other);
        if verdict == Verdict::Stop && state.rng.bool() {
            return Err(stopped());
        }
        if !state.names.remove(name) {
            return Err(missing());
        }
        state.counts.renames += 1;
        if verdict == Verdict::Stop { Err(stopped()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.enter(self.process)?;
        state.counts.dir_syncs += 1;
        match state.judge(Asked::Sync(None)) {
            Verdict::Go => {
                state.names.sync();
                Ok(())
            }
            Verdict::Fail => {
                state.names.forget();
                Err(failed())
            }
            Verdict::Stop => {
                if state.rng.bool() {
                    state.names.sync();
                }
                Err(stopped())
            }
        }
    }

    fn lock(&self) -> io::Result<Box<dyn Debug + Send + Sync>> {
        let mut state = self.disk.enter(self.process)?;
        if state.is_locked {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process has it open"));
        }
        state.is_locked = true;
        // The file stands there as it does on a real disk, so that whoever lists the directory meets it.
        if state.names.get("lock").is_none() {
            let inode = Inode::new(state.sector, Arc::clone(&state.used));
            state.names.put("lock", &inode);
        }
        Ok(Box::new(Lock { disk: self.disk.clone(), process: self.process }))
    }
}

/// The directory is taken until this is dropped.
#[derive(Debug)]
struct Lock {
    disk: Disk,
    process: u64,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.state().unlock(self.process);
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}
