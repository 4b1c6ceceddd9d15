//! A sealed segment: nothing is written to it any more.

use crate::header::Header;
use crate::index::{Detail, Outline};
use crate::storage::File;
use crate::topics::TopicId;
use std::sync::Arc;

/// A segment's file, and what its header says.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) header: Header,
    pub(crate) file: Arc<dyn File>,
}

/// A sealed segment. Who holds it may read it: its file is not written over until nobody does.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) file: Arc<dyn File>,
    pub(crate) salt: u32,
    pub(crate) outline: Outline,
    /// Whose each list is.
    pub(crate) topics: Vec<TopicId>,
    pub(crate) detail: Detail,
}

impl Segment {
    pub(crate) fn number(&self) -> u32 {
        self.header.number
    }

    /// Whether its index is in memory only.
    pub(crate) fn is_unindexed(&self) -> bool {
        matches!(self.detail, Detail::Memory { .. })
    }
}
