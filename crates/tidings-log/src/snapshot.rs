//! A copy of a log as it is now, while a server may be writing it.
//!
//! Sealed segments do not change, so the copy shares their files with the original (hard links) where the file system can: a server
//! never writes to a file that somebody else knows by another name. The newest segment is copied up to where its records end. A server
//! may remove, rewrite and seal segments meanwhile: then the copy follows, until a whole pass has found nothing more to do.

use crate::disk::DiskDir;
use crate::names;
use crate::storage::{Dir, File};
use crate::survey::{Among, Depth, Files, SurveyError, survey};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How often the copy follows a directory that changes meanwhile. A server seals a segment every few seconds at most, and a pass that
/// only links takes milliseconds; where every file must be copied, each pass copies what is new.
const PASSES: usize = 100;
/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// What a snapshot is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The eight characters that name the log; none where it is empty.
    pub epoch: Option<[u8; 8]>,
    /// The number of the newest event in it.
    pub head: u64,
    /// Files that are shared with the original.
    pub linked: u64,
    /// Files that were copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The original cannot be read.
    #[error("the log cannot be read: {0}")]
    Original(#[from] SurveyError),
    /// There is something in the place of the copy.
    #[error("{}: not empty; a snapshot needs a directory of its own", .0.display())]
    NotEmpty(PathBuf),
    /// A file could not be linked, read, written or synced.
    #[error("{}: {error}", .path.display())]
    Storage {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The original changed faster than it could be copied.
    #[error("the log changes faster than it can be copied; copy to the same file system, where files are linked")]
    Restless,
}

/// Copies the log in directory `from` to `to`, which must be missing or empty. When the call returns, the copy is on stable storage.
///
/// # Errors
/// `to` is not empty, or something could not be read or written: what was copied until then is left there.
pub fn snapshot(from: &Path, to: &Path) -> Result<Taken, SnapshotError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| SnapshotError::Storage { path, error }
    };
    let source = DiskDir::open_to_read(from).map_err(at(from))?;
    let target = DiskDir::open(to).map_err(at(to))?;
    if !target.list().map_err(at(to))?.is_empty() {
        return Err(SnapshotError::NotEmpty(to.to_owned()));
    }
    let mut copy = Copy { from, to, source, target, have: BTreeMap::new() };
    for _ in 0..PASSES {
        if copy.pass()? {
            copy.target.sync().map_err(at(to))?;
            return copy.taken();
        }
    }
    Err(SnapshotError::Restless)
}

/// Which file a name stands for: device and inode.
type Identity = (u64, u64);

/// A copy in the making.
struct Copy<'a> {
    from: &'a Path,
    to: &'a Path,
    source: DiskDir,
    target: DiskDir,
    /// What was copied: the original it was, and how.
    have: BTreeMap<String, Had>,
}

/// A file of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Had {
    original: Identity,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Linked,
    /// So many bytes of it.
    Copied(u64),
    /// The newest segment, up to where it ended then: to be copied anew if it has been sealed since.
    Newest(u64),
}

impl Copy<'_> {
    /// Brings the copy up to the original. True: nothing had changed under it, so that it is one log.
    fn pass(&mut self) -> Result<bool, SnapshotError> {
        let files = Files::list(&self.source)?;
        let mut wanted = BTreeSet::new();
        let mut settled = true;
        // Oldest first, the newest last: drops are written before what they drop is removed, so a copy that lacks a segment has its drops.
        for among in files.segments() {
            let name = names::segment(among.number());
            settled &= if among.is_sealed() { self.sealed(&name)? } else { self.newest(&name, &among)? };
            wanted.insert(name);
            if among.has_index {
                let name = names::index(among.number());
                settled &= self.sealed(&name)?;
                wanted.insert(name);
            }
        }
        self.have.retain(|name, _| wanted.contains(name));
        for name in self.target.list().map_err(self.failed(""))? {
            if !wanted.contains(&name) {
                self.target.remove(&name).map_err(self.failed(&name))?;
            }
        }
        Ok(settled && self.is_current(&files)?)
    }

    /// Whether the original still has the segments that were listed, and each file is still the one that was copied.
    fn is_current(&self, files: &Files) -> Result<bool, SnapshotError> {
        let headers = |files: &Files| files.begun.iter().map(|begun| begun.header).collect::<Vec<_>>();
        if headers(&Files::list(&self.source)?) != headers(files) {
            return Ok(false);
        }
        for (name, had) in &self.have {
            if self.identity(name)? != Some(had.original) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A file that does not change any more. False: it has gone.
    fn sealed(&mut self, name: &str) -> Result<bool, SnapshotError> {
        let Some(original) = self.identity(name)? else { return Ok(false) };
        let had = self.have.get(name);
        if had.is_some_and(|had| had.original == original && !matches!(had.how, How::Newest(_))) {
            return Ok(true);
        }
        if had.is_some() {
            self.have.remove(name);
            self.target.remove(name).map_err(self.failed(name))?;
        }
        let how = match fs::hard_link(self.from.join(name), self.to.join(name)) {
            Ok(()) => How::Linked,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            // Another file system, one without links, a file that has too many or is somebody else's.
            Err(_) => match self.copy(name, None)? {
                Some(bytes) => How::Copied(bytes),
                None => return Ok(false),
            },
        };
        self.have.insert(name.to_owned(), Had { original, how });
        // It may have been renamed and overwritten while it was copied.
        Ok(self.identity(name)? == Some(original))
    }

    /// The segment that is written to. False: it has gone.
    fn newest(&mut self, name: &str, among: &Among<'_>) -> Result<bool, SnapshotError> {
        let Some(original) = self.identity(name)? else { return Ok(false) };
        let file = self.source.open(name).map_err(self.failed(name))?;
        assert!(!among.is_sealed(), "a segment that does not change any more is shared");
        let end = among.judge(&*file).map_err(self.failed(name))?.end;
        // What was seen must not be in the copy and then, after a power cut, not in the original.
        file.sync().map_err(self.failed(name))?;
        let Some(bytes) = self.copy(name, Some(end))? else { return Ok(false) };
        self.have.insert(name.to_owned(), Had { original, how: How::Newest(bytes) });
        Ok(true)
    }

    /// Copies a file, or its first bytes, to stable storage; none if it has gone.
    fn copy(&self, name: &str, end: Option<u64>) -> Result<Option<u64>, SnapshotError> {
        let source = match self.source.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            source => source.map_err(self.failed(name))?,
        };
        let target = self.target.create(name).map_err(self.failed(name))?;
        let bytes = copy(&*source, &*target, end).map_err(self.failed(name))?;
        Ok(Some(bytes))
    }

    fn identity(&self, name: &str) -> Result<Option<Identity>, SnapshotError> {
        match fs::symlink_metadata(self.from.join(name)) {
            Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name)(error)),
        }
    }

    fn failed(&self, name: &str) -> impl Fn(io::Error) -> SnapshotError + use<> {
        let path = self.from.join(name);
        move |error| SnapshotError::Storage { path: path.clone(), error }
    }

    /// Reads the copy, as the next open will, and says what it is.
    fn taken(&self) -> Result<Taken, SnapshotError> {
        let survey = survey(&self.target, Depth::Indexes, &mut |_| {})?;
        let mut taken = Taken { epoch: survey.epoch, ..Taken::default() };
        taken.head = survey.segments.iter().filter_map(|segment| segment.seqs).map(|(_, last)| last).max().unwrap_or(0);
        for had in self.have.values() {
            match had.how {
                How::Linked => taken.linked += 1,
                How::Copied(bytes) | How::Newest(bytes) => {
                    taken.copied += 1;
                    taken.copied_bytes += bytes;
                }
            }
        }
        Ok(taken)
    }
}

/// Copies a file, or its first bytes, and syncs it.
fn copy(source: &dyn File, target: &dyn File, end: Option<u64>) -> io::Result<u64> {
    let end = end.map_or_else(|| source.len(), Ok)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < end {
        let want = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
        let read = source.read_at(&mut piece[..want], at)?;
        if read == 0 {
            break;
        }
        target.write_at(&piece[..read], at)?;
        at += read as u64;
    }
    assert!(at <= end, "nothing is copied from behind the end");
    target.sync()?;
    Ok(at)
}
