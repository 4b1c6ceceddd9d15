//! Where a topic's events lie: in which segments, and in which of their lists.

/// A list of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The segment's number.
    pub(crate) segment: u32,
    /// Which of the segment's lists.
    pub(crate) list: u32,
}

/// Places in the order of segments. A million topics have one or two each, so those take no allocation.
#[derive(Clone, Debug, Default)]
pub(crate) enum Places {
    #[default]
    None,
    One(Place),
    Two([Place; 2]),
    Many(Vec<Place>),
}

/// So few places take no more room than they need: most topics never have more.
const EXACT_MAX: usize = 8;

impl Places {
    pub(crate) fn as_slice(&self) -> &[Place] {
        match self {
            Places::None => &[],
            Places::One(place) => std::slice::from_ref(place),
            Places::Two(places) => places,
            Places::Many(places) => places,
        }
    }

    /// The list in a segment.
    pub(crate) fn list_in(&self, segment: u32) -> Option<u32> {
        // Most often it is the active segment that is asked for: the last place.
        let places = self.as_slice();
        let last = places.last().filter(|place| place.segment == segment);
        let found = last.or_else(|| places.get(places.partition_point(|place| place.segment < segment)));
        found.filter(|place| place.segment == segment).map(|place| place.list)
    }

    /// The first place in this segment or a later one.
    pub(crate) fn first_from(&self, segment: u32) -> Option<Place> {
        let places = self.as_slice();
        places.get(places.partition_point(|place| place.segment < segment)).copied()
    }

    /// The last place in this segment or an earlier one.
    pub(crate) fn last_up_to(&self, segment: u32) -> Option<Place> {
        let places = self.as_slice();
        places[..places.partition_point(|place| place.segment <= segment)].last().copied()
    }

    /// Adds a place, where there is none of its segment.
    pub(crate) fn insert(&mut self, place: Place) {
        let at = self.as_slice().partition_point(|other| other.segment < place.segment);
        assert!(self.as_slice().get(at).is_none_or(|other| other.segment != place.segment), "one list a segment");
        *self = match std::mem::take(self) {
            Places::None => Places::One(place),
            Places::One(other) if at == 0 => Places::Two([place, other]),
            Places::One(other) => Places::Two([other, place]),
            Places::Two(places) => {
                let [first, second] = places;
                let mut places = Vec::with_capacity(3);
                places.extend([first, second]);
                places.insert(at, place);
                Places::Many(places)
            }
            Places::Many(mut places) => {
                if places.len() < EXACT_MAX {
                    places.reserve_exact(1);
                }
                places.insert(at, place);
                Places::Many(places)
            }
        };
    }

    /// Removes the place in a segment, if there is one.
    pub(crate) fn remove(&mut self, segment: u32) {
        *self = match std::mem::take(self) {
            Places::One(place) if place.segment == segment => Places::None,
            Places::Two([place, other]) if place.segment == segment => Places::One(other),
            Places::Two([other, place]) if place.segment == segment => Places::One(other),
            Places::Many(mut places) => {
                places.retain(|place| place.segment != segment);
                match places[..] {
                    [place, other] => Places::Two([place, other]),
                    _ => Places::Many(places),
                }
            }
            places => places,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_in_order_however_many() {
        assert_eq!(size_of::<Places>(), 24, "a million of them");
        let mut places = Places::default();
        for segment in [5, 1, 9, 3, 7] {
            places.insert(Place { segment, list: segment * 10 });
            let segments: Vec<u32> = places.as_slice().iter().map(|place| place.segment).collect();
            assert!(segments.is_sorted(), "{segments:?}");
        }
        assert_eq!((places.list_in(9), places.list_in(3), places.list_in(4)), (Some(90), Some(30), None));
        assert_eq!(places.first_from(4).map(|place| place.segment), Some(5));
        assert_eq!(places.first_from(10), None);
        assert_eq!(places.last_up_to(4).map(|place| place.segment), Some(3));
        assert_eq!(places.last_up_to(0), None);
        for (removed, left) in [(4, 5), (1, 4), (9, 3), (5, 2), (3, 1), (3, 1), (7, 0)] {
            places.remove(removed);
            assert_eq!(places.as_slice().len(), left, "without {removed}");
        }
    }
}
