//! The keys of `__consumer_offsets`: an i16 record type, then the fields of that type.
//!
//! | type | key |
//! |---:|---|
//! | 0, 1 | group string, topic string, partition i32 (0 is legacy, 1 is written) |
//! | 2 | group string |
//!
//! Source: `OffsetCommitKey.json`, `GroupMetadataKey.json` of Kafka's group coordinator. Other
//! types belong to the newer group protocols.

use std::sync::Arc;

use bytes::Bytes;

use crate::coordinator::wire::{Reader, SchemaError, Writer};

const OFFSET_COMMIT_LEGACY: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;

/// A decoded key of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKey {
    /// A committed offset.
    OffsetCommit(OffsetCommitKey),
    /// The metadata of a classic group; holds the group id.
    GroupMetadata(Arc<str>),
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

impl RecordKey {
    /// Decodes a key.
    ///
    /// # Errors
    /// When the bytes end early or hold an impossible length.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader::new(bytes);
        match reader.i16()? {
            OFFSET_COMMIT_LEGACY | OFFSET_COMMIT => Ok(Self::OffsetCommit(OffsetCommitKey {
                group_id: reader.string(false)?,
                topic: reader.string(false)?,
                partition: reader.i32()?,
            })),
            GROUP_METADATA => Ok(Self::GroupMetadata(reader.string(false)?)),
            unknown => Ok(Self::Unknown(unknown)),
        }
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

/// Encodes the key of a group's metadata (type 2).
///
/// # Errors
/// When the group id is longer than 32767 bytes.
pub fn encode_group_metadata_key(group_id: &str) -> Result<Bytes, SchemaError> {
    let mut writer = Writer::with_capacity(2 + 2 + group_id.len());
    writer.i16(GROUP_METADATA);
    writer.string(group_id)?;
    Ok(writer.finish())
}
