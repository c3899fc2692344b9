//! What an unclean open takes from a segment below the recovery point without walking it: the index
//! entries, and the end of that part found through them. Everything taken is checked against the
//! batch headers nearby; where it does not fit, the whole segment is recovered instead. Blocks.
//!
//! The files may hold more than was durable: entries past the recovery point may be torn or zero
//! (Kafka preallocates its indices), so only a rising run of entries below it counts.

use std::sync::Arc;

use ringbrook_record::NO_TIMESTAMP;

use super::load_segment::SegmentLoader;
use super::rebuild::read_header;
use crate::error::EngineError;
use crate::index::{IndexEntry, OffsetEntry, SparseIndex, TimeEntry, TxnIndex};
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{FileKind, HeaderReader, ResumedTail, SegmentTail, is_within_reach};

/// Bytes of an index read at once; a multiple of both entries' sizes.
const INDEX_CHUNK_BYTES: usize = 12 * 8192;

/// The part of a segment below the recovery point.
pub(crate) struct Trusted {
    /// Ends where the recovery point lies.
    pub(crate) tail: SegmentTail,
    pub(crate) offset_index: SparseIndex<OffsetEntry>,
    pub(crate) time_index: SparseIndex<TimeEntry>,
    pub(crate) txn: TxnIndex,
}

/// A run of entries at the start of an index file.
struct Run<E> {
    count: u64,
    last: Option<E>,
}

impl<D: Disk> SegmentLoader<'_, D> {
    /// What is trusted of the segment below `recovery_point`, which lies above its base offset.
    /// `None` when the files do not fit together there.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn trusted_below(
        &self,
        base_offset: i64,
        bytes: u64,
        recovery_point: i64,
        has_txn_index: bool,
    ) -> Result<Option<Trusted>, EngineError> {
        let Ok(end) = u32::try_from(recovery_point - base_offset) else {
            return Ok(None);
        };
        if !is_within_reach(base_offset, recovery_point - 1) {
            return Ok(None);
        }
        let offsets = self.offset_run(base_offset, end)?;
        let times = self.time_run(base_offset, end)?;
        let mut resumed = ResumedTail {
            base_offset,
            bytes: 0,
            max_timestamp: NO_TIMESTAMP,
            max_timestamp_offset: base_offset,
            first_timestamp: NO_TIMESTAMP,
            offset_entries: offsets.count,
            time_entries: times.count,
            last_time_entry: NO_TIMESTAMP,
            bytes_since_entry: 0,
        };
        if let Some(entry) = times.last {
            resumed.last_time_entry = entry.timestamp;
            resumed.max_timestamp = entry.timestamp;
            resumed.max_timestamp_offset = base_offset + i64::from(entry.relative_offset);
        }
        if !self.find_place(&mut resumed, bytes, recovery_point, offsets.last)? {
            return Ok(None);
        }
        let mut txn = TxnIndex::default();
        if has_txn_index {
            let content = self.read_txn_index(base_offset)?;
            let trusted =
                content.and_then(|it| TxnIndex::decode_trusted(&it, base_offset, recovery_point));
            match trusted {
                Some(trusted) => txn = trusted,
                None => return Ok(None),
            }
        }
        Ok(Some(Trusted {
            tail: SegmentTail::resumed(&resumed, self.now_ms),
            offset_index: SparseIndex::from_file(offsets.count * OffsetEntry::BYTES as u64),
            time_index: SparseIndex::from_file(times.count * TimeEntry::BYTES as u64),
            txn,
        }))
    }

    /// Walks headers from the last entry to the recovery point. Returns whether a batch ends right
    /// there, and the entry and the distance from it are as they should be.
    fn find_place(
        &self,
        resumed: &mut ResumedTail,
        bytes: u64,
        recovery_point: i64,
        entry: Option<OffsetEntry>,
    ) -> Result<bool, EngineError> {
        let base_offset = resumed.base_offset;
        let path = self.path(base_offset, FileKind::Log);
        let io = |source| EngineError::io("read", &path, source);
        let file = self.disk.open(&path).map_err(io)?;
        let Some(first) = read_header(self.disk, &file, 0).map_err(io)? else {
            return Ok(false);
        };
        resumed.first_timestamp = first.max_timestamp;
        let from = entry.map_or(0, |entry| u64::from(entry.position));
        let mut headers = HeaderReader::new(Access::Blocking, self.disk, &file, base_offset, bytes);
        let (mut position, mut next_offset, mut previous_bytes) = (from, base_offset, 0);
        while next_offset != recovery_point {
            let Ok(Some(place)) = block_on_ready(headers.at(position)) else {
                return Ok(false);
            };
            let (first, last) = (place.header.base_offset, place.header.last_offset());
            let is_entry = entry.is_none_or(|entry| {
                position != from || last - base_offset == i64::from(entry.relative_offset)
            });
            // A restart begins to count anew; more than that is an index that lost its end.
            let apart_max = 2 * u64::from(self.config.index_interval_bytes) + previous_bytes;
            let is_in_order = next_offset <= first && first <= last && last < recovery_point;
            if !is_entry || !is_in_order || apart_max < position - from {
                return Ok(false);
            }
            if resumed.max_timestamp < place.header.max_timestamp {
                resumed.max_timestamp = place.header.max_timestamp;
                resumed.max_timestamp_offset = last;
            }
            next_offset = last + 1;
            previous_bytes = place.header.size_bytes() as u64;
            position = place.end();
        }
        resumed.bytes = position;
        resumed.bytes_since_entry = position - from;
        Ok(true)
    }

    fn offset_run(&self, base_offset: i64, end: u32) -> Result<Run<OffsetEntry>, EngineError> {
        self.run(base_offset, FileKind::OffsetIndex, |last, entry| {
            let follows = last.is_none_or(|last: &OffsetEntry| {
                last.relative_offset < entry.relative_offset && last.position < entry.position
            });
            follows && 0 < entry.position && entry.relative_offset < end
        })
    }

    fn time_run(&self, base_offset: i64, end: u32) -> Result<Run<TimeEntry>, EngineError> {
        self.run(base_offset, FileKind::TimeIndex, |last, entry| {
            let follows = last.is_none_or(|last: &TimeEntry| {
                last.timestamp < entry.timestamp && last.relative_offset < entry.relative_offset
            });
            // All zeros is what a length without its bytes reads as.
            let is_zero = entry.timestamp == 0 && entry.relative_offset == 0;
            follows && !is_zero && 0 <= entry.timestamp && entry.relative_offset < end
        })
    }

    /// The entries from the start of an index file on that fit.
    fn run<E: IndexEntry>(
        &self,
        base_offset: i64,
        kind: FileKind,
        fits: impl Fn(Option<&E>, &E) -> bool,
    ) -> Result<Run<E>, EngineError> {
        let path = self.path(base_offset, kind);
        let io = |source| EngineError::io("read", &path, source);
        let file: Arc<D::File> = self.disk.open(&path).map_err(io)?;
        let mut run = Run {
            count: 0,
            last: None,
        };
        let mut chunk = vec![0; INDEX_CHUNK_BYTES];
        loop {
            let position = run.count * E::BYTES as u64;
            let read = self.disk.read_at(&file, &mut chunk, position).map_err(io)?;
            for bytes in chunk[..read].chunks_exact(E::BYTES) {
                match E::decode(bytes) {
                    Some(entry) if fits(run.last.as_ref(), &entry) => {
                        run.count += 1;
                        run.last = Some(entry);
                    }
                    _ => return Ok(run),
                }
            }
            if read < chunk.len() {
                return Ok(run);
            }
        }
    }
}
