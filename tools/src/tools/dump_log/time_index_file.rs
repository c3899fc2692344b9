//! `.timeindex`: what it says, and whether log and offset index agree.

use std::fs;
use std::path::Path;

use ringbrook_record::{Batch, NO_TIMESTAMP, RecordBuffer};

use super::index_file::{be_i32, be_i64, check_size};
use super::{BatchFile, IndexMode, OffsetIndexFile, Pairs, absolute, failed, note};
use crate::frame::{Context, Failure};

/// Bytes of an entry: timestamp i64, relative offset i32.
const ENTRY_BYTES: usize = 12;
const DECOMPRESSED_BYTES_MAX: usize = i32::MAX as usize;

/// What is wrong with time indexes, by file.
#[derive(Debug, Default)]
pub(super) struct TimeIndexErrors {
    /// Timestamps of an entry and of its batch.
    mismatches: Pairs,
    /// Timestamps of an entry and of the one before it, which is not smaller.
    out_of_order: Pairs,
    /// Offsets of an entry and of the batch found for it, -1 for none.
    not_found: Pairs,
}

/// The errors of one file.
#[derive(Debug, Default)]
struct Found {
    mismatches: Vec<(i64, i64)>,
    out_of_order: Vec<(i64, i64)>,
    not_found: Vec<(i64, i64)>,
}

impl TimeIndexErrors {
    /// Says what was found.
    pub(super) fn tell(&self, context: &mut Context) {
        for (file, pairs) in &self.mismatches {
            context.warn(format_args!("Found timestamp mismatch in :{file}"));
            for (indexed, found) in pairs {
                context.warn(format_args!(
                    "  Index timestamp: {indexed}, log timestamp: {found}"
                ));
            }
        }
        for (file, pairs) in &self.out_of_order {
            context.warn(format_args!("Found out of order timestamp in :{file}"));
            for (indexed, before) in pairs {
                context.warn(format_args!(
                    "  Index timestamp: {indexed}, Previously indexed timestamp: {before}"
                ));
            }
        }
        for (file, pairs) in &self.not_found {
            context.warn(format_args!(
                "The following indexed offsets are not found in :{file}"
            ));
            for (indexed, found) in pairs {
                context.warn(format_args!(
                    "Indexed offset: {indexed}, found log offset: {found}"
                ));
            }
        }
    }
}

/// Prints a time index and notes what is wrong with it.
pub(super) fn dump_time_index(
    path: &Path,
    mode: &IndexMode,
    errors: &mut TimeIndexErrors,
    context: &mut Context,
) -> Result<(), Failure> {
    let log = BatchFile::open(&path.with_extension("log"), None)?;
    let index = OffsetIndexFile::open(&path.with_extension("index"))?;
    let bytes = fs::read(path).map_err(|error| failed(path, error))?;
    let entries = bytes.chunks_exact(ENTRY_BYTES).map(|entry| {
        let (timestamp, offset) = entry.split_at(8);
        (
            be_i64(timestamp),
            index.base_offset + i64::from(be_i32(offset)),
        )
    });
    if mode.is_sanity_check {
        check(path, &bytes, entries, index.base_offset)?;
        return context.line(format_args!("{} passed sanity check.", path.display()));
    }
    let mut found = Found::default();
    let mut last_timestamp = NO_TIMESTAMP;
    let mut buffer = RecordBuffer::new();
    for (at, (timestamp, offset)) in entries.enumerate() {
        // After a crash the rest of the file may be zeroes.
        if 0 < at && offset == index.base_offset {
            break;
        }
        match batch_with(&log, index.lookup(offset), offset)? {
            None => found.not_found.push((offset, -1)),
            Some(bytes) => {
                let batch = log.parse(&bytes)?;
                if batch.header.last_offset() == offset {
                    let max = max_timestamp(path, &batch, &mut buffer)?;
                    if max != timestamp {
                        found.mismatches.push((timestamp, max));
                    }
                    if timestamp <= last_timestamp {
                        found.out_of_order.push((timestamp, last_timestamp));
                    }
                } else {
                    found.not_found.push((offset, batch.header.last_offset()));
                }
            }
        }
        if !mode.is_quiet {
            context.line(format_args!("timestamp: {timestamp} offset: {offset}"))?;
        }
        last_timestamp = timestamp;
    }
    note(&mut errors.mismatches, path, found.mismatches);
    note(&mut errors.out_of_order, path, found.out_of_order);
    note(&mut errors.not_found, path, found.not_found);
    Ok(())
}

/// The first batch from `position` on that reaches to `offset`.
fn batch_with(log: &BatchFile, mut position: u64, offset: i64) -> Result<Option<Vec<u8>>, Failure> {
    while let Some(bytes) = log.batch_at(position)? {
        if offset <= log.parse(&bytes)?.header.last_offset() {
            return Ok(Some(bytes));
        }
        position += bytes.len() as u64;
    }
    Ok(None)
}

fn max_timestamp(
    path: &Path,
    batch: &Batch<'_>,
    buffer: &mut RecordBuffer,
) -> Result<i64, Failure> {
    let mut max = NO_TIMESTAMP;
    let records = batch.records(buffer, DECOMPRESSED_BYTES_MAX);
    for record in records.map_err(|error| failed(path, error))? {
        let record = record.map_err(|error| failed(path, error))?;
        max = max.max(batch.header.record_timestamp(record.timestamp_delta));
    }
    Ok(max)
}

fn check(
    path: &Path,
    bytes: &[u8],
    mut entries: impl Iterator<Item = (i64, i64)>,
    base_offset: i64,
) -> Result<(), Failure> {
    check_size(path, bytes, ENTRY_BYTES)?;
    let Some((first_timestamp, first_offset)) = entries.next() else {
        return Ok(());
    };
    let (timestamp, offset) = entries.last().unwrap_or((first_timestamp, first_offset));
    let corrupt = |what: String| {
        Err(Failure::Message(format!(
            "Corrupt time index found, time index file ({}) has non-zero size but {what}",
            absolute(path)
        )))
    };
    if timestamp < first_timestamp {
        return corrupt(format!(
            "the last timestamp is {timestamp} which is less than the first timestamp \
             {first_timestamp}"
        ));
    }
    if offset < base_offset {
        return corrupt(format!(
            "the last offset is {offset} which is less than the first offset {base_offset}"
        ));
    }
    Ok(())
}
