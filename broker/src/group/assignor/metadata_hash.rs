//! One number for the topics a group is subscribed to: it changes when one of them is created,
//! deleted or changes its partitions or racks, and then the group needs a new target. It is in the
//! record of the group's epoch, so it survives a restart, and it is computed as Kafka 4.1 and later
//! do (`Utils.computeTopicHash`, `computeGroupHash`), so a group keeps its epoch when the log moves
//! between the two.
//!
//! XXH3 with 64 bits over little-endian numbers and strings; a string is its UTF-16 units followed
//! by their count (the form of hash4j, which Kafka uses).
//!
//! | bytes | what, per topic |
//! |---|---|
//! | 1 | version of this layout, 0 |
//! | 8 + 8 | topic id, upper half, then lower half |
//! | string | name |
//! | 4 | partition count |
//! | 4, then per rack 4 + string | per partition: index, length and name of each rack, sorted |
//!
//! The group's hash is over the hashes (8 bytes each) of its topics in the order of their names,
//! and 0 if none of them exists.

use std::collections::BTreeSet;
use std::sync::Arc;

use twox_hash::XxHash3_64;

use super::{DescribedTopic, TopicsImage};

/// The version of the layout of a topic's bytes.
const LAYOUT_VERSION: u8 = 0;

/// The hash of the topics with these names; those that do not exist do not count.
///
/// Costs time linear in the partitions of the topics.
pub fn group_metadata_hash(topic_names: &BTreeSet<Arc<str>>, topics: &dyn TopicsImage) -> i64 {
    let mut bytes = Vec::new();
    for name in topic_names {
        if let Some(topic) = topics.topic(name) {
            bytes.extend(topic_hash(&topic, topics).to_le_bytes());
        }
    }
    if bytes.is_empty() { 0 } else { hash(&bytes) }
}

fn topic_hash(topic: &DescribedTopic, topics: &dyn TopicsImage) -> i64 {
    let mut bytes = vec![LAYOUT_VERSION];
    let (upper, lower) = topic.id.as_u64_pair();
    bytes.extend(upper.to_le_bytes());
    bytes.extend(lower.to_le_bytes());
    put_string(&mut bytes, &topic.name);
    bytes.extend(topic.partition_count.to_le_bytes());
    for partition in 0..topic.partition_count {
        bytes.extend(partition.to_le_bytes());
        let mut racks = topics.partition_racks(topic.id, partition);
        racks.sort();
        for rack in &racks {
            bytes.extend(utf16_len(rack).to_le_bytes());
            put_string(&mut bytes, rack);
        }
    }
    hash(&bytes)
}

fn put_string(bytes: &mut Vec<u8>, string: &str) {
    bytes.extend(string.encode_utf16().flat_map(u16::to_le_bytes));
    bytes.extend(utf16_len(string).to_le_bytes());
}

fn utf16_len(string: &str) -> i32 {
    i32::try_from(string.encode_utf16().count()).expect("names are short")
}

fn hash(bytes: &[u8]) -> i64 {
    XxHash3_64::oneshot(bytes).cast_signed()
}

#[cfg(test)]
mod tests;
