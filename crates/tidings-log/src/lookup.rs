//! Finding places in the order of segments, by number and by time.

use crate::segment::Segment;
use crate::state::State;
use std::sync::Arc;

impl State {
    /// The sealed segments that may have events behind a number, oldest first.
    pub(crate) fn sealed_behind(&self, seq: u64) -> impl Iterator<Item = &Arc<Segment>> {
        let segments = self.segments();
        segments.range(segments.partition_point(|segment| segment.outline.last_seq <= seq)..)
    }

    /// The last sealed segment that may have events up to a number, and not only older ones.
    pub(crate) fn last_up_to(&self, seq: u64) -> Option<&Arc<Segment>> {
        let segments = self.segments();
        let behind = segments.partition_point(|segment| segment.header.base < seq);
        segments.get(behind.checked_sub(1)?)
    }

    /// A number up to which every event older than a time lies; of those up to it only few are not older.
    pub(crate) fn upto_time(&self, time: u64) -> u64 {
        let sealed = self.sealed().map(|segment| &segment.outline);
        let outlines = sealed.chain(self.active().map(|active| &active.index.outline));
        let Some(outline) = outlines.into_iter().find(|outline| outline.last_time >= time) else { return self.head() };
        let first = outline.marks.get(outline.marks.partition_point(|mark| mark.time < time));
        first.map_or(outline.last_seq, |mark| mark.seq)
    }

    /// Whether one who reads from one number to another passes a damaged stretch that may have held events.
    pub(crate) fn is_damaged_between(&self, from: u64, to: u64) -> bool {
        let bases = self.sealed().skip(1).map(|segment| segment.header.base);
        let last = self.active().map_or(self.head(), |active| active.header.base);
        let behind = self.segments().partition_point(|segment| segment.outline.last_seq < from);
        let segments = self.sealed().zip(bases.chain([last])).skip(behind.saturating_sub(1));
        let mut stretches = segments.take_while(|(segment, _)| segment.header.base < to).flat_map(|(segment, next)| {
            segment.outline.damage.iter().map(move |stretch| (stretch, stretch.through.min(next)))
        });
        stretches.any(|(stretch, through)| through > stretch.before && through > from && stretch.before < to)
    }
}
