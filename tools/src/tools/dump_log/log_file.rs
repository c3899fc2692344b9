//! Batches and records of a log, in Kafka's words.

use std::fmt::Write as _;
use std::path::Path;

use ringbrook_record::{
    Batch, ControlRecordType, EndTransactionMarker, NO_SEQUENCE, Record, RecordBuffer,
    TimestampType, next_sequence,
};

use super::{BatchFile, MessageParser, Pairs, failed, note, offset_of};
use crate::frame::{Context, Failure};
use crate::schema::kraft_control_record;
use crate::shown;

/// A batch whose records need more than this when decompressed is damaged: offsets and sizes of
/// Kafka's batches are 31 bits wide.
const DECOMPRESSED_BYTES_MAX: usize = i32::MAX as usize;

/// How logs are dumped.
#[derive(Debug)]
pub(super) struct LogDump {
    pub(super) prints_records: bool,
    /// With their keys and values.
    pub(super) prints_data: bool,
    /// With their offsets and so on.
    pub(super) prints_metadata: bool,
    pub(super) bytes_max: Option<u32>,
    pub(super) parser: MessageParser,
}

impl LogDump {
    /// Prints a whole log or snapshot of KRaft.
    pub(super) fn dump(
        &self,
        path: &Path,
        gaps: &mut Pairs,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        context.line(title(path, &name)?)?;
        let file = BatchFile::open(path, self.bytes_max)?;
        let mut position = 0;
        let mut last_offset = -1;
        let mut found = Vec::new();
        let mut buffer = RecordBuffer::new();
        let bar = context.progress(file.end, "bytes", false);
        while let Some(bytes) = file.batch_at(position)? {
            let batch = file.parse(&bytes)?;
            context.line(batch_line(&batch, position))?;
            if self.prints_records {
                let records = batch.records(&mut buffer, DECOMPRESSED_BYTES_MAX);
                for record in records.map_err(|error| failed(path, error))? {
                    let record = record.map_err(|error| failed(path, error))?;
                    let offset = batch.header.record_offset(record.offset_delta);
                    if last_offset + 1 != offset {
                        found.push((last_offset, offset));
                    }
                    last_offset = offset;
                    let line = self.record_line(&batch, &record, offset)?;
                    context.line(shown::on(context.is_out_terminal(), &line))?;
                }
            }
            position += bytes.len() as u64;
            bar.set_position(position);
        }
        drop(bar);
        note(gaps, path, found);
        let trailing_bytes = file.end - position;
        if 0 < trailing_bytes && self.bytes_max.is_none() {
            context.line(format_args!(
                "Found {trailing_bytes} invalid bytes at the end of {name}"
            ))?;
        }
        Ok(())
    }

    fn record_line(
        &self,
        batch: &Batch<'_>,
        record: &Record<'_>,
        offset: i64,
    ) -> Result<String, Failure> {
        let is_control = batch.header.attributes.is_control();
        let mut line = String::new();
        if self.prints_metadata {
            line = metadata(batch, record, offset);
            if is_control {
                line.push(' ');
                line.push_str(&control(record));
            }
        }
        if self.prints_data && !is_control {
            let (key, value) = self.parser.parse(record.key, record.value, offset)?;
            let mut prefix = if self.prints_metadata { " " } else { "| " };
            for (what, text) in [("key", key), ("payload", value)] {
                if let Some(text) = text {
                    line.push_str(prefix);
                    line.push_str(what);
                    line.push_str(": ");
                    line.push_str(&text);
                    prefix = " ";
                }
            }
        }
        Ok(line)
    }
}

fn title(path: &Path, name: &str) -> Result<String, Failure> {
    if let Some(stem) = name.strip_suffix(".checkpoint") {
        if stem == "bootstrap" {
            return Ok("KRaft bootstrap snapshot".to_owned());
        }
        let ids = stem.split_once('-').and_then(|(offset, epoch)| {
            Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?))
        });
        let (offset, epoch) = ids.ok_or_else(|| {
            failed(
                path,
                "a snapshot's name is its end offset, a hyphen and its epoch",
            )
        })?;
        return Ok(format!("Snapshot end offset: {offset}, epoch: {epoch}"));
    }
    Ok(format!("Log starting offset: {}", offset_of(path)?))
}

/// A value that may be missing, as Java writes it.
pub(super) fn optional(value: Option<i64>) -> String {
    value.map_or_else(
        || "OptionalLong.empty".to_owned(),
        |value| format!("OptionalLong[{value}]"),
    )
}

fn timestamp_type(batch: &Batch<'_>) -> &'static str {
    match batch.header.attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn batch_line(batch: &Batch<'_>, position: u64) -> String {
    let header = &batch.header;
    let attributes = header.attributes;
    let codec = attributes.codec().map_or("unknown", |codec| codec.name());
    let last_sequence = header.last_sequence();
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {last_sequence} \
         producerId: {} producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} \
         isControl: {} deleteHorizonMs: {} position: {position} {}: {} size: {} magic: {} \
         compresscodec: {codec} crc: {} isvalid: {}",
        header.base_offset,
        header.last_offset(),
        header.records_count,
        header.base_sequence,
        header.producer_id,
        header.producer_epoch,
        header.partition_leader_epoch,
        attributes.is_transactional(),
        attributes.is_control(),
        optional(header.delete_horizon_ms()),
        timestamp_type(batch),
        header.max_timestamp,
        header.size_bytes(),
        header.magic,
        header.crc,
        batch.verify_crc().is_ok(),
    )
}

fn metadata(batch: &Batch<'_>, record: &Record<'_>, offset: i64) -> String {
    let header = &batch.header;
    let sequence = match header.base_sequence {
        NO_SEQUENCE => NO_SEQUENCE,
        base => next_sequence(base, record.offset_delta),
    };
    let size = |bytes: Option<&[u8]>| {
        bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.len().to_string())
    };
    let mut line = format!(
        "| offset: {offset} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [",
        timestamp_type(batch),
        header.record_timestamp(record.timestamp_delta),
        size(record.key),
        size(record.value),
    );
    for (index, header) in record.headers.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let key = String::from_utf8_lossy(header.key);
        write!(line, "{comma}{key}").expect("a String takes every text");
    }
    line.push(']');
    line
}

/// What a control record says.
fn control(record: &Record<'_>) -> String {
    let wrong = |error: &dyn std::fmt::Display| format!("unreadable: {error}");
    let id = match ControlRecordType::parse(record.key.unwrap_or_default()) {
        Err(error) => return wrong(&error),
        Ok(found) => found.id(),
    };
    match EndTransactionMarker::parse(record) {
        Err(error) => wrong(&error),
        Ok(Some(marker)) => format!(
            "endTxnMarker: {} coordinatorEpoch: {}",
            if marker.is_commit { "COMMIT" } else { "ABORT" },
            marker.coordinator_epoch
        ),
        Ok(None) => match kraft_control_record(id, record.value.unwrap_or_default()) {
            Some(text) => text.unwrap_or_else(|error| wrong(&error)),
            None => format!("controlType: UNKNOWN({id})"),
        },
    }
}
