//! Who listens to what, and where the events go.
//!
//! Events are numbered; event `e` goes to stream `e % streams`, which subscriber `i` hears whole when `i % streams` is the same. So each
//! subscriber knows the number of the event that is due, whatever it listens to.

use crate::contestant::Contestant;

/// What subscribers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listens {
    /// All to one topic; `json` asks for events as JSON, which is what those who listen to several topics get unasked.
    Topic { json: bool },
    /// To one of so many topics each.
    Topics(usize),
    /// To one of so many patterns each; an event's topic matches one of them.
    Patterns(usize),
    /// To so many topics each, of which an event goes to one. `own` makes one of them each subscriber's own, so that no two of them
    /// choose the same.
    Several { topics: usize, own: bool },
}

impl Listens {
    /// How many streams of events there are that do not overlap.
    pub(crate) fn streams(self) -> usize {
        match self {
            Self::Topic { .. } | Self::Several { .. } => 1,
            Self::Topics(count) | Self::Patterns(count) => count,
        }
    }

    /// Where a subscriber asks.
    pub(crate) fn path(self, contestant: Contestant, subscriber: usize) -> String {
        let stream = subscriber % self.streams();
        match self {
            _ if contestant == Contestant::Floor => "/".to_owned(),
            Self::Topic { json: false } | Self::Topics(_) => format!("/topics/t{stream}"),
            Self::Topic { json: true } => "/topics/t0?envelope=json".to_owned(),
            Self::Patterns(_) => format!("/events?topic=p/{stream}/**"),
            Self::Several { topics, own } => {
                let shared = (0..topics - usize::from(own)).map(|topic| format!("t{topic}"));
                let all: Vec<String> = shared.chain(own.then(|| format!("own{subscriber}"))).collect();
                format!("/events?envelope=json&topic={}", all.join("&topic="))
            }
        }
    }

    /// Which topic an event goes to.
    pub(crate) fn topic(self, event: usize) -> String {
        match self {
            Self::Topic { .. } => "t0".to_owned(),
            Self::Topics(count) => format!("t{}", event % count),
            Self::Patterns(count) => format!("p/{}/x", event % count),
            Self::Several { topics, own } => format!("t{}", event % (topics - usize::from(own))),
        }
    }

    /// How many of `events` the subscribers of these numbers hear in all.
    pub(crate) fn deliveries(self, subscribers: std::ops::Range<usize>, events: usize) -> u64 {
        let streams = self.streams();
        let heard = |subscriber: usize| events / streams + usize::from(subscriber % streams < events % streams);
        subscribers.map(|subscriber| heard(subscriber) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Listens; 6] = [
        Listens::Topic { json: false },
        Listens::Topic { json: true },
        Listens::Topics(7),
        Listens::Patterns(7),
        Listens::Several { topics: 5, own: false },
        Listens::Several { topics: 5, own: true },
    ];

    /// Whether a subscription of that path hears a topic: patterns here end in `/**`.
    fn hears(path: &str, topic: &str) -> bool {
        let names = path.strip_prefix("/topics/").map_or_else(
            || path.split(['?', '&']).filter_map(|pair| pair.strip_prefix("topic=")).collect(),
            |rest| vec![rest.split('?').next().expect("a split has a first")],
        );
        names.iter().any(|name| match name.strip_suffix("**") {
            Some(prefix) => topic.starts_with(prefix),
            None => *name == topic,
        })
    }

    #[test]
    fn a_subscriber_hears_its_stream_and_nothing_else() {
        for listens in ALL {
            for subscriber in 0..20 {
                let path = listens.path(Contestant::Tidings, subscriber);
                let heard = (0..33).filter(|&event| hears(&path, &listens.topic(event)));
                let events: Vec<usize> = heard.collect();
                let mine = |event: &usize| event % listens.streams() == subscriber % listens.streams();
                assert!(events.iter().all(mine), "{listens:?} {subscriber}: {events:?}");
                let expect = listens.deliveries(subscriber..subscriber + 1, 33);
                assert_eq!(events.len() as u64, expect, "{listens:?} {subscriber}");
            }
        }
    }

    #[test]
    fn several_topics_are_as_many_as_are_said() {
        let names = |own| {
            let path = Listens::Several { topics: 1_000, own }.path(Contestant::Tidings, 3);
            assert!(path.len() < 12_000, "a request's head has 16 KiB: {}", path.len());
            path.matches("topic=").count()
        };
        assert_eq!((names(false), names(true)), (1_000, 1_000));
    }
}
