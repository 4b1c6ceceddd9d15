//! The log on its disk, with the ledger beside it: everything a campaign does to it, and what must hold afterwards.

use super::ledger::{Ledger, Served};
use super::plan::{Maker, Plan};
use super::reads::{check_reads, read_everything, read_topic};
use super::tally::Tally;
use std::sync::LazyLock;
use tidings_log::{Append, AppendError, Did, Entry, OpenError, Opened, Options, Recovery, Step, Torn};
use tidings_testkit::storage::{Disk, Link};

/// When the first event happens.
const START: u64 = 1_700_000_000_000;

pub(crate) struct World {
    pub(crate) rng: fastrand::Rng,
    pub(crate) disk: Disk,
    pub(crate) ledger: Ledger,
    pub(crate) now: u64,
    pub(crate) tally: Tally,
    opened: Option<Opened>,
    options: Options,
    maker: Maker,
    /// Something was made to fail in this process, or it was stopped: no append may be acknowledged after the first that was not.
    may_fail: bool,
    failed: bool,
    /// The last process closed the log.
    closed: bool,
    newest_file: String,
    /// The first number of the newest group that is in the log.
    newest_group: u64,
    links: Vec<(Link, Vec<u8>)>,
    /// What the last open cut.
    torn: Option<Torn>,
    reads_all_topics: bool,
    /// Space may run out.
    is_tight: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng);
        Self::of(plan, rng)
    }

    /// A log that drops nothing, and of which every list is read each time.
    pub(crate) fn keeping_everything(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng).keeping_everything();
        World { reads_all_topics: true, ..Self::of(plan, rng) }
    }

    fn of(plan: Plan, mut rng: fastrand::Rng) -> Self {
        let maker = Maker::new(&plan);
        let Plan { options, sector, .. } = plan;
        let mut world = World {
            disk: Disk::new(rng.u64(..), sector),
            ledger: Ledger::new(&options.retention),
            now: START,
            tally: Tally { seeds: 1, ..Tally::default() },
            opened: None,
            options,
            maker,
            may_fail: false,
            failed: false,
            closed: false,
            newest_file: String::new(),
            newest_group: 0,
            links: Vec::new(),
            torn: None,
            is_tight: false,
            reads_all_topics: false,
            rng,
        };
        world.open();
        world
    }

    pub(crate) fn opened(&mut self) -> &mut Opened {
        self.opened.as_mut().expect("the log is open")
    }

    /// Says what happens, for somebody who repeats a seed and asks for it by `TIDINGS_TRACE`.
    fn trace(&self, what: &dyn Fn() -> String) {
        static WANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("TIDINGS_TRACE").is_some());
        if *WANTED {
            eprintln!("head {}, {:?}: {}", self.ledger.head, self.disk.names(), what());
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// Opens the log, which must come back with everything, and reads all of it.
    pub(crate) fn open(&mut self) {
        while !self.try_open() {
            assert!(self.disk.is_stopped(), "it opens where nothing stops it");
            self.tally.in_open += 1;
            self.crash();
        }
        self.read_all();
    }

    fn try_open(&mut self) -> bool {
        assert!(self.opened.is_none(), "it is closed");
        self.options.now = self.now;
        match tidings_log::open(self.disk.dir(), self.options.clone()) {
            Ok(opened) => {
                self.check_found(&opened.found);
                let unsure = self.ledger.unsure() as u64;
                let before = self.ledger.head;
                let survived = self.ledger.settle(opened.log.head());
                if self.ledger.head > before {
                    self.newest_group = before + 1;
                }
                self.tally.survived += survived;
                assert!(survived <= unsure);
                self.opened = Some(opened);
                (self.may_fail, self.failed, self.closed) = (false, false, false);
                true
            }
            Err(OpenError::Storage(_)) if self.disk.is_stopped() => false,
            Err(error) => panic!("it does not open: {error}"),
        }
    }

    /// What recovery reports: nothing is damaged that was not hit, and nothing torn that was not being written.
    fn check_found(&mut self, found: &Recovery) {
        let rotten = self.ledger.rotten;
        self.trace(&|| format!("opened: {found:?}"));
        assert!(found.damage.is_empty() || rotten, "nothing was damaged: {:?}", found.damage);
        if found.torn.is_some() {
            assert!(!self.closed, "torn after a clean close: {:?}", found.torn);
            // What was cut stays there until a new segment is begun.
            let is_known = found.torn == self.torn;
            assert!(self.ledger.unsure() > 0 || is_known, "torn, and nothing was being written: {:?}", found.torn);
            self.tally.torn += u64::from(!is_known);
        }
        self.torn = found.torn;
    }

    /// Commits a group drawn at random.
    pub(crate) fn commit(&mut self) {
        let group = self.maker.group(&mut self.rng, self.ledger.head, self.now);
        self.commit_group(&group);
    }

    /// Commits, and holds the ledger to the answers.
    pub(crate) fn commit_group(&mut self, group: &[Append]) -> bool {
        let (now, before) = (self.now, self.ledger.head);
        let answers = self.opened().writer.commit(now, group);
        self.trace(&|| format!("committed {} appends", group.len()));
        let stopped = self.disk.is_stopped();
        for (answer, _) in answers.iter().zip(group).filter(|(_, append)| self.ledger.is_written(append)) {
            match answer {
                Ok(_) => {
                    assert!(!self.failed, "acknowledged after a failure");
                    self.tally.acknowledged += 1;
                }
                Err(AppendError::OutcomeUnknown) => {
                    assert!(!self.failed, "the first failure is the last outcome that is unknown");
                    self.tally.unknown += 1;
                }
                Err(AppendError::Stopped) => assert!(self.failed || stopped || self.may_fail, "nothing has failed"),
                Err(AppendError::NoSpace) => {
                    assert!(self.is_tight, "there is space");
                    self.tally.no_space += 1;
                }
                Err(AppendError::TooManyTopics { max }) => assert!(*max < 100, "there is room for topics"),
                Err(AppendError::TooLarge { .. } | AppendError::NotAfterHead { .. }) => {}
            }
        }
        self.ledger.commit(now, group, &answers, self.may_fail || stopped);
        if self.ledger.head > before {
            self.newest_group = before + 1;
        }
        self.failed |= answers.contains(&Err(AppendError::OutcomeUnknown));
        assert_eq!(self.opened().log.head(), self.ledger.head, "what is not acknowledged is not seen");
        answers.iter().all(Result::is_ok)
    }

    /// One piece of upkeep; whether there was any.
    pub(crate) fn upkeep(&mut self) -> bool {
        let now = self.now;
        let step = self.opened().upkeep.step(now);
        self.trace(&|| format!("upkeep: {step:?}"));
        match step {
            Step::Idle => return false,
            Step::Did(did) => self.count(did),
            Step::Drops(entries) => {
                self.check_drops(&entries);
                self.tally.dropped += entries.len() as u64;
                return self.commit_group(&[Append { at: None, entries }]);
            }
            Step::NoSpace => {
                assert!(self.is_tight, "there is space");
                self.tally.no_space += 1;
                return false;
            }
        }
        true
    }

    pub(crate) fn upkeep_to_the_end(&mut self) {
        // A log that keeps itself busy never comes to rest.
        for _ in 0..10_000 {
            if !self.upkeep() || self.disk.is_stopped() {
                return;
            }
        }
        panic!("upkeep finds no end");
    }

    fn count(&mut self, did: Did) {
        match did {
            Did::Removed { recycled } => {
                self.tally.removals += 1;
                self.tally.recycles += u64::from(recycled);
            }
            Did::Rewrote => self.tally.rewrites += 1,
            _ => {}
        }
    }

    /// Retention drops nothing that it was not asked to.
    fn check_drops(&self, entries: &[Entry]) {
        let retention = &self.options.retention;
        let live = |seq: u64| self.ledger.events.iter().filter(|event| event.seq > seq).count() as u64;
        for entry in entries {
            let Entry::Drop { topic: Some(topic), to: Some(to) } = entry else { continue };
            let dropped = self.ledger.dropped_to(topic);
            let newly: Vec<_> = (self.ledger.events.iter())
                .filter(|event| event.seq > dropped && event.seq <= *to && event.topics.contains(topic))
                .collect();
            let Some(newest) = newly.last() else { continue };
            // Room for the spare is counted also where it is still to be made.
            let for_bytes = log_bytes(&self.disk).saturating_add(self.options.segment_bytes) > retention.bytes;
            let for_age = retention.age.is_some_and(|age| newest.time < self.now.saturating_sub(age));
            let for_events = retention.events.is_some_and(|events| live(newest.seq) >= events);
            let by_rule = retention.rules.iter().any(|rule| (rule.matches)(topic));
            assert!(for_bytes || for_age || for_events || by_rule, "#{} of {topic} is dropped for nothing", newest.seq);
        }
    }

    /// Reads everything, and in a few more ways.
    pub(crate) fn read_all(&mut self) {
        let now = self.now;
        let log = self.opened().log.clone();
        let records = read_everything(&log, &self.ledger, now);
        self.tally.events_read += records.len() as u64;
        for topic in self.ledger.perhaps_dropped.keys().cloned().collect::<Vec<_>>() {
            let read = read_topic(&log, &self.ledger, &topic, now);
            self.ledger.learn(&topic, &read, now);
        }
        if self.reads_all_topics {
            for topic in &self.ledger.topics {
                read_topic(&log, &self.ledger, topic, now);
            }
            log.keys(0, 1_000_000).expect("the storage can be read");
        }
        self.check_keys();
        self.reads(4);
    }

    /// Reads in ways drawn at random.
    pub(crate) fn reads(&mut self, times: usize) {
        let now = self.now;
        let log = self.opened().log.clone();
        let (events, gaps) = check_reads(&log, &self.ledger, &mut self.rng, now, times);
        self.tally.events_read += events;
        self.tally.gaps += gaps;
    }

    fn check_keys(&mut self) {
        let log = self.opened().log.clone();
        let since = self.now.saturating_sub(self.rng.u64(..40_000));
        let keys = log.keys(since, 1_000_000).expect("the storage can be read");
        for event in self.ledger.events.iter().filter(|event| event.time >= since) {
            let Some(key) = event.key else { continue };
            let is_kept = event.topics.iter().any(|topic| {
                let perhaps = self.ledger.perhaps_dropped.get(topic).copied().unwrap_or(0);
                event.seq > self.ledger.dropped_to(topic).max(perhaps)
            });
            let is_served = self.ledger.served(event, &|_| true, self.now) == Served::Must;
            if is_kept && is_served {
                assert!(keys.iter().any(|seen| seen.seq == event.seq && seen.key == key), "the key of #{}", event.seq);
            }
        }
        for seen in &keys {
            let event = self.ledger.events.iter().find(|event| event.seq == seen.seq);
            assert!(event.is_some_and(|event| event.key == Some(seen.key) && event.time == seen.time), "{seen:?}");
        }
    }

    /// Time passes.
    pub(crate) fn wait(&mut self) {
        self.now += match self.rng.u8(..10) {
            0 => self.rng.u64(..20_000),
            1..4 => self.rng.u64(..500),
            _ => self.rng.u64(..10),
        };
    }

    /// Files can hardly grow any more.
    pub(crate) fn run_out_of_space(&mut self) {
        let left = self.rng.u64(..2 * self.options.segment_bytes);
        self.disk.set_space(self.disk.used() + left);
        self.is_tight = true;
    }

    /// There is space again, and what waited for it goes on by itself.
    pub(crate) fn give_space(&mut self) {
        self.disk.set_space(u64::MAX);
        if self.is_tight && !self.disk.is_stopped() && !self.may_fail {
            // What found no space is not tried again at once.
            self.now += 20_000;
            self.upkeep_to_the_end();
            self.is_tight = false;
            let group = self.maker.group(&mut self.rng, 0, self.now);
            self.commit_group(&group);
        }
    }

    /// The next sync or write fails.
    pub(crate) fn fail_one(&mut self) {
        let n = self.rng.u64(1..12);
        if self.rng.bool() {
            self.disk.fail_sync_in(n);
        } else {
            self.disk.fail_write_in(n);
        }
        self.may_fail = true;
    }

    /// Flips a bit in the body of an event, on a disk that no process has. Not in the newest batch: damage there is a torn tail.
    pub(crate) fn flip_one(&mut self) {
        assert!(self.opened.is_none(), "the log is closed");
        // What rots does so under all its names.
        self.check_links();
        self.links.clear();
        let newest = self.newest_group;
        let events = self.ledger.events.iter().filter(|event| event.seq < newest && !event.is_rotten);
        let Some(event) = self.rng.choice(events.collect::<Vec<_>>()) else { return };
        let (seq, body) = (event.seq, event.body.clone());
        let (at, bit) = (self.rng.usize(..body.len()), self.rng.u8(..8));
        for name in self.disk.names() {
            // Also where an earlier life of the file left it.
            let bytes = self.disk.bytes(&name).expect("it was listed");
            for start in places(&bytes, &body) {
                self.disk.flip(&name, (start + at) as u64, bit);
                self.tally.flips += 1;
                self.ledger.rot(seq);
            }
        }
    }

    /// The first number of the newest batch, in which no bit may flip: that would be a torn tail.
    pub(crate) fn newest_batch(&self) -> u64 {
        self.newest_group
    }

    /// Whether the last process closed the log.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Gives a sealed segment another name, as a snapshot does: it must not change any more.
    pub(crate) fn link_one(&mut self) {
        let logs: Vec<String> = self.disk.names().into_iter().filter(|name| name.ends_with(".log")).collect();
        // The newest is the spare or written, the one before it is written perhaps.
        let Some(name) = self.rng.choice(&logs[..logs.len().saturating_sub(2)]) else { return };
        let link = self.disk.link(name).expect("it was listed");
        let bytes = link.bytes();
        self.trace(&|| format!("linked: {name}"));
        self.links.push((link, bytes));
    }

    fn check_links(&self) {
        for (link, bytes) in &self.links {
            let now = link.bytes();
            let at = now.iter().zip(bytes).position(|(now, then)| now != then);
            assert!(
                now == *bytes,
                "a segment with a second name was changed at {at:?}, {} -> {}",
                bytes.len(),
                now.len()
            );
        }
    }

    /// Closes the log. Where that fails, it is a crash like any other.
    pub(crate) fn close(&mut self) {
        let Opened { log, writer, upkeep, .. } = self.opened.take().expect("it is open");
        drop((log, upkeep));
        self.closed = writer.close().is_ok() && !self.failed;
        self.tally.clean += u64::from(self.closed);
    }

    /// The process or the power goes.
    pub(crate) fn crash(&mut self) {
        let is_power_cut = self.rng.u8(..3) > 0;
        self.end_process(is_power_cut);
    }

    pub(crate) fn end_process(&mut self, is_power_cut: bool) {
        self.opened = None;
        self.disk.set_space(u64::MAX);
        self.is_tight = false;
        self.trace(&|| format!("ends, the power is cut: {is_power_cut}, unsure appends: {}", self.ledger.unsure()));
        self.check_links();
        if is_power_cut {
            self.disk.power_cut();
        } else {
            self.disk.kill();
        }
        // What was not synced behind a segment's end may look different now: it is the log alone that must not change it.
        for (link, bytes) in &mut self.links {
            *bytes = link.bytes();
        }
        self.now += 1;
    }

    /// Notes whether a new segment's file has come.
    pub(crate) fn look_for_rolls(&mut self) {
        let newest = self.disk.names().into_iter().rfind(|name| name.ends_with(".log")).unwrap_or_default();
        self.tally.rolls += u64::from(newest > self.newest_file);
        self.newest_file = newest;
    }

    pub(crate) fn done(mut self) -> Tally {
        self.check_links();
        self.opened = None;
        let counts = self.disk.counts();
        Tally {
            operations: counts.operations,
            syncs: counts.syncs + counts.dir_syncs,
            power_cuts: counts.power_cuts,
            kills: counts.kills,
            failed_syncs: counts.faults,
            ..self.tally
        }
    }
}

/// Bytes of all segments, their indexes and the spare, as retention counts them.
fn log_bytes(disk: &Disk) -> u64 {
    let files = disk.names().into_iter().filter(|name| name.ends_with(".log") || name.ends_with(".index"));
    files.filter_map(|name| disk.bytes(&name)).map(|bytes| bytes.len() as u64).sum()
}

/// Where `needle` stands.
fn places(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == needle[0]).map(|(at, _)| at);
    starts.filter(|at| bytes[*at..].starts_with(needle)).collect()
}
