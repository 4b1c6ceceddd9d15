//! The topics a shard knows: those with events in the tail, and those somebody named. For each, who wants it and where its
//! events are.

use super::groups::{GroupKey, Groups};
use super::trie::Trie;
use crate::batch::{Batch, TopicRun};
use crate::map::{Map, map};
use crate::{Event, Pos, Selection, TopicName};
use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Topics {
    table: Map<TopicName, Topic>,
    trie: Trie,
}

#[derive(Debug, Default)]
struct Topic {
    /// Groups that select it, by name or by a pattern within their grant; in order, so that one of many leaves quickly.
    groups: Vec<GroupKey>,
    /// How many of them name it: such a topic stays, events or not.
    named: usize,
    /// Positions of its events in the tail, oldest first.
    index: VecDeque<Pos>,
}

impl Topics {
    pub(super) fn new(seed: u64) -> Self {
        Topics { table: map(seed), trie: Trie::new(seed) }
    }

    /// A new group starts to receive: it stands in the lists of all topics it selects. Answers how many topics were looked through.
    pub(super) fn attach(&mut self, key: GroupKey, groups: &Groups) -> usize {
        let selection = &groups.get(key).selection;
        for name in selection.topics() {
            let topic = entry(&mut self.table, &self.trie, groups, name);
            insert(&mut topic.groups, key);
            topic.named += 1;
        }
        if selection.patterns().is_empty() {
            return 0;
        }
        // The one scan over topics: the first subscription of a pattern looks at those in the tail, once.
        for (name, topic) in &mut self.table {
            if selection.topics().binary_search(name).is_err() && selection.selects_topic(name) {
                insert(&mut topic.groups, key);
            }
        }
        for pattern in selection.patterns() {
            self.trie.insert(pattern, key);
        }
        self.table.len()
    }

    /// A group that lost its last member leaves all lists.
    pub(super) fn detach(&mut self, key: GroupKey, selection: &Selection) {
        for pattern in selection.patterns() {
            self.trie.remove(pattern, key);
        }
        if !selection.patterns().is_empty() {
            for topic in self.table.values_mut() {
                remove(&mut topic.groups, key);
            }
        }
        for name in selection.topics() {
            let topic = self.table.get_mut(name).expect("a named topic stays");
            remove(&mut topic.groups, key);
            topic.named -= 1;
            if topic.named == 0 && topic.index.is_empty() {
                self.table.remove(name);
            }
        }
    }

    /// Enters the events of one topic of a new batch, and answers who wants them.
    pub(super) fn enter(&mut self, run: &TopicRun, first: Pos, groups: &Groups) -> &[GroupKey] {
        let topic = entry(&mut self.table, &self.trie, groups, &run.topic);
        assert!(topic.index.back().is_none_or(|last| *last < first), "positions only grow");
        topic.index.extend(run.events.iter().map(|index| first.plus(*index as usize)));
        &topic.groups
    }

    /// Forgets the events of a batch that left the tail.
    pub(super) fn forget(&mut self, batch: &Batch) {
        for run in batch.runs() {
            let topic = self.table.get_mut(&run.topic).expect("a topic with events in the tail stays");
            topic.index.drain(..run.events.len());
            assert!(topic.index.front().is_none_or(|pos| *pos >= batch.end()), "the index follows the tail");
            if topic.index.is_empty() && topic.named == 0 {
                self.table.remove(&run.topic);
            }
        }
    }

    /// The groups that select an event by any of its topics, each once.
    pub(super) fn groups_of(&self, event: &Event) -> Vec<GroupKey> {
        let mut groups: Vec<GroupKey> = event
            .topics
            .iter()
            .filter_map(|name| self.table.get(name))
            .flat_map(|t| t.groups.iter().copied())
            .collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Whether a group receives the event by one of its topics: the memo's answer, without matching again.
    pub(super) fn selects(&self, key: GroupKey, event: &Event) -> bool {
        event
            .topics
            .iter()
            .filter_map(|name| self.table.get(name))
            .any(|topic| topic.groups.binary_search(&key).is_ok())
    }

    /// The positions of a named topic's events in the tail.
    pub(super) fn index(&self, name: &TopicName) -> &VecDeque<Pos> {
        &self.table.get(name).expect("a named topic stays").index
    }

    /// How many topics are known.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

/// A topic's entry; a topic first seen asks the trie for the groups whose patterns match, and nobody else.
fn entry<'a>(table: &'a mut Map<TopicName, Topic>, trie: &Trie, groups: &Groups, name: &TopicName) -> &'a mut Topic {
    table.entry_ref(name).or_insert_with(|| {
        let allowed = |key: &GroupKey| groups.get(*key).selection.grant().may_subscribe(name);
        // In order, as the trie answers.
        let groups: Vec<GroupKey> = trie.matches(name.segments()).into_iter().filter(allowed).collect();
        Topic { groups, ..Topic::default() }
    })
}

fn insert(groups: &mut Vec<GroupKey>, key: GroupKey) {
    if let Err(at) = groups.binary_search(&key) {
        groups.insert(at, key);
    }
}

fn remove(groups: &mut Vec<GroupKey>, key: GroupKey) {
    if let Ok(at) = groups.binary_search(&key) {
        groups.remove(at);
    }
}
