//! What opening a log found, in words: one line of what is there, and one for everything that was not as it was left.

use crate::units::bytes_text;
use tidings_log::{Recovery, Stats};

pub(super) fn lines(found: &Recovery, stats: &Stats) -> Vec<String> {
    let (events, topics) = (counted(found.events, "event"), counted(stats.topics as u64, "topic"));
    let mut lines = vec![format!("{events} in {topics} found, in {}", counted(found.segments as u64, "segment"))];
    if let Some(torn) = found.torn {
        lines.push(format!(
            "the end of segment {} was cut off at byte {}: {} that no publisher had an answer for, from event {} on",
            torn.segment,
            torn.offset,
            bytes_text(torn.bytes),
            torn.first_seq
        ));
    }
    for damage in &found.damage {
        let bytes = bytes_text(damage.to - damage.from);
        lines.push(format!(
            "DAMAGED: {bytes} of segment {} at byte {} cannot be read; the rest is served, and readers are told of a gap",
            damage.segment, damage.from
        ));
    }
    for number in &found.headless {
        lines.push(format!("DAMAGED: segment {number} has lost both copies of its header, and is left out"));
    }
    for number in &found.repaired {
        lines.push(format!("one copy of the header of segment {number} was damaged, and is whole again"));
    }
    if !found.rebuilt.is_empty() {
        let numbers: Vec<String> = found.rebuilt.iter().map(u32::to_string).collect();
        lines.push(format!(
            "the indexes of these segments were missing or damaged, and are built anew: {}",
            numbers.join(", ")
        ));
    }
    lines
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_log::{Damage, Torn};

    #[test]
    fn a_log_as_it_was_left_is_one_line() {
        let found = Recovery { segments: 2, events: 7, ..Recovery::default() };
        let stats = Stats { topics: 1, ..Stats::default() };
        assert_eq!(lines(&found, &stats), ["7 events in 1 topic found, in 2 segments"]);
    }

    #[test]
    fn everything_else_has_a_line_with_its_place() {
        let found = Recovery {
            segments: 2,
            events: 7,
            torn: Some(Torn { segment: 2, offset: 8_192, bytes: 512, first_seq: 8 }),
            damage: vec![Damage { segment: 1, from: 8_192, to: 9_216 }],
            headless: vec![4],
            repaired: vec![2],
            rebuilt: vec![1, 2],
        };
        let lines = lines(&found, &Stats::default()).join("\n");
        for says in [
            "segment 2 was cut off at byte 8192: 512 bytes",
            "from event 8 on",
            "1 KiB of segment 1",
            "segment 4",
            "anew: 1, 2",
        ] {
            assert!(lines.contains(says), "{says}: {lines}");
        }
        assert_eq!(lines.lines().count(), 6);
    }
}
