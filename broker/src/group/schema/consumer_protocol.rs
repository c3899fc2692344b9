//! The consumer embedded protocol: what consumers of the classic protocol tell each other through
//! the broker. The broker reads and writes it where it serves such members in a group of the
//! consumer protocol (`group::migration`); elsewhere it passes it on unread.
//!
//! | subscription | type |
//! |---|---|
//! | version | i16, 0 to 3; a newer one is read as 3 |
//! | topics | array of string |
//! | user data | nullable bytes |
//! | owned partitions (1 and newer) | array of: topic string, partitions array of i32 |
//! | generation (2 and newer) | i32 |
//! | rack id (3 and newer) | nullable string |
//!
//! | assignment | type |
//! |---|---|
//! | version | i16, 0 to 3, all alike |
//! | assigned partitions | array of: topic string, partitions array of i32 |
//! | user data | nullable bytes |
//!
//! Nothing is flexible; bytes that follow are passed over. Sources:
//! `ConsumerProtocolSubscription.json`, `ConsumerProtocolAssignment.json` of Kafka 4.3.

use std::sync::Arc;

use bytes::Bytes;

use crate::coordinator::wire::{Reader, SchemaError, Writer};

/// The newest version there is.
const VERSION_MAX: i16 = 3;

/// Partitions by topic name, as they come.
pub(crate) type NamedPartitions = Vec<(Arc<str>, Vec<i32>)>;

/// What a consumer says when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) version: i16,
    pub(crate) topics: Vec<Arc<str>>,
    /// What it still owns; nothing with the eager rebalance protocol.
    pub(crate) owned_partitions: NamedPartitions,
    pub(crate) rack_id: Option<Arc<str>>,
}

impl Subscription {
    /// Decodes the metadata of a consumer's JoinGroup.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is negative.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader, "ConsumerProtocolSubscription")?;
        let count = reader.array_length(false)?;
        // A topic name takes its length field at least.
        let mut topics = Vec::with_capacity(count.min(reader.remaining() / 2));
        for _ in 0..count {
            topics.push(reader.string(false)?);
        }
        skip_user_data(&mut reader)?;
        let mut subscription = Self {
            version,
            topics,
            owned_partitions: Vec::new(),
            rack_id: None,
        };
        if 1 <= version {
            subscription.owned_partitions = named_partitions(&mut reader)?;
        }
        if 2 <= version {
            reader.i32()?;
        }
        if 3 <= version {
            let rack_id = reader.nullable_string(false)?;
            subscription.rack_id = rack_id.filter(|rack_id| !rack_id.is_empty());
        }
        Ok(subscription)
    }
}

/// What the leader, or the broker in its place, gives a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerAssignment {
    pub(crate) partitions: NamedPartitions,
    /// Whether the leader's assignor left a note for its members, which nobody else can.
    pub(crate) has_user_data: bool,
}

impl ConsumerAssignment {
    /// Decodes the assignment of a member.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is negative.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader::new(bytes);
        version(&mut reader, "ConsumerProtocolAssignment")?;
        Ok(Self {
            partitions: named_partitions(&mut reader)?,
            has_user_data: 0 < skip_user_data(&mut reader)?,
        })
    }

    /// Encodes partitions without user data, in this version.
    ///
    /// # Errors
    /// When an array or a string is too long for its length field.
    pub(crate) fn encode(
        version: i16,
        partitions: &[(Arc<str>, Vec<i32>)],
    ) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(64);
        writer.i16(version);
        writer.array_length(partitions.len())?;
        for (topic, indexes) in partitions {
            writer.string(topic)?;
            writer.array_length(indexes.len())?;
            indexes.iter().for_each(|index| writer.i32(*index));
        }
        writer.i32(-1);
        Ok(writer.finish())
    }
}

fn version(reader: &mut Reader<'_>, record: &'static str) -> Result<i16, SchemaError> {
    let version = reader.i16()?;
    if version < 0 {
        return Err(SchemaError::UnsupportedVersion { record, version });
    }
    Ok(version.min(VERSION_MAX))
}

/// Passes over nullable bytes; how many there were.
fn skip_user_data(reader: &mut Reader<'_>) -> Result<usize, SchemaError> {
    let mut peeked = *reader;
    if peeked.i32()? == -1 {
        *reader = peeked;
        return Ok(0);
    }
    Ok(reader.bytes(false)?.len())
}

fn named_partitions(reader: &mut Reader<'_>) -> Result<NamedPartitions, SchemaError> {
    let count = reader.array_length(false)?;
    // A name and an array take their length fields at least.
    let mut topics = Vec::with_capacity(count.min(reader.remaining() / 6));
    for _ in 0..count {
        let topic = reader.string(false)?;
        let len = reader.array_length(false)?;
        let mut partitions = Vec::with_capacity(len.min(reader.remaining() / 4));
        for _ in 0..len {
            partitions.push(reader.i32()?);
        }
        topics.push((topic, partitions));
    }
    Ok(topics)
}

#[cfg(test)]
mod tests;
