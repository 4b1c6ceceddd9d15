//! A group: the subscriptions of a shard that ask for the same events in the same format.
//!
//! Topics list groups, not subscriptions: a run is found and framed once for all members, and a memo of what a pattern
//! matches is kept once. The grant is part of the selection, and so of the memo.

use super::noted::Noted;
use super::ring::Lane;
use crate::map::{Map, map};
use crate::{Format, Pos, Selection};
use slab::Slab;
use std::sync::Arc;

/// Names a group within its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupKey(pub(super) u32);

#[derive(Debug)]
pub(super) struct Group {
    pub(super) selection: Arc<Selection>,
    pub(super) format: Format,
    /// Indexes of its subscriptions in the shard's table.
    pub(super) members: Vec<u32>,
    /// What came for it lately. A group of one topic needs none: that topic's index says it, and such groups are many.
    pub(super) noted: Option<Box<Noted>>,
}

impl Group {
    /// Where its members stand in the ready ring.
    pub(super) fn lane(&self) -> Lane {
        Lane::of(self.members.len())
    }
}

#[derive(Debug)]
pub(super) struct Groups {
    slab: Slab<Group>,
    by_spec: Map<(Arc<Selection>, Format), GroupKey>,
}

impl Groups {
    pub(super) fn new(seed: u64) -> Self {
        Groups { slab: Slab::new(), by_spec: map(seed) }
    }

    /// The group of a selection and format, and whether it is new: then it begins with the event that will be at `next`.
    pub(super) fn find_or_insert(&mut self, selection: Arc<Selection>, format: Format, next: Pos) -> (GroupKey, bool) {
        if let Some(key) = self.by_spec.get(&(selection.clone(), format)) {
            return (*key, false);
        }
        let noted = (!selection.is_one_topic()).then(|| Box::new(Noted::new(next)));
        let index = self.slab.insert(Group { selection: selection.clone(), format, members: Vec::new(), noted });
        let key = GroupKey(u32::try_from(index).expect("a shard has far fewer than 2^32 groups"));
        self.by_spec.insert((selection, format), key);
        (key, true)
    }

    pub(super) fn get(&self, key: GroupKey) -> &Group {
        &self.slab[key.0 as usize]
    }

    pub(super) fn get_mut(&mut self, key: GroupKey) -> &mut Group {
        &mut self.slab[key.0 as usize]
    }

    /// Adds a subscription and returns its place among the members.
    pub(super) fn join(&mut self, key: GroupKey, index: u32) -> u32 {
        let members = &mut self.slab[key.0 as usize].members;
        members.push(index);
        u32::try_from(members.len() - 1).expect("a shard has far fewer than 2^32 subscriptions")
    }

    /// Takes out the subscription `index`, which stands at `place`. Answers which other one moved there, if any.
    pub(super) fn leave(&mut self, key: GroupKey, index: u32, place: u32) -> Option<u32> {
        let members = &mut self.slab[key.0 as usize].members;
        assert_eq!(members.swap_remove(place as usize), index, "a subscription stands where it says");
        members.get(place as usize).copied()
    }

    /// Takes out a group without members.
    pub(super) fn remove(&mut self, key: GroupKey) -> Group {
        let group = self.slab.remove(key.0 as usize);
        assert!(group.members.is_empty(), "a group goes with its last member");
        self.by_spec.remove(&(group.selection.clone(), group.format));
        group
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Form, Framing, Grant, Pattern, TopicName};

    #[test]
    fn a_group_of_one_topic_notes_nothing() {
        let mut groups = Groups::new(1);
        for (topics, pattern, notes) in
            [(&["a"][..], None, false), (&["a", "b"], None, true), (&["a"], Some("b/*"), true)]
        {
            let topics = topics.iter().map(|name| TopicName::new(name).unwrap()).collect();
            let patterns = pattern.map(|text| Pattern::new(text).unwrap()).into_iter().collect();
            let selection = Selection::new(topics, patterns, Vec::new(), Grant::local().into()).unwrap();
            let format = Format { form: Form::Sse, framing: Framing::Bare };
            let (key, is_new) = groups.find_or_insert(selection.into(), format, Pos(7));
            assert!(is_new);
            assert_eq!(groups.get(key).noted.is_some(), notes);
        }
    }
}
