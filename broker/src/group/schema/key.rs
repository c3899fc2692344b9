//! The keys of `__consumer_offsets`: an i16 record type, then the fields of that type.
//!
//! | type | key |
//! |---:|---|
//! | 0, 1 | offset commit: group string, topic string, partition i32 (0 is legacy, 1 is written) |
//! | 2 | classic group: group string |
//! | 3 | consumer group: group string |
//! | 4 | partition metadata of a consumer group before Kafka 4.1: group string |
//! | 5 | member of a consumer group: group string, member string |
//! | 6 | target assignment of a consumer group: group string |
//! | 7 | target assignment of a member: group string, member string |
//! | 8 | current assignment of a member: group string, member string |
//! | 16 | regular expression of a consumer group: group string, expression string |
//!
//! Source: the `*Key.json` of Kafka's group coordinator. Other types belong to share and streams
//! groups.

use std::sync::Arc;

use bytes::Bytes;

use crate::coordinator::wire::{Reader, SchemaError, Writer};

const OFFSET_COMMIT_LEGACY: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;
const CONSUMER_GROUP_METADATA: i16 = 3;
const CONSUMER_GROUP_PARTITION_METADATA: i16 = 4;
const CONSUMER_GROUP_MEMBER_METADATA: i16 = 5;
const CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA: i16 = 6;
const CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER: i16 = 7;
const CONSUMER_GROUP_CURRENT_ASSIGNMENT: i16 = 8;
const CONSUMER_GROUP_REGULAR_EXPRESSION: i16 = 16;

/// A decoded key of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKey {
    /// A committed offset.
    OffsetCommit(OffsetCommitKey),
    /// The metadata of a classic group; holds the group id.
    GroupMetadata(Arc<str>),
    /// Something of a consumer group (KIP-848).
    ConsumerGroup {
        /// The group id.
        group_id: Arc<str>,
        /// What of it.
        part: ConsumerGroupKey,
    },
    /// A record type this broker does not know; such records are skipped on load.
    Unknown(i16),
}

/// What a committed offset is filed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitKey {
    /// The group id.
    pub group_id: Arc<str>,
    /// The topic name.
    pub topic: Arc<str>,
    /// The partition of the topic.
    pub partition: i32,
}

/// What a record of a consumer group is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConsumerGroupKey {
    /// The group's epoch.
    Metadata,
    /// What the group knew of its topics before Kafka 4.1.
    LegacyPartitionMetadata,
    /// A member, by its id.
    Member(Arc<str>),
    /// The epoch of the target assignment.
    TargetAssignment,
    /// The target assignment of a member, by its id.
    TargetAssignmentMember(Arc<str>),
    /// The current assignment of a member, by its id.
    CurrentAssignment(Arc<str>),
    /// What the regular expression resolved to.
    RegularExpression(Arc<str>),
}

impl RecordKey {
    /// Decodes a key.
    ///
    /// # Errors
    /// When the bytes end early or hold an impossible length.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader::new(bytes);
        let record_type = reader.i16()?;
        match record_type {
            OFFSET_COMMIT_LEGACY | OFFSET_COMMIT => {
                return Ok(Self::OffsetCommit(OffsetCommitKey {
                    group_id: reader.string(false)?,
                    topic: reader.string(false)?,
                    partition: reader.i32()?,
                }));
            }
            GROUP_METADATA => return Ok(Self::GroupMetadata(reader.string(false)?)),
            CONSUMER_GROUP_METADATA..=CONSUMER_GROUP_CURRENT_ASSIGNMENT
            | CONSUMER_GROUP_REGULAR_EXPRESSION => {}
            unknown => return Ok(Self::Unknown(unknown)),
        }
        let group_id = reader.string(false)?;
        let part = match record_type {
            CONSUMER_GROUP_METADATA => ConsumerGroupKey::Metadata,
            CONSUMER_GROUP_PARTITION_METADATA => ConsumerGroupKey::LegacyPartitionMetadata,
            CONSUMER_GROUP_MEMBER_METADATA => ConsumerGroupKey::Member(reader.string(false)?),
            CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA => ConsumerGroupKey::TargetAssignment,
            CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER => {
                ConsumerGroupKey::TargetAssignmentMember(reader.string(false)?)
            }
            CONSUMER_GROUP_CURRENT_ASSIGNMENT => {
                ConsumerGroupKey::CurrentAssignment(reader.string(false)?)
            }
            _ => ConsumerGroupKey::RegularExpression(reader.string(false)?),
        };
        Ok(Self::ConsumerGroup { group_id, part })
    }
}

impl ConsumerGroupKey {
    /// Encodes the key of this part of a consumer group.
    ///
    /// # Errors
    /// When the group id, member id or expression is longer than 32767 bytes.
    pub fn encode(&self, group_id: &str) -> Result<Bytes, SchemaError> {
        let (record_type, name) = match self {
            Self::Metadata => (CONSUMER_GROUP_METADATA, None),
            Self::LegacyPartitionMetadata => (CONSUMER_GROUP_PARTITION_METADATA, None),
            Self::Member(id) => (CONSUMER_GROUP_MEMBER_METADATA, Some(id)),
            Self::TargetAssignment => (CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA, None),
            Self::TargetAssignmentMember(id) => (CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER, Some(id)),
            Self::CurrentAssignment(id) => (CONSUMER_GROUP_CURRENT_ASSIGNMENT, Some(id)),
            Self::RegularExpression(regex) => (CONSUMER_GROUP_REGULAR_EXPRESSION, Some(regex)),
        };
        let name_bytes = name.map_or(0, |name| name.len() + 2);
        let mut writer = Writer::with_capacity(2 + 2 + group_id.len() + name_bytes);
        writer.i16(record_type);
        writer.string(group_id)?;
        if let Some(name) = name {
            writer.string(name)?;
        }
        Ok(writer.finish())
    }
}

/// Encodes the key of a committed offset (type 1).
///
/// # Errors
/// When the group id or topic name is longer than 32767 bytes.
pub fn encode_offset_commit_key(
    group_id: &str,
    topic: &str,
    partition: i32,
) -> Result<Bytes, SchemaError> {
    let mut writer = Writer::with_capacity(2 + 2 + group_id.len() + 2 + topic.len() + 4);
    writer.i16(OFFSET_COMMIT);
    writer.string(group_id)?;
    writer.string(topic)?;
    writer.i32(partition);
    Ok(writer.finish())
}

/// Encodes the key of a classic group's metadata (type 2).
///
/// # Errors
/// When the group id is longer than 32767 bytes.
pub fn encode_group_metadata_key(group_id: &str) -> Result<Bytes, SchemaError> {
    let mut writer = Writer::with_capacity(2 + 2 + group_id.len());
    writer.i16(GROUP_METADATA);
    writer.string(group_id)?;
    Ok(writer.finish())
}
