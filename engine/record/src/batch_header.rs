//! The fixed 61 bytes at the start of every record batch: read, checked for shape, written.
//!
//! Not here: the CRC check (it needs the whole batch, see [`crate::Batch`]) and the records.
//! Used by everything that walks a log; it reads headers only.
//!
//! Source: Kafka `DefaultRecordBatch`, format version 2 (KIP-98).

use bytes::BufMut;

use crate::attributes::{Attributes, TimestampType};
use crate::error::RecordError;

/// Position of the base offset, i64.
pub const BASE_OFFSET_POSITION: usize = 0;
/// Position of the batch length, i32: bytes after this field.
pub const BATCH_LENGTH_POSITION: usize = BASE_OFFSET_POSITION + 8;
/// Position of the partition leader epoch, i32.
pub const PARTITION_LEADER_EPOCH_POSITION: usize = BATCH_LENGTH_POSITION + 4;
/// Position of the magic byte, i8; the same in all message formats.
pub const MAGIC_POSITION: usize = PARTITION_LEADER_EPOCH_POSITION + 4;
/// Position of the CRC, u32.
pub const CRC_POSITION: usize = MAGIC_POSITION + 1;
/// Position of the attributes, i16. The CRC covers the batch from here to its end.
pub const ATTRIBUTES_POSITION: usize = CRC_POSITION + 4;
/// Position of the last offset delta, i32.
pub const LAST_OFFSET_DELTA_POSITION: usize = ATTRIBUTES_POSITION + 2;
/// Position of the base timestamp, i64 ms.
pub const BASE_TIMESTAMP_POSITION: usize = LAST_OFFSET_DELTA_POSITION + 4;
/// Position of the max timestamp, i64 ms.
pub const MAX_TIMESTAMP_POSITION: usize = BASE_TIMESTAMP_POSITION + 8;
/// Position of the producer id, i64.
pub const PRODUCER_ID_POSITION: usize = MAX_TIMESTAMP_POSITION + 8;
/// Position of the producer epoch, i16.
pub const PRODUCER_EPOCH_POSITION: usize = PRODUCER_ID_POSITION + 8;
/// Position of the base sequence, i32.
pub const BASE_SEQUENCE_POSITION: usize = PRODUCER_EPOCH_POSITION + 2;
/// Position of the records count, i32.
pub const RECORDS_COUNT_POSITION: usize = BASE_SEQUENCE_POSITION + 4;
/// Size of the header, and position of the records.
pub const HEADER_BYTES: usize = RECORDS_COUNT_POSITION + 4;
/// Bytes before and including the batch length: what the length does not count.
pub const LOG_OVERHEAD_BYTES: usize = BATCH_LENGTH_POSITION + 4;
/// Bytes needed to read length and magic of a batch of any message format.
pub const MAGIC_END_BYTES: usize = MAGIC_POSITION + 1;
/// Smallest legal batch length of this format: a header and no records.
pub const BATCH_LENGTH_MIN: i32 = 49;
/// Smallest batch length of any message format: the smallest record of format 0.
pub const LEGACY_BATCH_LENGTH_MIN: i32 = 14;
/// The message format of this crate.
pub const MAGIC: i8 = 2;

/// No timestamp.
pub const NO_TIMESTAMP: i64 = -1;
/// No producer id: a producer that is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// No sequence number.
pub const NO_SEQUENCE: i32 = -1;
/// No leader epoch: what a producer sends.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

const _: () = assert!(HEADER_BYTES == 61 && LOG_OVERHEAD_BYTES == 12);
const _: () = assert!(BATCH_LENGTH_MIN as usize == HEADER_BYTES - LOG_OVERHEAD_BYTES);

/// The header of a record batch.
///
/// | position | bytes | type | field |
/// |---:|---:|---|---|
/// | 0 | 8 | i64 | base offset |
/// | 8 | 4 | i32 | batch length: bytes after this field |
/// | 12 | 4 | i32 | partition leader epoch |
/// | 16 | 1 | i8 | magic: 2 |
/// | 17 | 4 | u32 | CRC-32C of the bytes from 21 to the end of the batch |
/// | 21 | 2 | i16 | attributes |
/// | 23 | 4 | i32 | last offset delta |
/// | 27 | 8 | i64 | base timestamp, ms; the delete horizon when the attributes say so |
/// | 35 | 8 | i64 | max timestamp, ms |
/// | 43 | 8 | i64 | producer id, -1 none |
/// | 51 | 2 | i16 | producer epoch, -1 none |
/// | 53 | 4 | i32 | base sequence, -1 none |
/// | 57 | 4 | i32 | records count |
///
/// All integers are big-endian. Fields are public and unchecked beyond what
/// [`BatchHeader::parse`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record, as first appended: compaction keeps it.
    pub base_offset: i64,
    /// Bytes after this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch, -1 before that.
    pub partition_leader_epoch: i32,
    /// Message format: always 2 after `parse`.
    pub magic: i8,
    /// CRC-32C as stored; see [`crate::Batch::verify_crc`].
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: Attributes,
    /// Last offset minus base offset.
    pub last_offset_delta: i32,
    /// Timestamp of the first record, or the delete horizon, in ms.
    pub base_timestamp: i64,
    /// Largest timestamp of the records, or the append time, in ms.
    pub max_timestamp: i64,
    /// Producer id, -1 none.
    pub producer_id: i64,
    /// Producer epoch, -1 none.
    pub producer_epoch: i16,
    /// Sequence number of the first record, -1 none.
    pub base_sequence: i32,
    /// Number of records in the batch.
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which need not hold the rest of the batch.
    /// Only the magic and the smallest batch length are checked.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] below [`HEADER_BYTES`] bytes, and [`RecordError::InvalidMagic`],
    /// [`RecordError::UnsupportedMagic`] or [`RecordError::BatchLengthTooSmall`].
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, RecordError> {
        let Some(fields) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(RecordError::Truncated {
                what: "batch header",
                expected_bytes: HEADER_BYTES,
                found_bytes: bytes.len(),
            });
        };
        let header = BatchHeader::from_fields(fields);
        check_magic(header.magic)?;
        if header.batch_length < BATCH_LENGTH_MIN {
            return Err(RecordError::BatchLengthTooSmall {
                length: header.batch_length,
                minimum: BATCH_LENGTH_MIN,
            });
        }
        Ok(header)
    }

    /// The 61 bytes of the header. The CRC is written as it stands in the field.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut out = bytes.as_mut_slice();
        out.put_i64(self.base_offset);
        out.put_i32(self.batch_length);
        out.put_i32(self.partition_leader_epoch);
        out.put_i8(self.magic);
        out.put_u32(self.crc);
        out.put_i16(self.attributes.0);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.records_count);
        debug_assert!(out.is_empty(), "{} header bytes not written", out.len());
        bytes
    }

    /// Size of the whole batch: 12 + batch length. A negative length counts as 0.
    #[must_use]
    #[inline]
    pub fn size_bytes(&self) -> usize {
        usize::try_from(self.batch_length)
            .unwrap_or(0)
            .saturating_add(LOG_OVERHEAD_BYTES)
    }

    /// Size of the records behind the header, as stored.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.size_bytes().saturating_sub(HEADER_BYTES)
    }

    /// Offset of the last record, inclusive; still that of the batch as produced when compaction
    /// removed the record itself. The next offset is one more.
    #[must_use]
    #[inline]
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// Sequence number of the last record, or -1 when the batch has none.
    #[must_use]
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        next_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// Whether the batch has a producer id, so that the duplicate and ordering rules hold for it.
    #[must_use]
    pub const fn has_producer_id(&self) -> bool {
        NO_PRODUCER_ID < self.producer_id
    }

    /// When the cleaner may drop the batch's tombstones and marker, in ms (KIP-534).
    #[must_use]
    pub const fn delete_horizon_ms(&self) -> Option<i64> {
        if self.attributes.has_delete_horizon() {
            Some(self.base_timestamp)
        } else {
            None
        }
    }

    /// The absolute offset of a record with this delta.
    #[must_use]
    pub fn record_offset(&self, offset_delta: i32) -> i64 {
        self.base_offset.saturating_add(i64::from(offset_delta))
    }

    /// The timestamp in ms of a record with this delta, as a consumer sees it: with LogAppendTime
    /// it is the batch's max timestamp whatever the delta.
    #[must_use]
    #[inline]
    pub const fn record_timestamp(&self, timestamp_delta: i64) -> i64 {
        match self.attributes.timestamp_type() {
            TimestampType::LogAppendTime => self.max_timestamp,
            TimestampType::CreateTime => self.base_timestamp.saturating_add(timestamp_delta),
        }
    }

    #[inline]
    fn from_fields(fields: &[u8; HEADER_BYTES]) -> BatchHeader {
        let mut rest = Fields(fields);
        BatchHeader {
            base_offset: i64::from_be_bytes(rest.take()),
            batch_length: i32::from_be_bytes(rest.take()),
            partition_leader_epoch: i32::from_be_bytes(rest.take()),
            magic: i8::from_be_bytes(rest.take()),
            crc: u32::from_be_bytes(rest.take()),
            attributes: Attributes(i16::from_be_bytes(rest.take())),
            last_offset_delta: i32::from_be_bytes(rest.take()),
            base_timestamp: i64::from_be_bytes(rest.take()),
            max_timestamp: i64::from_be_bytes(rest.take()),
            producer_id: i64::from_be_bytes(rest.take()),
            producer_epoch: i16::from_be_bytes(rest.take()),
            base_sequence: i32::from_be_bytes(rest.take()),
            records_count: i32::from_be_bytes(rest.take()),
        }
    }
}

/// The sequence number `increment` records after `sequence`. Sequence numbers run from 0 to
/// `i32::MAX` and wrap to 0; neither argument may be negative for a meaningful answer.
/// (Kafka `DefaultRecordBatch.incrementSequence`.)
#[must_use]
pub const fn next_sequence(sequence: i32, increment: i32) -> i32 {
    // The sum of two non-negative i32 is below 2^32, so dropping bit 31 is the sum modulo 2^31.
    sequence.wrapping_add(increment) & i32::MAX
}

/// Refuses what is not of this crate's format, keeping apart what Kafka keeps apart: formats that
/// never were and formats that no longer are.
#[inline]
pub(crate) fn check_magic(magic: i8) -> Result<(), RecordError> {
    match magic {
        MAGIC => Ok(()),
        0 | 1 => Err(RecordError::UnsupportedMagic { magic }),
        _ => Err(RecordError::InvalidMagic { magic }),
    }
}

/// The rest of a header being read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next `N` bytes. The fields together are exactly `HEADER_BYTES`, so there always are
    /// enough; the fallback exists because the compiler can't see that.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else {
            debug_assert!(false, "the header's fields are larger than the header");
            return [0; N];
        };
        self.0 = rest;
        *field
    }
}

#[cfg(test)]
mod tests;
