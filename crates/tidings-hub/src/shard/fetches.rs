//! Reads of history: asked once for all who want the same, bounded in number and in bytes alive.

use super::page::Page;
use super::subscription::SubscriberId;
use crate::block::Gauge;
use crate::map::{Map, map};
use crate::{Read, ReadFrom};
use slab::Slab;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Names a read that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FetchId(usize);

#[derive(Debug)]
pub(super) struct Fetches {
    pending: Slab<Pending>,
    by_read: Map<Read, FetchId>,
    /// Not yet handed to the driver.
    queue: VecDeque<FetchId>,
    under_way: usize,
    /// Pages somebody still reads: one who comes to the same place takes it from here.
    alive: Map<Read, Weak<Page>>,
    pub(super) gauge: Gauge,
}

#[derive(Debug)]
struct Pending {
    read: Read,
    waiting: Vec<SubscriberId>,
    /// Whether the driver has it.
    handed: bool,
}

/// So many remembered pages are swept of dead ones at a time.
const ALIVE_SWEEP: usize = 1024;

impl Fetches {
    pub(super) fn new(seed: u64) -> Self {
        Fetches {
            pending: Slab::new(),
            by_read: map(seed),
            queue: VecDeque::new(),
            under_way: 0,
            alive: map(seed),
            gauge: Gauge::default(),
        }
    }

    /// A page that is there already, or nothing, and then the subscription waits for the answer.
    pub(super) fn ask(&mut self, read: Read, id: SubscriberId) -> Option<Arc<Page>> {
        if let Some(page) = self.alive.get(&read).and_then(Weak::upgrade) {
            return Some(page);
        }
        if let Some(fetch) = self.by_read.get(&read) {
            self.pending[fetch.0].waiting.push(id);
            return None;
        }
        self.enqueue(read, vec![id]);
        None
    }

    fn enqueue(&mut self, read: Read, waiting: Vec<SubscriberId>) {
        let fetch = FetchId(self.pending.insert(Pending { read: read.clone(), waiting, handed: false }));
        self.by_read.insert(read, fetch);
        self.queue.push_back(fetch);
    }

    /// History is not what it was: answers on their way answer nobody, and who waits for one is asked for anew.
    pub(super) fn ask_again(&mut self) {
        assert!(
            self.alive.values().all(|page| page.strong_count() == 0),
            "pages were given back, so nobody shares an old one"
        );
        self.alive.clear();
        let under_way = self.pending.iter_mut().filter(|(_, pending)| pending.handed && !pending.waiting.is_empty());
        let again: Vec<_> = under_way.map(|(_, p)| (p.read.clone(), std::mem::take(&mut p.waiting))).collect();
        for (read, waiting) in again {
            self.enqueue(read, waiting);
        }
    }

    /// The next read for the driver, while fewer than `under_way_max` are under way and the pages alive leave room for one of
    /// `page_bytes` more within `bytes_max`.
    pub(super) fn poll(
        &mut self,
        under_way_max: usize,
        page_bytes: usize,
        bytes_max: usize,
        waits: impl Fn(&SubscriberId) -> bool,
    ) -> Option<(FetchId, Read)> {
        // Nothing is read for those who have gone.
        while let Some(fetch) = self.queue.front()
            && !self.pending[fetch.0].waiting.iter().any(&waits)
        {
            let Pending { read, .. } = self.pending.remove(fetch.0);
            self.by_read.remove(&read);
            self.queue.pop_front();
        }
        let bytes = self.gauge.get() + (self.under_way + 1) * page_bytes;
        // One read is always allowed: a bound must slow things down, not stop them.
        let allowed = self.under_way == 0 || (self.under_way < under_way_max && bytes <= bytes_max);
        let fetch = self.queue.front().copied().filter(|_| allowed)?;
        self.queue.pop_front();
        self.under_way += 1;
        self.pending[fetch.0].handed = true;
        Some((fetch, self.pending[fetch.0].read.clone()))
    }

    /// A read has its answer: what was asked, and who waited for it.
    pub(super) fn finish(&mut self, fetch: FetchId, page: Option<&Arc<Page>>) -> (ReadFrom, Vec<SubscriberId>) {
        self.under_way -= 1;
        let pending = self.pending.remove(fetch.0);
        assert!(pending.handed, "an answer follows a question");
        let from = pending.read.from;
        if self.by_read.get(&pending.read) != Some(&fetch) {
            // It was asked for anew meanwhile.
            assert!(pending.waiting.is_empty(), "nobody waits for what is outdated");
            return (from, Vec::new());
        }
        self.by_read.remove(&pending.read);
        // Only a place that stays what it is may be shared later: "the newest" is another page a moment on.
        if let (Some(page), ReadFrom::After { .. }) = (page, pending.read.from) {
            if self.alive.len() >= ALIVE_SWEEP {
                self.alive.retain(|_, page| page.strong_count() > 0);
            }
            if self.alive.len() < ALIVE_SWEEP && !page.block.events().is_empty() {
                self.alive.insert(pending.read, Arc::downgrade(page));
            }
        }
        (from, pending.waiting)
    }

    /// Reads asked for and not yet answered.
    pub(super) fn outstanding(&self) -> usize {
        self.pending.len()
    }
}
