//! Recovers one segment file after an unclean shutdown: walks its batches with their CRCs, rebuilds
//! its indices, and finds where the first damaged batch starts. Changes nothing on disk. Blocks;
//! called when a log is opened. (Kafka `LogSegment.recover`.)

use std::path::Path;

use ringbrook_record::{BatchHeader, HEADER_BYTES};

use super::segment_tail::{BatchFacts, SegmentTail};
use super::zeroed_ahead::ZEROS_BYTES_MAX;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::index::{OffsetEntry, SparseIndex, TimeEntry};
use crate::io::Disk;
use crate::units::usize_from;

/// Bytes read at once: few calls, and still in the core's cache when the CRC is taken.
const CHUNK_BYTES: usize = 256 << 10;
/// Where the bytes covered by the CRC begin: at the attributes.
const CRC_FROM: u64 = 21;
/// Smallest length field of the message formats before v2.
const LEGACY_LENGTH_MIN: i32 = 14;

/// What is left of a segment.
pub(crate) struct RecoveredSegment {
    /// The end after the last good batch; its size is that of the good bytes.
    pub(crate) tail: SegmentTail,
    pub(crate) offset_index: SparseIndex<OffsetEntry>,
    pub(crate) time_index: SparseIndex<TimeEntry>,
    /// The offset after the last good batch, or the base offset.
    pub(crate) next_offset: i64,
    /// Leader epochs of the batches, each with its first offset here.
    pub(crate) epochs: Vec<(i32, i64)>,
    /// Why the walk ended before the file did.
    pub(crate) damage: Option<String>,
    /// The walk ended before a good batch that lies too far from the base offset: the segment has
    /// to be split.
    pub(crate) has_overflow: bool,
    /// Zeros at the end of the file, ahead of batches that did not come.
    pub(crate) zero_bytes: u64,
}

/// The pieces a segment has to be split into.
pub(crate) struct SegmentBorders {
    /// Base offset and position of each; the first keeps those of the segment, and is empty when
    /// all batches lie too far away.
    pub(crate) starts: Vec<(i64, u64)>,
    /// Where the last good batch ends.
    pub(crate) end: u64,
    /// Why that is not the end of the file.
    pub(crate) damage: Option<String>,
}

/// Where the file is and what is known about it.
pub(crate) struct SegmentFile<'a, D: Disk> {
    pub(crate) disk: &'a D,
    pub(crate) file: &'a D::File,
    pub(crate) path: &'a Path,
    pub(crate) base_offset: i64,
    /// Base offset of the next segment; `None` for the last.
    pub(crate) next_base: Option<i64>,
    pub(crate) bytes: u64,
    /// Told how many bytes each piece has that was read.
    pub(crate) on_walked: &'a dyn Fn(u64),
}

/// Walks the file from `start` on, which is the end of what is known already.
///
/// # Errors
/// When it cannot be read, or holds a message format before v2, which must not be taken for damage.
pub(crate) fn recover_segment<D: Disk>(
    source: &SegmentFile<'_, D>,
    config: &LogConfig,
    start: RecoveredSegment,
) -> Result<RecoveredSegment, EngineError> {
    let mut scan = Scan {
        source,
        chunk: Vec::new(),
        chunk_position: 0,
    };
    let mut recovered = start;
    while recovered.tail.bytes < source.bytes {
        let position = recovered.tail.bytes;
        match scan.batch_at(position, recovered.next_offset)? {
            Ok(header) if is_within_reach(source.base_offset, header.last_offset()) => {
                recovered.add(&header, config);
            }
            Ok(_) => {
                recovered.has_overflow = true;
                break;
            }
            // What was zeroed ahead of batches that did not come; nothing is missing.
            Err(_)
                if (source.next_base).is_none_or(|next| next == recovered.next_offset)
                    && scan.is_zero_from(position)? =>
            {
                recovered.zero_bytes = source.bytes - position;
                break;
            }
            Err(damage) => {
                scan.refuse_legacy_format(position)?;
                recovered.damage = Some(damage);
                break;
            }
        }
    }
    Ok(recovered)
}

/// Whether a segment can hold an offset: index entries have 31 bits for its distance to the base.
pub(crate) fn is_within_reach(base_offset: i64, offset: i64) -> bool {
    let distance = offset.checked_sub(base_offset);
    distance.is_some_and(|distance| (0..=i64::from(i32::MAX)).contains(&distance))
}

/// Walks the whole file and begins another piece wherever a batch lies too far from the base offset
/// of the one before.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn find_borders<D: Disk>(
    source: &SegmentFile<'_, D>,
) -> Result<SegmentBorders, EngineError> {
    let mut scan = Scan {
        source,
        chunk: Vec::new(),
        chunk_position: 0,
    };
    let (mut piece, mut next_offset) = (source.base_offset, source.base_offset);
    let mut borders = SegmentBorders {
        starts: vec![(piece, 0)],
        end: 0,
        damage: None,
    };
    while borders.end < source.bytes {
        match scan.batch_at(borders.end, next_offset)? {
            Ok(header) => {
                if !is_within_reach(piece, header.last_offset()) {
                    piece = header.base_offset;
                    borders.starts.push((piece, borders.end));
                }
                next_offset = header.last_offset() + 1;
                borders.end += header.size_bytes() as u64;
            }
            Err(damage) => {
                borders.damage = Some(damage);
                break;
            }
        }
    }
    Ok(borders)
}

impl RecoveredSegment {
    /// Nothing is known: the walk begins at the segment's start.
    pub(crate) fn empty(base_offset: i64, now_ms: i64) -> Self {
        Self {
            tail: SegmentTail::new(base_offset, now_ms),
            offset_index: SparseIndex::empty(),
            time_index: SparseIndex::empty(),
            next_offset: base_offset,
            epochs: Vec::new(),
            damage: None,
            has_overflow: false,
            zero_bytes: 0,
        }
    }

    fn add(&mut self, header: &BatchHeader, config: &LogConfig) {
        let facts = BatchFacts {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
            bytes: header.size_bytes() as u64,
        };
        let entries = self.tail.add(&facts, config);
        if let Some(entry) = entries.offset {
            self.offset_index.push(entry);
        }
        if let Some(entry) = entries.time {
            self.time_index.push(entry);
        }
        if self
            .epochs
            .last()
            .is_none_or(|(epoch, _)| *epoch < header.partition_leader_epoch)
        {
            self.epochs
                .push((header.partition_leader_epoch, header.base_offset));
        }
        self.next_offset = facts.last_offset + 1;
    }
}

struct Scan<'a, 'b, D: Disk> {
    source: &'a SegmentFile<'b, D>,
    chunk: Vec<u8>,
    chunk_position: u64,
}

impl<D: Disk> Scan<'_, '_, D> {
    /// The header of a good batch, or what is wrong with it.
    fn batch_at(
        &mut self,
        position: u64,
        next_offset: i64,
    ) -> Result<Result<BatchHeader, String>, EngineError> {
        let left = self.source.bytes - position;
        if left < HEADER_BYTES as u64 {
            return Ok(Err(format!("{left} bytes are too few for a batch header")));
        }
        let bytes = self.bytes_at(position, HEADER_BYTES)?;
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let size = header.size_bytes() as u64;
        if left < size {
            return Ok(Err(format!("{left} of the batch's {size} bytes are there")));
        }
        let (first, last) = (header.base_offset, header.last_offset());
        let is_in_order = next_offset <= first && first <= last && last < i64::MAX;
        // The CRC does not cover the base offset. Out of the segment's reach it is believed only
        // below the next segment; in the last one, if the jump is not as wide as that reach.
        let is_believed = is_within_reach(self.source.base_offset, last)
            || match self.source.next_base {
                Some(next) => last < next,
                None => is_within_reach(next_offset, first),
            };
        if !is_in_order || !is_believed {
            return Ok(Err(format!(
                "offsets {first} to {last} cannot follow {next_offset}"
            )));
        }
        let crc = self.crc(position + CRC_FROM, position + size)?;
        if crc != header.crc {
            return Ok(Err(format!(
                "crc is {crc:#010x}, expected {:#010x}",
                header.crc
            )));
        }
        Ok(Ok(header))
    }

    /// A segment of an old format starts with it; garbage further on is damage.
    fn refuse_legacy_format(&mut self, position: u64) -> Result<(), EngineError> {
        if position != 0 || self.source.bytes < HEADER_BYTES as u64 {
            return Ok(());
        }
        let file_bytes = i64::try_from(self.source.bytes).unwrap_or(i64::MAX);
        let bytes = self.bytes_at(0, HEADER_BYTES)?;
        let length = bytes[8..]
            .first_chunk::<4>()
            .map_or(0, |field| i32::from_be_bytes(*field));
        let magic = i8::from_be_bytes([bytes[16]]);
        let is_plausible = LEGACY_LENGTH_MIN <= length && i64::from(length) + 12 <= file_bytes;
        if is_plausible && (0..2).contains(&magic) {
            let path = self.source.path.to_owned();
            return Err(EngineError::UnsupportedFormat {
                path,
                magic,
                position,
            });
        }
        Ok(())
    }

    fn crc(&mut self, from: u64, to: u64) -> Result<u32, EngineError> {
        let mut crc = 0;
        let mut at = from;
        while at < to {
            // What is there already first, so that no byte is read twice.
            let held = self.chunk_end().saturating_sub(at);
            let most = if 0 < held { held } else { CHUNK_BYTES as u64 };
            let wanted = usize_from((to - at).min(most));
            crc = crc32c::crc32c_append(crc, self.bytes_at(at, wanted)?);
            at += wanted as u64;
        }
        Ok(crc)
    }

    /// Whether there are zeros only, up to the end of the file, and no more than are written ahead.
    /// A whole segment of them, which Kafka preallocates, is not worth reading.
    fn is_zero_from(&mut self, position: u64) -> Result<bool, EngineError> {
        if position + ZEROS_BYTES_MAX < self.source.bytes {
            return Ok(false);
        }
        let mut at = position;
        while at < self.source.bytes {
            let wanted = usize_from((self.source.bytes - at).min(CHUNK_BYTES as u64));
            if self.bytes_at(at, wanted)?.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += wanted as u64;
        }
        Ok(true)
    }

    fn chunk_end(&self) -> u64 {
        self.chunk_position + self.chunk.len() as u64
    }

    /// `wanted` bytes, at most a chunk, which the file holds. Positions never go back.
    fn bytes_at(&mut self, position: u64, wanted: usize) -> Result<&[u8], EngineError> {
        let is_in_chunk =
            self.chunk_position <= position && position + wanted as u64 <= self.chunk_end();
        if !is_in_chunk {
            let io = |source| EngineError::io("read", self.source.path, source);
            let bytes = usize_from(self.source.bytes - position).min(CHUNK_BYTES);
            let held = self.chunk_end().saturating_sub(position);
            self.chunk.resize(bytes, 0);
            self.chunk_position = position;
            let SegmentFile { disk, file, .. } = self.source;
            let read = disk.read_at(file, &mut self.chunk, position).map_err(io)?;
            self.chunk.truncate(read);
            (self.source.on_walked)((read as u64).saturating_sub(held));
            if read < wanted {
                return Err(io(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)));
            }
        }
        let from = usize_from(position - self.chunk_position);
        Ok(&self.chunk[from..from + wanted])
    }
}
