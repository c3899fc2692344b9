//! The values of one member of a KIP-848 consumer group: what it is and subscribes to, and what it
//! owns.
//!
//! | member metadata | type (version 0, compact) |
//! |---|---|
//! | instance id, rack id | nullable string each |
//! | client id, client host | string each |
//! | subscribed topic names | array of string |
//! | subscribed topic regex | nullable string |
//! | rebalance timeout | i32, ms |
//! | server assignor | nullable string |
//! | tagged 0: classic member | varint 0 (none), or 1, session timeout i32 and protocols (name string, metadata bytes) |
//!
//! | current assignment | type (version 0, compact) |
//! |---|---|
//! | member epoch, previous member epoch | i32 each |
//! | state | i8 |
//! | assigned partitions, partitions pending revocation | array of topic each |
//! | - topic | uuid, partitions array of i32, tagged 0: epochs array of i32, one per partition |
//!
//! Tag 0 of the member is written even when there is no classic member: Kafka's generated reader
//! takes its absence for a classic member without protocols. Sources:
//! `ConsumerGroupMemberMetadataValue.json`, `ConsumerGroupCurrentMemberAssignmentValue.json` of
//! Kafka 4.3.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::consumer_group::{bounded_length, start};
use crate::coordinator::wire::{Reader, SchemaError, Writer};

const VERSION: i16 = 0;
const CLASSIC_MEMBER_TAG: u32 = 0;
const ASSIGNMENT_EPOCHS_TAG: u32 = 0;

/// Fewest bytes of a classic protocol: an empty name, no metadata, no tagged fields.
const PROTOCOL_BYTES_MIN: usize = 1 + 1 + 1;
/// Fewest bytes of a topic's partitions: its id, an empty array, no tagged fields.
const TOPIC_BYTES_MIN: usize = 16 + 1 + 1;

/// Assigned partitions of a member: topic id, then partition, then the epoch it was assigned at.
pub type EpochAssignment = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// What a member of a consumer group is and subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMemberMetadataValue {
    /// The group instance id of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The rack, if the client gave one.
    pub rack_id: Option<Arc<str>>,
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's address, as Java prints it ("/127.0.0.1").
    pub client_host: Arc<str>,
    /// The topics subscribed to by name.
    pub subscribed_topic_names: BTreeSet<Arc<str>>,
    /// The regular expression subscribed to; empty or null without.
    pub subscribed_topic_regex: Option<Arc<str>>,
    /// How long the member may take to revoke partitions, ms; -1 when unknown.
    pub rebalance_timeout_ms: i32,
    /// The server-side assignor the member prefers.
    pub server_assignor: Option<Arc<str>>,
    /// Present when the member uses the classic protocol.
    pub classic: Option<ClassicMemberMetadata>,
}

/// What a consumer group knows of a member that uses the classic protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicMemberMetadata {
    /// Its session timeout, ms.
    pub session_timeout_ms: i32,
    /// Name and metadata of the protocols it supports, in its order of preference.
    pub supported_protocols: Vec<(Arc<str>, Bytes)>,
}

impl ConsumerMemberMetadataValue {
    /// Encodes the value.
    ///
    /// # Errors
    /// When an array or a string is too long for its length field.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(128 + 24 * self.subscribed_topic_names.len());
        writer.i16(VERSION);
        writer.nullable_compact_string(self.instance_id.as_deref())?;
        writer.nullable_compact_string(self.rack_id.as_deref())?;
        writer.compact_string(&self.client_id)?;
        writer.compact_string(&self.client_host)?;
        writer.compact_array_length(self.subscribed_topic_names.len())?;
        for topic in &self.subscribed_topic_names {
            writer.compact_string(topic)?;
        }
        writer.nullable_compact_string(self.subscribed_topic_regex.as_deref())?;
        writer.i32(self.rebalance_timeout_ms);
        writer.nullable_compact_string(self.server_assignor.as_deref())?;
        let mut classic = Writer::default();
        match &self.classic {
            None => classic.unsigned_varint(0),
            Some(member) => {
                classic.unsigned_varint(1);
                member.encode_into(&mut classic)?;
            }
        }
        writer.unsigned_varint(1);
        writer.tagged_field(CLASSIC_MEMBER_TAG, &classic.finish())?;
        Ok(writer.finish())
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = start(bytes, "ConsumerGroupMemberMetadataValue")?;
        let instance_id = reader.nullable_string(true)?;
        let rack_id = reader.nullable_string(true)?;
        let client_id = reader.string(true)?;
        let client_host = reader.string(true)?;
        let mut subscribed_topic_names = BTreeSet::new();
        for _ in 0..bounded_length(&mut reader, 1)? {
            subscribed_topic_names.insert(reader.string(true)?);
        }
        let subscribed_topic_regex = reader.nullable_string(true)?;
        let rebalance_timeout_ms = reader.i32()?;
        let server_assignor = reader.nullable_string(true)?;
        let mut classic = Some(ClassicMemberMetadata::default());
        reader.tagged_fields(|tag, field| {
            if tag == CLASSIC_MEMBER_TAG {
                classic = ClassicMemberMetadata::decode_nullable(&mut Reader::new(field))?;
            }
            Ok(())
        })?;
        Ok(Self {
            instance_id,
            rack_id,
            client_id,
            client_host,
            subscribed_topic_names,
            subscribed_topic_regex,
            rebalance_timeout_ms,
            server_assignor,
            classic,
        })
    }
}

impl ClassicMemberMetadata {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), SchemaError> {
        writer.i32(self.session_timeout_ms);
        writer.compact_array_length(self.supported_protocols.len())?;
        for (name, metadata) in &self.supported_protocols {
            writer.compact_string(name)?;
            writer.compact_bytes(metadata)?;
            writer.unsigned_varint(0);
        }
        writer.unsigned_varint(0);
        Ok(())
    }

    fn decode_nullable(reader: &mut Reader<'_>) -> Result<Option<Self>, SchemaError> {
        if reader.unsigned_varint()? == 0 {
            return Ok(None);
        }
        let session_timeout_ms = reader.i32()?;
        let count = bounded_length(reader, PROTOCOL_BYTES_MIN)?;
        let mut supported_protocols = Vec::with_capacity(count);
        for _ in 0..count {
            supported_protocols.push((reader.string(true)?, reader.bytes(true)?));
            reader.tagged_fields(|_, _| Ok(()))?;
        }
        reader.tagged_fields(|_, _| Ok(()))?;
        Ok(Some(Self {
            session_timeout_ms,
            supported_protocols,
        }))
    }
}

/// What a member of a consumer group owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentAssignmentValue {
    /// The epoch expected in the member's next heartbeat; -2 for a static member that is away.
    pub member_epoch: i32,
    /// The epoch before it, which a member says again when an answer was lost.
    pub previous_member_epoch: i32,
    /// Where the member stands between its current and its target assignment.
    pub state: i8,
    /// What the member owns or may take.
    pub assigned_partitions: EpochAssignment,
    /// What the member has to give up first.
    pub partitions_pending_revocation: EpochAssignment,
}

impl CurrentAssignmentValue {
    /// Encodes the value.
    ///
    /// # Errors
    /// When an array is too long for its length field.
    pub fn encode(&self) -> Result<Bytes, SchemaError> {
        let mut writer = Writer::with_capacity(32 + 64 * self.assigned_partitions.len());
        writer.i16(VERSION);
        writer.i32(self.member_epoch);
        writer.i32(self.previous_member_epoch);
        writer.i8(self.state);
        encode_assignment(&mut writer, &self.assigned_partitions)?;
        encode_assignment(&mut writer, &self.partitions_pending_revocation)?;
        writer.unsigned_varint(0);
        Ok(writer.finish())
    }

    /// Decodes the value. Records older than Kafka 4.3 have no epochs per partition: the member's
    /// takes their place, or 0 for a static member that is away.
    ///
    /// # Errors
    /// When the bytes end early, hold an impossible length, or the version is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = start(bytes, "ConsumerGroupCurrentMemberAssignmentValue")?;
        let member_epoch = reader.i32()?;
        let previous_member_epoch = reader.i32()?;
        let state = reader.i8()?;
        let epoch = member_epoch.max(0);
        let assigned_partitions = decode_assignment(&mut reader, epoch)?;
        let partitions_pending_revocation = decode_assignment(&mut reader, epoch)?;
        reader.tagged_fields(|_, _| Ok(()))?;
        Ok(Self {
            member_epoch,
            previous_member_epoch,
            state,
            assigned_partitions,
            partitions_pending_revocation,
        })
    }
}

fn encode_assignment(writer: &mut Writer, assignment: &EpochAssignment) -> Result<(), SchemaError> {
    writer.compact_array_length(assignment.len())?;
    for (topic_id, partitions) in assignment {
        writer.uuid(*topic_id);
        writer.compact_array_length(partitions.len())?;
        partitions.keys().for_each(|index| writer.i32(*index));
        let mut epochs = Writer::default();
        epochs.compact_array_length(partitions.len())?;
        partitions.values().for_each(|epoch| epochs.i32(*epoch));
        writer.unsigned_varint(1);
        writer.tagged_field(ASSIGNMENT_EPOCHS_TAG, &epochs.finish())?;
    }
    Ok(())
}

fn decode_assignment(
    reader: &mut Reader<'_>,
    default_epoch: i32,
) -> Result<EpochAssignment, SchemaError> {
    let mut assignment = EpochAssignment::new();
    for _ in 0..bounded_length(reader, TOPIC_BYTES_MIN)? {
        let topic_id = reader.uuid()?;
        let partitions = decode_i32s(reader)?;
        let mut epochs = Vec::new();
        reader.tagged_fields(|tag, field| {
            // A null array has length 0 as a varint, and is as good as none.
            if tag == ASSIGNMENT_EPOCHS_TAG && field != [0] {
                epochs = decode_i32s(&mut Reader::new(field))?;
            }
            Ok(())
        })?;
        let of_topic = assignment.entry(topic_id).or_default();
        if epochs.len() == partitions.len() {
            of_topic.extend(partitions.into_iter().zip(epochs));
        } else {
            of_topic.extend(partitions.into_iter().map(|index| (index, default_epoch)));
        }
    }
    Ok(assignment)
}

fn decode_i32s(reader: &mut Reader<'_>) -> Result<Vec<i32>, SchemaError> {
    let count = bounded_length(reader, 4)?;
    (0..count).map(|_| reader.i32()).collect()
}
