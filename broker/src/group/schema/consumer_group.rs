//! The values of a KIP-848 consumer group as a whole: its epoch, the epoch of its target
//! assignment, the target of one member, and what a regular expression resolved to.
//!
//! | value | fields after the i16 version (0), in compact form |
//! |---|---|
//! | group metadata | epoch i32; tagged 0: metadata hash i64 (absent: 0) |
//! | target assignment metadata | assignment epoch i32; tagged 0: timestamp i64, ms (absent: 0) |
//! | target assignment of a member | array of topic id uuid, partitions array of i32 |
//! | regular expression | topics array of string, version i64, timestamp i64, ms |
//!
//! Sources: `ConsumerGroupMetadataValue.json`, `ConsumerGroupTargetAssignmentMetadataValue.json`,
//! `ConsumerGroupTargetAssignmentMemberValue.json`, `ConsumerGroupRegularExpressionValue.json` of
//! Kafka 4.3. Members are in `consumer_member`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::coordinator::wire::{Reader, SchemaError, Writer};

const VERSION: i16 = 0;
const METADATA_HASH_TAG: u32 = 0;
const ASSIGNMENT_TIMESTAMP_TAG: u32 = 0;

/// Fewest bytes of a topic's partitions: its id, an empty array, no tagged fields.
const TOPIC_BYTES_MIN: usize = 16 + 1 + 1;

/// The epoch of a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroupMetadataValue {
    /// The group epoch.
    pub epoch: i32,
    /// Hash over the subscribed topics; 0 when there are none.
    pub metadata_hash: i64,
}

impl ConsumerGroupMetadataValue {
    /// Encodes the value.
    ///
    /// # Errors
    /// Never; the signature is that of the other values.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(2 + 4 + 11);
        writer.i16(VERSION);
        writer.i32(self.epoch);
        write_tagged_i64(&mut writer, METADATA_HASH_TAG, self.metadata_hash);
        Ok(writer.finish())
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// When the bytes end early or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = start(bytes, "ConsumerGroupMetadataValue")?;
        let epoch = reader.i32()?;
        let metadata_hash = read_tagged_i64(&mut reader, METADATA_HASH_TAG)?;
        Ok(Self {
            epoch,
            metadata_hash,
        })
    }
}

/// The epoch of a consumer group's target assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetAssignmentMetadataValue {
    /// The group epoch the assignment was computed for.
    pub assignment_epoch: i32,
    /// When it was computed, ms since the epoch; 0 when unknown.
    pub assignment_timestamp_ms: i64,
}

impl TargetAssignmentMetadataValue {
    /// Encodes the value.
    ///
    /// # Errors
    /// Never; the signature is that of the other values.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(2 + 4 + 11);
        writer.i16(VERSION);
        writer.i32(self.assignment_epoch);
        write_tagged_i64(
            &mut writer,
            ASSIGNMENT_TIMESTAMP_TAG,
            self.assignment_timestamp_ms,
        );
        Ok(writer.finish())
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// When the bytes end early or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = start(bytes, "ConsumerGroupTargetAssignmentMetadataValue")?;
        let assignment_epoch = reader.i32()?;
        let assignment_timestamp_ms = read_tagged_i64(&mut reader, ASSIGNMENT_TIMESTAMP_TAG)?;
        Ok(Self {
            assignment_epoch,
            assignment_timestamp_ms,
        })
    }
}

/// The partitions a member is to own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetAssignmentMemberValue {
    /// Partitions by topic id.
    pub partitions: BTreeMap<Uuid, BTreeSet<i32>>,
}

impl TargetAssignmentMemberValue {
    /// Encodes the value.
    ///
    /// # Errors
    /// When an array is too long for its length field.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let partitions: usize = self.partitions.values().map(BTreeSet::len).sum();
        let mut writer = Writer::with_capacity(8 + 20 * self.partitions.len() + 4 * partitions);
        writer.i16(VERSION);
        writer.compact_array_length(self.partitions.len())?;
        for (topic_id, partitions) in &self.partitions {
            writer.uuid(*topic_id);
            writer.compact_array_length(partitions.len())?;
            partitions.iter().for_each(|index| writer.i32(*index));
            writer.unsigned_varint(0);
        }
        writer.unsigned_varint(0);
        Ok(writer.finish())
    }

    /// Decodes the value. Of topics that repeat, which no coordinator writes, all are taken.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = start(bytes, "ConsumerGroupTargetAssignmentMemberValue")?;
        let mut value = Self::default();
        for _ in 0..bounded_length(&mut reader, TOPIC_BYTES_MIN)? {
            let topic_id = reader.uuid()?;
            let partitions = value.partitions.entry(topic_id).or_default();
            for _ in 0..bounded_length(&mut reader, 4)? {
                partitions.insert(reader.i32()?);
            }
            reader.tagged_fields(|_, _| Ok(()))?;
        }
        reader.tagged_fields(|_, _| Ok(()))?;
        Ok(value)
    }
}

/// What a regular expression of a consumer group resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegularExpressionValue {
    /// The topics that match.
    pub topics: BTreeSet<Arc<str>>,
    /// Version of the metadata they were found in.
    pub version: i64,
    /// When they were looked for, ms since the epoch.
    pub timestamp_ms: i64,
}

impl RegularExpressionValue {
    /// Encodes the value; the topics in the order of their names, as Kafka writes them.
    ///
    /// # Errors
    /// When an array or a string is too long for its length field.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(24 + 24 * self.topics.len());
        writer.i16(VERSION);
        writer.compact_array_length(self.topics.len())?;
        for topic in &self.topics {
            writer.compact_string(topic)?;
        }
        writer.i64(self.version);
        writer.i64(self.timestamp_ms);
        writer.unsigned_varint(0);
        Ok(writer.finish())
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = start(bytes, "ConsumerGroupRegularExpressionValue")?;
        let mut topics = BTreeSet::new();
        for _ in 0..bounded_length(&mut reader, 1)? {
            topics.insert(reader.string(true)?);
        }
        let value = Self {
            topics,
            version: reader.i64()?,
            timestamp_ms: reader.i64()?,
        };
        reader.tagged_fields(|_, _| Ok(()))?;
        Ok(value)
    }
}

/// Reads the version, of which all these values know one.
pub(super) fn start<'a>(bytes: &'a [u8], record: &'static str) -> Result<Reader<'a>, SchemaError> {
    let mut reader = Reader::new(bytes);
    match reader.i16()? {
        VERSION => Ok(reader),
        version => Err(SchemaError::UnsupportedVersion { record, version }),
    }
}

/// The length of a compact array whose elements take `element_bytes_min` at least; more of them
/// than the bytes can hold is refused before anything is reserved or looped over.
pub(super) fn bounded_length(
    reader: &mut Reader<'_>,
    element_bytes_min: usize,
) -> Result<usize, SchemaError> {
    let length = reader.array_length(true)?;
    let available = reader.remaining();
    match length.checked_mul(element_bytes_min) {
        Some(needed) if needed <= available => Ok(length),
        needed => Err(SchemaError::Truncated {
            needed: needed.unwrap_or(usize::MAX),
            available,
        }),
    }
}

/// Ends a struct with one tagged field, left out when it is 0.
fn write_tagged_i64(writer: &mut Writer, tag: u32, value: i64) {
    if value == 0 {
        writer.unsigned_varint(0);
        return;
    }
    writer.unsigned_varint(1);
    writer.unsigned_varint(tag);
    writer.unsigned_varint(8);
    writer.i64(value);
}

/// Reads the tagged fields at the end of a struct, of which one is known; 0 when it is absent.
fn read_tagged_i64(reader: &mut Reader<'_>, wanted: u32) -> Result<i64, SchemaError> {
    let mut value = 0;
    reader.tagged_fields(|tag, field| {
        if tag == wanted {
            value = Reader::new(field).i64()?;
        }
        Ok(())
    })?;
    Ok(value)
}
