//! A disk that loses what was not synced: the storage traits of the log, in memory, with everything that may go wrong.
//!
//! - Sectors are written whole or not, in any order. What was not synced comes back at a power cut as any version it had since the
//!   last sync: the old one, the newest, or one between. The same holds for a file's length.
//! - What was done to the directory and not synced is undone or not, each operation by itself.
//! - A kill ends the process alone: what it wrote, synced or not, is there for the next one.
//! - A sync that fails forgets what it should have saved, as Linux does: reads still see it, a later sync does not save it.
//! - Space runs out where a file grows, never where it is overwritten. A hole has no space yet.
//!
//! Whatever is drawn is drawn from the seed: with the same calls a run repeats bit for bit.

mod dir;
mod disk;
mod faults;
mod file;
mod inode;
mod luck;
mod names;
#[cfg(test)]
mod tests;

pub use disk::{Disk, Link};
pub use faults::Counts;

/// How much a disk writes whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sector {
    /// 512 bytes: the smallest that disks promise.
    B512,
    /// 4,096 bytes: what most write today.
    B4096,
}

impl Sector {
    /// Its length in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Sector::B512 => 512,
            Sector::B4096 => 4096,
        }
    }
}
