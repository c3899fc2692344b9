//! The value of a transactional id in `__transaction_state`.
//!
//! | field | type | meaning |
//! |---|---|---|
//! | version | i16 | 0, or 1 = flexible: compact strings and arrays, tagged fields |
//! | producer id | i64 | |
//! | producer epoch | i16 | |
//! | transaction timeout | i32 | ms |
//! | state | i8 | number of the state |
//! | partitions | nullable array of {topic string, array of i32} | null when Empty |
//! | last update | i64 | ms since the epoch |
//! | start | i64 | ms since the epoch; -1 before the first transaction |
//! | tagged: 0 previous producer id | i64 | v1; left out when -1 |
//! | tagged: 1 next producer id | i64 | v1; left out when -1 |
//! | tagged: 2 client transaction version | i16 | v1; left out when 0 |
//!
//! Version 1 is written when the cluster's `transaction.version` is 1 or more. Tag 3 (next epoch,
//! KIP-939) is not written by Kafka 4.3 either and skipped when read. Source:
//! `TransactionLogValue.json` and `TransactionLog` of Kafka's transaction coordinator.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::coordinator::SchemaError;
use crate::coordinator::wire::{Reader, Writer};
use crate::txn::metadata::TransactionMetadata;
use crate::txn::producer::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID};
use crate::txn::state::TransactionState;
use crate::txn::topic_partition::TopicPartition;

const NAME: &str = "TransactionLogValue";
/// First flexible version, and the newest.
const FLEXIBLE_VERSION: i16 = 1;

const PREVIOUS_PRODUCER_ID_TAG: u32 = 0;
const NEXT_PRODUCER_ID_TAG: u32 = 1;
const CLIENT_VERSION_TAG: u32 = 2;

/// Encodes what is known of an id, in the version that goes with `transaction_version`.
///
/// # Errors
/// When a topic's name is too long for its length field.
pub(crate) fn encode_value(
    metadata: &TransactionMetadata,
    transaction_version: i16,
) -> Result<Bytes, SchemaError> {
    let is_flexible = 1 <= transaction_version;
    let mut writer = Writer::with_capacity(96 + 32 * metadata.partitions.len());
    writer.i16(if is_flexible { FLEXIBLE_VERSION } else { 0 });
    writer.i64(metadata.producer_id);
    writer.i16(metadata.producer_epoch);
    writer.i32(metadata.timeout_ms);
    writer.i8(metadata.state.id());
    write_partitions(&mut writer, metadata, is_flexible)?;
    writer.i64(metadata.last_update_ms);
    writer.i64(metadata.start_ms);
    if is_flexible {
        write_tagged_fields(&mut writer, metadata);
    }
    Ok(writer.finish())
}

fn write_partitions(
    writer: &mut Writer,
    metadata: &TransactionMetadata,
    is_flexible: bool,
) -> Result<(), SchemaError> {
    if metadata.state == TransactionState::Empty {
        if is_flexible {
            writer.unsigned_varint(0);
        } else {
            writer.i32(-1);
        }
        return Ok(());
    }
    // Ordered, so the partitions of a topic follow each other.
    let partitions: Vec<&TopicPartition> = metadata.partitions.iter().collect();
    let topics: Vec<&[&TopicPartition]> = partitions
        .chunk_by(|left, right| left.topic == right.topic)
        .collect();
    write_array_length(writer, topics.len(), is_flexible)?;
    for topic in topics {
        let name = topic.first().map_or("", |partition| &partition.topic);
        if is_flexible {
            writer.compact_string(name)?;
        } else {
            writer.string(name)?;
        }
        write_array_length(writer, topic.len(), is_flexible)?;
        for partition in topic {
            writer.i32(partition.partition);
        }
        if is_flexible {
            writer.unsigned_varint(0);
        }
    }
    Ok(())
}

fn write_array_length(
    writer: &mut Writer,
    length: usize,
    is_flexible: bool,
) -> Result<(), SchemaError> {
    if is_flexible {
        writer.compact_array_length(length)
    } else {
        writer.array_length(length)
    }
}

fn write_tagged_fields(writer: &mut Writer, metadata: &TransactionMetadata) {
    let producer_ids = [
        (PREVIOUS_PRODUCER_ID_TAG, metadata.previous_producer_id),
        (NEXT_PRODUCER_ID_TAG, metadata.next_producer_id),
    ];
    let producer_ids = producer_ids
        .into_iter()
        .filter(|(_, id)| *id != NO_PRODUCER_ID);
    let has_version = metadata.client_version != 0;
    let count = producer_ids.clone().map(|_| 1).sum::<u32>() + u32::from(has_version);
    writer.unsigned_varint(count);
    for (tag, producer_id) in producer_ids {
        writer.unsigned_varint(tag);
        writer.unsigned_varint(8);
        writer.i64(producer_id);
    }
    if has_version {
        writer.unsigned_varint(CLIENT_VERSION_TAG);
        writer.unsigned_varint(2);
        writer.i16(metadata.client_version);
    }
}

/// Decodes either version.
///
/// # Errors
/// When the bytes end early, hold an impossible length, or a version or state that is unknown.
pub(crate) fn decode_value(bytes: &[u8]) -> Result<TransactionMetadata, SchemaError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if !(0..=FLEXIBLE_VERSION).contains(&version) {
        return Err(SchemaError::UnsupportedVersion {
            record: NAME,
            version,
        });
    }
    let is_flexible = version == FLEXIBLE_VERSION;
    let producer_id = reader.i64()?;
    let producer_epoch = reader.i16()?;
    let timeout_ms = reader.i32()?;
    let state = reader.i8()?;
    let state = TransactionState::from_id(state).ok_or(SchemaError::InvalidValue {
        field: "transaction state",
        value: state.into(),
    })?;
    let mut metadata = TransactionMetadata {
        producer_id,
        previous_producer_id: NO_PRODUCER_ID,
        next_producer_id: NO_PRODUCER_ID,
        producer_epoch,
        last_producer_epoch: NO_PRODUCER_EPOCH,
        timeout_ms,
        state,
        partitions: Arc::new(read_partitions(&mut reader, is_flexible)?),
        last_update_ms: reader.i64()?,
        start_ms: reader.i64()?,
        client_version: 0,
    };
    if is_flexible {
        reader.tagged_fields(|tag, field| {
            let mut field = Reader::new(field);
            match tag {
                PREVIOUS_PRODUCER_ID_TAG => metadata.previous_producer_id = field.i64()?,
                NEXT_PRODUCER_ID_TAG => metadata.next_producer_id = field.i64()?,
                CLIENT_VERSION_TAG => metadata.client_version = field.i16()?,
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(metadata)
}

/// The partitions; null is none.
fn read_partitions(
    reader: &mut Reader<'_>,
    is_flexible: bool,
) -> Result<BTreeSet<TopicPartition>, SchemaError> {
    let mut partitions = BTreeSet::new();
    // Every element takes bytes, so a length that is made up ends at the end of the record.
    for _ in 0..reader.nullable_array_length(is_flexible)?.unwrap_or(0) {
        let topic = reader.string(is_flexible)?;
        for _ in 0..reader.array_length(is_flexible)? {
            let partition = reader.i32()?;
            partitions.insert(TopicPartition::new(Arc::clone(&topic), partition));
        }
        if is_flexible {
            reader.tagged_fields(|_, _| Ok(()))?;
        }
    }
    Ok(partitions)
}
