//! Behind the tail: pages of history, and the way back into the tail without a seam.
//!
//! A page may reach into the tail. It is read up to the window's floor only, and from there the tail is: so memory-only events,
//! which no page has, are met at their place.

use super::fetches::FetchId;
use super::owed::Told;
use super::page::Page;
use super::subscription::{Cold, State, SubscriberId};
use super::{Close, Shard};
use crate::{EventId, Gap, GapReason, History, Read, ReadFrom, Seq};
use std::sync::Arc;

/// The history could not be read. The reason is the engine's to log; the streams that wait for it are reset and return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history could not be read")]
pub struct HistoryError;

impl Shard {
    /// The next read of history to be made.
    pub fn poll_fetch(&mut self) -> Option<(FetchId, Read)> {
        let Shard { fetches, subscriptions, config, .. } = self;
        let waits = |id: &SubscriberId| {
            subscriptions.get(id.index() as usize).is_some_and(|sub| sub.generation == id.generation())
        };
        fetches.poll(config.fetches_max, config.page_bytes_max, config.replay_bytes_max, waits)
    }

    /// A read of history has its answer.
    pub fn handle_history(&mut self, fetch: FetchId, answer: Result<History, HistoryError>) {
        assert!(self.offer.is_none(), "an offer is answered before anything else is told");
        self.counters.fetched += 1;
        let gauge = self.fetches.gauge.clone();
        let page = answer.map(|history| Arc::new(Page::new(self.config.epoch, history, gauge)));
        let (from, waiting) = self.fetches.finish(fetch, page.as_ref().ok());
        for id in waiting {
            // One that has gone, or has moved on meanwhile, awaits another answer or none.
            let Some(index) = self.find(id).filter(|index| self.awaits(*index, from)) else { continue };
            match &page {
                Ok(page) => self.take_page(index, page.clone()),
                Err(HistoryError) => {
                    self.counters.reset_history += 1;
                    self.close(index, Close::Reset);
                }
            }
        }
    }

    /// Whether a subscription still waits for the answer to this question.
    fn awaits(&self, index: u32, from: ReadFrom) -> bool {
        let sub = &self.subscriptions[index as usize];
        match &sub.state {
            State::Cold(cold) => cold.waiting && cold.from == from,
            State::Parked { target } => !sub.opened && from == about_nothing(*target),
            State::Live | State::Tail { .. } | State::Ending { .. } => false,
        }
    }

    pub(super) fn start_cold(&mut self, index: u32, cold: Cold) {
        self.subscriptions[index as usize].state = State::Cold(Box::new(cold));
        self.ask(index);
    }

    /// Asks for the page a cold subscription is at, which may be there already.
    pub(super) fn ask(&mut self, index: u32) {
        let id = self.id_of(index);
        let sub = &mut self.subscriptions[index as usize];
        let State::Cold(cold) = &mut sub.state else { unreachable!("only the cold ask") };
        cold.waiting = true;
        let read = self.read(index, self.place_asked(index));
        if let Some(page) = self.fetches.ask(read, id) {
            self.take_page(index, page);
        }
    }

    /// Asks for nothing but the engine's head, on behalf of one who is ahead of this node.
    pub(super) fn ask_about_parked(&mut self, index: u32, target: Seq) {
        let read = self.read(index, about_nothing(target));
        let id = self.id_of(index);
        if let Some(page) = self.fetches.ask(read, id) {
            self.take_page(index, page);
        }
    }

    fn place_asked(&self, index: u32) -> ReadFrom {
        match &self.subscriptions[index as usize].state {
            State::Cold(cold) => cold.from,
            _ => unreachable!("only the cold ask"),
        }
    }

    fn read(&self, index: u32, from: ReadFrom) -> Read {
        let selection = self.groups.get(self.subscriptions[index as usize].group).selection.clone();
        Read { selection, from, events_max: self.config.page_events_max, bytes_max: self.config.page_bytes_max }
    }

    fn take_page(&mut self, index: u32, page: Arc<Page>) {
        match self.subscriptions[index as usize].state {
            State::Cold(_) => self.read_page(index, page),
            State::Parked { target } => self.judge_parked(index, target, page.head),
            State::Live | State::Tail { .. } | State::Ending { .. } => unreachable!("only those who ask get a page"),
        }
    }

    /// One who is ahead of this node waits, unless the engine itself is behind it: then the place is no place.
    fn judge_parked(&mut self, index: u32, target: Seq, head: Seq) {
        if head < target {
            self.parked.remove(&(target, index));
            let requested = EventId { epoch: self.config.epoch, seq: target }.to_string();
            return self.start_unknown(index, &requested);
        }
        self.subscriptions[index as usize].seq = target;
        self.open(index, None);
    }

    /// The page a cold subscription asked for: says what is missing before it, and starts to read it.
    fn read_page(&mut self, index: u32, page: Arc<Page>) {
        let floor = self.window.floor();
        let sub = &mut self.subscriptions[index as usize];
        let State::Cold(cold) = &mut sub.state else { unreachable!("the caller looked") };
        if let ReadFrom::After { told, .. } = cold.from {
            assert!(page.drops >= told, "the version of drops only grows: {} after {told}", page.drops);
        }
        let reason = match (cold.unknown, page.gap) {
            (true, _) => Some(GapReason::Unknown),
            (false, true) => Some(GapReason::Expired),
            (false, false) => None,
        };
        if !matches!(cold.from, ReadFrom::After { .. }) {
            // Further pages of the newest of each topic go on behind the first one's start.
            sub.seq = if sub.opened { sub.seq } else { page.start };
        } else if reason.is_some() {
            // Not beyond the floor: from there on the tail is read, which has memory-only events before the page's first.
            sub.seq = sub.seq.max(page.start.min(floor));
        }
        if let ReadFrom::LastEach { .. } = cold.from {
            cold.until.get_or_insert(page.head);
        } else {
            // (The newest of each topic tell of no gap: what was dropped behind the first page's head is still to be told.)
            sub.debt.more().told = Some(Told { version: page.drops, head: page.head });
        }
        if !sub.opened {
            // From here on what leaves the tail unread is lost to this stream.
            sub.pos = self.window.start();
        }
        let resumed = EventId { epoch: self.config.epoch, seq: sub.seq };
        let gap = reason.map(|reason| Gap {
            requested: cold.requested.take(),
            resumed,
            reason,
            truncated: cold.unknown && page.truncated,
            lost: None,
        });
        (cold.unknown, cold.waiting, cold.index, cold.page) = (false, false, 0, Some(page));
        if sub.opened {
            if let Some(gap) = gap {
                self.tell_gap(index, &gap);
            }
            self.make_ready(index);
        } else {
            self.open(index, gap.as_ref());
        }
    }

    /// How many events of its page a cold subscription reads: those the tail does not have.
    pub(super) fn page_end(&self, cold: &Cold, page: &Page) -> usize {
        match cold.from {
            // The newest of each topic is a choice among events; the tail would bring the others too.
            ReadFrom::LastEach { .. } => page.count_to(cold.until.unwrap_or(page.head)),
            _ => page.count_to(self.window.floor()),
        }
    }

    /// A page was read as far as it goes: on into the tail, or to the next page.
    pub(super) fn leave_page(&mut self, index: u32) {
        let floor = self.window.floor();
        let sub = &mut self.subscriptions[index as usize];
        let State::Cold(cold) = &mut sub.state else { unreachable!("only the cold read pages") };
        let page = cold.page.take().expect("a page was read");
        let reached = match cold.from {
            ReadFrom::LastEach { .. } => {
                let until = cold.until.unwrap_or(page.head);
                if page.more && page.next < until {
                    cold.from = ReadFrom::LastEach { after: page.next };
                    return self.ask(index);
                }
                until
            }
            // What lies before the page's start was not asked for.
            ReadFrom::Newest(_) | ReadFrom::Since(_) => page.next.min(floor.max(page.start)),
            // Not beyond the floor: only the tail has the memory-only events behind it.
            ReadFrom::After { .. } => page.next.min(floor),
        };
        sub.seq = sub.seq.max(reached);
        if sub.seq > self.window.head() {
            // The engine is ahead of this node's tail: what the tail will bring up to there was before the start, or sent.
            let target = sub.seq;
            sub.state = State::Parked { target };
            self.parked.insert((target, index));
        } else if sub.seq >= floor {
            sub.state = State::Tail { prompt: false };
            sub.pos = self.window.pos_after(sub.seq);
        } else {
            self.read_on_from_cursor(index);
            self.ask(index);
        }
    }

    /// A subscription of the tail that the window has left behind.
    pub(super) fn fall_behind(&mut self, index: u32) {
        self.start_cold(index, Cold::from(self.subscriptions[index as usize].read_on()));
    }

    /// A stalled reader gives its page back when pages are short; it is read again when the reader is.
    pub(super) fn give_page_back(&mut self, index: u32) {
        if self.fetches.gauge.get() <= self.config.replay_bytes_max / 2 {
            return;
        }
        let sub = &mut self.subscriptions[index as usize];
        let State::Cold(cold) = &mut sub.state else { return };
        let rereadable = !matches!(cold.from, ReadFrom::LastEach { .. });
        if cold.page.take_if(|_| rereadable).is_some() {
            // `waiting` stays false: with no page in hand the next turn asks again.
            self.read_on_from_cursor(index);
        }
    }

    /// Nobody reads on in a page: those that read one ask for it again, from the cursor.
    pub(super) fn give_pages_back(&mut self) {
        let indexes: Vec<usize> = self.subscriptions.iter().map(|(index, _)| index).collect();
        for index in indexes {
            let sub = &mut self.subscriptions[index];
            let State::Cold(cold) = &mut sub.state else { continue };
            if cold.page.take().is_none() {
                continue;
            }
            let index = u32::try_from(index).expect("ids are 32 bits");
            if let ReadFrom::LastEach { .. } = cold.from {
                // The same choice goes on behind the events that were sent.
                (cold.from, cold.index) = (ReadFrom::LastEach { after: sub.seq }, 0);
            } else {
                self.read_on_from_cursor(index);
            }
            self.make_ready(index);
        }
    }

    /// The next page of a cold subscription begins where its cursor is.
    fn read_on_from_cursor(&mut self, index: u32) {
        let sub = &mut self.subscriptions[index as usize];
        let from = sub.read_on();
        let State::Cold(cold) = &mut sub.state else { unreachable!("only the cold read pages") };
        assert!(cold.page.is_none() && !cold.waiting, "one page at a time");
        (cold.from, cold.index) = (from, 0);
    }
}

/// A read for the engine's head alone: of what is missing behind `target` it asks nothing.
fn about_nothing(target: Seq) -> ReadFrom {
    ReadFrom::After { seq: target, told: ReadFrom::ALL_TOLD }
}
