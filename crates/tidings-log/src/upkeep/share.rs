//! How much of a segment is still wanted, worked out from counts alone: nothing is read.

use crate::options::{Retention, Rule};
use crate::segment::Segment;
use crate::state::State;
use crate::topics::TopicId;

/// Whether what a rule keeps outlives its segment: it is kept longer than everything else, or by its number. A rule that keeps shorter is
/// applied on reading, and its events go with the others.
pub(super) fn outlives(rule: &Rule, retention: &Retention) -> bool {
    let longer = match (rule.age, retention.age) {
        (None, Some(_)) => true,
        (Some(age), Some(default)) => age > default,
        (_, None) => false,
    };
    rule.keep_last.is_some() || longer
}

/// Whether a topic has such a rule.
pub(super) fn is_held(state: &State, retention: &Retention, id: TopicId) -> bool {
    state.topics.rule(id).is_some_and(|rule| outlives(rule, retention))
}

/// About how many of the events in one of a segment's lists are neither dropped nor beyond their limits; none only where none is.
pub(super) fn live(state: &State, segment: &Segment, list: u32, id: TopicId, now: u64) -> u32 {
    let (outline, count) = (&segment.outline, segment.detail.count(list));
    let dropped = state.dropped_to(id);
    if count == 0 || dropped >= outline.last_seq || dropped >= state.newest(id) {
        return 0;
    }
    // Between the ends of a segment a topic's events are taken to lie evenly.
    let span = outline.last_seq - segment.header.base;
    let gone = dropped.saturating_sub(segment.header.base);
    assert!(gone < span, "a list that is not empty has a last number");
    let mut live = part(count, span - gone, span);
    let Some(rule) = state.topics.rule(id) else { return live };
    if let Some(keep) = rule.keep_last {
        live = live.min(keep.saturating_sub(newer(state, segment, id, keep)));
    }
    if let Some(age) = rule.age {
        let (first, oldest) = (outline.first_time, now.saturating_sub(age));
        if oldest > outline.last_time {
            return 0;
        }
        if oldest > first {
            live = live.min(part(count, outline.last_time - oldest, outline.last_time - first));
        }
    }
    live
}

/// How many events a topic has in newer segments, counted up to `max`.
fn newer(state: &State, segment: &Segment, id: TopicId, max: u32) -> u32 {
    let mut count = 0_u32;
    let places = state.topics.get(id).places.as_slice().iter().rev();
    for place in places.take_while(|place| place.segment > segment.number()) {
        let sealed = state.sealed_by_number(place.segment).map(|segment| segment.detail.count(place.list));
        let active = || state.active().map_or(0, |active| active.index.lists.offsets[place.list as usize].len() as u32);
        count = count.saturating_add(sealed.unwrap_or_else(active));
        if count >= max {
            break;
        }
    }
    count
}

fn part(count: u32, of: u64, span: u64) -> u32 {
    // Rounded up: what may be there is not taken to be gone.
    let part = (u128::from(count) * u128::from(of)).div_ceil(u128::from(span.max(1)));
    u32::try_from(part).map_or(count, |part| part.min(count))
}
