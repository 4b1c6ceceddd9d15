//! Room for subscribers, or for requests: how many there are, and how many there may be.

use super::sync::{AtomicUsize, Ordering};
use std::sync::Arc;

/// All places. A clone is the same room.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// A place for one of them, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<Room>);

impl Room {
    /// Room for so many.
    pub(crate) fn new(max: usize) -> Self {
        Room { taken: Arc::default(), max }
    }

    /// A place, if there is one.
    pub(crate) fn enter(&self) -> Option<Place> {
        let place = Place(Some(self.clone()));
        (self.taken.fetch_add(1, Ordering::Relaxed) < self.max).then_some(place)
    }

    /// Places taken now.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Gives back a place that was kept as a number.
    pub(super) fn leave(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place {
    /// Keeps the place as a number alone: [`Room::leave`] gives it back. A table of many needs no pointer for each.
    pub(super) fn into_count(mut self) {
        self.0 = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(room) = &self.0 {
            room.leave();
        }
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_room_takes_nobody_until_one_leaves() {
        let room = Room::new(2);
        let first = room.enter().unwrap();
        room.enter().unwrap().into_count();
        assert!(room.enter().is_none());
        assert_eq!(room.taken(), 2, "who was refused takes no place");
        drop(first);
        assert!(room.enter().is_some());
        room.leave();
        assert_eq!(room.taken(), 0);
    }
}
