//! Room for requests over HTTP/2: how many are under way on all connections, and how many there may be.

use crate::delivery::{Place, Room};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// All places, and how often there was none. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    room: Room,
    refused: Arc<AtomicU64>,
}

impl Requests {
    /// Room for so many.
    pub(crate) fn new(max: usize) -> Self {
        Requests { room: Room::new(max), refused: Arc::default() }
    }

    /// A place, if there is one; else the refusal is counted.
    pub(super) fn enter(&self) -> Option<Place> {
        let place = self.room.enter();
        self.refused.fetch_add(u64::from(place.is_none()), Ordering::Relaxed);
        place
    }

    /// Requests under way, streams among them.
    pub(crate) fn under_way(&self) -> usize {
        self.room.taken()
    }

    /// Requests for which there was no place.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
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
