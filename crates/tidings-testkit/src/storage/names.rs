//! A directory: which names are on the disk, and which a process sees.

use super::inode::Inode;
use super::luck::Luck;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Names {
    /// On the disk for certain.
    stable: BTreeMap<String, Arc<Inode>>,
    /// What a process sees.
    cached: BTreeMap<String, Arc<Inode>>,
    /// Since the last sync, in order.
    pending: Vec<Change>,
    /// What a failed sync forgot of each name: on the disk perhaps, and no later sync brings it there.
    forgotten: BTreeMap<String, Vec<Option<Arc<Inode>>>>,
}

#[derive(Clone, Debug)]
enum Change {
    Made { name: String, inode: Arc<Inode> },
    Renamed { from: String, to: String, inode: Arc<Inode> },
    Removed { name: String, inode: Arc<Inode> },
}

impl Names {
    pub(super) fn list(&self) -> impl Iterator<Item = &String> {
        self.cached.keys()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Inode>> {
        self.cached.get(name)
    }

    /// By how many names a file is known.
    pub(super) fn links(&self, inode: &Arc<Inode>) -> usize {
        self.cached.values().filter(|other| Arc::ptr_eq(other, inode)).count()
    }

    pub(super) fn make(&mut self, name: &str, inode: Arc<Inode>) {
        self.change(Change::Made { name: name.to_owned(), inode });
    }

    /// Whether there was such a file.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(inode) = self.cached.get(from).cloned() else { return false };
        self.change(Change::Renamed { from: from.to_owned(), to: to.to_owned(), inode });
        true
    }

    /// Whether there was such a file.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let Some(inode) = self.cached.get(name).cloned() else { return false };
        self.change(Change::Removed { name: name.to_owned(), inode });
        true
    }

    /// A file that has been there for long.
    pub(super) fn put(&mut self, name: &str, inode: &Arc<Inode>) {
        for names in [&mut self.stable, &mut self.cached] {
            names.insert(name.to_owned(), Arc::clone(inode));
        }
    }

    pub(super) fn sync(&mut self) {
        for name in self.touched() {
            self.forgotten.remove(&name);
            match self.cached.get(&name) {
                Some(inode) => self.stable.insert(name, Arc::clone(inode)),
                None => self.stable.remove(&name),
            };
        }
        self.pending.clear();
    }

    pub(super) fn forget(&mut self) {
        for name in self.touched() {
            let now = self.cached.get(&name).cloned();
            self.forgotten.entry(name).or_default().push(now);
        }
        self.pending.clear();
    }

    /// The power is cut: each operation that was not synced is undone, or not, and so is what became of every file.
    pub(super) fn cut(&mut self, rng: &mut fastrand::Rng) {
        // Before names are lost: a file may come back by a name it had.
        for inode in self.inodes() {
            inode.lock().cut(rng);
        }
        for (name, versions) in std::mem::take(&mut self.forgotten) {
            let mut versions: Vec<_> = std::iter::once(self.stable.get(&name).cloned()).chain(versions).collect();
            match versions.swap_remove(rng.usize(..versions.len())) {
                Some(inode) => self.stable.insert(name, inode),
                None => self.stable.remove(&name),
            };
        }
        let pending = std::mem::take(&mut self.pending);
        let luck = Luck::draw(rng, pending.len());
        for (place, change) in pending.iter().enumerate() {
            if luck.version(rng, place, 2) == 1 {
                change.apply(&mut self.stable);
            }
        }
        self.cached.clone_from(&self.stable);
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push(change);
    }

    fn touched(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for change in &self.pending {
            match change {
                Change::Made { name, .. } | Change::Removed { name, .. } => names.insert(name.clone()),
                Change::Renamed { from, to, .. } => names.insert(from.clone()) | names.insert(to.clone()),
            };
        }
        names
    }

    /// Every file once, in an order that repeats.
    fn inodes(&self) -> Vec<Arc<Inode>> {
        let pending = self.pending.iter().map(|change| match change {
            Change::Made { inode, .. } | Change::Renamed { inode, .. } | Change::Removed { inode, .. } => inode,
        });
        let forgotten = self.forgotten.values().flatten().flatten();
        let mut inodes: Vec<Arc<Inode>> = Vec::new();
        for inode in self.stable.values().chain(self.cached.values()).chain(pending).chain(forgotten) {
            if !inodes.iter().any(|other| Arc::ptr_eq(other, inode)) {
                inodes.push(Arc::clone(inode));
            }
        }
        inodes
    }
}

impl Change {
    /// Does it to `names`, where what it builds on has not been undone.
    fn apply(&self, names: &mut BTreeMap<String, Arc<Inode>>) {
        let is = |names: &BTreeMap<String, Arc<Inode>>, name: &str, inode| {
            names.get(name).is_some_and(|other| Arc::ptr_eq(other, inode))
        };
        match self {
            Change::Made { name, inode } => {
                names.insert(name.clone(), Arc::clone(inode));
            }
            Change::Renamed { from, to, inode } if is(names, from, inode) => {
                names.remove(from);
                names.insert(to.clone(), Arc::clone(inode));
            }
            Change::Removed { name, inode } if is(names, name, inode) => {
                names.remove(name);
            }
            Change::Renamed { .. } | Change::Removed { .. } => {}
        }
    }
}
