//! Writes a batch anew with some of its records: what log compaction does to a batch.
//!
//! The batch keeps its place: base offset, last offset, sequence numbers, producer, leader epoch,
//! codec, timestamp type and flags are those of before, so consumers see the same offsets and
//! producers are recognised as before. Which records are kept, and when a batch may go as a whole,
//! is the caller's choice. The caller has verified the CRC: a new one is computed.
//!
//! Source: Kafka `MemoryRecords.filterTo`, `DefaultRecordBatch.writeEmptyHeader`; KIP-534 for the
//! delete horizon.

use std::ops::Range;

use bytes::BufMut;

use crate::attributes::TimestampType;
use crate::batch::Batch;
use crate::batch_header::{BATCH_LENGTH_MIN, BatchHeader, HEADER_BYTES, NO_TIMESTAMP};
use crate::codec::{Codec, compress};
use crate::decoder::RETAINED_BYTES_MAX;
use crate::error::{RecordError, RecordProblem};
use crate::header_patch::header_crc;
use crate::record::Record;
use crate::records::{RecordBuffer, Records};
use crate::varint::{put_varint, put_varlong, read_varint, read_varlong, varlong_bytes};

/// The delete horizon a batch gets that has none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewHorizon {
    /// The time, in ms, from which the batch's tombstones or marker may be dropped.
    pub time_ms: i64,
    /// The batch needs it although it holds no tombstone: it is the marker of a transaction of
    /// which nothing else is left.
    pub is_due: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten<'a> {
    /// Every record is kept and no horizon had to be set: the batch's own bytes stand.
    Unchanged,
    /// The new batch.
    Changed {
        /// Its header.
        header: BatchHeader,
        /// All of its bytes, header included.
        bytes: &'a [u8],
    },
    /// No record is kept; see [`empty_batch`].
    Emptied,
}

/// Rewrites batches one after the other, with memory that is reused. What an unusually large batch
/// made it grow by is given back at the next use.
#[derive(Debug, Default)]
pub struct BatchRewriter {
    buffer: RecordBuffer,
    /// Where the kept records lie; neighbours are one range.
    kept: Vec<Range<usize>>,
    /// The kept records before they are compressed.
    records: Vec<u8>,
    /// The new batch.
    bytes: Vec<u8>,
}

impl BatchRewriter {
    /// A rewriter that has not allocated anything yet.
    #[must_use]
    pub fn new() -> BatchRewriter {
        BatchRewriter::default()
    }

    /// Asks `keep` for each record, in order, and writes the batch with those it keeps. When one of
    /// them has no value, or `horizon.is_due`, and the batch has no delete horizon yet, it gets
    /// `horizon`: base timestamp is that time then, and the records' timestamps are relative to it.
    /// Records are decompressed once, `records_bytes_max` bounds their size then.
    ///
    /// # Errors
    /// Those of [`Batch::records`] and of its iterator, whatever `keep` said; those of
    /// [`compress`]; [`RecordError::BatchFull`] when the new batch is larger than `i32::MAX`.
    pub fn rewrite(
        &mut self,
        batch: &Batch<'_>,
        horizon: NewHorizon,
        records_bytes_max: usize,
        keep: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<Rewritten<'_>, RecordError> {
        let BatchRewriter {
            buffer,
            kept,
            records: kept_records,
            bytes,
        } = self;
        let old = &batch.header;
        let records = batch.records(buffer, records_bytes_max)?;
        let source = records.rest();
        let selection = select(records, old, kept, keep)?;
        if selection.kept_count == 0 {
            return Ok(Rewritten::Emptied);
        }
        let has_horizon = old.attributes.has_delete_horizon();
        let sets_horizon = !has_horizon && (selection.has_tombstone || horizon.is_due);
        if selection.kept_count == old.records_count && !sets_horizon {
            return Ok(Rewritten::Unchanged);
        }
        let mut header = *old;
        header.records_count = selection.kept_count;
        if sets_horizon {
            header.attributes = header.attributes.with_delete_horizon(true);
            header.base_timestamp = horizon.time_ms;
        }
        if old.attributes.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = selection.max_timestamp;
            if !has_horizon && !sets_horizon {
                header.base_timestamp = selection.first_timestamp;
            }
        }
        trim(kept_records);
        trim(bytes);
        bytes.extend_from_slice(&[0; HEADER_BYTES]);
        let codec = old.attributes.codec()?;
        if codec == Codec::None {
            copy_records(source, kept, old, header.base_timestamp, bytes)?;
        } else {
            copy_records(source, kept, old, header.base_timestamp, kept_records)?;
            compress(codec, None, kept_records, bytes)?;
        }
        seal(&mut header, bytes)?;
        Ok(Rewritten::Changed { header, bytes })
    }
}

/// The batch without its records: a header that stands for the offsets and sequence numbers. It
/// names no codec and no horizon, has no base timestamp and keeps the max timestamp, as Kafka's do.
#[must_use]
pub fn empty_batch(header: &BatchHeader) -> (BatchHeader, [u8; HEADER_BYTES]) {
    let mut empty = *header;
    empty.batch_length = BATCH_LENGTH_MIN;
    empty.records_count = 0;
    empty.base_timestamp = NO_TIMESTAMP;
    empty.attributes = empty
        .attributes
        .with_codec(Codec::None)
        .with_delete_horizon(false);
    empty.crc = header_crc(&empty, &[]);
    (empty, empty.encode())
}

/// What a pass over the records found; where the kept ones lie is in the rewriter.
struct Selection {
    kept_count: i32,
    has_tombstone: bool,
    first_timestamp: i64,
    max_timestamp: i64,
}

fn select(
    mut records: Records<'_>,
    header: &BatchHeader,
    kept: &mut Vec<Range<usize>>,
    mut keep: impl FnMut(&Record<'_>) -> bool,
) -> Result<Selection, RecordError> {
    kept.clear();
    let mut found = Selection {
        kept_count: 0,
        has_tombstone: false,
        first_timestamp: NO_TIMESTAMP,
        max_timestamp: NO_TIMESTAMP,
    };
    let source_bytes = records.rest().len();
    let mut start = 0;
    while let Some(record) = records.next() {
        let record = record?;
        let end = source_bytes.saturating_sub(records.rest().len());
        if keep(&record) {
            let timestamp = header.record_timestamp(record.timestamp_delta);
            if found.kept_count == 0 {
                found.first_timestamp = timestamp;
            }
            found.max_timestamp = found.max_timestamp.max(timestamp);
            found.kept_count = found.kept_count.saturating_add(1);
            found.has_tombstone |= record.value.is_none();
            match kept.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => kept.push(start..end),
            }
        }
        start = end;
    }
    Ok(found)
}

/// Appends the kept records with their timestamps relative to `base_timestamp`. They are copied as
/// they are when that is what they were relative to before.
fn copy_records(
    source: &[u8],
    kept: &[Range<usize>],
    old: &BatchHeader,
    base_timestamp: i64,
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    for range in kept {
        let mut records = source.get(range.clone()).unwrap_or_default();
        if base_timestamp == old.base_timestamp {
            out.extend_from_slice(records);
            continue;
        }
        let mut index = 0_i32;
        while !records.is_empty() {
            copy_record(&mut records, old, base_timestamp, out)
                .map_err(|problem| RecordError::MalformedRecord { index, problem })?;
            index = index.saturating_add(1);
        }
    }
    Ok(())
}

/// Appends the record at the start of `records` with another timestamp delta, and moves `records`
/// behind it.
fn copy_record(
    records: &mut &[u8],
    old: &BatchHeader,
    base_timestamp: i64,
    out: &mut Vec<u8>,
) -> Result<(), RecordProblem> {
    let length =
        usize::try_from(read_varint(records)?).map_err(|_| RecordProblem::InvalidLength)?;
    let (mut body, rest) = records
        .split_at_checked(length)
        .ok_or(RecordProblem::Truncated)?;
    *records = rest;
    let (attributes, after) = body.split_first().ok_or(RecordProblem::Truncated)?;
    body = after;
    let timestamp = old.record_timestamp(read_varlong(&mut body)?);
    // Readers add modulo 2^64, so a timestamp that is too far away comes out right all the same.
    let delta = timestamp.wrapping_sub(base_timestamp);
    let new_length = varlong_bytes(delta)
        .saturating_add(1)
        .saturating_add(body.len());
    let new_length = i32::try_from(new_length).map_err(|_| RecordProblem::InvalidLength)?;
    put_varint(out, new_length);
    out.put_u8(*attributes);
    put_varlong(out, delta);
    out.extend_from_slice(body);
    Ok(())
}

/// Completes the header and puts it in front of the payload, where room was left.
fn seal(header: &mut BatchHeader, bytes: &mut [u8]) -> Result<(), RecordError> {
    let Some((room, payload)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() else {
        return Err(RecordError::BatchEmpty);
    };
    let batch_length = i32::try_from(payload.len())
        .ok()
        .and_then(|payload_bytes| payload_bytes.checked_add(BATCH_LENGTH_MIN));
    header.batch_length = batch_length.ok_or(RecordError::BatchFull {
        what: "batch length",
    })?;
    header.crc = header_crc(header, payload);
    *room = header.encode();
    Ok(())
}

/// Empties a buffer and gives back what an unusually large batch made it grow by.
fn trim(buffer: &mut Vec<u8>) {
    if RETAINED_BYTES_MAX < buffer.capacity() {
        *buffer = Vec::new();
    }
    buffer.clear();
}

#[cfg(test)]
mod tests;
