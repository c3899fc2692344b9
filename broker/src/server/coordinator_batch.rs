//! Batches of a coordinator's topic: what it appends as record batches, and what it reads back out
//! of them. Pure; called by `coordinator_log`.

use bytes::Bytes;
use ringbrook_record::{
    Batch, BatchBuilder, Batches, Codec, EndTransactionMarker, NO_SEQUENCE, RecordBuffer,
    RecordError,
};

use crate::coordinator::{CoordinatorBatch, CoordinatorRecord, LoadedEntry};

/// What one batch may take decompressed.
const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The batch as it is appended. Markers are never compressed.
///
/// # Errors
/// When the records do not fit one batch, or there are none.
pub(super) fn encode(
    batch: &CoordinatorBatch,
    codec: Codec,
    now_ms: i64,
) -> Result<Bytes, RecordError> {
    let built = match batch {
        CoordinatorBatch::Records(records) => {
            with_records(BatchBuilder::new(), records, now_ms)?.finish(codec, None)
        }
        CoordinatorBatch::Transactional {
            records,
            producer_id,
            producer_epoch,
            ..
        } => {
            let builder = BatchBuilder::new()
                .producer(*producer_id, *producer_epoch, NO_SEQUENCE)
                .transactional();
            with_records(builder, records, now_ms)?.finish(codec, None)
        }
        CoordinatorBatch::Marker(marker) => {
            let end = EndTransactionMarker {
                is_commit: marker.is_commit,
                coordinator_epoch: marker.coordinator_epoch,
            };
            end.build_batch(marker.producer_id, marker.producer_epoch, now_ms)
        }
    };
    Ok(built?.freeze())
}

fn with_records(
    mut builder: BatchBuilder,
    records: &[CoordinatorRecord],
    now_ms: i64,
) -> Result<BatchBuilder, RecordError> {
    for record in records {
        builder.append(now_ms, Some(&record.key), record.value.as_deref(), [])?;
    }
    Ok(builder)
}

/// Visits what `bytes` hold from offset `from` on; returns the offset behind the last whole batch.
///
/// # Errors
/// What is wrong with the first damaged batch.
pub(super) fn visit_batches(
    bytes: &[u8],
    from: i64,
    visit: &mut (dyn FnMut(LoadedEntry<'_>) + '_),
) -> Result<i64, RecordError> {
    let mut buffer = RecordBuffer::new();
    let mut next = from;
    for batch in Batches::new(bytes) {
        let batch = batch?;
        next = batch.header.last_offset() + 1;
        visit_batch(&batch, from, &mut buffer, visit)?;
    }
    Ok(next)
}

fn visit_batch(
    batch: &Batch<'_>,
    from: i64,
    buffer: &mut RecordBuffer,
    visit: &mut (dyn FnMut(LoadedEntry<'_>) + '_),
) -> Result<(), RecordError> {
    let header = &batch.header;
    let producer = header
        .attributes
        .is_transactional()
        .then_some((header.producer_id, header.producer_epoch));
    for record in batch.records(buffer, BATCH_BYTES_MAX)? {
        let record = record?;
        let offset = header.record_offset(record.offset_delta);
        if offset < from {
            continue;
        }
        if !header.attributes.is_control() {
            visit(LoadedEntry::Record {
                offset,
                key: record.key,
                value: record.value,
                producer,
            });
        } else if let Some(marker) = EndTransactionMarker::parse(&record)? {
            visit(LoadedEntry::Marker {
                offset,
                producer_id: header.producer_id,
                producer_epoch: header.producer_epoch,
                is_commit: marker.is_commit,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
