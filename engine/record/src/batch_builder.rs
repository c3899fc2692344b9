//! Builds record batches: for the broker's internal topics, for batches rebuilt with another codec
//! or other offsets, for markers, for clients and tests.
//!
//! Source: Kafka `MemoryRecordsBuilder`, for format version 2.

use bytes::{BufMut, Bytes, BytesMut};

use crate::attributes::{Attributes, TimestampType};
use crate::batch_header::{
    BATCH_LENGTH_MIN, BatchHeader, HEADER_BYTES, MAGIC, NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
};
use crate::codec::{Codec, compress};
use crate::error::RecordError;
use crate::header_patch::header_crc;
use crate::record::Header;
use crate::varint::{put_varint, put_varlong, varint_bytes, varlong_bytes};

/// Collects records and writes them as one batch.
///
/// As built by [`BatchBuilder::new`] the batch is a producer's without idempotence: base offset 0,
/// no leader epoch, no producer id, CreateTime.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    /// The header as far as it is known; the rest is set when finishing.
    header: BatchHeader,
    /// Room for the header and the records behind it; empty before the first record.
    bytes: Vec<u8>,
    /// The time of the append, when the broker sets the timestamps.
    log_append_time_ms: Option<i64>,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub const fn new() -> BatchBuilder {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: BATCH_LENGTH_MIN,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            magic: MAGIC,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            records_count: 0,
        };
        BatchBuilder {
            header,
            bytes: Vec::new(),
            log_append_time_ms: None,
        }
    }

    /// An empty batch with the offset, leader epoch, producer and flags of another, for rebuilding
    /// it. Timestamps are CreateTime until [`BatchBuilder::log_append_time`] says otherwise, and
    /// the delete horizon is dropped: base timestamp is that of the first record again.
    #[must_use]
    pub const fn like(header: &BatchHeader) -> BatchBuilder {
        let mut builder = BatchBuilder::new()
            .base_offset(header.base_offset)
            .partition_leader_epoch(header.partition_leader_epoch)
            .producer(
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
            );
        builder.header.attributes = builder
            .header
            .attributes
            .with_transactional(header.attributes.is_transactional())
            .with_control(header.attributes.is_control());
        builder
    }

    /// Gathers records in this buffer, whose contents are dropped: for reuse of its memory.
    #[must_use]
    pub fn in_buffer(mut self, mut buffer: Vec<u8>) -> BatchBuilder {
        debug_assert!(self.is_empty(), "records are in another buffer already");
        buffer.clear();
        self.bytes = buffer;
        self
    }

    /// Sets the offset of the first record.
    #[must_use]
    pub const fn base_offset(mut self, base_offset: i64) -> BatchBuilder {
        self.header.base_offset = base_offset;
        self
    }

    /// Sets the leader epoch.
    #[must_use]
    pub const fn partition_leader_epoch(mut self, leader_epoch: i32) -> BatchBuilder {
        self.header.partition_leader_epoch = leader_epoch;
        self
    }

    /// Sets producer id, producer epoch and the sequence number of the first record.
    #[must_use]
    pub const fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of a transaction.
    #[must_use]
    pub const fn transactional(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_transactional(true);
        self
    }

    /// Makes it a control batch: see [`crate::control_record`].
    #[must_use]
    pub const fn control(mut self) -> BatchBuilder {
        self.header.attributes = self.header.attributes.with_control(true);
        self
    }

    /// Makes this time (ms) the timestamp of every record, as the broker does with LogAppendTime.
    /// The records' own timestamps are still written, but no reader sees them.
    #[must_use]
    pub const fn log_append_time(mut self, time_ms: i64) -> BatchBuilder {
        self.log_append_time_ms = Some(time_ms);
        self
    }

    /// Number of records appended.
    #[must_use]
    pub const fn records_count(&self) -> i32 {
        self.header.records_count
    }

    /// Whether nothing was appended yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.header.records_count == 0
    }

    /// Size of the batch if finished now without compression.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len().max(HEADER_BYTES)
    }

    /// Appends a record at the next offset. `timestamp` is in ms.
    ///
    /// # Errors
    /// [`RecordError::BatchFull`]; the batch is as before then.
    pub fn append<'h, H>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<(), RecordError>
    where
        H: IntoIterator<Item = Header<'h>, IntoIter: Clone>,
    {
        let Some(offset_delta) = self.header.last_offset_delta.checked_add(1) else {
            return Err(RecordError::BatchFull {
                what: "offset delta",
            });
        };
        self.append_at(offset_delta, timestamp, key, value, headers)
    }

    /// Appends a record at the base offset plus `offset_delta`, which may leave a gap behind the
    /// last record as compaction does.
    ///
    /// # Errors
    /// [`RecordError::BatchFull`], also when `offset_delta` is not above that of the last record;
    /// the batch is as before then.
    pub fn append_at<'h, H>(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<(), RecordError>
    where
        H: IntoIterator<Item = Header<'h>, IntoIter: Clone>,
    {
        if offset_delta <= self.header.last_offset_delta {
            return Err(RecordError::BatchFull {
                what: "offset delta",
            });
        }
        let base_timestamp = if self.is_empty() {
            timestamp
        } else {
            self.header.base_timestamp
        };
        let Some(timestamp_delta) = timestamp.checked_sub(base_timestamp) else {
            return Err(RecordError::BatchFull {
                what: "timestamp delta",
            });
        };
        let Some(records_count) = self.header.records_count.checked_add(1) else {
            return Err(RecordError::BatchFull {
                what: "records count",
            });
        };
        let body = Body {
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers: headers.into_iter(),
        };
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER_BYTES, 0);
        }
        body.write(&mut self.bytes)?;
        self.header.base_timestamp = base_timestamp;
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = offset_delta;
        self.header.records_count = records_count;
        Ok(())
    }

    /// Writes the batch, compressed with `codec` at `level` (the codec's default when `None`).
    ///
    /// # Errors
    /// [`RecordError::BatchEmpty`] without records, [`RecordError::BatchFull`] over `i32::MAX`
    /// bytes, and those of [`compress`].
    pub fn finish(self, codec: Codec, level: Option<i32>) -> Result<BytesMut, RecordError> {
        let finished = self.finish_in(codec, level, Vec::new())?;
        // Nobody else has the bytes, so they are not copied.
        Ok(BytesMut::from(Bytes::from(finished.batch)))
    }

    /// As [`BatchBuilder::finish`], for those who reuse memory: a compressed batch is written to
    /// `buffer`, whose contents are dropped; one that is not stays where its records are.
    ///
    /// # Errors
    /// See [`BatchBuilder::finish`].
    pub fn finish_in(
        self,
        codec: Codec,
        level: Option<i32>,
        mut buffer: Vec<u8>,
    ) -> Result<FinishedBatch, RecordError> {
        if self.is_empty() {
            return Err(RecordError::BatchEmpty);
        }
        let (mut batch, spare) = if codec == Codec::None {
            (self.bytes, buffer)
        } else {
            buffer.clear();
            buffer.resize(HEADER_BYTES, 0);
            let records = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
            compress(codec, level, records, &mut buffer)?;
            (buffer, self.bytes)
        };
        let payload = batch.get(HEADER_BYTES..).unwrap_or_default();
        let batch_length = i32::try_from(payload.len())
            .ok()
            .and_then(|payload_bytes| payload_bytes.checked_add(BATCH_LENGTH_MIN));
        let Some(batch_length) = batch_length else {
            return Err(RecordError::BatchFull {
                what: "batch length",
            });
        };
        let mut header = self.header;
        header.batch_length = batch_length;
        header.attributes = header.attributes.with_codec(codec);
        if let Some(time_ms) = self.log_append_time_ms {
            header.attributes = header
                .attributes
                .with_timestamp_type(TimestampType::LogAppendTime);
            header.max_timestamp = time_ms;
        }
        header.crc = header_crc(&header, payload);
        if let Some(room) = batch.first_chunk_mut::<HEADER_BYTES>() {
            *room = header.encode();
        }
        Ok(FinishedBatch { batch, spare })
    }
}

/// What [`BatchBuilder::finish_in`] gives back.
#[derive(Debug)]
pub struct FinishedBatch {
    /// The batch.
    pub batch: Vec<u8>,
    /// The buffer that is not needed any more; its contents mean nothing.
    pub spare: Vec<u8>,
}

/// One record to be written.
struct Body<'a, H> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: H,
}

impl<'h, H: Iterator<Item = Header<'h>> + Clone> Body<'_, H> {
    /// Appends the record to `records`, or nothing when a length does not fit its field.
    fn write(&self, records: &mut Vec<u8>) -> Result<(), RecordError> {
        let header_count = length_field(Some(self.headers.clone().count()), "header count")?;
        let length = self.size_bytes(header_count)?;
        records.reserve(varint_bytes(length).saturating_add(usize::try_from(length).unwrap_or(0)));
        put_varint(records, length);
        records.put_i8(0);
        put_varlong(records, self.timestamp_delta);
        put_varint(records, self.offset_delta);
        put_nullable(records, self.key)?;
        put_nullable(records, self.value)?;
        put_varint(records, header_count);
        for header in self.headers.clone() {
            put_nullable(records, Some(header.key))?;
            put_nullable(records, header.value)?;
        }
        Ok(())
    }

    /// The record's length field. No part of the record is larger than it, so when it fits an i32
    /// every length inside does too.
    fn size_bytes(&self, header_count: i32) -> Result<i32, RecordError> {
        let mut size_bytes = 1_usize
            .saturating_add(varlong_bytes(self.timestamp_delta))
            .saturating_add(varint_bytes(self.offset_delta))
            .saturating_add(nullable_bytes(self.key)?)
            .saturating_add(nullable_bytes(self.value)?)
            .saturating_add(varint_bytes(header_count));
        for header in self.headers.clone() {
            size_bytes = size_bytes
                .saturating_add(nullable_bytes(Some(header.key))?)
                .saturating_add(nullable_bytes(header.value)?);
        }
        length_field(Some(size_bytes), "record length")
    }
}

fn nullable_bytes(bytes: Option<&[u8]>) -> Result<usize, RecordError> {
    let length = length_field(bytes.map(<[u8]>::len), "record length")?;
    Ok(varint_bytes(length).saturating_add(bytes.unwrap_or_default().len()))
}

fn put_nullable(records: &mut Vec<u8>, bytes: Option<&[u8]>) -> Result<(), RecordError> {
    put_varint(
        records,
        length_field(bytes.map(<[u8]>::len), "record length")?,
    );
    records.put_slice(bytes.unwrap_or_default());
    Ok(())
}

/// A length as its field has it, -1 for none.
fn length_field(length: Option<usize>, what: &'static str) -> Result<i32, RecordError> {
    length
        .map_or(Ok(-1), i32::try_from)
        .map_err(|_| RecordError::BatchFull { what })
}

#[cfg(test)]
mod tests;
