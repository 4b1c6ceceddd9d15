//! The hub's questions to the log, and the log's answers to the hub: topics and patterns are the log's to look up, the type filter
//! is asked of each event, and what comes back are events again.

use super::body;
use crate::engine::ReadError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidings_hub::{Event, History, Read, ReadFrom, Seq, TopicName, Topics, UnixMillis};
use tidings_log::{From, Log, Page, Query, Record};

/// Reads a page. At most `examined_max` events are looked at where a page may end anywhere; looking back for the newest events of a
/// selection has to find them, however rare they are. What cannot be read as an event is passed over, and counted in `unreadable`.
pub(super) fn read(
    log: &Log,
    read: &Read,
    examined_max: usize,
    now: u64,
    unreadable: &AtomicU64,
) -> Result<History, ReadError> {
    let selection = &read.selection;
    let topics: Vec<Arc<str>> = selection.topics().iter().map(TopicName::shared).collect();
    let matches = |name: &str| TopicName::new(name).is_ok_and(|topic| selection.selects_topic(&topic));
    let accept = |record: &Record| {
        let name = body::event_type(&record.body);
        if name.is_none() {
            unreadable.fetch_add(1, Ordering::Relaxed);
        }
        name.is_some_and(|name| selection.passes_type_name(name))
    };
    let (from, examined_max) = match read.from {
        ReadFrom::After { seq, told } => (From::After { seq: seq.0, told }, examined_max),
        ReadFrom::Since(time) => (From::Since(u64::try_from(time.0).unwrap_or(0)), examined_max),
        ReadFrom::Newest(count) => (From::Newest(count), usize::MAX),
        ReadFrom::LastEach { after } => (From::LastEach { after: after.0 }, usize::MAX),
    };
    let query = Query {
        topics: &topics,
        pattern: if selection.patterns().is_empty() { None } else { Some(&matches) },
        accept: &accept,
        from,
        events_max: read.events_max,
        bytes_max: read.bytes_max,
        examined_max,
        now,
    };
    let page = log.read(&query).map_err(|tidings_log::ReadError::Storage| ReadError::Storage)?;
    Ok(history(page, unreadable))
}

fn history(page: Page, unreadable: &AtomicU64) -> History {
    let Page { records, start, next, more, gap, drops, truncated, head } = page;
    let mut events = Vec::with_capacity(records.len());
    for record in records {
        match event(record) {
            Some(event) => events.push(event),
            None => _ = unreadable.fetch_add(1, Ordering::Relaxed),
        }
    }
    let (next, head) = (Seq(next), Seq(head));
    // The first that could be read, where there is one.
    let first = events.first().and_then(|event| event.seq);
    let start = first.map_or(Seq(start), Seq::before);
    History { events, start, next, more, gap, drops, truncated, head }
}

/// The event of a record, unless its topics or its body are none: the log checks what it stored, not what it means.
fn event(record: Record) -> Option<Event> {
    let (event_type, content) = body::decode(&record.body)?;
    let topics = record.topics.into_iter().map(TopicName::try_from).collect::<Result<_, _>>().ok()?;
    Some(Event {
        seq: Some(Seq(record.seq)),
        time: unix_millis(record.time),
        topics: Topics::new(topics).ok()?,
        event_type,
        content,
        expires: record.expires.map(unix_millis),
    })
}

pub(super) fn unix_millis(millis: u64) -> UnixMillis {
    UnixMillis(i64::try_from(millis).unwrap_or(i64::MAX))
}
