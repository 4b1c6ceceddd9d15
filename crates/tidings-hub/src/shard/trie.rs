//! Patterns, arranged so that a new topic finds those that match it without looking at the others.

use super::GroupKey;
use crate::map::{Map, map};
use crate::pattern::{Pattern, Segment};

/// A tree over the segments of patterns. Matching walks it as a non-deterministic automaton: the cost grows with the topic's
/// segments and the branches that fit them, not with the number of patterns.
#[derive(Debug)]
pub(super) struct Trie {
    root: Node,
    seed: u64,
}

#[derive(Debug)]
struct Node {
    literal: Map<Box<str>, Node>,
    one: Option<Box<Node>>,
    any: Option<Box<Node>>,
    /// Groups whose pattern ends here.
    groups: Vec<GroupKey>,
}

impl Node {
    fn new(seed: u64) -> Self {
        Node { literal: map(seed), one: None, any: None, groups: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.one.is_none() && self.any.is_none() && self.groups.is_empty()
    }
}

impl Trie {
    pub(super) fn new(seed: u64) -> Self {
        Trie { root: Node::new(seed), seed }
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, group: GroupKey) {
        let seed = self.seed;
        let mut node = &mut self.root;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literal.entry(text.into()).or_insert_with(|| Node::new(seed)),
                Segment::One => node.one.get_or_insert_with(|| Box::new(Node::new(seed))),
                Segment::Any => node.any.get_or_insert_with(|| Box::new(Node::new(seed))),
            };
        }
        node.groups.push(group);
    }

    pub(super) fn remove(&mut self, pattern: &Pattern, group: GroupKey) {
        let segments: Vec<Segment<'_>> = pattern.segments().collect();
        remove(&mut self.root, &segments, group);
    }

    /// The groups with a pattern that matches, each once, in order.
    pub(super) fn matches<'a>(&self, topic: impl Iterator<Item = &'a str>) -> Vec<GroupKey> {
        // (node, whether it was entered through `**`, which then may swallow further segments)
        let mut active: Vec<(&Node, bool)> = Vec::new();
        enter(&self.root, false, &mut active);
        for segment in topic {
            let mut next = Vec::new();
            for (node, swallows) in active {
                if let Some(child) = node.literal.get(segment) {
                    enter(child, false, &mut next);
                }
                if let Some(child) = &node.one {
                    enter(child, false, &mut next);
                }
                if swallows {
                    enter(node, true, &mut next);
                }
            }
            active = next;
        }
        let mut groups: Vec<GroupKey> = active.iter().flat_map(|(node, _)| node.groups.iter().copied()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

/// Adds a node, and what is reached from it without consuming a segment, each once.
fn enter<'a>(node: &'a Node, swallows: bool, active: &mut Vec<(&'a Node, bool)>) {
    if active.iter().any(|(other, s)| std::ptr::eq(*other, node) && *s == swallows) {
        return;
    }
    active.push((node, swallows));
    if let Some(any) = &node.any {
        enter(any, true, active);
    }
}

fn remove(node: &mut Node, segments: &[Segment<'_>], group: GroupKey) {
    let Some((first, rest)) = segments.split_first() else {
        let at = node.groups.iter().position(|g| *g == group).expect("only what was inserted is removed");
        node.groups.swap_remove(at);
        return;
    };
    const INSERTED: &str = "only what was inserted is removed";
    match first {
        Segment::Literal(text) => {
            let child = node.literal.get_mut(*text).expect(INSERTED);
            remove(child, rest, group);
            if child.is_empty() {
                node.literal.remove(*text);
            }
        }
        Segment::One => remove_from(&mut node.one, rest, group),
        Segment::Any => remove_from(&mut node.any, rest, group),
    }
}

fn remove_from(slot: &mut Option<Box<Node>>, rest: &[Segment<'_>], group: GroupKey) {
    let child = slot.as_mut().expect("only what was inserted is removed");
    remove(child, rest, group);
    if child.is_empty() {
        *slot = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TopicName;

    #[test]
    fn agrees_with_matching_one_by_one() {
        let patterns: Vec<Pattern> =
            ["*", "**", "a/*", "a/**", "**/b", "*/b", "a/**/b", "a/*/b", "**/a/**", "a/**/**/b", "*/*/*"]
                .iter()
                .map(|p| Pattern::new(p).unwrap())
                .collect();
        let mut trie = Trie::new(1);
        for (i, pattern) in patterns.iter().enumerate() {
            trie.insert(pattern, GroupKey(i as u32));
        }
        let mut names = vec![String::new()];
        for _ in 0..4 {
            names =
                names.iter().flat_map(|n| ["a", "b", "c"].map(|s| format!("{n}/{s}"))).chain(names.clone()).collect();
        }
        names.sort();
        names.dedup();
        for name in names.iter().filter(|n| !n.is_empty()) {
            let topic = TopicName::new(&name[1..]).unwrap();
            let expect: Vec<GroupKey> =
                (0..patterns.len()).filter(|i| patterns[*i].matches(&topic)).map(|i| GroupKey(i as u32)).collect();
            assert_eq!(trie.matches(topic.segments()), expect, "{topic}");
        }
        for (i, pattern) in patterns.iter().enumerate() {
            trie.remove(pattern, GroupKey(i as u32));
        }
        assert!(trie.root.is_empty(), "nothing is left behind");
    }
}
