//! Room for requests over HTTP/2: how many are under way on all connections, and how many there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// All places. A clone is the same room.
#[derive(Clone, Debug)]
pub(crate) struct Requests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    under_way: AtomicUsize,
    max: usize,
    refused: AtomicU64,
}

/// A place for one request, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Requests);

impl Requests {
    /// Room for so many.
    pub(crate) fn new(max: usize) -> Self {
        Requests(Arc::new(Inner { under_way: AtomicUsize::new(0), max, refused: AtomicU64::new(0) }))
    }

    /// A place, if there is one; else the refusal is counted.
    pub(super) fn enter(&self) -> Option<Place> {
        let before = self.0.under_way.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        if before < self.0.max {
            return Some(place);
        }
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Requests under way, streams among them.
    pub(crate) fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::Relaxed)
    }

    /// Requests for which there was no place.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_refused_and_counted() {
        let requests = Requests::new(1);
        let first = requests.enter();
        assert!(first.is_some() && requests.enter().is_none());
        assert_eq!((requests.under_way(), requests.refused()), (1, 1));
        drop(first);
        assert!(requests.enter().is_some());
        assert_eq!((requests.under_way(), requests.refused()), (0, 1));
    }
}
