//! The writer: one group of appends is one batch, one write and one sync, and is seen by readers only then.

use crate::entry::{Append, AppendError, Entry, Placed};
use crate::header::{Header, RECORDS_AT};
use crate::plan::{Bounds, Plan};
#[cfg(planted)]
use crate::planted::{self, Bug};
use crate::seal;
use crate::segment::SegmentFile;
use crate::shared::Shared;
use crate::spare::{Spare, is_no_space};
use crate::storage::File;
use std::io;
use std::sync::Arc;

/// What the buffer keeps from batch to batch. A group is drained up to this size; a larger one, of a single append, is rare, and its
/// memory is given back.
pub(crate) const GROUP_BYTES: usize = 4 << 20;

/// A segment that is made for drops alone, on a disk that is full, takes a multiple of this part of a whole one, 256 KiB of 64 MiB: most
/// often so much is left where there was no space for a whole one, and a thousand deletions do not make as many files.
const SMALL_PART: u64 = 256;

/// Appends to the log. There is one.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    /// Names the log, and salts its records.
    secret: u64,
    /// The segment that is written; none before the first batch: a log that was opened begins a new one.
    active: Option<Active>,
    /// Where the segment before the next one ends.
    previous_end: u64,
    /// A segment was begun since that was last asked.
    has_begun: bool,
    plan: Plan,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Active {
    file: Arc<dyn File>,
    salt: u32,
    /// Where the next batch goes.
    end: u64,
    len: u64,
}

/// Where a batch goes.
#[derive(Debug)]
struct Target {
    active: Active,
    /// The header, if the segment is begun with this batch.
    begins: Option<Header>,
}

impl Writer {
    /// `previous_end` is where the last segment ends; 0: there is none.
    pub(crate) fn new(shared: Arc<Shared>, secret: u64, previous_end: u64) -> Self {
        Writer {
            shared,
            secret,
            active: None,
            previous_end,
            has_begun: false,
            plan: Plan::default(),
            buffer: Vec::new(),
        }
    }

    /// Begins the first segment of a new log: its name stands in every id from the first on, so it must be there again after a restart,
    /// even if nothing was appended until then. Where there is no space the first batch does it.
    ///
    /// # Errors
    /// The storage failed.
    pub(crate) fn begin(&mut self) -> Result<(), AppendError> {
        match self.write(&Plan::default(), &[]) {
            Err(AppendError::NoSpace) => Ok(()),
            begun => begun,
        }
    }

    /// Appends a group: what fits into a batch is one write and one sync. Answers in order, when it is on stable storage and readers
    /// see it. `now` is the time in milliseconds since 1970; the log raises it to its newest.
    ///
    /// After a write or a sync that failed nothing is taken any more, except appends without entries: they ask for the head.
    pub fn commit(&mut self, now: u64, appends: &[Append]) -> Vec<Result<Placed, AppendError>> {
        let mut results = Vec::with_capacity(appends.len());
        while results.len() < appends.len() {
            self.commit_batch(now, &appends[results.len()..], &mut results);
        }
        results
    }

    /// Whether a segment was begun since this was last asked: then upkeep has something to do.
    pub(crate) fn has_begun(&mut self) -> bool {
        std::mem::take(&mut self.has_begun)
    }

    /// Ends the log's writing: what was written is sealed, with its index, so that the next open finds nothing to judge.
    ///
    /// # Errors
    /// The index could not be written, for another reason than want of space. Nothing is lost: it is built anew.
    pub fn close(self) -> io::Result<()> {
        self.shared.lock().seal();
        loop {
            let unindexed = self.shared.lock().unindexed();
            let Some(segment) = unindexed else { return Ok(()) };
            match seal::write_index(&self.shared, &segment) {
                Ok(()) => {}
                Err(error) if is_no_space(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Commits as many appends as a batch holds, and answers them.
    fn commit_batch(&mut self, now: u64, appends: &[Append], results: &mut Vec<Result<Placed, AppendError>>) {
        let mut plan = std::mem::take(&mut self.plan);
        plan.make(&self.shared.lock(), now, appends, self.bounds());
        let outcome = if plan.records.is_empty() { Ok(()) } else { self.write(&plan, appends) };
        for (result, append) in plan.results.iter().zip(appends) {
            if outcome == Err(AppendError::NoSpace) && plan.results.len() > 1 && only_drops(append) {
                // What makes space is not held up by what needs it.
                self.commit_batch(now, std::slice::from_ref(append), results);
                continue;
            }
            results.push(match (*result, outcome) {
                // What needs nothing written is answered whatever became of the rest: the events before it are not there.
                (Ok(placed), Err(error)) if append.entries.is_empty() && error != AppendError::OutcomeUnknown => {
                    Ok(Placed { first: self.shared.lock().head(), ..placed })
                }
                (result, _) if append.entries.is_empty() => result,
                (Ok(_), Err(error)) => Err(error),
                // It was judged by what should have been written before it, and was not.
                (Err(AppendError::NotAfterHead { .. } | AppendError::TooManyTopics { .. }), Err(error))
                    if error != AppendError::OutcomeUnknown =>
                {
                    Err(error)
                }
                (result, _) => result,
            });
        }
        self.plan = plan;
    }

    /// Brings a batch to stable storage, and then into the state.
    fn write(&mut self, plan: &Plan, appends: &[Append]) -> Result<(), AppendError> {
        if self.shared.failure().is_some() {
            return Err(AppendError::Stopped);
        }
        let target = self.target(plan)?;
        let Target { active, begins } = &target;
        self.buffer.clear();
        if let Some(header) = begins {
            header.encode(&mut self.buffer);
        }
        for record in &plan.records {
            record.fields(appends).encode(active.salt, &mut self.buffer);
        }
        assert!(active.end + self.buffer.len() as u64 <= active.len, "a batch lies in blocks that exist");
        let written = active.file.write_at(&self.buffer, active.end);
        // Counted where it happens, apart from the batches that are shown: so it can be seen that none is shown without it.
        let synced = written
            .and_then(|()| sync(&*active.file))
            .map(|()| self.shared.lock().counters.syncs += u64::from(!plan.records.is_empty()));
        if let Err(error) = synced {
            self.shared.fail("writing a batch", error);
            return Err(AppendError::OutcomeUnknown);
        }
        self.apply(target, plan, appends);
        self.buffer.shrink_to(GROUP_BYTES);
        Ok(())
    }

    /// Shows readers a batch that is on stable storage.
    fn apply(&mut self, target: Target, plan: &Plan, appends: &[Append]) {
        let Target { mut active, begins } = target;
        let mut offset = active.end + if begins.is_some() { RECORDS_AT } else { 0 };
        active.end += self.buffer.len() as u64;
        let begun = begins.is_some();
        let mut state = self.shared.lock();
        if let Some(header) = begins {
            state.begin(SegmentFile { header, file: Arc::clone(&active.file) });
        }
        for record in &plan.records {
            let fields = record.fields(appends);
            let topics = fields.topics.iter().map(|topic| &**topic);
            state.apply(offset, &record.head, topics, fields.key, record.dropped_to());
            offset += record.len as u64;
        }
        assert_eq!(offset, active.end, "every record stands where the state says");
        state.advance(active.end);
        state.counters.batches += u64::from(!plan.records.is_empty());
        drop(state);
        if begun {
            self.has_begun = true;
            self.shared.spares.begun();
        }
        self.active = Some(active);
    }

    /// Where this batch goes: behind the last one, or into a new segment where it does not fit.
    fn target(&mut self, plan: &Plan) -> Result<Target, AppendError> {
        if let Some(active) = self.active.take_if(|active| active.end + plan.bytes as u64 <= active.len) {
            return Ok(Target { active, begins: None });
        }
        let spare = self.spare(plan).map_err(|error| {
            self.shared.fail("making a spare", error);
            AppendError::Stopped
        })?;
        let spare = spare
            .ok_or_else(|| if self.shared.failure().is_some() { AppendError::Stopped } else { AppendError::NoSpace })?;
        let state = self.shared.lock();
        let header = Header {
            number: spare.number,
            last_number: spare.number,
            epoch: state.epoch(),
            secret: self.secret,
            base: state.head(),
            base_time: state.time(),
            batch: state.batch(),
            previous_end: self.active.as_ref().map_or(self.previous_end, |active| active.end),
            end: 0,
        };
        let active = Active { file: spare.file, salt: header.salt(), end: 0, len: spare.len };
        Ok(Target { active, begins: Some(header) })
    }

    /// A file for a new segment. Where there is no space for a whole one, drops get one that has room for little else: with them told,
    /// upkeep can remove what is dropped.
    fn spare(&self, plan: &Plan) -> io::Result<Option<Spare>> {
        let Shared { spares, options, .. } = &*self.shared;
        let spare = spares.take(&self.shared)?;
        if spare.is_some() || !plan.only_drops() || self.shared.failure().is_some() {
            return Ok(spare);
        }
        let step = options.segment_bytes.div_ceil(SMALL_PART);
        let len = (RECORDS_AT + plan.bytes as u64).next_multiple_of(step).min(options.segment_bytes);
        spares.take_small(&self.shared, len)
    }

    fn bounds(&self) -> Bounds {
        let options = &self.shared.options;
        let room = options.segment_bytes.saturating_sub(RECORDS_AT);
        Bounds {
            bytes_max: usize::try_from(room).map_or(options.batch_bytes_max, |room| room.min(options.batch_bytes_max)),
            topics_max: options.topics_max,
            hash_seed: options.hash_seed,
        }
    }
}

fn only_drops(append: &Append) -> bool {
    append.entries.iter().all(|entry| matches!(entry, Entry::Drop { .. }))
}

/// The one sync of a batch. It is not tried again: what a later one says holds for nothing that was written before this one.
fn sync(file: &dyn File) -> io::Result<()> {
    #[cfg(planted)]
    {
        if planted::is(Bug::AckBeforeSync) {
            return Ok(());
        }
        if planted::is(Bug::RetriedSync) {
            return file.sync().or_else(|_| file.sync());
        }
    }
    file.sync()
}

#[cfg(test)]
mod tests;
