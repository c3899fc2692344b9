//! `.snapshot`: the producers that wrote a partition up to an offset.
//!
//! | offset | bytes | type | meaning |
//! |---:|---:|---|---|
//! | 0 | 2 | i16 | version, 1 |
//! | 2 | 4 | u32 | CRC-32C of the bytes from 6 on |
//! | 6 | 4 | i32 | number of producers |
//! | 10 | 44 each | | producers, see below |
//!
//! A producer: id i64, epoch i16, last sequence i32, last offset i64, offset delta i32, timestamp
//! i64, coordinator epoch i32, first offset of its open transaction i64 (-1 none). Version 2 of the
//! file has no other fields.

use std::fs;
use std::path::Path;

use super::failed;
use super::log_file::optional;
use crate::frame::{Context, Failure};

const CRC_END: usize = 6;

/// Prints a snapshot of producers. A damaged one is told on standard error and no failure, as the
/// broker only writes another.
pub(super) fn dump_producer_snapshot(path: &Path, context: &mut Context) -> Result<(), Failure> {
    let bytes = fs::read(path).map_err(|error| failed(path, error))?;
    let mut fields = Fields(&bytes);
    let head = (|| Some((fields.i16()?, fields.u32()?, fields.i32()?)))();
    let Some((version, crc, count)) = head else {
        context.warn("Snapshot failed schema validation: it is cut short");
        return Ok(());
    };
    if !(1..=2).contains(&version) {
        context.warn(format_args!(
            "Snapshot contained an unknown file version {version}"
        ));
        return Ok(());
    }
    let mut lines = Vec::new();
    for _ in 0..count {
        match producer(&mut fields) {
            Some(line) => lines.push(line),
            None => {
                context.warn("Snapshot failed schema validation: it is cut short");
                return Ok(());
            }
        }
    }
    let computed = crc32c::crc32c(&bytes[CRC_END..]);
    if crc != computed {
        context.warn(format_args!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {crc}. Computed crc: \
             {computed}"
        ));
        return Ok(());
    }
    lines.into_iter().try_for_each(|line| context.line(line))
}

/// One producer; `None` when the bytes end before it does.
fn producer(fields: &mut Fields<'_>) -> Option<String> {
    let (id, epoch) = (fields.i64()?, fields.i16()?);
    let (last_sequence, last_offset, offset_delta) = (fields.i32()?, fields.i64()?, fields.i32()?);
    let (timestamp, coordinator_epoch, first_offset) =
        (fields.i64()?, fields.i32()?, fields.i64()?);
    let first_offset = optional((0 <= first_offset).then_some(first_offset));
    let mut line = format!(
        "producerId: {id} producerEpoch: {epoch} coordinatorEpoch: {coordinator_epoch} \
         currentTxnFirstOffset: {first_offset} lastTimestamp: {timestamp}"
    );
    if 0 <= last_offset {
        let first_sequence = first_sequence(last_sequence, offset_delta);
        line.push_str(&format!(
            " firstSequence: {first_sequence} lastSequence: {last_sequence} \
             lastOffset: {last_offset} offsetDelta: {offset_delta} timestamp: {timestamp}"
        ));
    }
    Some(line)
}

/// Sequence numbers begin at 0 again after 2^31 - 1.
fn first_sequence(last: i32, delta: i32) -> i64 {
    let first = i64::from(last) - i64::from(delta);
    if first < 0 && 0 <= last {
        return first + i64::from(i32::MAX) + 1;
    }
    first
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
}
