//! An index that was lost is built anew from its segment.

use super::directory::{Directory, Names};
use super::{Detail, IndexBuilder};
use crate::header::{Header, RECORDS_AT};
use crate::map::{self, Map};
use crate::scan::{Found, Scan};
use crate::storage::File;
use std::io;

/// Reads a sealed segment through, up to `end`. `bytes_max` is the most a record takes.
pub(crate) fn rebuild(
    file: &dyn File,
    header: &Header,
    end: u64,
    bytes_max: usize,
    hash_seed: u64,
) -> io::Result<Directory> {
    let mut index = IndexBuilder::new(header);
    let mut names = Names::default();
    let mut known: Map<Box<str>, u32> = map::map(hash_seed);
    let mut lists = Vec::new();
    let mut scan = Scan::new(file, header.salt(), RECORDS_AT, end, header.base, bytes_max);
    while let Some(found) = scan.next()? {
        match found {
            Found::Record { offset, view } => {
                lists.clear();
                for name in view.topics() {
                    let list = known.get(name).copied().unwrap_or_else(|| {
                        names.push(name);
                        let list = index.add_list();
                        known.insert(name.into(), list);
                        list
                    });
                    lists.push(list);
                }
                index.push(offset, &view.head, &lists, view.key, view.dropped_to());
            }
            Found::Damage { from, to } => index.damage(from, to),
        }
    }
    index.finish(end);
    let IndexBuilder { outline, lists, keys } = index;
    Ok(Directory { outline, names, ends: lists.ends.clone(), detail: Detail::Memory { lists, keys } })
}
