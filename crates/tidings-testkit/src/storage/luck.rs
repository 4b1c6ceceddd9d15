//! What a power cut spares.
//!
//! A coin for each sector alone would hardly ever spare all but one of fifty, and that is the cut that hurts most: so the pattern is
//! drawn first.

/// Which of several unsynced things come back as they were last, and which as they were.
#[derive(Clone, Copy, Debug)]
pub(super) enum Luck {
    Nothing,
    Everything,
    /// Each by itself.
    Any,
    /// Those before the place.
    Front(usize),
    /// Those from the place on.
    Back(usize),
    /// The one at the place.
    Only(usize),
    /// All but the one at the place.
    AllBut(usize),
}

impl Luck {
    /// Draws the pattern for `things` of them.
    pub(super) fn draw(rng: &mut fastrand::Rng, things: usize) -> Self {
        let place = rng.usize(..things.max(1));
        match rng.u8(..8) {
            0 => Luck::Nothing,
            1 => Luck::Everything,
            2 | 3 => Luck::Any,
            4 => Luck::Front(place),
            5 => Luck::Back(place),
            6 => Luck::Only(place),
            _ => Luck::AllBut(place),
        }
    }

    /// Which of `versions`, the oldest 0, the thing at `place` comes back as.
    pub(super) fn version(self, rng: &mut fastrand::Rng, place: usize, versions: usize) -> usize {
        assert!(versions > 0, "what is there comes back as something");
        let newest = match self {
            Luck::Nothing => false,
            Luck::Everything => true,
            Luck::Any => return rng.usize(..versions),
            Luck::Front(end) => place < end,
            Luck::Back(start) => place >= start,
            Luck::Only(only) => place == only,
            Luck::AllBut(but) => place != but,
        };
        if newest { versions - 1 } else { 0 }
    }
}
