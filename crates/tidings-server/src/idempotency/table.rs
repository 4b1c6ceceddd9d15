//! The table of keys, without clock or waiting: time is an argument.

use super::digest::{BodyDigest, KeyDigest};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
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

/// There is no room for another key: all of them are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Why nothing was claimed.
#[derive(Debug)]
pub(super) enum Unclaimed {
    /// Another request publishes one of the keys; this ends (with an error) when it is over.
    UnderWay(watch::Receiver<()>),
    Full(Full),
}

#[derive(Debug)]
pub(super) struct Table {
    keys_max: usize,
    age: Duration,
    keys: HashMap<KeyDigest, Entry>,
    /// Keys whose publish is over, oldest first, and since when.
    done: VecDeque<(Time, KeyDigest)>,
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
    Done(Option<Seq>),
}

impl Table {
    pub(super) fn new(keys_max: usize, age: Duration) -> Self {
        Table { keys_max, age, keys: HashMap::new(), done: VecDeque::new() }
    }

    /// Claims the keys that are new, all at once; says of the others what they were used for. Claims nothing when one of them
    /// has to be waited for.
    pub(super) fn claim(&mut self, now: Time, wanted: &[(KeyDigest, BodyDigest)]) -> Result<Vec<Claim>, Unclaimed> {
        self.forget_before(now - self.age);
        let claims = self.look_up(wanted)?;
        let new = claims.iter().filter(|claim| **claim == Claim::Mine).count();
        self.make_room(new).map_err(Unclaimed::Full)?;
        for ((key, body), claim) in wanted.iter().zip(&claims) {
            if *claim == Claim::Mine {
                self.keys.insert(*key, Entry { body: *body, state: State::UnderWay(None) });
            }
        }
        Ok(claims)
    }

    /// The publish of a claimed key succeeded.
    pub(super) fn complete(&mut self, now: Time, key: KeyDigest, seq: Option<Seq>) {
        let entry = self.keys.get_mut(&key).expect("a claimed key stays until it is completed or released");
        entry.state = State::Done(seq);
        self.done.push_back((now, key));
    }

    /// The publish of a claimed key came to nothing: the key is new again.
    pub(super) fn release(&mut self, key: KeyDigest) {
        let entry = self.keys.remove(&key);
        debug_assert!(matches!(entry, Some(Entry { state: State::UnderWay(_), .. })), "only claimed keys are released");
    }

    fn look_up(&mut self, wanted: &[(KeyDigest, BodyDigest)]) -> Result<Vec<Claim>, Unclaimed> {
        let mut first: HashMap<KeyDigest, usize> = HashMap::new();
        let mut claims = Vec::with_capacity(wanted.len());
        for (index, (key, body)) in wanted.iter().enumerate() {
            let claim = match (self.keys.get_mut(key), first.get(key)) {
                (Some(entry), _) if entry.body != *body => Claim::Conflict,
                (Some(Entry { state: State::Done(seq), .. }), _) => Claim::Known(*seq),
                (Some(Entry { state: State::UnderWay(over), .. }), _) => {
                    let over = over.get_or_insert_with(|| watch::channel(()).0);
                    return Err(Unclaimed::UnderWay(over.subscribe()));
                }
                (None, Some(earlier)) if wanted[*earlier].1 == *body => Claim::SameAs(*earlier),
                (None, Some(_)) => Claim::Conflict,
                (None, None) => {
                    first.insert(*key, index);
                    Claim::Mine
                }
            };
            claims.push(claim);
        }
        Ok(claims)
    }

    fn forget_before(&mut self, time: Time) {
        while self.done.front().is_some_and(|(since, _)| *since < time) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.done.pop_front() else { return false };
        self.keys.remove(&key);
        true
    }

    fn make_room(&mut self, new: usize) -> Result<(), Full> {
        while self.keys.len() + new > self.keys_max {
            if !self.forget_oldest() {
                return Err(Full);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_hub::{Content, TopicName};

    const AGE: Duration = Duration::from_millis(100);

    fn key(name: &str) -> KeyDigest {
        KeyDigest::new("me", &TopicName::new("t").unwrap(), name.as_bytes())
    }

    fn body(text: &str) -> BodyDigest {
        BodyDigest::new(&TopicName::new("t").unwrap().into(), None, &Content::text(text))
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Claims the pairs of key and body written `k=b`, at a time.
    fn claim(table: &mut Table, now: u64, wanted: &str) -> Result<Vec<Claim>, Unclaimed> {
        let pair = |pair: &str| pair.split_once('=').map(|(k, b)| (key(k), body(b))).unwrap();
        table.claim(at(now), &wanted.split(' ').map(pair).collect::<Vec<_>>())
    }

    #[test]
    fn the_same_event_is_known_and_another_a_conflict() {
        let mut table = Table::new(10, AGE);
        assert_eq!(claim(&mut table, 0, "a=1 b=1").unwrap(), [Claim::Mine, Claim::Mine]);
        table.complete(at(5), key("a"), Some(Seq(7)));
        table.complete(at(5), key("b"), None);
        let expect = [Claim::Known(Some(Seq(7))), Claim::Conflict, Claim::Known(None), Claim::Mine];
        assert_eq!(claim(&mut table, 6, "a=1 a=2 b=1 c=1").unwrap(), expect);
    }

    #[test]
    fn within_one_request_the_first_counts() {
        let mut table = Table::new(10, AGE);
        let expect = [Claim::Mine, Claim::SameAs(0), Claim::Conflict, Claim::Mine, Claim::SameAs(0)];
        assert_eq!(claim(&mut table, 0, "a=1 a=1 a=2 b=1 a=1").unwrap(), expect);
    }

    #[test]
    fn what_is_under_way_is_waited_for_and_nothing_is_claimed_meanwhile() {
        let mut table = Table::new(10, AGE);
        claim(&mut table, 0, "a=1").unwrap();
        let Err(Unclaimed::UnderWay(over)) = claim(&mut table, 1, "b=1 a=1") else { panic!("a is under way") };
        assert_eq!(claim(&mut table, 1, "a=2 b=1").unwrap(), [Claim::Conflict, Claim::Mine], "b was not claimed");
        assert!(over.has_changed().is_ok(), "not over yet");
        table.release(key("a"));
        assert!(over.has_changed().is_err(), "over");
        assert_eq!(claim(&mut table, 1, "a=1").unwrap(), [Claim::Mine]);
    }

    #[test]
    fn keys_are_forgotten_after_their_age() {
        let mut table = Table::new(10, AGE);
        claim(&mut table, 0, "a=1").unwrap();
        table.complete(at(50), key("a"), Some(Seq(1)));
        assert_eq!(claim(&mut table, 150, "a=1").unwrap(), [Claim::Known(Some(Seq(1)))]);
        assert_eq!(claim(&mut table, 151, "a=2").unwrap(), [Claim::Mine]);
        assert!(claim(&mut table, 10_000, "a=2").is_err(), "what is under way has no age");
    }

    #[test]
    fn the_oldest_make_room_and_those_under_way_do_not() {
        let mut table = Table::new(3, AGE);
        claim(&mut table, 0, "a=1 b=1 c=1").unwrap();
        assert!(matches!(claim(&mut table, 1, "d=1"), Err(Unclaimed::Full(Full))));
        for name in ["a", "b", "c"] {
            table.complete(at(1), key(name), None);
        }
        assert_eq!(claim(&mut table, 2, "d=1").unwrap(), [Claim::Mine]);
        assert_eq!(claim(&mut table, 2, "b=1 c=1").unwrap(), [Claim::Known(None), Claim::Known(None)]);
        assert_eq!(table.keys.len(), 3);
        assert!(matches!(claim(&mut table, 2, "e=1 f=1 g=1"), Err(Unclaimed::Full(Full))));
    }
}
