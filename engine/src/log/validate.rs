//! Checks what an append brings, outside of any lock: sizes, CRC, each record, timestamps, codec.
//! Turns it into batches that only lack their base offset and leader epoch. A payload is copied
//! only when the batch has to be rebuilt. (Kafka `LogValidator`, `UnifiedLog.analyzeAndValidate`.)
//!
//! Where we differ: LogAppendTime is stamped here, before the offsets are known, so two concurrent
//! appends may carry timestamps in the other order than their offsets.

use std::cell::RefCell;

use bytes::{Buf, Bytes};
use ringbrook_record::{
    Batch, BatchBuilder, BatchHeader, Batches, Codec, DecoderContext, EndTransactionMarker,
    HEADER_BYTES, HeaderPatch, NO_TIMESTAMP, RecordBuffer, RecordError, TimestampType,
};

use super::append::AppendContext;
use super::producer_state::Origin;
use crate::config::{LogConfig, TargetCompression};
use crate::error::AppendError;

/// Decompressed bytes of one batch that are looked at; they are never held in memory at once.
const SKIMMED_BYTES_MAX: usize = 1 << 30;
/// Decompressed bytes of one batch that is rebuilt; they are held in memory.
const REBUILT_BYTES_MAX: usize = 256 << 20;
/// Decompressed bytes of a control batch.
const CONTROL_BYTES_MAX: usize = 1 << 20;
/// Offending records named in one error.
const RECORD_ERRORS_MAX: usize = 100;

thread_local! {
    static DECODER: RefCell<DecoderContext> = RefCell::new(DecoderContext::default());
}

/// A batch that only lacks its base offset and leader epoch.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) header: BatchHeader,
    pub(crate) payload: Bytes,
    /// For a control batch that ends a transaction.
    pub(crate) marker: Option<EndTransactionMarker>,
}

/// Checks the batch of a client or coordinator: an append of theirs holds exactly one.
pub(crate) fn validate_produced(
    records: Bytes,
    ctx: &AppendContext,
    config: &LogConfig,
) -> Result<Prepared, AppendError> {
    let mut batches = Batches::new(&records);
    let batch = next_intact(&mut batches)?.ok_or_else(not_one)?;
    let checked = check_produced(&batch, ctx, config)?;
    if batches.position() < records.len() {
        match batches.next() {
            None => {}
            Some(Ok(_)) => return Err(not_one()),
            Some(Err(error)) => return Err(shape_error(&error)),
        }
    }
    Ok(match checked {
        Checked::AsItIs(header, marker) => {
            let mut payload = records;
            payload.truncate(header.size_bytes());
            payload.advance(HEADER_BYTES);
            Prepared {
                header,
                payload,
                marker,
            }
        }
        Checked::Rebuilt(prepared) => prepared,
    })
}

/// What becomes of a batch that may be appended.
enum Checked {
    /// Its payload stays; the header may be another.
    AsItIs(BatchHeader, Option<EndTransactionMarker>),
    Rebuilt(Prepared),
}

/// Checks the batches of a replica, which brings any number from 1 on and has its offsets.
pub(crate) fn validate_replicated(records: &Bytes) -> Result<Vec<Prepared>, AppendError> {
    let mut batches = Batches::new(records);
    let mut prepared = Vec::new();
    while let Some(batch) = next_intact(&mut batches)? {
        prepared.push(as_it_is(&batch, records)?);
    }
    if prepared.is_empty() {
        return Err(invalid("an append must hold a batch"));
    }
    Ok(prepared)
}

fn next_intact<'a>(batches: &mut Batches<'a>) -> Result<Option<Batch<'a>>, AppendError> {
    let Some(batch) = batches.next() else {
        return Ok(None);
    };
    let batch = batch.map_err(|error| shape_error(&error))?;
    batch
        .verify_crc()
        .map_err(|error| AppendError::CorruptMessage(error.to_string()))?;
    Ok(Some(batch))
}

fn not_one() -> AppendError {
    invalid("an append must hold exactly one batch")
}

fn shape_error(error: &RecordError) -> AppendError {
    match error {
        RecordError::UnsupportedMagic { .. } => invalid(error.to_string()),
        _ => AppendError::CorruptMessage(error.to_string()),
    }
}

fn invalid(message: impl Into<String>) -> AppendError {
    AppendError::InvalidRecord {
        record_errors: Vec::new(),
        message: message.into(),
    }
}

fn as_it_is(batch: &Batch<'_>, records: &Bytes) -> Result<Prepared, AppendError> {
    Ok(Prepared {
        header: batch.header,
        payload: records.slice_ref(batch.payload()),
        marker: read_marker(batch).map_err(|error| invalid(error.to_string()))?,
    })
}

/// The end of a transaction a batch says, if it is a control batch that says one.
pub(crate) fn read_marker(batch: &Batch<'_>) -> Result<Option<EndTransactionMarker>, RecordError> {
    if !batch.header.attributes.is_control() {
        return Ok(None);
    }
    let mut buffer = RecordBuffer::new();
    match batch.records(&mut buffer, CONTROL_BYTES_MAX)?.next() {
        Some(record) => EndTransactionMarker::parse(&record?),
        None => Ok(None),
    }
}

fn check_produced(
    batch: &Batch<'_>,
    ctx: &AppendContext,
    config: &LogConfig,
) -> Result<Checked, AppendError> {
    check_size(batch.bytes.len(), config)?;
    let header = &batch.header;
    check_header(header, ctx.origin)?;
    let source = header
        .attributes
        .codec()
        .map_err(|error| AppendError::UnsupportedCompression(error.to_string()))?;
    let found = skim(batch, source, ctx, config)?;
    let marker = read_marker(batch).map_err(|error| invalid(error.to_string()))?;
    let (target, level) = match config.compression {
        TargetCompression::Codec { codec, level } if !header.attributes.is_control() => {
            (codec, level)
        }
        _ => (source, None),
    };
    if target != source || !found.is_sequential {
        let rebuilt = rebuild(batch, target, level, ctx, config)?;
        check_size(rebuilt.header.size_bytes(), config)?;
        return Ok(Checked::Rebuilt(Prepared { marker, ..rebuilt }));
    }
    let max_timestamp = match config.timestamp_type {
        TimestampType::LogAppendTime => ctx.now_ms,
        TimestampType::CreateTime => found.max_timestamp,
    };
    let is_stamped = header.attributes.timestamp_type() == config.timestamp_type
        && header.max_timestamp == max_timestamp;
    let header = if is_stamped {
        *header
    } else {
        HeaderPatch::new(header)
            .timestamps(config.timestamp_type, max_timestamp)
            .header(batch.payload())
    };
    Ok(Checked::AsItIs(header, marker))
}

fn check_size(bytes: usize, config: &LogConfig) -> Result<(), AppendError> {
    let max_bytes = config.max_message_bytes;
    if bytes <= max_bytes as usize {
        return Ok(());
    }
    Err(AppendError::MessageTooLarge { bytes, max_bytes })
}

fn check_header(header: &BatchHeader, origin: Origin) -> Result<(), AppendError> {
    let claimed = i64::from(header.last_offset_delta) + 1;
    if claimed <= 0 || header.records_count <= 0 || claimed != i64::from(header.records_count) {
        return Err(invalid(format!(
            "last offset delta {} does not fit {} records",
            header.last_offset_delta, header.records_count
        )));
    }
    if origin != Origin::Client {
        return Ok(());
    }
    if header.base_offset != 0 {
        return Err(invalid(format!(
            "base offset is {}, expected 0",
            header.base_offset
        )));
    }
    if header.attributes.is_control() {
        return Err(invalid("clients cannot write control batches"));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(invalid(format!(
            "producer {} sent base sequence {}",
            header.producer_id, header.base_sequence
        )));
    }
    Ok(())
}

/// What a pass over the records found.
struct Skimmed {
    max_timestamp: i64,
    /// Inner offsets are 0, 1, 2, ...; looked at in compressed batches only.
    is_sequential: bool,
}

fn skim(
    batch: &Batch<'_>,
    codec: Codec,
    ctx: &AppendContext,
    config: &LogConfig,
) -> Result<Skimmed, AppendError> {
    let header = &batch.header;
    let needs_key = config.cleanup_policy.compact && !header.attributes.is_control();
    let mut keyless = Vec::new();
    let mut bad_times = Vec::new();
    let mut skimmed = Skimmed {
        max_timestamp: NO_TIMESTAMP,
        is_sequential: true,
    };
    DECODER
        .with_borrow_mut(|context| {
            for shape in batch.skim(context, SKIMMED_BYTES_MAX)? {
                let shape = shape?;
                if needs_key && !shape.has_key && keyless.len() < RECORD_ERRORS_MAX {
                    let message = "compacted topic cannot accept a record without key".to_owned();
                    keyless.push((shape.index, message));
                }
                if codec != Codec::None && shape.offset_delta != shape.index {
                    skimmed.is_sequential = false;
                }
                let timestamp = header.record_timestamp(shape.timestamp_delta);
                skimmed.max_timestamp = skimmed.max_timestamp.max(timestamp);
                if bad_times.len() < RECORD_ERRORS_MAX
                    && let Some(message) = time_problem(timestamp, header, ctx, config)
                {
                    bad_times.push((shape.index, message));
                }
            }
            Ok(())
        })
        .map_err(|error: RecordError| invalid(error.to_string()))?;
    if !keyless.is_empty() {
        let message = "one or more records have no key".to_owned();
        return Err(AppendError::InvalidRecord {
            record_errors: keyless,
            message,
        });
    }
    if !bad_times.is_empty() {
        let message = "one or more records have a timestamp out of range".to_owned();
        return Err(AppendError::InvalidTimestamp {
            record_errors: bad_times,
            message,
        });
    }
    Ok(skimmed)
}

fn time_problem(
    timestamp: i64,
    header: &BatchHeader,
    ctx: &AppendContext,
    config: &LogConfig,
) -> Option<String> {
    if config.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        let before_ms = ctx.now_ms.saturating_sub(timestamp);
        let after_ms = timestamp.saturating_sub(ctx.now_ms);
        return (config.timestamp_before_max_ms < before_ms
            || config.timestamp_after_max_ms < after_ms)
            .then(|| {
                format!(
                    "timestamp {timestamp} is too far from the broker's {}",
                    ctx.now_ms
                )
            });
    }
    (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
        .then(|| "clients cannot set the timestamp type to LogAppendTime".to_owned())
}

fn rebuild(
    batch: &Batch<'_>,
    codec: Codec,
    level: Option<i32>,
    ctx: &AppendContext,
    config: &LogConfig,
) -> Result<Prepared, AppendError> {
    let as_invalid = |error: RecordError| invalid(error.to_string());
    let mut buffer = RecordBuffer::new();
    let mut builder = BatchBuilder::like(&batch.header);
    if config.timestamp_type == TimestampType::LogAppendTime {
        builder = builder.log_append_time(ctx.now_ms);
    }
    for record in batch
        .records(&mut buffer, REBUILT_BYTES_MAX)
        .map_err(as_invalid)?
    {
        let record = record.map_err(as_invalid)?;
        let timestamp = batch.header.record_timestamp(record.timestamp_delta);
        builder
            .append(timestamp, record.key, record.value, record.headers)
            .map_err(as_invalid)?;
    }
    let bytes = builder.finish(codec, level).map_err(as_invalid)?.freeze();
    let header = BatchHeader::parse(&bytes).map_err(as_invalid)?;
    Ok(Prepared {
        header,
        payload: bytes.slice(HEADER_BYTES..),
        marker: None,
    })
}
