//! Reads a segment's batches one behind the other, whole and with their CRCs checked: what is
//! damaged must not be written anew with a CRC that fits. Reads large pieces into one buffer.
//! Blocks; used by both passes of a round.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringbrook_record::{Batch, BatchHeader, HEADER_BYTES};

use super::clean_error::CleanProblem;
use super::round::Pace;
use crate::error::EngineError;
use crate::io::Disk;
use crate::units::usize_from;

/// Bytes of a large batch whose CRC is taken at once.
const CHUNK_BYTES: usize = 512 << 10;
/// The CRC of a batch larger than this is checked piece by piece before there is memory for it, so
/// that a damaged length costs none.
const UNCHECKED_BYTES_MAX: usize = 16 << 20;
/// Where the bytes covered by the CRC begin: at the attributes.
const CRC_FROM: u64 = 21;

/// A segment to be read.
pub(super) struct SegmentSource<D: Disk> {
    pub(super) disk: D,
    pub(super) file: Arc<D::File>,
    pub(super) path: PathBuf,
    pub(super) base_offset: i64,
    /// The next segment's base offset: batches lie below.
    pub(super) end_offset: i64,
    pub(super) bytes: u64,
}

/// Reads one segment after the other with the same memory.
#[derive(Debug, Default)]
pub(super) struct BatchBuffer {
    bytes: Vec<u8>,
}

/// A walk over the batches of a segment.
pub(super) struct BatchReader<'a, D: Disk> {
    source: &'a SegmentSource<D>,
    pace: &'a dyn Pace,
    buffer: &'a mut BatchBuffer,
    /// Where the buffer's bytes lie in the file.
    buffer_position: u64,
    /// Where the next batch starts.
    position: u64,
    /// The lowest base offset it may have.
    next_offset: i64,
}

impl<'a, D: Disk> BatchReader<'a, D> {
    /// Begins at `position`, where a batch starts.
    pub(super) fn new(
        source: &'a SegmentSource<D>,
        pace: &'a dyn Pace,
        buffer: &'a mut BatchBuffer,
        position: u64,
    ) -> Self {
        buffer.bytes.clear();
        if UNCHECKED_BYTES_MAX < buffer.bytes.capacity() {
            buffer.bytes = Vec::new();
        }
        Self {
            source,
            pace,
            buffer,
            buffer_position: position,
            position,
            next_offset: source.base_offset,
        }
    }

    /// The next batch with the position where it starts, `None` at the end.
    ///
    /// # Errors
    /// [`CleanProblem::Damaged`] for what is no whole good batch that follows the last one; when
    /// the file cannot be read; when the pace says so.
    pub(super) fn next(&mut self) -> Result<Option<(Batch<'_>, u64)>, CleanProblem> {
        let position = self.position;
        let left = self.source.bytes - position;
        if left == 0 {
            return Ok(None);
        }
        let header_bytes = self.load(position, HEADER_BYTES)?;
        let header = BatchHeader::parse(header_bytes)
            .map_err(|error| CleanProblem::damaged(&self.source.path, position, &error))?;
        let size_bytes = header.size_bytes();
        if left < size_bytes as u64 {
            return Err(self.damage(format!("{left} of its {size_bytes} bytes are there")));
        }
        let (first, last) = (header.base_offset, header.last_offset());
        if first < self.next_offset || last < first || self.source.end_offset <= last {
            return Err(self.damage(format!(
                "offsets {first} to {last} are outside of {} to {}",
                self.next_offset, self.source.end_offset
            )));
        }
        if UNCHECKED_BYTES_MAX < size_bytes {
            self.check_piecewise(&header)?;
        }
        self.position += size_bytes as u64;
        self.next_offset = last + 1;
        let path = &self.source.path;
        let bytes = load(
            self.source,
            self.pace,
            self.buffer,
            &mut self.buffer_position,
            position,
            size_bytes,
        )?;
        let batch = Batch { header, bytes };
        batch
            .verify_crc()
            .map_err(|error| CleanProblem::damaged(path, position, &error))?;
        Ok(Some((batch, position)))
    }

    fn check_piecewise(&mut self, header: &BatchHeader) -> Result<(), CleanProblem> {
        let end = self.position + header.size_bytes() as u64;
        let mut at = self.position + CRC_FROM;
        let mut crc = 0;
        while at < end {
            let count = usize_from(end - at).min(CHUNK_BYTES);
            crc = crc32c::crc32c_append(crc, self.load(at, count)?);
            at += count as u64;
        }
        if crc == header.crc {
            return Ok(());
        }
        let stored = header.crc;
        Err(self.damage(format!("crc is {stored:#010x}, its bytes have {crc:#010x}")))
    }

    fn load(&mut self, position: u64, count: usize) -> Result<&[u8], CleanProblem> {
        load(
            self.source,
            self.pace,
            self.buffer,
            &mut self.buffer_position,
            position,
            count,
        )
    }

    fn damage(&self, problem: String) -> CleanProblem {
        CleanProblem::Damaged {
            path: self.source.path.clone(),
            position: self.position,
            problem,
        }
    }
}

/// The bytes from `position` on: `count`, or up to the end of the segment. What the buffer holds of
/// them is not read again.
fn load<'b, D: Disk>(
    source: &SegmentSource<D>,
    pace: &dyn Pace,
    buffer: &'b mut BatchBuffer,
    buffer_position: &mut u64,
    position: u64,
    count: usize,
) -> Result<&'b [u8], CleanProblem> {
    let bytes = &mut buffer.bytes;
    let count = count.min(usize_from(source.bytes - position));
    let buffer_end = *buffer_position + bytes.len() as u64;
    if position < *buffer_position || buffer_end < position + count as u64 {
        let held = if (*buffer_position..buffer_end).contains(&position) {
            let from = usize_from(position - *buffer_position);
            bytes.copy_within(from.., 0);
            bytes.len() - from
        } else {
            0
        };
        let wanted = usize_from(source.bytes - position).min(count.max(pace.read_bytes()));
        bytes.resize(wanted, 0);
        *buffer_position = position;
        pace.spend((wanted - held) as u64)?;
        let at = position + held as u64;
        let read = source
            .disk
            .read_at(&source.file, &mut bytes[held..], at)
            .map_err(|error| EngineError::io("read", &source.path, error))?;
        if read < wanted - held {
            return Err(short(&source.path, position));
        }
    }
    let from = usize_from(position - *buffer_position);
    Ok(&bytes[from..from + count])
}

fn short(path: &Path, position: u64) -> CleanProblem {
    CleanProblem::Damaged {
        path: path.to_owned(),
        position,
        problem: "the file is shorter than its segment".to_owned(),
    }
}

#[cfg(test)]
mod tests;
