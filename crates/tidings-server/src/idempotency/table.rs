//! The table of keys, without clock or waiting: time is an argument.
//!
//! Keys whose publishes are under way stand in a map of their own, few and with somebody waiting; those whose publishes are over
//! stand in [`Seen`], many and small.

use super::digest::{BodyDigest, KeyDigest};
use super::seen::{Found, Seen};
use std::collections::HashMap;
use tidings_hub::{Seq, Time};
use tokio::sync::watch;

/// What became of a key that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is new: the caller publishes.
    Mine,
    /// It was used for the same event, which has this number.
    Known(Option<Seq>),
    /// It was used for another event.
    Conflict,
    /// It stands earlier in the same request, at this place, with the same event.
    SameAs(usize),
}

/// Why a request gets no claims at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no room for another key: as many as may be are under way.
    Full,
    /// Whether one of the keys was published will be known when the server has been started again.
    Unknown,
}

/// Why nothing was claimed.
#[derive(Debug)]
pub(super) enum Unclaimed {
    /// Another request publishes one of the keys; this ends (with an error) when it is over.
    UnderWay(watch::Receiver<()>),
    Refused(Refused),
}

#[derive(Debug)]
pub(super) struct Table {
    claims_max: usize,
    claims: HashMap<KeyDigest, Entry>,
    seen: Seen,
}

#[derive(Debug)]
struct Entry {
    body: BodyDigest,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Being published. Those who wait hold the other end; it is made for the first of them.
    UnderWay(Option<watch::Sender<()>>),
    /// The log failed under it.
    Unknown,
}

impl Table {
    pub(super) fn new(claims_max: usize, seen: Seen) -> Self {
        Table { claims_max, claims: HashMap::new(), seen }
    }

    /// Claims the keys that are new, all at once; says of the others what they were used for. Claims nothing when one of them
    /// has to be waited for.
    pub(super) fn claim(&mut self, now: Time, wanted: &[(KeyDigest, BodyDigest)]) -> Result<Vec<Claim>, Unclaimed> {
        self.seen.forget_old(now);
        let claims = self.look_up(wanted)?;
        let new = claims.iter().filter(|claim| **claim == Claim::Mine).count();
        if self.claims.len() + new > self.claims_max {
            return Err(Unclaimed::Refused(Refused::Full));
        }
        for ((key, body), claim) in wanted.iter().zip(&claims) {
            if *claim == Claim::Mine {
                self.claims.insert(*key, Entry { body: *body, state: State::UnderWay(None) });
            }
        }
        Ok(claims)
    }

    /// The publish of a claimed key succeeded.
    pub(super) fn complete(&mut self, now: Time, key: KeyDigest, seq: Option<Seq>) {
        let entry = self.claims.remove(&key).expect("a claimed key stays until it is completed or released");
        self.seen.insert(now, key, entry.body, seq);
    }

    /// The publish of a claimed key came to nothing: the key is new again.
    pub(super) fn release(&mut self, key: KeyDigest) {
        let entry = self.claims.remove(&key);
        debug_assert!(matches!(entry, Some(Entry { state: State::UnderWay(_), .. })), "only claimed keys are released");
    }

    /// Nobody knows what became of the publish of a claimed key: it is never claimed again by this process, whose log has stopped.
    pub(super) fn lose(&mut self, key: KeyDigest) {
        let entry = self.claims.get_mut(&key).expect("a claimed key stays until it is completed or released");
        entry.state = State::Unknown;
    }

    /// A key of a publish that was over before this process began. In the order of time.
    pub(super) fn remember(&mut self, since: Time, key: KeyDigest, body: BodyDigest, seq: Seq) {
        self.seen.insert(since, key, body, Some(seq));
    }

    /// Keys that are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    fn look_up(&mut self, wanted: &[(KeyDigest, BodyDigest)]) -> Result<Vec<Claim>, Unclaimed> {
        let mut first: HashMap<KeyDigest, usize> = HashMap::new();
        let mut claims = Vec::with_capacity(wanted.len());
        for (index, (key, body)) in wanted.iter().enumerate() {
            let claim = match (self.claims.get_mut(key), first.get(key)) {
                (Some(entry), _) if entry.body != *body => Claim::Conflict,
                (Some(Entry { state: State::Unknown, .. }), _) => return Err(Unclaimed::Refused(Refused::Unknown)),
                (Some(Entry { state: State::UnderWay(over), .. }), _) => {
                    let over = over.get_or_insert_with(|| watch::channel(()).0);
                    return Err(Unclaimed::UnderWay(over.subscribe()));
                }
                (None, Some(earlier)) if wanted[*earlier].1 == *body => Claim::SameAs(*earlier),
                (None, Some(_)) => Claim::Conflict,
                (None, None) => match self.seen.get(*key, *body) {
                    Some(Found::Same(seq)) => Claim::Known(seq),
                    Some(Found::Other) => Claim::Conflict,
                    None => {
                        first.insert(*key, index);
                        Claim::Mine
                    }
                },
            };
            claims.push(claim);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidings_hub::{Content, TopicName};

    const AGE: Duration = Duration::from_secs(100);

    fn table(keys_max: usize) -> Table {
        Table::new(3, Seen::new(keys_max, AGE, 1))
    }

    fn key(name: &str) -> KeyDigest {
        KeyDigest::new("me", &TopicName::new("t").unwrap(), name.as_bytes())
    }

    fn body(text: &str) -> BodyDigest {
        BodyDigest::new(&TopicName::new("t").unwrap().into(), None, &Content::text(text))
    }

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1_000)
    }

    /// Claims the pairs of key and body written `k=b`, at a time.
    fn claim(table: &mut Table, now: u64, wanted: &str) -> Result<Vec<Claim>, Unclaimed> {
        let pair = |pair: &str| pair.split_once('=').map(|(k, b)| (key(k), body(b))).unwrap();
        table.claim(at(now), &wanted.split(' ').map(pair).collect::<Vec<_>>())
    }

    #[test]
    fn the_same_event_is_known_and_another_a_conflict() {
        let mut table = table(10);
        assert_eq!(claim(&mut table, 0, "a=1 b=1").unwrap(), [Claim::Mine, Claim::Mine]);
        table.complete(at(5), key("a"), Some(Seq(7)));
        table.complete(at(5), key("b"), None);
        table.remember(at(5), key("d"), body("1"), Seq(9));
        let expect =
            [Claim::Known(Some(Seq(7))), Claim::Conflict, Claim::Known(None), Claim::Mine, Claim::Known(Some(Seq(9)))];
        assert_eq!(claim(&mut table, 6, "a=1 a=2 b=1 c=1 d=1").unwrap(), expect);
    }

    #[test]
    fn within_one_request_the_first_counts() {
        let expect = [Claim::Mine, Claim::SameAs(0), Claim::Conflict, Claim::Mine, Claim::SameAs(0)];
        assert_eq!(claim(&mut table(10), 0, "a=1 a=1 a=2 b=1 a=1").unwrap(), expect);
    }

    #[test]
    fn what_is_under_way_is_waited_for_and_nothing_is_claimed_meanwhile() {
        let mut table = table(10);
        claim(&mut table, 0, "a=1").unwrap();
        let Err(Unclaimed::UnderWay(over)) = claim(&mut table, 1, "b=1 a=1") else { panic!("a is under way") };
        assert_eq!(claim(&mut table, 1, "a=2 b=1").unwrap(), [Claim::Conflict, Claim::Mine], "b was not claimed");
        assert!(over.has_changed().is_ok(), "not over yet");
        table.release(key("a"));
        assert!(over.has_changed().is_err(), "over");
        assert_eq!(claim(&mut table, 1, "a=1").unwrap(), [Claim::Mine]);
    }

    #[test]
    fn what_nobody_knows_is_never_new_again() {
        let mut table = table(10);
        claim(&mut table, 0, "a=1").unwrap();
        let waits = claim(&mut table, 0, "a=1");
        table.lose(key("a"));
        let Err(Unclaimed::UnderWay(over)) = waits else { panic!("a is under way") };
        assert!(over.has_changed().is_err(), "who waits is woken");
        assert!(matches!(claim(&mut table, 1, "a=1"), Err(Unclaimed::Refused(Refused::Unknown))));
        assert_eq!(claim(&mut table, 1, "a=2").unwrap(), [Claim::Conflict]);
    }

    #[test]
    fn keys_are_forgotten_after_their_age() {
        let mut table = table(10);
        claim(&mut table, 0, "a=1").unwrap();
        table.complete(at(50), key("a"), Some(Seq(1)));
        assert_eq!(claim(&mut table, 150, "a=1").unwrap(), [Claim::Known(Some(Seq(1)))]);
        assert_eq!(claim(&mut table, 151, "a=2").unwrap(), [Claim::Mine]);
        assert!(claim(&mut table, 10_000, "a=2").is_err(), "what is under way has no age");
    }

    #[test]
    fn the_oldest_make_room_and_those_under_way_do_not() {
        let mut table = table(3);
        claim(&mut table, 0, "a=1 b=1 c=1").unwrap();
        assert!(matches!(claim(&mut table, 1, "d=1"), Err(Unclaimed::Refused(Refused::Full))));
        for name in ["a", "b", "c"] {
            table.complete(at(1), key(name), None);
        }
        assert_eq!(claim(&mut table, 2, "d=1").unwrap(), [Claim::Mine]);
        table.complete(at(2), key("d"), None);
        assert_eq!(claim(&mut table, 2, "b=1 c=1").unwrap(), [Claim::Known(None), Claim::Known(None)]);
        assert_eq!(table.len(), 3);
        assert_eq!(claim(&mut table, 2, "a=1").unwrap(), [Claim::Mine]);
    }
}
