//! The files of a partition directory read with the plainest code there is: whole files, walked
//! from the start. Not the engine's readers.

use std::path::Path;

use ringbrook_record::{Batch, BatchHeader, Batches};

use super::breach::{Breach, Checked, Rule, check};
use crate::index::AbortedTransaction;
use crate::io::{Disk, SimDisk};
use crate::segment::{FileKind, segment_file_name};

const FILE_BYTES_MAX: u64 = 64 << 20;

/// A batch and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) position: usize,
    pub(crate) header: BatchHeader,
}

/// The files of one segment.
#[derive(Debug)]
pub(crate) struct SegmentContent {
    pub(crate) base_offset: i64,
    pub(crate) log: Vec<u8>,
    pub(crate) batches: Vec<Place>,
    /// Relative offset and position.
    pub(crate) offset_index: Vec<(i64, usize)>,
    /// Timestamp and relative offset.
    pub(crate) time_index: Vec<(i64, i64)>,
    pub(crate) txn_index: Vec<AbortedTransaction>,
}

impl SegmentContent {
    pub(crate) fn bytes_of(&self, place: &Place) -> &[u8] {
        &self.log[place.position..place.position + place.header.size_bytes()]
    }
}

fn field<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    bytes[from..]
        .first_chunk()
        .copied()
        .expect("entries are cut to their size")
}

/// Every segment of the directory, by base offset.
pub(crate) fn read_segments(disk: &SimDisk, dir: &Path) -> Checked<Vec<SegmentContent>> {
    let entries = disk
        .list(dir)
        .map_err(|error| Breach::new(Rule::Logs, format!("{}: {error}", dir.display())))?;
    let mut bases: Vec<i64> = entries
        .iter()
        .filter_map(|entry| FileKind::parse(&entry.name))
        .filter(|(kind, _)| *kind == FileKind::Log)
        .map(|(_, base_offset)| base_offset)
        .collect();
    bases.sort_unstable();
    bases
        .into_iter()
        .map(|base_offset| read_segment(disk, dir, base_offset))
        .collect()
}

fn read(disk: &SimDisk, dir: &Path, base_offset: i64, kind: FileKind) -> Checked<Option<Vec<u8>>> {
    let path = dir.join(segment_file_name(base_offset, kind));
    disk.read_file(&path, FILE_BYTES_MAX)
        .map_err(|error| Breach::new(Rule::Operation, format!("{}: {error}", path.display())))
}

fn entries(bytes: &[u8], entry_bytes: usize, what: &str) -> Checked<Vec<Vec<u8>>> {
    check(Rule::L3, bytes.len().is_multiple_of(entry_bytes), || {
        format!("{what} has {} bytes", bytes.len())
    })?;
    Ok(bytes.chunks(entry_bytes).map(<[u8]>::to_vec).collect())
}

fn read_segment(disk: &SimDisk, dir: &Path, base_offset: i64) -> Checked<SegmentContent> {
    let log = read(disk, dir, base_offset, FileKind::Log)?.unwrap_or_default();
    let at = || format!("{} segment {base_offset}", dir.display());
    let mut batches = Vec::new();
    let mut walk = Batches::new(&log);
    let mut position = 0;
    for batch in walk.by_ref() {
        let batch: Batch<'_> =
            batch.map_err(|error| Breach::new(Rule::L4, format!("{}: {error}", at())))?;
        batch
            .verify_crc()
            .map_err(|error| Breach::new(Rule::L4, format!("{} at {position}: {error}", at())))?;
        let header = batch.header;
        batches.push(Place { position, header });
        position += header.size_bytes();
    }
    check(Rule::L4, position == log.len(), || {
        format!("{}: {} bytes, batches end at {position}", at(), log.len())
    })?;
    let index = read(disk, dir, base_offset, FileKind::OffsetIndex)?.unwrap_or_default();
    let offset_index = entries(&index, 8, "an offset index")?
        .iter()
        .map(|entry| {
            let relative = i64::from(i32::from_be_bytes(field(entry, 0)));
            let position = u32::from_be_bytes(field(entry, 4)) as usize;
            (relative, position)
        })
        .collect();
    let index = read(disk, dir, base_offset, FileKind::TimeIndex)?.unwrap_or_default();
    let time_index = entries(&index, 12, "a time index")?
        .iter()
        .map(|entry| {
            let timestamp = i64::from_be_bytes(field(entry, 0));
            (timestamp, i64::from(i32::from_be_bytes(field(entry, 8))))
        })
        .collect();
    let index = read(disk, dir, base_offset, FileKind::TxnIndex)?.unwrap_or_default();
    let txn_index = entries(&index, 34, "a transaction index")?
        .iter()
        .map(|entry| AbortedTransaction {
            producer_id: i64::from_be_bytes(field(entry, 2)),
            first_offset: i64::from_be_bytes(field(entry, 10)),
            last_offset: i64::from_be_bytes(field(entry, 18)),
            last_stable_offset: i64::from_be_bytes(field(entry, 26)),
        })
        .collect();
    Ok(SegmentContent {
        base_offset,
        log,
        batches,
        offset_index,
        time_index,
        txn_index,
    })
}
