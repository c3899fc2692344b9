//! Control records: the batches a coordinator writes into a log beside the producers' data.
//!
//! Only end-transaction markers are built here; other types are recognised. Used by the
//! transaction coordinator's side (WriteTxnMarkers) and by the engine's producer state.
//!
//! | | bytes | type | field |
//! |---|---:|---|---|
//! | key | 2 | i16 | version, 0 |
//! | | 2 | i16 | type |
//! | value of an end-transaction marker | 2 | i16 | version, 0 |
//! | | 4 | i32 | coordinator epoch |
//!
//! Source: Kafka `ControlRecordType`, `EndTransactionMarker`.

use bytes::{BufMut, BytesMut};

use crate::batch_builder::BatchBuilder;
use crate::batch_header::NO_SEQUENCE;
use crate::codec::Codec;
use crate::error::RecordError;
use crate::record::Record;

const VERSION: i16 = 0;
const KEY_BYTES: usize = 4;
const MARKER_VALUE_BYTES: usize = 6;

/// What a control record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlRecordType {
    /// The producer's transaction in this partition is aborted. Type 0.
    Abort,
    /// The producer's transaction in this partition is committed. Type 1.
    Commit,
    /// A KRaft type: 2 leader change, 3 snapshot header, 4 snapshot footer, 5 KRaft version,
    /// 6 KRaft voters; or one unknown to Kafka 4.3, which readers skip.
    Other(i16),
}

impl ControlRecordType {
    /// Reads the type from a control record's key.
    ///
    /// # Errors
    /// [`RecordError::MalformedControlRecord`] for a short key or a negative version. Later
    /// versions are read as version 0, of which they are extensions.
    pub fn parse(key: &[u8]) -> Result<ControlRecordType, RecordError> {
        let malformed = RecordError::MalformedControlRecord { what: "key" };
        let Some([v0, v1, t0, t1]) = key.first_chunk::<KEY_BYTES>() else {
            return Err(malformed);
        };
        if i16::from_be_bytes([*v0, *v1]) < VERSION {
            return Err(malformed);
        }
        Ok(match i16::from_be_bytes([*t0, *t1]) {
            0 => ControlRecordType::Abort,
            1 => ControlRecordType::Commit,
            other => ControlRecordType::Other(other),
        })
    }

    /// The type's number.
    #[must_use]
    pub const fn id(self) -> i16 {
        match self {
            ControlRecordType::Abort => 0,
            ControlRecordType::Commit => 1,
            ControlRecordType::Other(id) => id,
        }
    }
}

/// How a transaction ended in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Whether the transaction is committed, not aborted.
    pub is_commit: bool,
    /// Epoch of the transaction coordinator that says so.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads the marker of a record of a control batch, or `None` when it is another control
    /// record.
    ///
    /// # Errors
    /// [`RecordError::MalformedControlRecord`] for a missing or short key or value, or a negative
    /// version.
    pub fn parse(record: &Record<'_>) -> Result<Option<EndTransactionMarker>, RecordError> {
        let is_commit = match ControlRecordType::parse(record.key.unwrap_or_default())? {
            ControlRecordType::Abort => false,
            ControlRecordType::Commit => true,
            ControlRecordType::Other(_) => return Ok(None),
        };
        let malformed = RecordError::MalformedControlRecord { what: "value" };
        let value = record.value.unwrap_or_default();
        let Some([v0, v1, epoch @ ..]) = value.first_chunk::<MARKER_VALUE_BYTES>() else {
            return Err(malformed);
        };
        if i16::from_be_bytes([*v0, *v1]) < VERSION {
            return Err(malformed);
        }
        Ok(Some(EndTransactionMarker {
            is_commit,
            coordinator_epoch: i32::from_be_bytes(*epoch),
        }))
    }

    /// The marker as a batch: one uncompressed record, transactional, without a sequence number.
    /// Base offset and leader epoch are left to the append.
    ///
    /// # Errors
    /// None for any argument; the type is that of [`BatchBuilder::finish`].
    pub fn build_batch(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        timestamp_ms: i64,
    ) -> Result<BytesMut, RecordError> {
        let mut key = [0; KEY_BYTES];
        let mut out = key.as_mut_slice();
        out.put_i16(VERSION);
        let control_type = if self.is_commit {
            ControlRecordType::Commit
        } else {
            ControlRecordType::Abort
        };
        out.put_i16(control_type.id());
        let mut value = [0; MARKER_VALUE_BYTES];
        let mut out = value.as_mut_slice();
        out.put_i16(VERSION);
        out.put_i32(self.coordinator_epoch);
        let mut builder = BatchBuilder::new()
            .producer(producer_id, producer_epoch, NO_SEQUENCE)
            .transactional()
            .control();
        builder.append(timestamp_ms, Some(&key), Some(&value), [])?;
        builder.finish(Codec::None, None)
    }
}

#[cfg(test)]
mod tests;
