//! A file's contents: what is on the disk, and what a process sees.

use super::Sector;
use super::luck::Luck;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A file, by however many names it is known. It lives as long as a name or an open file holds it.
#[derive(Debug)]
pub(super) struct Inode(Mutex<Contents>);

impl Inode {
    pub(super) fn new(sector: Sector, used: Arc<AtomicU64>) -> Arc<Self> {
        let sector = sector.bytes();
        Arc::new(Inode(Mutex::new(Contents { sector, used, ..Contents::default() })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("nothing panics while it holds a file")
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        if let Ok(contents) = self.0.get_mut() {
            contents.give_back(0);
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Contents {
    sector: usize,
    /// On the disk for certain.
    stable: Vec<u8>,
    /// What reads see.
    cached: Vec<u8>,
    /// Since the last sync, in order.
    writes: Vec<Write>,
    /// Lengths since the last sync, in order.
    lengths: Vec<usize>,
    /// By sector, what a failed sync forgot: on the disk perhaps, and no later sync brings it there.
    forgotten: BTreeMap<usize, Vec<Vec<u8>>>,
    forgotten_lengths: Vec<usize>,
    /// Sectors that have a place on the disk; the others are holes.
    placed: BTreeSet<usize>,
    /// Bytes that all files take.
    used: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Write {
    at: usize,
    bytes: Vec<u8>,
}

impl Contents {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.cached
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if end > self.cached.len() {
            self.cached.resize(end, 0);
            self.lengths.push(end);
        }
        self.cached[at..end].copy_from_slice(bytes);
        for sector in self.sectors(at, end) {
            if self.placed.insert(sector) {
                self.used.fetch_add(self.sector as u64, Ordering::Relaxed);
            }
        }
        self.writes.push(Write { at, bytes: bytes.to_vec() });
    }

    /// How many of `bytes` at `at` can be written when all files together may take `space`.
    pub(super) fn fitting(&self, at: usize, bytes: usize, space: u64) -> usize {
        let mut left = space.saturating_sub(self.used.load(Ordering::Relaxed)) / self.sector as u64;
        for sector in self.sectors(at, at + bytes) {
            if !self.placed.contains(&sector) {
                if left == 0 {
                    return (sector * self.sector).saturating_sub(at);
                }
                left -= 1;
            }
        }
        bytes
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let old = self.cached.len();
        if len < old {
            // Where the file grows again, these are zeros; until a sync the disk may have either.
            self.writes.push(Write { at: len, bytes: vec![0; old - len] });
            self.give_back(len);
        }
        self.cached.resize(len, 0);
        self.lengths.push(len);
    }

    /// Flips a bit, on the disk and for who reads.
    pub(super) fn flip(&mut self, at: usize, bit: u8) {
        for bytes in [&mut self.stable, &mut self.cached] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
    }

    pub(super) fn sync(&mut self) {
        if !self.lengths.is_empty() {
            self.stable.resize(self.cached.len(), 0);
            self.lengths.clear();
            self.forgotten_lengths.clear();
        }
        for sector in self.written() {
            let from = sector * self.sector;
            // A sector goes to the disk whole, so also with what an earlier sync forgot. A length that was forgotten stays so.
            let to = (from + self.sector).min(self.cached.len()).min(self.stable.len());
            if from < to {
                self.stable[from..to].copy_from_slice(&self.cached[from..to]);
            }
            self.forgotten.remove(&sector);
        }
        self.writes.clear();
    }

    /// What was written since the last sync is no longer known to be unsaved.
    pub(super) fn forget(&mut self) {
        for sector in self.written() {
            let mut versions = self.versions(sector);
            // The first is what is on the disk.
            versions.remove(0);
            self.forgotten.insert(sector, versions);
        }
        self.writes.clear();
        self.forgotten_lengths.append(&mut self.lengths);
    }

    /// The power is cut: what is not on the disk for certain comes back as luck has it.
    pub(super) fn cut(&mut self, rng: &mut fastrand::Rng) {
        let mut unsure = self.written();
        unsure.extend(self.forgotten.keys());
        let luck = Luck::draw(rng, unsure.len());
        let lengths: Vec<usize> =
            [self.stable.len()].iter().chain(&self.forgotten_lengths).chain(&self.lengths).copied().collect();
        let len = lengths[luck.version(rng, usize::MAX, lengths.len())];
        let mut kept = std::mem::take(&mut self.stable);
        kept.resize(len, 0);
        for (place, sector) in unsure.into_iter().enumerate() {
            let versions = self.versions_over(sector, &kept);
            let version = &versions[luck.version(rng, place, versions.len())];
            let from = (sector * self.sector).min(len);
            let to = (from + self.sector).min(len);
            kept[from..to].copy_from_slice(&version[..to - from]);
        }
        self.give_back(len);
        self.cached.clone_from(&kept);
        self.stable = kept;
        self.writes.clear();
        self.lengths.clear();
        self.forgotten.clear();
        self.forgotten_lengths.clear();
    }

    /// The sectors written since the last sync.
    fn written(&self) -> BTreeSet<usize> {
        self.writes.iter().flat_map(|write| self.sectors(write.at, write.at + write.bytes.len())).collect()
    }

    /// Everything a sector may be on the disk, the oldest first.
    fn versions(&self, sector: usize) -> Vec<Vec<u8>> {
        self.versions_over(sector, &self.stable)
    }

    fn versions_over(&self, sector: usize, stable: &[u8]) -> Vec<Vec<u8>> {
        let (from, to) = (sector * self.sector, (sector + 1) * self.sector);
        let mut image = stable[from.min(stable.len())..to.min(stable.len())].to_vec();
        image.resize(self.sector, 0);
        let mut versions = vec![image];
        versions.extend(self.forgotten.get(&sector).into_iter().flatten().cloned());
        for write in &self.writes {
            let (start, end) = (write.at.max(from), (write.at + write.bytes.len()).min(to));
            if start < end {
                let mut image = versions.last().expect("the first is there").clone();
                image[start - from..end - from].copy_from_slice(&write.bytes[start - write.at..end - write.at]);
                versions.push(image);
            }
        }
        versions
    }

    fn sectors(&self, from: usize, to: usize) -> std::ops::Range<usize> {
        if from == to { 0..0 } else { from / self.sector..to.div_ceil(self.sector) }
    }

    /// The places of the sectors wholly behind `len` are free again.
    fn give_back(&mut self, len: usize) {
        let freed = self.placed.split_off(&len.div_ceil(self.sector));
        self.used.fetch_sub((freed.len() * self.sector) as u64, Ordering::Relaxed);
    }
}
