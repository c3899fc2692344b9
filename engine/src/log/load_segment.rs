//! Loads one segment when its log is opened: sizes from the directory, the last index entries, the
//! end of the active segment; or, where that cannot be trusted, recovery. Blocks.

use std::io;
use std::path::{Path, PathBuf};

use ringbrook_record::NO_TIMESTAMP;

use super::rebuild::read_header;
use super::resume_segment::Trusted;
use super::split_segment::SplitPlan;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::index::{IndexEntry, OffsetEntry, SparseIndex, TimeEntry, TxnIndex};
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{
    FileKind, HeaderReader, Largest, RecoveredSegment, Segment, SegmentFile, SegmentIndexes,
    SegmentTail, is_within_reach, recover_segment, segment_file_name,
};

/// Largest transaction index that is read: a million aborted transactions.
const TXN_INDEX_BYTES_MAX: u64 = 34 << 20;

/// A loaded segment.
pub(crate) struct Loaded<D: Disk> {
    pub(crate) segment: Segment<D>,
    /// Meaningful for the last segment only.
    pub(crate) tail: SegmentTail,
    /// The offset after its last batch; meaningful for the last or a recovered segment only.
    pub(crate) next_offset: i64,
    /// Present when it was recovered.
    pub(crate) recovered: Option<RecoveryFindings>,
}

/// A segment that was loaded, or how it has to be split first.
pub(crate) type Found<D> = Result<Loaded<D>, SplitPlan>;

/// What recovery found.
pub(crate) struct RecoveryFindings {
    /// First offset that was walked; what is below was on disk before.
    pub(crate) from: i64,
    pub(crate) walked_bytes: u64,
    pub(crate) truncated_bytes: u64,
    pub(crate) epochs: Vec<(i32, i64)>,
    pub(crate) damage: Option<String>,
}

/// Loads the segments of one directory.
pub(crate) struct SegmentLoader<'a, D: Disk> {
    pub(crate) disk: &'a D,
    pub(crate) dir: &'a Path,
    pub(crate) config: &'a LogConfig,
    pub(crate) now_ms: i64,
    /// Segments are on disk below it with their indices, as far as the checkpoint says.
    pub(crate) recovery_point: i64,
    /// Told how many bytes each piece has that was walked.
    pub(crate) on_walked: &'a dyn Fn(u64),
}

impl<D: Disk> SegmentLoader<'_, D> {
    pub(super) fn path(&self, base_offset: i64, kind: FileKind) -> PathBuf {
        self.dir.join(segment_file_name(base_offset, kind))
    }

    pub(super) fn bytes(&self, base_offset: i64, kind: FileKind) -> Result<u64, EngineError> {
        let path = self.path(base_offset, kind);
        match self.disk.stat(&path) {
            Ok(stat) => Ok(stat.bytes),
            Err(source) => Err(EngineError::io("stat", &path, source)),
        }
    }

    /// Loads the segment, recovering it when `must_recover` or when its files do not fit together.
    /// The `next` one begins where given; there is none after the last.
    ///
    /// # Errors
    /// When a file cannot be read or written, or holds what must not be touched.
    pub(crate) fn load(
        &self,
        base_offset: i64,
        next: Option<i64>,
        must_recover: bool,
        has: impl Fn(FileKind) -> bool,
    ) -> Result<Found<D>, EngineError> {
        let bytes = self.bytes(base_offset, FileKind::Log)?;
        if i32::MAX.cast_unsigned() < u32::try_from(bytes).unwrap_or(u32::MAX) {
            let path = self.path(base_offset, FileKind::Log);
            return Err(EngineError::corrupt(
                &path,
                format!("{bytes} bytes are too many"),
            ));
        }
        let has_indices = has(FileKind::OffsetIndex) && has(FileKind::TimeIndex);
        let has_txn = has(FileKind::TxnIndex);
        if has_indices && must_recover && base_offset < self.recovery_point {
            let point = self.recovery_point;
            if let Some(trusted) = self.trusted_below(base_offset, bytes, point, has_txn)? {
                let mut found = self.recover(base_offset, next, bytes, Some(trusted))?;
                if let Ok(loaded) = &mut found
                    && next.is_none()
                {
                    // All of it was on disk.
                    loaded.recovered.take_if(|found| found.walked_bytes == 0);
                }
                return Ok(found);
            }
            tracing::warn!(
                dir = %self.dir.display(), segment = base_offset, recovery_point = point,
                "files do not fit together below the recovery point: the segment is recovered whole"
            );
        }
        // A crash may leave the transaction index of a marker that it took.
        if !has_indices || must_recover && (has_txn || !self.is_empty(base_offset, bytes)?) {
            return self.recover(base_offset, next, bytes, None);
        }
        let Some(txn) = self.load_txn_index(base_offset, has_txn)? else {
            return self.recover(base_offset, next, bytes, None);
        };
        let indexes = SegmentIndexes {
            offset: SparseIndex::from_file(self.bytes(base_offset, FileKind::OffsetIndex)?),
            time: SparseIndex::from_file(self.bytes(base_offset, FileKind::TimeIndex)?),
            txn,
            largest: None,
        };
        let segment = Segment::new(base_offset, bytes, indexes);
        let (tail, next_offset) = if let Some(next) = next {
            if let Some(plan) = self.find_overflow(&segment, next)? {
                return Ok(Err(plan));
            }
            let tail = SegmentTail::new(base_offset, self.now_ms);
            (tail, base_offset)
        } else {
            let end = self.find_end(&segment)?;
            let last = segment.indexes().txn.entries().last().copied();
            let fits = |(_, end): &(_, i64)| last.is_none_or(|last| last.last_offset < *end);
            let Some(end) = end.filter(fits) else {
                return self.recover(base_offset, next, bytes, None);
            };
            end
        };
        Ok(Ok(Loaded {
            segment,
            tail,
            next_offset,
            recovered: None,
        }))
    }

    /// Whether a segment and its indices are empty: then there is nothing to recover.
    fn is_empty(&self, base_offset: i64, bytes: u64) -> Result<bool, EngineError> {
        Ok(bytes == 0
            && self.bytes(base_offset, FileKind::OffsetIndex)? == 0
            && self.bytes(base_offset, FileKind::TimeIndex)? == 0)
    }

    fn load_txn_index(
        &self,
        base_offset: i64,
        is_present: bool,
    ) -> Result<Option<TxnIndex>, EngineError> {
        if !is_present {
            return Ok(Some(TxnIndex::default()));
        }
        let content = self.read_txn_index(base_offset)?;
        Ok(content.and_then(|content| TxnIndex::decode(&content, base_offset)))
    }

    /// The content of a transaction index; `None` when it is too long to be one.
    pub(super) fn read_txn_index(&self, base_offset: i64) -> Result<Option<Vec<u8>>, EngineError> {
        let path = self.path(base_offset, FileKind::TxnIndex);
        match self.disk.read_file(&path, TXN_INDEX_BYTES_MAX) {
            Ok(content) => Ok(Some(content.unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(source) => Err(EngineError::io("read", &path, source)),
        }
    }

    /// The tail of a segment that was closed cleanly and the offset after its last batch. `None`
    /// when the files contradict each other, or the segment is to be split.
    fn find_end(&self, segment: &Segment<D>) -> Result<Option<(SegmentTail, i64)>, EngineError> {
        let base_offset = segment.base_offset();
        let mut tail = SegmentTail::new(base_offset, self.now_ms);
        if segment.bytes() == 0 {
            return Ok(Some((tail, base_offset)));
        }
        let io = |source| EngineError::io("read", &self.path(base_offset, FileKind::Log), source);
        let file = self
            .disk
            .open(&self.path(base_offset, FileKind::Log))
            .map_err(io)?;
        let Some(first) = read_header(self.disk, &file, 0).map_err(io)? else {
            return Ok(None);
        };
        let last = self.last_entry::<OffsetEntry>(base_offset, FileKind::OffsetIndex)?;
        let from = last.map_or(0, |entry| u64::from(entry.position));
        if segment.bytes() <= from {
            return Ok(None);
        }
        let mut headers = HeaderReader::new(
            Access::Blocking,
            self.disk,
            &file,
            base_offset,
            segment.bytes(),
        );
        let (mut position, mut next_offset) = (from, base_offset);
        loop {
            match block_on_ready(headers.at(position)) {
                Ok(Some(place)) if next_offset <= place.header.base_offset => {
                    next_offset = place.header.last_offset().saturating_add(1);
                    position = place.end();
                }
                Ok(None) => break,
                _ => return Ok(None),
            }
        }
        if !is_within_reach(base_offset, next_offset - 1) {
            return Ok(None);
        }
        let newest = self.last_entry::<TimeEntry>(base_offset, FileKind::TimeIndex)?;
        let largest = newest.map(|entry| segment.largest_of(entry));
        {
            let mut indexes = segment.indexes();
            tail.offset_entries = indexes.offset.count();
            tail.time_entries = indexes.time.count();
            indexes.largest = largest;
        }
        tail.bytes = segment.bytes();
        tail.first_timestamp = Some(first.max_timestamp);
        tail.last_time_entry = largest.map_or(NO_TIMESTAMP, |largest| largest.timestamp);
        tail.max_timestamp = tail.last_time_entry;
        tail.max_timestamp_offset = largest.map_or(base_offset, |largest| largest.offset);
        Ok(Some((tail, next_offset)))
    }

    pub(super) fn last_entry<E: IndexEntry>(
        &self,
        base_offset: i64,
        kind: FileKind,
    ) -> Result<Option<E>, EngineError> {
        let path = self.path(base_offset, kind);
        let io = |source| EngineError::io("read", &path, source);
        let file = self.disk.open(&path).map_err(io)?;
        let bytes = self.disk.file_bytes(&file).map_err(io)?;
        let entry_bytes = E::BYTES as u64;
        let Some(last) = (bytes / entry_bytes).checked_sub(1) else {
            return Ok(None);
        };
        let mut buf = vec![0; E::BYTES];
        let read = self
            .disk
            .read_at(&file, &mut buf, last * entry_bytes)
            .map_err(io)?;
        Ok(E::decode(&buf[..read]))
    }

    /// What is known of the segment before it is walked.
    fn start_of_walk(
        &self,
        base_offset: i64,
        trusted: Option<Trusted>,
    ) -> (RecoveredSegment, TxnIndex) {
        let empty = RecoveredSegment::empty(base_offset, self.now_ms);
        let Some(trusted) = trusted else {
            return (empty, TxnIndex::default());
        };
        let start = RecoveredSegment {
            tail: trusted.tail,
            offset_index: trusted.offset_index,
            time_index: trusted.time_index,
            next_offset: self.recovery_point,
            ..empty
        };
        (start, trusted.txn)
    }

    /// Walks the segment, from the end of the trusted part on, cuts it before the first damaged
    /// batch and writes its indices anew. Changes nothing when it has to be split.
    fn recover(
        &self,
        base_offset: i64,
        next_base: Option<i64>,
        bytes: u64,
        trusted: Option<Trusted>,
    ) -> Result<Found<D>, EngineError> {
        let path = self.path(base_offset, FileKind::Log);
        let io = |source| EngineError::io("recover", &path, source);
        let file = self.disk.open(&path).map_err(io)?;
        let source = SegmentFile {
            disk: self.disk,
            file: &file,
            path: &path,
            base_offset,
            next_base,
            bytes,
            on_walked: self.on_walked,
        };
        let is_whole = trusted.is_none();
        let (start, txn) = self.start_of_walk(base_offset, trusted);
        let (from, from_bytes) = (start.next_offset, start.tail.bytes);
        let RecoveredSegment {
            mut tail,
            offset_index,
            mut time_index,
            next_offset,
            epochs,
            damage,
            has_overflow,
            zero_bytes,
        } = recover_segment(&source, self.config, start)?;
        if has_overflow {
            return Ok(Err(self.plan_split(base_offset, next_base, bytes, true)?));
        }
        // Also gives back the blocks that were reserved past the end.
        self.disk.set_len(&file, tail.bytes).map_err(io)?;
        if tail.bytes < bytes {
            // Damage that came back would take the segments after it along.
            self.disk.sync(&file).map_err(io)?;
        }
        let largest = Largest {
            timestamp: tail.max_timestamp,
            offset: tail.max_timestamp_offset,
        };
        if let Some(entry) = tail.final_time_entry() {
            time_index.push(entry);
        }
        let indexes = SegmentIndexes {
            offset: self.write_index(base_offset, FileKind::OffsetIndex, offset_index)?,
            time: self.write_index(base_offset, FileKind::TimeIndex, time_index)?,
            // Of a segment that is walked as a whole the file stays until the producers' replay has
            // put another in its place: a crash before that must not take it along.
            txn: if is_whole && 0 < tail.bytes {
                TxnIndex::default()
            } else {
                self.cut_txn_index(base_offset, txn)?
            },
            largest: Some(largest),
        };
        let bytes = bytes - zero_bytes;
        let truncated_bytes = bytes - tail.bytes;
        let segment = Segment::new(base_offset, tail.bytes, indexes);
        if is_whole && base_offset < self.recovery_point {
            self.sync_indexes(base_offset)?;
        }
        let recovered = Some(RecoveryFindings {
            from,
            walked_bytes: bytes - from_bytes,
            truncated_bytes,
            epochs,
            damage,
        });
        Ok(Ok(Loaded {
            segment,
            tail,
            next_offset,
            recovered,
        }))
    }

    /// Cuts the transaction index to what is kept of it. The producers' replay adds the rest: it
    /// needs their state before.
    pub(super) fn cut_txn_index(
        &self,
        base_offset: i64,
        kept: TxnIndex,
    ) -> Result<TxnIndex, EngineError> {
        let path = self.path(base_offset, FileKind::TxnIndex);
        if kept.file_bytes() == 0 {
            self.disk
                .remove_file_if_present(&path)
                .map_err(|source| EngineError::io("remove", &path, source))?;
            return Ok(kept);
        }
        let cut = || {
            let file = self.disk.open(&path)?;
            if kept.file_bytes() < self.disk.file_bytes(&file)? {
                self.disk.set_len(&file, kept.file_bytes())?;
                // For the same reason as what is cut off the other indices.
                self.disk.sync(&file)?;
            }
            Ok(())
        };
        cut().map_err(|source| EngineError::io("trim", &path, source))?;
        Ok(kept)
    }

    /// Makes indices durable that were written anew below the recovery point: the next unclean open
    /// trusts them.
    fn sync_indexes(&self, base_offset: i64) -> Result<(), EngineError> {
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
            let path = self.path(base_offset, kind);
            let sync = || self.disk.sync(&*self.disk.open(&path)?);
            sync().map_err(|source| EngineError::io("sync", &path, source))?;
        }
        self.disk
            .sync_dir(self.dir)
            .map_err(|source| EngineError::io("sync", self.dir, source))
    }

    fn write_index<E: IndexEntry>(
        &self,
        base_offset: i64,
        kind: FileKind,
        mut index: SparseIndex<E>,
    ) -> Result<SparseIndex<E>, EngineError> {
        let path = self.path(base_offset, kind);
        let entries = index.encode_unwritten();
        let end = entries.position + entries.bytes.len() as u64;
        // What is kept must not be lost if the machine goes off now: it is not written again.
        let write = || {
            let is_cut = match self.disk.stat(&path) {
                Ok(stat) => end < stat.bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
            let file = if entries.position == 0 {
                self.disk.create(&path)?
            } else {
                let file = self.disk.open(&path)?;
                self.disk.set_len(&file, entries.position)?;
                file
            };
            self.disk
                .write_all_at(&file, &entries.bytes, entries.position)?;
            if is_cut {
                // Nothing may be appended before a clean shutdown, which then has nothing to sync;
                // entries that came back would be trusted.
                self.disk.sync(&file)?;
            }
            Ok(())
        };
        write().map_err(|source| EngineError::io("write", &path, source))?;
        index.mark_written(entries.count);
        index.close();
        Ok(index)
    }
}
