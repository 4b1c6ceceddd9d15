//! An open file, as a process has it.

use super::disk::Disk;
use super::faults::{Asked, Verdict};
use super::inode::Inode;
use std::io;
use std::sync::Arc;
use tidings_log::File;

#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: Disk,
    pub(super) process: u64,
    pub(super) inode: Arc<Inode>,
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.enter(self.process)?.counts.reads += 1;
        let contents = self.inode.lock();
        let bytes = contents.bytes().get(offset as usize..).unwrap_or_default();
        let len = bytes.len().min(buf.len());
        buf[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.enter(self.process)?;
        state.counts.writes += 1;
        let verdict = state.judge(Asked::Write);
        let at = offset as usize;
        // Who dies in a write has written the front of it, all of it or nothing.
        let asked = match verdict {
            Verdict::Go => bytes.len(),
            Verdict::Fail => state.rng.usize(..=bytes.len()),
            Verdict::Stop => match state.rng.u8(..4) {
                0 => 0,
                1 => state.rng.usize(..=bytes.len()),
                _ => bytes.len(),
            },
        };
        let mut contents = self.inode.lock();
        let mut fits = contents.fitting(at, asked, state.space);
        if fits < asked {
            // File systems look again when what was removed has left the disk for good.
            drop(contents);
            state.names.sync();
            contents = self.inode.lock();
            fits = contents.fitting(at, asked, state.space);
        }
        if fits > 0 {
            contents.write(at, &bytes[..fits]);
            state.counts.bytes_written += fits as u64;
        }
        match verdict {
            Verdict::Stop => Err(stopped()),
            Verdict::Fail => Err(failed()),
            Verdict::Go if fits < asked => {
                state.counts.refused += 1;
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            Verdict::Go => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.enter(self.process)?;
        state.counts.syncs += 1;
        match state.judge(Asked::Sync(Some(&self.inode))) {
            Verdict::Go => {
                self.inode.lock().sync();
                Ok(())
            }
            Verdict::Fail => {
                self.inode.lock().forget();
                Err(failed())
            }
            Verdict::Stop => {
                if state.rng.bool() {
                    self.inode.lock().sync();
                }
                Err(stopped())
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        let _alive = self.disk.enter(self.process)?;
        Ok(self.inode.lock().bytes().len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.enter(self.process)?;
        let verdict = state.judge(Asked::Other);
        if verdict == Verdict::Go || state.rng.bool() {
            self.inode.lock().set_len(len as usize);
        }
        if verdict == Verdict::Stop { Err(stopped()) } else { Ok(()) }
    }

    fn names(&self) -> io::Result<u64> {
        Ok(self.disk.enter(self.process)?.links(&self.inode))
    }
}

/// What a disk answers that could not.
pub(super) fn failed() -> io::Error {
    const EIO: i32 = 5;
    io::Error::from_raw_os_error(EIO)
}

/// What nobody hears: the process ends in this call.
pub(super) fn stopped() -> io::Error {
    io::Error::other("the process ends in this call")
}
