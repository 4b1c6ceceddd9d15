//! Limits of some topics, applied when they are read: what is beyond them is dropped, though it is still on disk.

use crate::index::{Lost, Postings};
use crate::query::ReadError;
use crate::read::{Fetch, Fetched, Place, Visitor, walk_back};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::state::State;
use crate::topics::TopicId;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Read at once when looking for an event of some age: within 32 KiB of the mark there are few of one topic.
const AHEAD: usize = 16;

/// Drops what the rules do not keep of these topics, as of a time.
pub(crate) fn apply(shared: &Shared, topics: &[Arc<str>], now: u64) -> Result<(), ReadError> {
    if shared.options.retention.rules.is_empty() {
        return Ok(());
    }
    for name in topics {
        let rule = {
            let state = shared.lock();
            state.topic(name).and_then(|id| state.topics.rule(id)).map(|rule| (rule.age, rule.keep_last))
        };
        let Some((age, keep_last)) = rule else { continue };
        if let Some(age) = age {
            drop_older(shared, name, now.saturating_sub(age))?;
        }
        if let Some(keep) = keep_last {
            drop_beyond(shared, name, keep)?;
        }
    }
    Ok(())
}

/// Drops a topic's events before a time.
fn drop_older(shared: &Shared, name: &Arc<str>, time: u64) -> Result<(), ReadError> {
    let upto = shared.lock().upto_time(time);
    let mut newest = 0;
    let visitor = Visitor {
        ahead: AHEAD,
        judge: &|view, _| view.head.time < time,
        visit: &mut |_, met| {
            if met.wanted {
                newest = met.seq;
            }
            if met.wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    };
    walk_back(shared, std::slice::from_ref(name), upto, visitor)?;
    raise(shared, name, newest);
    Ok(())
}

/// Drops all but a topic's newest `keep` events.
fn drop_beyond(shared: &Shared, name: &Arc<str>, keep: u32) -> Result<(), ReadError> {
    loop {
        let spot = {
            let state = shared.lock();
            state.topic(name).and_then(|id| newest_beyond(&state, id, keep))
        };
        let Some(spot) = spot else { return Ok(()) };
        match number_at(&spot) {
            Ok(seq) => {
                raise(shared, name, seq.unwrap_or_default());
                return Ok(());
            }
            Err(Lost::Refused(error)) => return Err(shared.refused(&error)),
            Err(Lost::Damaged) => match spot {
                Spot::Sealed { segment, .. } => shared.rebuild(&segment).map(drop)?,
                Spot::Active { .. } => unreachable!("lists in memory are read without a file"),
            },
        }
    }
}

/// Where an event stands.
enum Spot {
    Sealed { segment: Arc<Segment>, list: u32, index: u32 },
    Active { place: Place, offset: u64 },
}

/// The newest event of a topic beyond the newest `keep`.
fn newest_beyond(state: &State, topic: TopicId, keep: u32) -> Option<Spot> {
    let mut left = keep;
    for place in state.topics.get(topic).places.as_slice().iter().rev() {
        let sealed = state.sealed_by_number(place.segment);
        let lists = state.active().map(|active| &active.index.lists);
        let count = match (sealed, lists) {
            (Some(segment), _) => segment.detail.count(place.list),
            (None, Some(lists)) => lists.offsets[place.list as usize].len() as u32,
            (None, None) => 0,
        };
        if left >= count {
            left -= count;
            continue;
        }
        let index = count - 1 - left;
        if let Some(segment) = sealed {
            return Some(Spot::Sealed { segment: segment.clone(), list: place.list, index });
        }
        let active = state.active()?;
        let mut postings = Postings::of(&active.index.lists);
        let mut cursor = postings.cursor(place.list);
        let offset = postings.get(&mut cursor, index).ok()?;
        return Some(Spot::Active { place: active.place(), offset });
    }
    None
}

/// The number of the event there; where that is damaged, of the next older one in its segment that is not.
fn number_at(spot: &Spot) -> Result<Option<u64>, Lost> {
    match spot {
        Spot::Active { place, offset } => read_number(place, *offset).map_err(Lost::Refused),
        Spot::Sealed { segment, list, index } => {
            let place = segment.place();
            let mut postings = Postings::new(&segment.detail, segment.salt);
            let mut cursor = postings.cursor(*list);
            for index in (0..=*index).rev() {
                let offset = postings.get(&mut cursor, index)?;
                if let Some(seq) = read_number(&place, offset)? {
                    return Ok(Some(seq));
                }
            }
            Ok(None)
        }
    }
}

fn read_number(place: &Place, offset: u64) -> std::io::Result<Option<u64>> {
    let mut fetch = Fetch::new(&*place.file, place.salt, place.end);
    Ok(match fetch.get(offset, std::iter::empty())? {
        Fetched::Whole(view) => Some(view.head.seq),
        Fetched::Damaged(seq) => seq,
    })
}

fn raise(shared: &Shared, name: &str, seq: u64) {
    let mut state = shared.lock();
    if let Some(id) = state.topic(name) {
        state.topics.raise_dropped(id, seq);
    }
}
