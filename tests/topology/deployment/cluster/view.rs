//! How a node sees its cluster.

use std::ops::RangeInclusive;

use crate::deployment::node::Node;

/// One line of `CLUSTER NODES`.
pub struct Member {
    pub id: String,
    /// The id of its master, or `-`.
    pub master: String,
    pub is_connected: bool,
    flags: Vec<String>,
    slots: Vec<RangeInclusive<u16>>,
}

/// What this node says of all that it knows.
pub fn view(node: &Node) -> Vec<Member> {
    node.command(&["CLUSTER", "NODES"])
        .text()
        .lines()
        .map(Member::read)
        .collect()
}

impl Member {
    /// Reads `id address flags master pinged ponged epoch link slots…`.
    fn read(line: &str) -> Self {
        let words: Vec<_> = line.split_whitespace().collect();
        let flags: Vec<_> = words[2].split(',').map(ToOwned::to_owned).collect();
        Self {
            id: words[0].to_owned(),
            master: words[3].to_owned(),
            is_connected: words[7] == "connected" && !flags.iter().any(|flag| flag == "handshake"),
            flags,
            slots: words[8..].iter().filter_map(|word| read_range(word)).collect(),
        }
    }

    /// Neither said to be down nor suspected.
    pub fn is_well(&self) -> bool {
        self.is_connected && !self.flags.iter().any(|flag| flag.starts_with("fail"))
    }

    pub fn is_replica(&self) -> bool {
        self.master != "-"
    }

    pub fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    pub fn first_slot(&self) -> Option<u16> {
        self.slots.first().map(|range| *range.start())
    }

    pub fn slot_count(&self) -> usize {
        self.slots.iter().map(ExactSizeIterator::len).sum()
    }
}

/// Reads `7` and `0-5460`, and passes over slots on their way, as `[7->-id]`.
fn read_range(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
