//! What a log holds, as the lines of a fixture's `expected.txt`. The generator wrote the same lines
//! from what a Kafka consumer read and Kafka's classes found in the files, so the test compares
//! text. (tests/clients/format, class `Content`.)

use std::path::Path;

use ringbrook_engine::PartitionLog;
use ringbrook_engine::io::UringDisk;
use ringbrook_record::{BatchHeader, Batches, RecordBuffer, TimestampType};

/// More than any fixture's batch has.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;
/// Longer values are shown by their length and CRC.
const SHOWN_BYTES_MAX: usize = 40;

/// All lines of a log that lies in `dir`, in the order of the expected ones.
pub(crate) fn lines(log: &PartitionLog<UringDisk>, dir: &Path) -> Vec<String> {
    let offsets = log.offsets();
    let read = read(log, dir);
    let mut lines = read.batches;
    lines.push(format!(
        "offsets {} {} {}",
        offsets.log_start, offsets.high_watermark, offsets.last_stable
    ));
    lines.extend(producers(log));
    let aborted = log.aborted_transactions(offsets.log_start, offsets.last_stable);
    let is_committed = |batch: &BatchHeader| {
        batch.last_offset() < offsets.last_stable
            && !aborted.iter().any(|transaction| {
                batch.attributes.is_transactional()
                    && transaction.producer_id == batch.producer_id
                    && transaction.first_offset <= batch.base_offset
                    && batch.last_offset() <= transaction.last_offset
            })
    };
    let mut committed = Vec::new();
    for (batch, offset, line) in read.records {
        if is_committed(&batch) {
            committed.push(format!("committed {offset}"));
        }
        lines.push(line);
    }
    lines.extend(committed);
    lines
}

/// Base offsets of the batches whose CRC is wrong.
pub(crate) fn broken_batches(log: &PartitionLog<UringDisk>) -> Vec<i64> {
    let mut broken = Vec::new();
    let (mut at, end) = (log.offsets().log_start, log.offsets().log_end);
    while at < end {
        let slice = log.read_blocking(at, 1 << 30, end, true).unwrap();
        for batch in Batches::new(&log.load_blocking(&slice).unwrap()) {
            let batch = batch.unwrap();
            if batch.verify_crc().is_err() {
                broken.push(batch.header.base_offset);
            }
            at = batch.header.last_offset() + 1;
        }
    }
    broken
}

/// The producers, sorted as text.
fn producers(log: &PartitionLog<UringDisk>) -> Vec<String> {
    let mut lines: Vec<String> = log
        .active_producers()
        .iter()
        .map(|it| {
            format!(
                "producer {} {} {} {} {} {}",
                it.producer_id,
                it.producer_epoch,
                it.last_sequence,
                it.last_timestamp_ms,
                it.coordinator_epoch,
                it.txn_start_offset.unwrap_or(-1)
            )
        })
        .collect();
    lines.sort();
    lines
}

struct Found {
    batches: Vec<String>,
    records: Vec<(BatchHeader, i64, String)>,
}

/// Reads from the log start to the log end, checking every CRC.
fn read(log: &PartitionLog<UringDisk>, dir: &Path) -> Found {
    let bases = segment_bases(dir);
    let mut found = Found {
        batches: Vec::new(),
        records: Vec::new(),
    };
    let mut buffer = RecordBuffer::new();
    let (mut at, end) = (log.offsets().log_start, log.offsets().log_end);
    while at < end {
        let slice = log.read_blocking(at, 1 << 30, end, true).unwrap();
        let bytes = log.load_blocking(&slice).unwrap();
        let mut position = slice.regions[0].position;
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let header = batch.header;
            let base = bases.iter().rfind(|base| **base <= header.base_offset);
            found
                .batches
                .push(batch_line(&header, *base.unwrap(), position));
            position += header.size_bytes() as u64;
            at = header.last_offset() + 1;
            let records = batch.records(&mut buffer, DECOMPRESSED_BYTES_MAX).unwrap();
            for record in records {
                let record = record.unwrap();
                if header.attributes.is_control() {
                    continue;
                }
                let offset = header.record_offset(record.offset_delta);
                let mut line = format!(
                    "record {offset} {} {} {} {}",
                    header.record_timestamp(record.timestamp_delta),
                    timestamp_type(&header),
                    show(record.key),
                    show(record.value)
                );
                for header in record.headers {
                    line += &format!(" {}={}", show(Some(header.key)), show(header.value));
                }
                found.records.push((header, offset, line));
            }
        }
    }
    found
}

fn segment_bases(dir: &Path) -> Vec<i64> {
    let mut bases: Vec<i64> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".log")?.parse().ok()
        })
        .collect();
    bases.sort_unstable();
    bases
}

fn batch_line(it: &BatchHeader, segment: i64, position: u64) -> String {
    format!(
        "batch {segment:020} {position} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
        it.size_bytes(),
        it.base_offset,
        it.last_offset(),
        it.partition_leader_epoch,
        it.attributes.codec().unwrap().name(),
        timestamp_type(it),
        it.max_timestamp,
        it.producer_id,
        it.producer_epoch,
        it.base_sequence,
        it.records_count,
        it.attributes.is_transactional(),
        it.attributes.is_control(),
        it.delete_horizon_ms().unwrap_or(-1)
    )
}

fn timestamp_type(batch: &BatchHeader) -> &'static str {
    match batch.attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn show(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() <= SHOWN_BYTES_MAX => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x{digits}")
        }
        Some(bytes) => format!("#{}:{:x}", bytes.len(), crc32c::crc32c(bytes)),
    }
}
