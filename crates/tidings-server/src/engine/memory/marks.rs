//! What was dropped: how far, for each topic, so that a returning reader is told of what it misses and of nothing else.

use tidings_hub::{ReadFrom, Seq, UnixMillis};

/// The newest event that a topic has dropped. The default says that nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: Seq,
    pub(super) time: UnixMillis,
}

impl Mark {
    /// Both up to the further one. Numbers and times grow together, so that either alone decides.
    pub(super) fn raise(&mut self, other: Mark) {
        if other.seq > self.seq {
            *self = other;
        }
    }

    /// Whether a dropped event lies behind the place a read asks for, and has not been told of.
    pub(super) fn is_missed_from(self, from: ReadFrom) -> bool {
        match from {
            ReadFrom::After { seq, told } => self.seq > seq.max(told),
            ReadFrom::Since(time) => self.seq > Seq::START && self.time >= time,
            // The newest of what is kept: no place was named behind which something could be missing.
            ReadFrom::Newest(_) | ReadFrom::LastEach { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed() {
        let mark = Mark { seq: Seq(10), time: UnixMillis(1_000) };
        let after = |seq, told| ReadFrom::After { seq: Seq(seq), told: Seq(told) };
        let cases = [
            (after(9, 0), true),
            (after(10, 0), false),
            (after(0, 9), true),
            (after(0, 10), false),
            (ReadFrom::Since(UnixMillis(1_000)), true),
            (ReadFrom::Since(UnixMillis(1_001)), false),
            (ReadFrom::Newest(5), false),
            (ReadFrom::LastEach { after: Seq(0) }, false),
        ];
        for (from, expect) in cases {
            assert_eq!(mark.is_missed_from(from), expect, "{from:?}");
        }
        assert!(!Mark::default().is_missed_from(ReadFrom::Since(UnixMillis(-5))), "nothing was dropped");
    }

    #[test]
    fn marks_only_rise() {
        let mut mark = Mark { seq: Seq(3), time: UnixMillis(3) };
        mark.raise(Mark { seq: Seq(2), time: UnixMillis(2) });
        assert_eq!(mark.seq, Seq(3));
        mark.raise(Mark { seq: Seq(4), time: UnixMillis(4) });
        assert_eq!(mark, Mark { seq: Seq(4), time: UnixMillis(4) });
    }
}
