//! Idempotency keys: a publish that is repeated with its key is answered like the first, and published once.
//!
//! A key counts for one grant's subject and one topic. While its publish is under way, others with the same key wait for it; when
//! it succeeds they get its answer, when it fails or its request is given up one of them takes its place. Nothing is answered from
//! a publish that did not happen.
//!
//! Keys stand in the records of their events too: a server that is started again knows those of the last minutes.

mod digest;
mod seen;
mod table;

pub(crate) use digest::{BodyDigest, KeyDigest};
pub(crate) use table::{Claim, Refused};

use crate::limits::Limits;
use seen::Seen;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use table::{Table, Unclaimed};
use tidings_hub::{Seq, Time};

/// The keys seen lately. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Idempotency(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Mutex<Table>,
    origin: Instant,
    /// How long a key is remembered, and so how long before the origin time begins: what happened then has a time too.
    age: Duration,
}

/// The keys that one request has claimed. Those that are not completed when this goes are free again, so that a request that
/// was given up never blocks its key.
#[derive(Debug)]
pub(crate) struct Claims {
    keys: Idempotency,
    /// What became of each key, in the order they were asked for.
    pub(crate) of: Vec<Claim>,
    /// Those that are this request's to publish.
    mine: Vec<KeyDigest>,
}

impl Idempotency {
    pub(crate) fn new(limits: &Limits) -> Self {
        let age = limits.idempotency_age;
        let seen = Seen::new(limits.idempotency_keys_max, age, fastrand::u64(..));
        let table = Mutex::new(Table::new(limits.idempotency_claims_max, seen));
        Idempotency(Arc::new(Inner { table, origin: Instant::now(), age }))
    }

    /// Remembers the key of an event that was stored so long ago, before this server began. Called in the order of time.
    pub(crate) fn remember(&self, ago: Duration, key: KeyDigest, body: BodyDigest, seq: Seq) {
        let since = Time::from_millis(0) + self.0.age.saturating_sub(ago);
        self.lock().remember(since, key, body, seq);
    }

    /// Keys that are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Claims all of `wanted`, or what can be had of each. Waits while one of them is being published by another request with the
    /// same body; meanwhile it holds none of them itself, so that two batches cannot wait for each other.
    ///
    /// # Errors
    /// Too many publishes with keys are under way, or nobody knows what became of one of the keys.
    pub(crate) async fn claim(&self, wanted: &[(KeyDigest, BodyDigest)]) -> Result<Claims, Refused> {
        loop {
            let found = self.lock().claim(self.now(), wanted);
            match found {
                Ok(of) => {
                    let is_mine = |(claim, (key, _)): (&Claim, &(KeyDigest, BodyDigest))| {
                        matches!(claim, Claim::Mine).then_some(*key)
                    };
                    let mine = of.iter().zip(wanted).filter_map(is_mine).collect();
                    return Ok(Claims { keys: self.clone(), of, mine });
                }
                Err(Unclaimed::Refused(refused)) => return Err(refused),
                // The other end is dropped when the publish is over, whichever way: the error is the signal.
                Err(Unclaimed::UnderWay(mut over)) => while over.changed().await.is_ok() {},
            }
        }
    }

    fn now(&self) -> Time {
        Time::from_millis(0) + self.0.age + self.0.origin.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().expect("nobody panics while holding the table of keys")
    }
}

impl Claims {
    /// The events are published: the numbers of those claimed, in their order.
    pub(crate) fn complete(mut self, seqs: impl IntoIterator<Item = Option<Seq>>) {
        let mine = std::mem::take(&mut self.mine);
        let now = self.keys.now();
        let mut table = self.keys.lock();
        for (key, seq) in mine.into_iter().zip(seqs) {
            table.complete(now, key, seq);
        }
    }

    /// Nobody knows whether the events are published: the log failed under them. A repeat is refused until the server has been
    /// started again, and the log has said what it holds.
    pub(crate) fn lose(mut self) {
        let mut table = self.keys.lock();
        for key in std::mem::take(&mut self.mine) {
            table.lose(key);
        }
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        if self.mine.is_empty() {
            return;
        }
        let mut table = self.keys.lock();
        for key in self.mine.drain(..) {
            table.release(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(key: &str, body: &str) -> Vec<(KeyDigest, BodyDigest)> {
        let content = tidings_hub::Content::text(body);
        let topic = tidings_hub::TopicName::new("t").unwrap();
        vec![(KeyDigest::new("me", &topic, key.as_bytes()), BodyDigest::new(&topic.into(), None, &content))]
    }

    #[tokio::test]
    async fn a_repeat_waits_for_the_first_and_gets_its_answer() {
        let keys = Idempotency::new(&Limits::DEFAULT);
        let first = keys.claim(&wanted("k", "b")).await.unwrap();
        assert_eq!(first.of, [Claim::Mine]);
        let second = tokio::spawn({
            let keys = keys.clone();
            async move { keys.claim(&wanted("k", "b")).await.unwrap().of.clone() }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        first.complete([Some(Seq(7))]);
        assert_eq!(second.await.unwrap(), [Claim::Known(Some(Seq(7)))]);
    }

    #[tokio::test]
    async fn when_the_first_is_given_up_one_who_waits_takes_its_place() {
        let keys = Idempotency::new(&Limits::DEFAULT);
        let first = keys.claim(&wanted("k", "b")).await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let keys = keys.clone();
                tokio::spawn(async move {
                    let claims = keys.claim(&wanted("k", "b")).await.unwrap();
                    let found = claims.of.clone();
                    claims.complete([Some(Seq(9))]);
                    found
                })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(first);
        let mut mine = 0;
        for waiter in waiting {
            match waiter.await.unwrap()[..] {
                [Claim::Mine] => mine += 1,
                [Claim::Known(Some(Seq(9)))] => {}
                ref other => panic!("{other:?}"),
            }
        }
        assert_eq!(mine, 1);
    }

    #[tokio::test]
    async fn keys_of_an_earlier_process_are_known_for_what_is_left_of_their_time() {
        let limits = Limits { idempotency_age: Duration::from_secs(20), ..Limits::DEFAULT };
        let keys = Idempotency::new(&limits);
        for (name, ago) in [("old", 90), ("lately", 1)] {
            let (key, body) = wanted(name, "b")[0];
            keys.remember(Duration::from_secs(ago), key, body, Seq(ago));
        }
        assert_eq!(keys.len(), 2);
        let begun = keys.now();
        assert!(begun >= Time::from_millis(20_000), "time begins an age ago");
        assert_eq!(keys.claim(&wanted("lately", "b")).await.unwrap().of, [Claim::Known(Some(Seq(1)))]);
        keys.lock().claim(begun + Duration::from_secs(30), &[]).unwrap();
        assert_eq!(keys.len(), 0);
    }

    #[tokio::test]
    async fn what_nobody_knows_is_refused_and_wakes_who_waits() {
        let keys = Idempotency::new(&Limits::DEFAULT);
        let first = keys.claim(&wanted("k", "b")).await.unwrap();
        let second = tokio::spawn({
            let keys = keys.clone();
            async move { keys.claim(&wanted("k", "b")).await.map(|claims| claims.of.clone()) }
        });
        tokio::task::yield_now().await;
        first.lose();
        assert_eq!(second.await.unwrap(), Err(Refused::Unknown));
    }

    #[tokio::test]
    async fn another_body_does_not_wait() {
        let keys = Idempotency::new(&Limits::DEFAULT);
        let _first = keys.claim(&wanted("k", "b")).await.unwrap();
        assert_eq!(keys.claim(&wanted("k", "other")).await.unwrap().of, [Claim::Conflict]);
    }
}
