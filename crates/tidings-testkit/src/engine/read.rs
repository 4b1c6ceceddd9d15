//! Reading by looking at all of it.

use super::{FakeEngine, Record};
use tidings_hub::{Event, History, Read, ReadFrom, Selection, Seq, UnixMillis};

impl FakeEngine {
    /// Answers a read, by the words of [`History`], at a time by which some events may have expired.
    pub fn read(&mut self, read: &Read, now: UnixMillis) -> History {
        let (wanted, more, looked_to) = self.choose(read, now);
        let next = if more { looked_to } else { self.head().max(behind(read.from)) };
        let start = wanted.first().map_or(next, |e| e.seq.expect("history is stored").before());
        let selection = &*read.selection;
        let misses = |told, is_behind: &dyn Fn(&Event) -> bool| {
            let is_missed = |r: &Record| r.dropped_after(told, |t| selection.selects_topic(t)).is_some();
            self.records.iter().any(|r| is_behind(&r.event) && is_missed(r))
        };
        let gap = match read.from {
            ReadFrom::After { seq, told } => misses(told, &|e| e.seq.is_some_and(|s| s > seq)),
            ReadFrom::Since(time) => misses(ReadFrom::NONE_TOLD, &|e| e.time >= time),
            ReadFrom::Newest(_) | ReadFrom::LastEach { .. } => false,
        };
        let kept = self.kept(selection, now).count();
        let truncated = matches!(read.from, ReadFrom::Newest(n) if kept > n as usize);
        History { events: wanted, start, next, more, gap, drops: self.drops, truncated, head: self.head() }
    }

    fn kept<'a>(&'a self, selection: &'a Selection, now: UnixMillis) -> impl DoubleEndedIterator<Item = &'a Event> {
        let is_kept = |r: &&Record| r.is_kept_after(self.drops, |topic| selection.selects_topic(topic));
        self.records
            .iter()
            .filter(is_kept)
            .map(|r| &r.event)
            .filter(move |e| selection.passes_type(e) && !e.is_expired(now))
    }

    /// The events of a page, whether there are more, and how far was looked then.
    fn choose(&mut self, read: &Read, now: UnixMillis) -> (Vec<Event>, bool, Seq) {
        let selection = &*read.selection;
        let number = |e: &Event| e.seq.expect("history is stored");
        let mut all: Vec<Event> = match read.from {
            ReadFrom::After { seq, .. } => self.kept(selection, now).filter(|e| number(e) > seq).cloned().collect(),
            ReadFrom::Since(time) => self.kept(selection, now).filter(|e| e.time >= time).cloned().collect(),
            ReadFrom::Newest(n) => {
                let mut newest: Vec<_> = self.kept(selection, now).rev().take(n as usize).cloned().collect();
                newest.reverse();
                newest
            }
            ReadFrom::LastEach { after } => {
                let is_kept_of = |topic, r: &&Record| r.is_kept_after(self.drops, |t| t == topic);
                let newest = |topic| {
                    let kept = self.records.iter().filter(|r| is_kept_of(topic, r)).map(|r| &r.event);
                    kept.rev().find(|e| selection.passes_type(e) && !e.is_expired(now))
                };
                let mut each: Vec<_> = selection.topics().iter().filter_map(newest).cloned().collect();
                each.sort_by_key(|e| e.seq);
                each.dedup_by_key(|e| e.seq);
                each.retain(|e| number(e) > after);
                each
            }
        };
        let mut bytes = 0;
        let mut fits = |event: &Event| {
            bytes += event.content.bytes().len();
            bytes <= read.bytes_max
        };
        let mut len = all.iter().take(read.events_max).take_while(|e| fits(e)).count().max(1).min(all.len());
        let mut looked_to = None;
        if self.cuts_pages && len > 0 && matches!(read.from, ReadFrom::After { .. }) && self.rng.u8(..) < 40 {
            // As if a limit of events examined had been reached, just before one that is wanted.
            len = self.rng.usize(0..len);
            let before = number(&all[len]).before();
            looked_to = (before > behind(read.from)).then_some(before);
            len = len.max(usize::from(looked_to.is_none()));
        }
        let more = len < all.len();
        all.truncate(len);
        let looked_to = looked_to.or_else(|| all.last().map(number)).unwrap_or(Seq::START);
        (all, more, looked_to)
    }
}

/// The position a read names, as far as it names one.
fn behind(from: ReadFrom) -> Seq {
    match from {
        ReadFrom::After { seq, .. } => seq,
        _ => Seq::START,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Draft, Wish};
    use std::time::Duration;
    use tidings_hub::Epoch;

    const NOW: UnixMillis = UnixMillis(1_000);

    fn engine() -> FakeEngine {
        let mut engine = FakeEngine::new(Epoch::from_random(1), 1, 1, false);
        for topic in ["a", "b", "a", "b", "a"] {
            engine.append(&[Draft::to(topic)], UnixMillis(0));
        }
        engine
    }

    #[track_caller]
    fn check(engine: &mut FakeEngine, topics: &[&str], from: ReadFrom, expect: (&[u64], u64, u64, bool, bool)) {
        let read = Read { selection: Wish::topics(topics).selection(), from, events_max: 2, bytes_max: 1 << 20 };
        let page = engine.read(&read, NOW);
        let seqs: Vec<u64> = page.events.iter().map(|e| e.seq.unwrap().0).collect();
        assert_eq!((&seqs[..], page.start.0, page.next.0, page.more, page.gap), expect);
    }

    #[test]
    fn pages() {
        let mut engine = engine();
        let after = |seq| ReadFrom::After { seq: Seq(seq), told: ReadFrom::NONE_TOLD };
        check(&mut engine, &["a"], after(0), (&[1, 3], 0, 3, true, false));
        check(&mut engine, &["a"], after(3), (&[5], 4, 5, false, false));
        check(&mut engine, &["a"], after(5), (&[], 5, 5, false, false));
        check(&mut engine, &["a", "b"], ReadFrom::Newest(1), (&[5], 4, 5, false, false));
        check(&mut engine, &["a", "b"], ReadFrom::LastEach { after: Seq(0) }, (&[4, 5], 3, 5, false, false));
        engine.drop_before(3, 1, Some("a"));
        check(&mut engine, &["a"], after(1), (&[5], 4, 5, false, true));
        check(&mut engine, &["a"], after(3), (&[5], 4, 5, false, false));
        check(&mut engine, &["b"], after(0), (&[2, 4], 1, 5, false, false));
        assert_eq!(engine.place_after(Seq(3)), 3);
    }

    #[test]
    fn a_drop_is_missed_once_whatever_else_was_dropped_further_on() {
        let mut engine = engine();
        let after = |seq, told| ReadFrom::After { seq: Seq(seq), told };
        engine.drop_before(5, 7, Some("a"));
        engine.drop_before(2, 9, Some("b"));
        check(&mut engine, &["a", "b"], after(0, 0), (&[4], 3, 5, false, true));
        check(&mut engine, &["a", "b"], after(0, 7), (&[4], 3, 5, false, true));
        check(&mut engine, &["a", "b"], after(2, 7), (&[4], 3, 5, false, false));
        check(&mut engine, &["a", "b"], after(0, 9), (&[4], 3, 5, false, false));
        check(&mut engine, &["a", "b"], after(0, ReadFrom::ALL_TOLD), (&[4], 3, 5, false, false));
    }

    #[test]
    fn what_has_expired_is_passed_over_without_a_word() {
        let mut engine = FakeEngine::new(Epoch::from_random(1), 1, 1, false);
        for millis in [2_000, 999, 1_000] {
            engine.append(&[Draft::to("a").living(Duration::from_millis(millis))], UnixMillis(0));
        }
        let start = ReadFrom::After { seq: Seq(0), told: ReadFrom::NONE_TOLD };
        check(&mut engine, &["a"], start, (&[1], 0, 3, false, false));
        check(&mut engine, &["a"], ReadFrom::Newest(1), (&[1], 0, 3, false, false));
        check(&mut engine, &["a"], ReadFrom::LastEach { after: Seq(0) }, (&[1], 0, 3, false, false));
    }

    #[test]
    fn an_event_of_two_topics_is_read_by_the_one_that_keeps_it() {
        let mut engine = FakeEngine::new(Epoch::from_random(1), 1, 1, false);
        engine.append(&[Draft::to("a").and_to(&["b"])], UnixMillis(0));
        engine.drop_before(1, 1, Some("a"));
        let start = ReadFrom::After { seq: Seq(0), told: ReadFrom::NONE_TOLD };
        check(&mut engine, &["a"], start, (&[], 1, 1, false, true));
        check(&mut engine, &["b"], start, (&[1], 0, 1, false, false));
        check(&mut engine, &["a"], ReadFrom::LastEach { after: Seq(0) }, (&[], 1, 1, false, false));
        check(&mut engine, &["b"], ReadFrom::LastEach { after: Seq(0) }, (&[1], 0, 1, false, false));
    }
}
