//! The spare: a file that is ready to be the next segment, so that a batch never waits for space, and never fails for want of it.
//!
//! It is made complete before it gets its name, and the name is on stable storage before the first byte of a batch is written to it.

use crate::names::{self, SPARE_TMP};
#[cfg(planted)]
use crate::planted::{self, Bug};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::storage::{Dir, File};
use crate::sync::{Condvar, Mutex, MutexGuard};
use std::io;
use std::sync::Arc;

/// Bytes that are filled between two syncs: a batch that is synced meanwhile waits for so many at the most.
const CHUNK: usize = 1 << 20;

/// A file that is ready to be a segment.
#[derive(Debug)]
pub(crate) struct Spare {
    /// The number in its name, which no segment ever had.
    pub(crate) number: u32,
    pub(crate) file: Arc<dyn File>,
    /// Its length: all these bytes have their place on the disk.
    pub(crate) len: u64,
}

/// Where the one spare is.
#[derive(Debug)]
pub(crate) struct Spares {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug)]
struct Slot {
    /// The next spare's number.
    next: u32,
    stock: Stock,
}

#[derive(Debug)]
enum Stock {
    /// It is to be made.
    Missing,
    /// Somebody makes it.
    Making,
    Ready(Spare),
    /// The writer has it, and has not begun it durably. A newer one would make it look like a segment that lost its header.
    Taken,
    /// There was no space for it. Upkeep tries again.
    NoSpace,
}

/// What came of an attempt to have a spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// There is nothing to do.
    Nothing,
    /// There is one now.
    Spare,
    NoSpace,
}

impl Spares {
    /// `next` is a number that no file has had.
    pub(crate) fn new(next: u32, ready: Option<Spare>) -> Self {
        assert!(ready.as_ref().is_none_or(|spare| spare.number < next), "numbers are never used again");
        let stock = ready.map_or(Stock::Missing, Stock::Ready);
        Spares { slot: Mutex::new(Slot { next, stock }), changed: Condvar::new() }
    }

    /// For the writer: the spare, which is made if nobody is at it; waits for who is. None: there is no space.
    ///
    /// # Errors
    /// Making it failed for another reason than want of space.
    pub(crate) fn take(&self, shared: &Shared) -> io::Result<Option<Spare>> {
        let mut slot = self.lock();
        loop {
            match std::mem::replace(&mut slot.stock, Stock::Taken) {
                Stock::Ready(spare) => return Ok(Some(spare)),
                Stock::Missing => {
                    slot.stock = Stock::Missing;
                    drop(slot);
                    self.fill(shared)?;
                    slot = self.lock();
                }
                Stock::Making => {
                    slot.stock = Stock::Making;
                    slot = self.changed.wait(slot).unwrap_or_else(|_| std::process::abort());
                }
                Stock::NoSpace => {
                    slot.stock = Stock::NoSpace;
                    return Ok(None);
                }
                Stock::Taken => unreachable!("the writer is one, and begins what it takes"),
            }
        }
    }

    /// For the writer, where there is no space for a whole one: a file of so many bytes. None: there is no space for that either.
    ///
    /// # Errors
    /// Making it failed for another reason than want of space.
    pub(crate) fn take_small(&self, shared: &Shared, len: u64) -> io::Result<Option<Spare>> {
        assert!(len <= shared.options.segment_bytes, "it is less than a whole one");
        self.make(shared, |number| make(&*shared.dir, number, len))?;
        self.take(shared)
    }

    /// The spare that was taken is begun, durably: the next one may be made.
    pub(crate) fn begun(&self) {
        let mut slot = self.lock();
        assert!(matches!(slot.stock, Stock::Taken), "only what was taken is begun");
        slot.stock = Stock::Missing;
    }

    /// Whether a spare is wanted.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.lock().stock, Stock::Missing | Stock::NoSpace)
    }

    /// Whether a spare is wanted, and there was no space for it.
    pub(crate) fn is_without_space(&self) -> bool {
        matches!(self.lock().stock, Stock::NoSpace)
    }

    /// Makes the spare, if it is wanted.
    ///
    /// # Errors
    /// It failed for another reason than want of space.
    pub(crate) fn fill(&self, shared: &Shared) -> io::Result<Made> {
        self.make(shared, |number| make(&*shared.dir, number, shared.options.segment_bytes))
    }

    /// Makes the spare out of a segment that was removed, if one is wanted and the file can be had; else the file goes.
    ///
    /// # Errors
    /// It failed for another reason than want of space.
    pub(crate) fn recycle(&self, shared: &Shared, segment: Arc<Segment>) -> io::Result<Made> {
        let name = names::segment(segment.number());
        let (dir, len) = (&*shared.dir, shared.options.segment_bytes);
        // Who still reads it must not see it written over; neither must a snapshot, which has it under a second name. A file that was
        // cut, or rewritten, has no blocks to give.
        let file = Arc::into_inner(segment).map(|segment| segment.file).filter(|file| Arc::strong_count(file) == 1);
        let file = match file {
            Some(file) if self.is_missing() && file.names()? == 1 && file.len()? >= len => file,
            _ => {
                remove(dir, &name)?;
                return Ok(Made::Nothing);
            }
        };
        let mut used = false;
        let made = self.make(shared, |number| {
            used = true;
            recycle(dir, &name, file, number, len)
        })?;
        if !used {
            // The writer was quicker, and has made one.
            remove(dir, &name)?;
        }
        Ok(made)
    }

    fn make(&self, shared: &Shared, make: impl FnOnce(u32) -> io::Result<Option<Spare>>) -> io::Result<Made> {
        let mut slot = self.lock();
        if !matches!(slot.stock, Stock::Missing | Stock::NoSpace) {
            return Ok(Made::Nothing);
        }
        slot.stock = Stock::Making;
        let number = slot.next;
        drop(slot);
        let made = make(number);
        if let Err(error) = &made {
            // Before the writer, if it waits, finds no spare and takes that for want of space.
            shared.fail("making a spare", error);
        }
        let mut slot = self.lock();
        assert!(matches!(slot.stock, Stock::Making), "who makes it is alone at it");
        // Whoever waits is told in any case; after an error the log has failed, and nobody asks again.
        self.changed.notify_all();
        match made {
            Ok(Some(spare)) => {
                slot.next = number.checked_add(1).ok_or_else(|| io::Error::other("segment numbers are used up"))?;
                slot.stock = Stock::Ready(spare);
                Ok(Made::Spare)
            }
            Ok(None) => {
                slot.stock = Stock::NoSpace;
                Ok(Made::NoSpace)
            }
            Err(error) => {
                slot.stock = Stock::NoSpace;
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        // As with the state: a panic under the lock ends the process (invariant 12).
        self.slot.lock().unwrap_or_else(|_| std::process::abort())
    }
}

/// Whether an error says that there is no space: it may come back.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Removes a segment. Synced, so that segments leave the disk in their order: the next one says where this one ends.
fn remove(dir: &dyn Dir, name: &str) -> io::Result<()> {
    dir.remove(name)?;
    dir.sync()
}

/// Removes a file that may not have come to be, such as one for which there was no space.
pub(crate) fn remove_if_there(dir: &dyn Dir, name: &str) -> io::Result<()> {
    match dir.remove(name) {
        // Not even the empty file could be made.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a spare of zeros. None: there is no space.
fn make(dir: &dyn Dir, number: u32, len: u64) -> io::Result<Option<Spare>> {
    let made = dir.create(SPARE_TMP).and_then(|file| fill(&*file, 0, len).map(|()| file));
    let made = made.and_then(|file| dir.rename(SPARE_TMP, &names::segment(number)).map(|()| file));
    match made {
        Ok(file) => {
            sync_name(dir)?;
            Ok(Some(Spare { number, file, len }))
        }
        Err(error) if is_no_space(&error) => {
            remove_if_there(dir, SPARE_TMP)?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Makes a spare out of a segment that is not used any more, or anew where that proves impossible. None: there is no space.
fn recycle(dir: &dyn Dir, name: &str, file: Arc<dyn File>, number: u32, len: u64) -> io::Result<Option<Spare>> {
    let spare = names::segment(number);
    dir.rename(name, &spare)?;
    // A snapshot may have linked it a moment ago. From now on none does: under this number it is no segment.
    if file.names()? > 1 {
        remove(dir, &spare)?;
        return make(dir, number, len);
    }
    if file.len()? > len {
        // Segments were larger once.
        file.set_len(len)?;
        file.sync()?;
    }
    sync_name(dir)?;
    Ok(Some(Spare { number, file, len }))
}

fn sync_name(dir: &dyn Dir) -> io::Result<()> {
    #[cfg(planted)]
    if planted::is(Bug::LostRename) {
        return Ok(());
    }
    dir.sync()
}

/// Gives every byte from one place to another its place on the disk.
fn fill(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; CHUNK];
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).map_or(CHUNK, |left| left.min(CHUNK));
        file.write_at(&zeros[..len], at)?;
        file.sync()?;
        at += len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
