//! Every event that is not dropped, in order. Two passes: what drops say is said behind the events they drop.

use super::among::{Among, Index};
use super::files::Files;
use super::{SurveyError, TRIES, restless, storage};
use crate::record::{Kind, View};
use crate::scan::Found;
use crate::storage::{Dir, File};
use std::collections::BTreeMap;
use std::io;
use std::ops::{ControlFlow, Range};

/// An event that is not dropped.
#[derive(Clone, Copy, Debug)]
pub struct LiveEvent<'a> {
    /// Its number.
    pub seq: u64,
    /// Its time, in milliseconds since 1970.
    pub time: u64,
    /// Those of its topics, in order, of which it is not dropped: at least one.
    pub topics: &'a [&'a str],
    /// What was appended.
    pub body: &'a [u8],
    /// From when on nobody is given it.
    pub expires: Option<u64>,
}

/// What a walk met beside the events it gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Damaged stretches, and segments without a header: what stood there is left out.
    pub damaged: u64,
    /// Events that were left out because all their topics dropped them.
    pub dropped: u64,
}

/// Gives the events of these times (milliseconds since 1970) in order, those that have expired too, until `each` breaks. Drops count as
/// they stand when the walk begins.
///
/// # Errors
/// The directory could not be read, or a newer version wrote it. Damage is passed over and counted.
pub fn walk(
    dir: &dyn Dir,
    times: Range<u64>,
    each: &mut dyn FnMut([u8; 8], &LiveEvent<'_>) -> ControlFlow<()>,
) -> Result<Walked, SurveyError> {
    let drops = drops(dir)?;
    let mut walk = Walk { dir, times, drops, each, after: 0, walked: Walked::default() };
    // Where to go on: behind this segment.
    let mut done = 0;
    for _ in 0..=TRIES {
        let files = Files::list(dir)?;
        match walk.pass(&files, &mut done)? {
            Pass::Done => {
                walk.walked.damaged += files.headless.len() as u64;
                return Ok(walk.walked);
            }
            // What was read before it is passed over by its numbers.
            Pass::Vanished => {}
        }
    }
    Err(restless())
}

/// Up to which number each topic's events are gone.
type Drops = BTreeMap<Box<str>, u64>;

fn drops(dir: &dyn Dir) -> Result<Drops, SurveyError> {
    'list: for _ in 0..=TRIES {
        let (files, mut drops) = (Files::list(dir)?, Drops::new());
        for among in files.segments() {
            match add_drops(dir, &among, &mut drops) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue 'list,
                Err(error) => return Err(storage(&among, error)),
            }
        }
        return Ok(drops);
    }
    Err(restless())
}

fn add_drops(dir: &dyn Dir, among: &Among<'_>, drops: &mut Drops) -> io::Result<()> {
    let mut add = |name: &str, to: u64| {
        if drops.get(name).is_none_or(|known| *known < to) {
            drops.insert(name.into(), to);
        }
    };
    let index = among.index(dir)?;
    if let Index::Good(directory) = &index {
        for entry in directory.topics().filter(|entry| entry.ends.dropped_to > 0) {
            add(entry.name, entry.ends.dropped_to);
        }
        return Ok(());
    }
    let file = among.open(dir)?;
    let mut scan = among.scan(&*file, end(among, &*file, &index)?);
    while let Some(found) = scan.next()? {
        if let Found::Record { view, .. } = found
            && let Some(to) = view.dropped_to()
        {
            view.topics().for_each(|name| add(name, to));
        }
    }
    Ok(())
}

enum Pass {
    Done,
    /// A server has removed or rewritten a segment: the list is old.
    Vanished,
}

struct Walk<'a> {
    dir: &'a dyn Dir,
    times: Range<u64>,
    drops: Drops,
    each: &'a mut dyn FnMut([u8; 8], &LiveEvent<'_>) -> ControlFlow<()>,
    /// Events up to here were given, or left out.
    after: u64,
    walked: Walked,
}

impl Walk<'_> {
    /// Goes on with the segments that hold what stood behind number `done`.
    fn pass(&mut self, files: &Files, done: &mut u32) -> Result<Pass, SurveyError> {
        let behind = *done;
        for among in files.segments().filter(|among| among.begun.header.last_number > behind) {
            // The header behind it says how old its newest record is.
            let too_old = among.next.is_some_and(|next| next.base_time < self.times.start);
            let flow = if too_old { Ok(Some(ControlFlow::Continue(()))) } else { self.segment(&among) };
            match flow {
                Ok(Some(ControlFlow::Continue(()))) => *done = among.begun.header.last_number,
                Ok(Some(ControlFlow::Break(()))) => return Ok(Pass::Done),
                Ok(None) => return Ok(Pass::Vanished),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pass::Vanished),
                Err(error) => return Err(storage(&among, error)),
            }
        }
        Ok(Pass::Done)
    }

    /// None if it was removed under the walk.
    fn segment(&mut self, among: &Among<'_>) -> io::Result<Option<ControlFlow<()>>> {
        let file = among.open(self.dir)?;
        let end = end(among, &*file, &among.index(self.dir)?)?;
        let mut scan = among.scan(&*file, end);
        let mut damaged = 0;
        while let Some(found) = scan.next()? {
            match found {
                Found::Damage { .. } => damaged += 1,
                Found::Record { view, .. } if view.head.kind == Kind::Drop || view.head.seq <= self.after => {}
                Found::Record { view, .. } => {
                    if view.head.time >= self.times.end || self.event(among, &view).is_break() {
                        return Ok(Some(ControlFlow::Break(())));
                    }
                }
            }
        }
        if damaged > 0 && !among.is_still_there(self.dir)? {
            return Ok(None);
        }
        self.walked.damaged += damaged;
        Ok(Some(ControlFlow::Continue(())))
    }

    fn event(&mut self, among: &Among<'_>, view: &View<'_>) -> ControlFlow<()> {
        let seq = view.head.seq;
        assert!(seq > self.after, "events are given in order, and once");
        self.after = seq;
        if view.head.time < self.times.start {
            return ControlFlow::Continue(());
        }
        let live = |name: &&str| self.drops.get(*name).is_none_or(|to| *to < seq);
        let topics: Vec<&str> = view.topics().filter(live).collect();
        if topics.is_empty() {
            self.walked.dropped += 1;
            return ControlFlow::Continue(());
        }
        let event = LiveEvent { seq, time: view.head.time, topics: &topics, body: view.body, expires: view.expires };
        (self.each)(among.begun.header.epoch, &event)
    }
}

/// Where a segment's records end, whatever says so.
fn end(among: &Among<'_>, file: &dyn File, index: &Index) -> io::Result<u64> {
    among.end(index).map_or_else(|| Ok(among.judge(file)?.end), Ok)
}
