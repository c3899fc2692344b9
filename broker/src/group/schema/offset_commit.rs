//! The value of a committed offset in `__consumer_offsets`.
//!
//! | field | type | versions |
//! |---|---|---|
//! | version | i16 | all |
//! | offset | i64 | all |
//! | leader epoch | i32 | 3+ |
//! | metadata | string (compact in 4) | all |
//! | commit timestamp | i64, ms | all |
//! | expire timestamp | i64, ms | 1 only |
//! | tagged: 0 topic id | uuid | 4+ |
//!
//! Version 1 is written when the client gave an explicit retention (`OffsetCommit` v2 to v4), else
//! version 4. Source: `OffsetCommitValue.json` of Kafka 4.3.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::coordinator::wire::{Reader, SchemaError, Writer};

const NAME: &str = "OffsetCommitValue";
const VERSION_WITH_EXPIRY: i16 = 1;
const VERSION: i16 = 4;
const TOPIC_ID_TAG: u32 = 0;

/// A committed offset as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// The committed offset.
    pub offset: i64,
    /// Leader epoch of the last consumed record; -1 when unknown.
    pub leader_epoch: i32,
    /// Opaque text of the client.
    pub metadata: Arc<str>,
    /// When it was committed, ms since the epoch.
    pub commit_timestamp_ms: i64,
    /// When it expires, ms since the epoch; -1 when the broker's retention decides.
    pub expire_timestamp_ms: i64,
    /// The topic's id; nil when unknown.
    pub topic_id: Uuid,
}

impl OffsetCommitValue {
    /// Encodes the value in the version Kafka 4.3 writes.
    ///
    /// # Errors
    /// When the metadata is too long for its length field.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(2 + 8 + 4 + 5 + self.metadata.len() + 8 + 19);
        if self.expire_timestamp_ms == -1 {
            writer.i16(VERSION);
            writer.i64(self.offset);
            writer.i32(self.leader_epoch);
            writer.compact_string(&self.metadata)?;
            writer.i64(self.commit_timestamp_ms);
            if self.topic_id.is_nil() {
                writer.unsigned_varint(0);
            } else {
                writer.unsigned_varint(1);
                writer.unsigned_varint(TOPIC_ID_TAG);
                writer.unsigned_varint(16);
                writer.uuid(self.topic_id);
            }
        } else {
            writer.i16(VERSION_WITH_EXPIRY);
            writer.i64(self.offset);
            writer.string(&self.metadata)?;
            writer.i64(self.commit_timestamp_ms);
            writer.i64(self.expire_timestamp_ms);
        }
        Ok(writer.finish())
    }

    /// Decodes any version Kafka has written.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        if !(0..=VERSION).contains(&version) {
            return Err(SchemaError::UnsupportedVersion {
                record: NAME,
                version,
            });
        }
        let flexible = version == VERSION;
        let mut value = Self {
            offset: reader.i64()?,
            leader_epoch: if 3 <= version { reader.i32()? } else { -1 },
            metadata: reader.string(flexible)?,
            commit_timestamp_ms: reader.i64()?,
            expire_timestamp_ms: if version == VERSION_WITH_EXPIRY {
                reader.i64()?
            } else {
                -1
            },
            topic_id: Uuid::nil(),
        };
        if flexible {
            reader.tagged_fields(|tag, field| {
                if tag == TOPIC_ID_TAG {
                    value.topic_id = Reader::new(field).uuid()?;
                }
                Ok(())
            })?;
        }
        Ok(value)
    }
}
