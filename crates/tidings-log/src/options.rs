//! What the log is told once.

use std::fmt;
use std::sync::Arc;

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a segment's file, header included; an append that does not fit one is refused.
    pub segment_bytes: u64,
    /// The most bytes one batch may take on disk, and so one append.
    pub batch_bytes_max: usize,
    /// The most topics that have events.
    pub topics_max: usize,
    /// What is kept.
    pub retention: Retention,
    /// Drawn at random: names a new log. Not used where there is a log.
    pub name: u64,
    /// Drawn at random, apart from the name, which is public: salts the records of a new log. Not used where there is a log.
    pub secret: u64,
    /// Drawn at random for each process: topic names come from strangers, who must not be able to choose ones that collide.
    pub hash_seed: u64,
    /// The time, in milliseconds since 1970.
    pub now: u64,
}

/// What is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of files, the active segment and the spare included. The oldest segments go beyond it.
    pub bytes: u64,
    /// Milliseconds an event is kept, if bounded.
    pub age: Option<u64>,
    /// Events kept at the least before segments go for their number, if bounded.
    pub events: Option<u64>,
    /// What holds for some topics instead of `age` and `events`: the first that matches.
    pub rules: Vec<Rule>,
}

/// What is kept of some topics.
#[derive(Clone)]
pub struct Rule {
    /// Which topics. Must always answer the same for the same name.
    pub matches: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Milliseconds an event is kept, if bounded: shorter or longer than the others.
    pub age: Option<u64>,
    /// The newest so many of each topic are kept, however old, and no more; at least 1.
    pub keep_last: Option<u32>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.matches, &other.matches) && (self.age, self.keep_last) == (other.age, other.keep_last)
    }
}
impl Eq for Rule {}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("age", &self.age).field("keep_last", &self.keep_last).finish_non_exhaustive()
    }
}
