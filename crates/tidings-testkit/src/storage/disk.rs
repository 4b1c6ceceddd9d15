//! The disk, as the test holds it: it takes the power away and says what else goes wrong.

use super::Sector;
use super::dir::SimDir;
use super::faults::{Asked, Counts, Faults, Verdict};
use super::inode::Inode;
use super::names::Names;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use tidings_log::Dir;

/// A disk with one directory. A clone is the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct State {
    pub(super) sector: Sector,
    pub(super) rng: fastrand::Rng,
    pub(super) names: Names,
    pub(super) faults: Faults,
    pub(super) counts: Counts,
    /// Bytes all files may take.
    pub(super) space: u64,
    pub(super) used: Arc<AtomicU64>,
    /// Files held by a name outside the directory.
    links: Vec<Arc<Inode>>,
    /// Counts the processes: what an earlier one holds is dead.
    process: u64,
    pub(super) is_locked: bool,
}

impl Disk {
    /// An empty disk without bound.
    #[must_use]
    pub fn new(seed: u64, sector: Sector) -> Self {
        Disk(Arc::new(Mutex::new(State {
            sector,
            rng: fastrand::Rng::with_seed(seed),
            names: Names::default(),
            faults: Faults::default(),
            counts: Counts::default(),
            space: u64::MAX,
            used: Arc::default(),
            links: Vec::new(),
            process: 0,
            is_locked: false,
        })))
    }

    /// The directory, for a process that starts now. After [`Disk::kill`] or [`Disk::power_cut`] it is dead, with all files opened in
    /// it: every call answers an error.
    #[must_use]
    pub fn dir(&self) -> Arc<dyn Dir> {
        Arc::new(SimDir { disk: self.clone(), process: self.state().process })
    }

    /// The process dies; what it wrote is there for the next one.
    pub fn kill(&self) {
        let mut state = self.state();
        state.counts.kills += 1;
        state.end_process();
    }

    /// The power goes, and comes back: what was not synced is there, or not.
    pub fn power_cut(&self) {
        let state = &mut *self.state();
        state.counts.power_cuts += 1;
        state.names.cut(&mut state.rng);
        state.end_process();
    }

    /// From the `n`th operation on (1: the next) every call answers an error: there a crash falls, and [`Disk::kill`] or
    /// [`Disk::power_cut`] says which. That operation itself may be done, in part or not at all.
    pub fn stop_in(&self, n: u64) {
        self.state().faults.stop_in = Some(n);
    }

    /// Whether [`Disk::stop_in`] has come.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state().faults.stopped
    }

    /// The `n`th sync (1: the next), of a file or of the directory, fails and forgets what it should have saved.
    pub fn fail_sync_in(&self, n: u64) {
        self.state().faults.fail_sync_in = Some(n);
    }

    /// The next sync of one file fails likewise, whatever other threads sync before it.
    pub fn fail_sync_of(&self, name: &str) {
        let state = &mut *self.state();
        let inode = state.names.get(name).cloned();
        state.faults.fail_sync_of = Some(inode.expect("the file is there"));
    }

    /// The `n`th write (1: the next) fails after a part of it.
    pub fn fail_write_in(&self, n: u64) {
        self.state().faults.fail_write_in = Some(n);
    }

    /// What was to go wrong does not.
    pub fn spare(&self) {
        self.state().faults = Faults::default();
    }

    /// All files together may take so many bytes from now on. What has been written stays.
    pub fn set_space(&self, bytes: u64) {
        self.state().space = bytes;
    }

    /// Bytes that all files take, those removed but still open included.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Flips one bit of a file, if it reaches so far, on the disk itself.
    pub fn flip(&self, name: &str, at: u64, bit: u8) {
        let inode = self.state().names.get(name).cloned();
        inode.expect("the file is there").lock().flip(at as usize, bit);
    }

    /// The names of all files, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().names.list().cloned().collect()
    }

    /// What a file holds, as a process sees it.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.state().names.get(name).map(|inode| inode.lock().bytes().to_vec())
    }

    /// Lays a file down, synced, under a synced name.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let inode = Inode::new(state.sector, Arc::clone(&state.used));
        inode.lock().write(0, bytes);
        inode.lock().sync();
        state.names.put(name, &inode);
    }

    /// Gives a file one more name, outside the directory, until the answer is dropped.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<Link> {
        let mut state = self.state();
        let inode = Arc::clone(state.names.get(name)?);
        state.links.push(Arc::clone(&inode));
        Some(Link { disk: self.clone(), inode })
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the disk")
    }

    /// The state, for a call of `process`: an error if that is dead.
    pub(super) fn enter(&self, process: u64) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.process != process || state.faults.stopped {
            return Err(io::Error::other("the process is dead"));
        }
        Ok(state)
    }
}

impl State {
    /// Counts an operation, and says what becomes of it.
    pub(super) fn judge(&mut self, asked: Asked<'_>) -> Verdict {
        self.counts.operations += 1;
        let verdict = self.faults.judge(asked);
        self.counts.faults += u64::from(verdict == Verdict::Fail);
        verdict
    }

    pub(super) fn links(&self, inode: &Arc<Inode>) -> u64 {
        let outside = self.links.iter().filter(|other| Arc::ptr_eq(other, inode)).count();
        (self.names.links(inode) + outside) as u64
    }

    /// Whether a lock taken by `process` still counts.
    pub(super) fn unlock(&mut self, process: u64) {
        self.is_locked &= self.process != process;
    }

    fn end_process(&mut self) {
        self.process += 1;
        self.is_locked = false;
        self.faults = Faults::default();
    }
}

/// A name of a file outside the log's directory, as a snapshot holds it.
#[derive(Debug)]
pub struct Link {
    disk: Disk,
    inode: Arc<Inode>,
}

impl Link {
    /// What the file holds now.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.inode.lock().bytes().to_vec()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let links = &mut self.disk.state().links;
        let at = links.iter().position(|other| Arc::ptr_eq(other, &self.inode)).expect("it was put there");
        links.swap_remove(at);
    }
}
