//! Reading where there are patterns: every event is looked at, in the order of the segments.

use super::newest::is_wanted;
use super::page::Filling;
use super::step::Place;
use super::walk::Met;
use crate::index::Outline;
use crate::map::{self, Map};
use crate::query::{Query, ReadError};
use crate::record::{Kind, View};
use crate::scan::{Found, Scan};
use crate::shared::Shared;
use crate::state::State;
use std::ops::ControlFlow;
use std::sync::Arc;

/// On the way back so many marks' worth is read at once: 256 KiB.
const MARKS_BACK: usize = 8;

type Pattern<'q> = &'q (dyn Fn(&str) -> bool + Sync);

/// A part of a segment, from a mark on.
struct Window {
    place: Place,
    from: u64,
    /// The newest event's number before it.
    before: u64,
    /// The newest event's number in the segment.
    last_seq: u64,
}

/// Which topics are wanted, and which of them have had their limits applied by this read.
struct Chosen<'q> {
    query: &'q Query<'q>,
    pattern: Pattern<'q>,
    exact: Map<&'q str, ()>,
    limited: Map<Arc<str>, ()>,
}

/// Fills a page from where it stands.
pub(super) fn fill(shared: &Shared, filling: &mut Filling<'_>, pattern: Pattern<'_>) -> Result<(), ReadError> {
    let mut chosen = Chosen::new(shared, filling.query, pattern);
    while filling.at() < filling.head {
        let window = window_behind(&shared.lock(), filling.at());
        let Some(window) = window else {
            filling.pass(filling.head);
            break;
        };
        if read(shared, filling, &mut chosen, &window)?.is_break() {
            break;
        }
        filling.pass(window.last_seq);
    }
    Ok(())
}

/// Reads a part of a segment to its end.
fn read(
    shared: &Shared,
    filling: &mut Filling<'_>,
    chosen: &mut Chosen<'_>,
    window: &Window,
) -> Result<ControlFlow<()>, ReadError> {
    let mut scan = window.scan(shared);
    let (mut last, mut is_lost) = (window.before, false);
    while let Some(found) = scan.next().map_err(|error| shared.refused(&error))? {
        let view = match found {
            Found::Record { view, .. } => view,
            Found::Damage { .. } => {
                shared.lock().counters.damaged += 1;
                is_lost = true;
                continue;
            }
        };
        let seq = view.head.seq;
        // A drop bears the number of the newest event before it.
        let before = if view.head.kind == Kind::Event { seq - 1 } else { seq };
        if std::mem::take(&mut is_lost) && before > last {
            filling.lose_through(before.min(filling.head));
        }
        last = seq;
        if view.head.kind != Kind::Event {
            continue;
        }
        let names = if filling.is_ahead(seq) { chosen.names(shared, &view)? } else { None };
        if filling.look(&view, names).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    if is_lost && window.last_seq > last {
        filling.lose_through(window.last_seq.min(filling.head));
    }
    Ok(ControlFlow::Continue(()))
}

/// Meets every event up to a number, newest first.
pub(super) fn walk_back(
    shared: &Shared,
    query: &Query<'_>,
    pattern: Pattern<'_>,
    mut upto: u64,
    visit: &mut dyn FnMut(&Met) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut chosen = Chosen::new(shared, query, pattern);
    let mut met = Vec::new();
    loop {
        let Some(window) = window_up_to(&shared.lock(), upto) else { return Ok(()) };
        let mut scan = window.scan(shared);
        met.clear();
        while let Some(found) = scan.next().map_err(|error| shared.refused(&error))? {
            let (offset, view) = match found {
                Found::Record { offset, view } if view.head.kind == Kind::Event => (offset, view),
                Found::Record { .. } | Found::Damage { .. } => continue,
            };
            let seq = view.head.seq;
            if seq <= upto {
                let names = chosen.names(shared, &view)?;
                met.push(Met { seq, offset, wanted: names.is_some_and(|names| is_wanted(query, &view, names)) });
            }
        }
        if met.iter().rev().any(|met| visit(met).is_break()) {
            return Ok(());
        }
        assert!(window.before < upto, "a walk back moves back");
        upto = window.before;
    }
}

impl<'q> Chosen<'q> {
    fn new(shared: &Shared, query: &'q Query<'q>, pattern: Pattern<'q>) -> Self {
        let seed = shared.options.hash_seed;
        let mut exact = map::map(seed);
        exact.extend(query.topics.iter().map(|topic| (&**topic, ())));
        Chosen { query, pattern, exact, limited: map::map(seed) }
    }

    /// An event's topics, if one of them is wanted and has not dropped it.
    fn names(&mut self, shared: &Shared, view: &View<'_>) -> Result<Option<Vec<Arc<str>>>, ReadError> {
        let (mut names, mut is_kept) = (Vec::new(), false);
        for name in view.topics() {
            let is_chosen = self.exact.contains_key(name) || (self.pattern)(name);
            if is_chosen {
                self.limit(shared, name)?;
            }
            let state = shared.lock();
            let topic = state.topic(name).map(|id| state.topics.get(id));
            let dropped = topic.map_or(state.topics.forgotten(), |topic| topic.dropped);
            is_kept |= is_chosen && view.head.seq > dropped.to;
            names.push(topic.map_or_else(|| Arc::from(name), |topic| topic.name.clone()));
        }
        Ok(is_kept.then_some(names))
    }

    /// The limits of exact topics were applied when the read began; those of others are when they are met.
    fn limit(&mut self, shared: &Shared, name: &str) -> Result<(), ReadError> {
        let has_rule = || shared.options.retention.rules.iter().any(|rule| (rule.matches)(name));
        if self.limited.contains_key(name) || !has_rule() {
            return Ok(());
        }
        let name: Arc<str> = Arc::from(name);
        crate::limits::apply(shared, std::slice::from_ref(&name), self.query.now)?;
        self.limited.insert(name, ());
        Ok(())
    }
}

impl Window {
    fn scan(&self, shared: &Shared) -> Scan<'_> {
        let Place { file, salt, end } = &self.place;
        Scan::new(&**file, *salt, self.from, *end, self.before, shared.options.batch_bytes_max)
    }
}

/// From the last mark that a number lies behind, to the end of its segment.
fn window_behind(state: &State, at: u64) -> Option<Window> {
    // Segments may be empty, and still say a number that was before them.
    let sealed = state.sealed_behind(at).find(|segment| !segment.outline.marks.is_empty());
    let (outline, place) = match sealed {
        Some(segment) => (&segment.outline, segment.place()),
        None => state.active().map(|active| (&active.index.outline, active.place()))?,
    };
    let mark = outline.mark_by_seq(at).or(outline.marks.first())?;
    Some(Window { place, from: mark.offset, before: mark.seq, last_seq: outline.last_seq })
}

/// The last part of a segment in which there are events up to a number.
fn window_up_to(state: &State, upto: u64) -> Option<Window> {
    let starts_before = |outline: &Outline| outline.marks.first().is_some_and(|mark| mark.seq < upto);
    let active = state.active().filter(|active| starts_before(&active.index.outline));
    let sealed = || state.sealed().rev().find(|segment| starts_before(&segment.outline));
    let (outline, place) = match active {
        Some(active) => (&active.index.outline, active.place()),
        None => sealed().map(|segment| (&segment.outline, segment.place()))?,
    };
    let after = outline.marks.partition_point(|mark| mark.seq < upto);
    let mark = outline.marks[after.saturating_sub(MARKS_BACK)];
    let end = outline.marks.get(after).map_or(place.end, |mark| mark.offset);
    Some(Window { place: Place { end, ..place }, from: mark.offset, before: mark.seq, last_seq: outline.last_seq })
}
