//! `.index` and `.txnindex`: what they say, and whether the log agrees.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BatchFile, absolute, failed, offset_of};
use crate::frame::{Context, Failure};

/// Bytes of an entry of an offset index: relative offset i32, position i32.
const OFFSET_ENTRY_BYTES: usize = 8;
/// Bytes of an entry of a transaction index: version i16, producer id, first offset, last offset,
/// last stable offset i64.
const TXN_ENTRY_BYTES: usize = 34;

/// How indexes are dumped.
#[derive(Debug)]
pub(super) struct IndexMode {
    pub(super) is_sanity_check: bool,
    /// Only what is wrong is told.
    pub(super) is_quiet: bool,
    /// A larger batch does not count as found.
    pub(super) message_size_max: u32,
}

/// An offset index in memory.
#[derive(Debug)]
pub(super) struct OffsetIndexFile {
    path: PathBuf,
    pub(super) base_offset: i64,
    bytes: Vec<u8>,
}

impl OffsetIndexFile {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            path: path.to_owned(),
            base_offset: offset_of(path)?,
            bytes: fs::read(path).map_err(|error| failed(path, error))?,
        })
    }

    /// Offsets and positions.
    pub(super) fn entries(&self) -> impl Iterator<Item = (i64, u64)> {
        self.bytes.chunks_exact(OFFSET_ENTRY_BYTES).map(|entry| {
            let (offset, position) = entry.split_at(4);
            let position = be_i32(position);
            let position = u64::try_from(position).unwrap_or_default();
            (self.base_offset + i64::from(be_i32(offset)), position)
        })
    }

    /// Where to begin to look for `offset`. Entries after the first zero one are those of a file
    /// that was made longer before it was filled.
    pub(super) fn lookup(&self, offset: i64) -> u64 {
        let is_entry = |index: usize, found: i64| index == 0 || found != self.base_offset;
        self.entries()
            .enumerate()
            .take_while(|(index, (found, _))| is_entry(*index, *found) && *found <= offset)
            .last()
            .map_or(0, |(_, (_, position))| position)
    }

    fn check(&self) -> Result<(), Failure> {
        check_size(&self.path, &self.bytes, OFFSET_ENTRY_BYTES)?;
        let last = self.entries().last();
        match last {
            Some((offset, _)) if offset < self.base_offset => Err(Failure::Message(format!(
                "Corrupt index found, index file ({}) has non-zero size but the last offset is \
                 {offset} which is less than the base offset {}",
                absolute(&self.path),
                self.base_offset
            ))),
            _ => Ok(()),
        }
    }
}

/// An i32 of four bytes.
pub(super) fn be_i32(bytes: &[u8]) -> i32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

/// An i64 of eight bytes.
pub(super) fn be_i64(bytes: &[u8]) -> i64 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// Fails unless the file is made of whole entries.
pub(super) fn check_size(path: &Path, bytes: &[u8], entry_bytes: usize) -> Result<(), Failure> {
    if bytes.len().is_multiple_of(entry_bytes) {
        return Ok(());
    }
    Err(Failure::Message(format!(
        "Index file {} is corrupt, found {} bytes which is neither positive nor a multiple of \
         {entry_bytes}",
        absolute(path),
        bytes.len()
    )))
}

/// Prints an offset index; returns entries whose place in the log has another offset, with that.
pub(super) fn dump_offset_index(
    path: &Path,
    mode: &IndexMode,
    context: &mut Context,
) -> Result<Vec<(i64, i64)>, Failure> {
    let log = BatchFile::open(&path.with_extension("log"), None)?;
    let index = OffsetIndexFile::open(path)?;
    if index.entries().next().is_none() {
        context.line(format_args!("{} is empty.", path.display()))?;
        return Ok(Vec::new());
    }
    if mode.is_sanity_check {
        index.check()?;
        context.line(format_args!("{} passed sanity check.", path.display()))?;
        return Ok(Vec::new());
    }
    let mut mismatches = Vec::new();
    for (at, (offset, position)) in index.entries().enumerate() {
        // After a crash the rest of the file may be zeroes.
        if 0 < at && offset == index.base_offset {
            break;
        }
        let header = log.header_at(position)?.filter(|header| {
            u32::try_from(header.size_bytes()).is_ok_and(|size| size <= mode.message_size_max)
        });
        let header = header.ok_or_else(|| {
            failed(
                path,
                format_args!("no whole batch is at position {position} of the log"),
            )
        })?;
        if header.last_offset() != offset {
            mismatches.push((offset, header.last_offset()));
        }
        if !mode.is_quiet {
            context.line(format_args!("offset: {offset} position: {position}"))?;
        }
    }
    Ok(mismatches)
}

/// Prints a transaction index: the aborted transactions of a segment.
pub(super) fn dump_txn_index(path: &Path, context: &mut Context) -> Result<(), Failure> {
    offset_of(path)?;
    let bytes = fs::read(path).map_err(|error| failed(path, error))?;
    for entry in bytes.chunks_exact(TXN_ENTRY_BYTES) {
        let (version, numbers) = entry.split_at(2);
        let version = i16::from_be_bytes([version[0], version[1]]);
        let mut numbers = numbers.chunks_exact(8).map(be_i64);
        let mut next = || numbers.next().unwrap_or_default();
        context.line(format_args!(
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} \
             lastStableOffset: {}",
            next(),
            next(),
            next(),
            next()
        ))?;
    }
    check_size(path, &bytes, TXN_ENTRY_BYTES)
}
