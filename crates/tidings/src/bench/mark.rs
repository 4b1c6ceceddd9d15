//! What every published event bears: which run it belongs to, who published it, its number, and when it was sent.

use std::fmt::Write as _;

/// `tb-`, then hexadecimal digits: 6 of the run, 2 of the publisher, 8 of the number, 12 of the nanoseconds (78 hours), then `-`.
/// Nothing but such letters, so that it passes through JSON, forms and URLs as it is.
pub(super) const MARK_BYTES: usize = RUN_END + 2 + 8 + 12 + 1;

/// Where the part ends that all marks of a run have in common.
const RUN_END: usize = 3 + 6;

/// One event's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) publisher: u8,
    /// Counts the events of one publisher in one topic, from 0.
    pub(super) number: u32,
    /// On the clock of this process.
    pub(super) sent_nanos: u64,
}

/// Writes and finds the marks of one run: events of other runs, or of anybody else, are not taken for its own.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    prefix: String,
}

impl Marker {
    /// `run` should be random: two runs on one topic are told apart by it.
    pub(super) fn new(run: u32) -> Self {
        Self { prefix: format!("tb-{:06x}", run & 0xff_ffff) }
    }

    /// The run as it stands in marks, for names of topics.
    pub(super) fn run(&self) -> &str {
        &self.prefix[3..]
    }

    /// An event's data: the mark, filled up to `size` bytes, which is at least [`MARK_BYTES`].
    pub(super) fn data(&self, mark: Mark, size: usize) -> String {
        let mut data = String::with_capacity(size.max(MARK_BYTES));
        let Mark { publisher, number, sent_nanos } = mark;
        write!(data, "{}{publisher:02x}{number:08x}{:012x}-", self.prefix, sent_nanos & 0xffff_ffff_ffff)
            .expect("a string takes all");
        data.extend(std::iter::repeat_n('x', size.saturating_sub(data.len())));
        data
    }

    /// The mark in what a subscriber received, wherever it stands: a server may wrap the data.
    pub(super) fn find(&self, data: &str) -> Option<Mark> {
        // Most servers hand on the data as it is; then nothing must be searched.
        let start = if data.starts_with(&self.prefix) { 0 } else { data.find(&self.prefix)? };
        let digits = data.get(start + RUN_END..start + MARK_BYTES)?.strip_suffix('-')?;
        let part = |from: usize, to: usize| u64::from_str_radix(digits.get(from..to)?, 16).ok();
        Some(Mark {
            publisher: u8::try_from(part(0, 2)?).ok()?,
            number: u32::try_from(part(2, 10)?).ok()?,
            sent_nanos: part(10, 22)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { publisher: 255, number: u32::MAX, sent_nanos: 123_456_789 };

    #[test]
    fn a_mark_is_found_again_however_it_is_wrapped() {
        let marker = Marker::new(0x00ab_cdef);
        let data = marker.data(MARK, 128);
        assert_eq!(data.len(), 128);
        assert_eq!(marker.data(MARK, 0).len(), MARK_BYTES);
        for wrapped in [data.clone(), format!("{{\"data\":\"{data}\"}}"), format!("tb-tb-abcde {data}")] {
            assert_eq!(marker.find(&wrapped), Some(MARK), "{wrapped}");
        }
    }

    #[test]
    fn nothing_else_is_a_mark() {
        let marker = Marker::new(7);
        let data = marker.data(MARK, 0);
        let foreign = Marker::new(8).data(MARK, 0);
        for text in ["", "tb-", "tb-000007", &data[..MARK_BYTES - 1], &data.replace('f', "g"), &foreign] {
            assert_eq!(marker.find(text), None, "{text}");
        }
    }
}
