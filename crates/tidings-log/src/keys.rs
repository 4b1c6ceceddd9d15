//! The idempotency keys of recent events: after a restart they are still known.

use crate::entry::Key;
use crate::index::{Detail, KeyRow, Lost};
use crate::query::ReadError;
use crate::segment::Segment;
use crate::shared::Shared;
use std::sync::Arc;

/// An event's key, and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySeen {
    /// The key.
    pub key: Key,
    /// Its event's number.
    pub seq: u64,
    /// Its event's time, in milliseconds since 1970.
    pub time: u64,
}

/// The newest `max` keys of events of a time or later, newest first.
pub(crate) fn recent(shared: &Shared, since: u64, max: usize) -> Result<Vec<KeySeen>, ReadError> {
    let mut seen = Vec::new();
    let mut segments: Vec<Arc<Segment>> = {
        let state = shared.lock();
        let active = state.active().map_or(&[][..], |active| &active.index.keys);
        take(&mut seen, active, since, max);
        let recent = |segment: &&Arc<Segment>| segment.outline.last_time >= since;
        state.sealed().rev().take_while(recent).cloned().collect()
    };
    segments.reverse();
    while seen.len() < max {
        let Some(segment) = segments.pop() else { break };
        match segment.detail.keys(segment.salt) {
            Ok(rows) => take(&mut seen, &rows, since, max),
            Err(Lost::Refused(error)) => return Err(shared.refused(&error)),
            Err(Lost::Damaged) => {
                if let Some(rebuilt) = shared.rebuild(&segment)?
                    && let Detail::Memory { keys, .. } = &rebuilt.detail
                {
                    take(&mut seen, keys, since, max);
                }
            }
        }
    }
    Ok(seen)
}

fn take(seen: &mut Vec<KeySeen>, rows: &[KeyRow], since: u64, max: usize) {
    let recent = rows.iter().rev().take_while(|row| row.time >= since);
    let left = max - seen.len();
    seen.extend(recent.take(left).map(|KeyRow { key, seq, time }| KeySeen { key: *key, seq: *seq, time: *time }));
}
