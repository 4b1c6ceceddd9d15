//! An index that was lost, or never written, is built anew from its segment.

use super::directory::{Directory, Names};
use super::{Detail, IndexBuilder};
use crate::header::{Header, RECORDS_AT};
use crate::map::{self, Map};
use crate::record::View;
use crate::scan::{Found, Scan};
use crate::storage::File;
use std::io;

/// An index in the making, for whoever reads a segment from its start.
#[derive(Debug)]
pub(crate) struct Rebuild {
    index: IndexBuilder,
    names: Names,
    known: Map<Box<str>, u32>,
    /// Those of the record at hand.
    lists: Vec<u32>,
    /// Behind the last record.
    end: u64,
}

/// Reads a sealed segment through, up to `end`. `bytes_max` is the most a record takes.
pub(crate) fn rebuild(
    file: &dyn File,
    header: &Header,
    end: u64,
    bytes_max: usize,
    hash_seed: u64,
) -> io::Result<Directory> {
    let mut rebuild = Rebuild::new(header, hash_seed);
    let mut scan = Scan::new(file, header.salt(), RECORDS_AT, end, header.base, bytes_max);
    while let Some(found) = scan.next()? {
        if let Found::Record { offset, view } = found {
            rebuild.record(offset, &view);
        }
    }
    Ok(rebuild.finish(end))
}

impl Rebuild {
    pub(crate) fn new(header: &Header, hash_seed: u64) -> Self {
        let (index, names, known) = (IndexBuilder::new(header), Names::default(), map::map(hash_seed));
        Rebuild { index, names, known, lists: Vec::new(), end: RECORDS_AT }
    }

    /// The next record; what lies between it and the one before is damaged.
    pub(crate) fn record(&mut self, offset: u64, view: &View<'_>) {
        self.pass(offset);
        self.lists.clear();
        for name in view.topics() {
            let list = self.known.get(name).copied().unwrap_or_else(|| {
                self.names.push(name);
                let list = self.index.add_list();
                self.known.insert(name.into(), list);
                list
            });
            self.lists.push(list);
        }
        self.index.push(offset, &view.head, &self.lists, view.key, view.dropped_to());
        self.end = offset + view.len as u64;
    }

    /// Behind the last record.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The segment's records end here, or should: what lies behind the last one is damaged.
    pub(crate) fn finish(mut self, end: u64) -> Directory {
        self.pass(end);
        self.index.finish(end);
        let IndexBuilder { outline, lists, keys } = self.index;
        Directory { outline, names: self.names, ends: lists.ends.clone(), detail: Detail::Memory { lists, keys } }
    }

    fn pass(&mut self, to: u64) {
        assert!(to >= self.end, "records are told in order");
        if to > self.end {
            self.index.damage(self.end, to);
        }
    }
}
