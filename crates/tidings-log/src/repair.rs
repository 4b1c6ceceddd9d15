//! What readers do about what they find: an index that is damaged is built anew, a refusal of the storage is noted.

use crate::index::rebuild;
use crate::query::ReadError;
use crate::segment::Segment;
use crate::shared::Shared;
use std::io;
use std::sync::Arc;

impl Shared {
    /// Builds a sealed segment's index anew, from the segment; upkeep then writes it. None: the segment was removed or rewritten
    /// meanwhile, and what stands in its place has another index.
    pub(crate) fn rebuild(&self, segment: &Segment) -> Result<Option<Arc<Segment>>, ReadError> {
        let (bytes_max, seed) = (self.options.batch_bytes_max, self.options.hash_seed);
        let directory = rebuild(&*segment.file, &segment.header, segment.outline.end, bytes_max, seed);
        let directory = directory.map_err(|error| self.refused(&error))?;
        let mut state = self.lock();
        state.counters.rebuilt += 1;
        Ok(state.rebuilt(segment, directory))
    }

    /// Notes that the storage refused to be read.
    pub(crate) fn refused(&self, error: &io::Error) -> ReadError {
        let mut state = self.lock();
        state.counters.refused += 1;
        state.refusal = Some(error.to_string());
        ReadError::Storage
    }
}
