//! The `.snapshot` file: producer state from all batches below the offset in its name. Pure; the
//! drain writes one when it rolls, closing a log writes one, opening reads the newest.
//! (Kafka `ProducerSnapshot.json`.)
//!
//! | offset | bytes | type | meaning |
//! |---:|---:|---|---|
//! | 0 | 2 | i16 | version, 1 |
//! | 2 | 4 | u32 | CRC-32C of the bytes from 6 on |
//! | 6 | 4 | i32 | number of producers |
//! | 10 | 46 each | | producers, see below |
//!
//! A producer: id i64, epoch i16, last sequence i32, last offset i64, offset delta i32, timestamp
//! i64, coordinator epoch i32, first offset of its open transaction i64 (-1 none).
//!
//! Kafka has only the last batch of a producer there, and after a restart refuses the others as out
//! of order when a client asks for the answers it did not get. Here each of the remembered batches
//! has an entry, oldest first: of entries of the same producer Kafka takes the last one.

use super::producer_entry::{BatchMetadata, ProducerEntry};
use super::producer_state::ProducerState;

const VERSION: i16 = 1;
const CRC_END: usize = 6;
const HEAD_BYTES: usize = CRC_END + 4;
const ENTRY_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;
/// What a producer has that wrote nothing but markers in its epoch.
const NO_BATCH: BatchMetadata = BatchMetadata {
    last_sequence: -1,
    last_offset: -1,
    offset_delta: 0,
    timestamp: -1,
};

/// The whole file.
pub(crate) fn encode_snapshot(state: &ProducerState) -> Vec<u8> {
    let entries = state.iter().map(|(_, entry)| entry.batches().len().max(1));
    let count: usize = entries.sum();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + count * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let count = i32::try_from(count).expect("fewer than 2^31 batches fit into memory");
    bytes.extend_from_slice(&count.to_be_bytes());
    for (producer_id, entry) in state.iter() {
        let (last, older) = match entry.batches().split_last() {
            Some((last, older)) => (*last, older),
            None => (NO_BATCH, [].as_slice()),
        };
        for batch in older {
            put_entry(&mut bytes, producer_id, entry, batch, None);
        }
        let last = BatchMetadata {
            timestamp: entry.last_timestamp,
            ..last
        };
        put_entry(
            &mut bytes,
            producer_id,
            entry,
            &last,
            entry.txn_first_offset,
        );
    }
    let crc = crc32c::crc32c(&bytes[CRC_END..]);
    bytes[2..CRC_END].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn put_entry(
    bytes: &mut Vec<u8>,
    producer_id: i64,
    entry: &ProducerEntry,
    batch: &BatchMetadata,
    txn_first_offset: Option<i64>,
) {
    bytes.extend_from_slice(&producer_id.to_be_bytes());
    bytes.extend_from_slice(&entry.epoch.to_be_bytes());
    bytes.extend_from_slice(&batch.last_sequence.to_be_bytes());
    bytes.extend_from_slice(&batch.last_offset.to_be_bytes());
    bytes.extend_from_slice(&batch.offset_delta.to_be_bytes());
    bytes.extend_from_slice(&batch.timestamp.to_be_bytes());
    bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
    bytes.extend_from_slice(&txn_first_offset.unwrap_or(-1).to_be_bytes());
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}

/// Reads a whole file; `None` when version, CRC or length is wrong.
pub(crate) fn decode_snapshot(bytes: &[u8]) -> Option<ProducerState> {
    let mut fields = Fields(bytes);
    let version = i16::from_be_bytes(fields.take()?);
    let crc = u32::from_be_bytes(fields.take()?);
    if version != VERSION || crc != crc32c::crc32c(fields.0) {
        return None;
    }
    let count = usize::try_from(i32::from_be_bytes(fields.take()?)).ok()?;
    if fields.0.len() != count.checked_mul(ENTRY_BYTES)? {
        return None;
    }
    let mut state = ProducerState::default();
    for _ in 0..count {
        let producer_id = i64::from_be_bytes(fields.take()?);
        let mut entry = ProducerEntry::default();
        entry.set_epoch(i16::from_be_bytes(fields.take()?));
        let batch = BatchMetadata {
            last_sequence: i32::from_be_bytes(fields.take()?),
            last_offset: i64::from_be_bytes(fields.take()?),
            offset_delta: i32::from_be_bytes(fields.take()?),
            timestamp: i64::from_be_bytes(fields.take()?),
        };
        if 0 <= batch.last_offset {
            entry.add_batch(batch);
        }
        entry.last_timestamp = batch.timestamp;
        entry.coordinator_epoch = i32::from_be_bytes(fields.take()?);
        let first_offset = i64::from_be_bytes(fields.take()?);
        entry.txn_first_offset = (0 <= first_offset).then_some(first_offset);
        state.restore(producer_id, entry);
    }
    Some(state)
}
