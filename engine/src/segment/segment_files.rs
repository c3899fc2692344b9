//! What is known in memory about one segment: its published size, its indices, its files once they
//! are open. Files are opened at first use, so an idle segment costs a few hundred bytes and no
//! descriptor. Shared by readers, the drain and the background threads; batches are appended by the
//! drain only.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use super::file_name::{FileKind, segment_file_name};
use super::unsynced::Unsynced;
use super::zeroed_ahead::ZeroedAhead;
use crate::index::{Lookup, Neighbours, OffsetEntry, SparseIndex, TimeEntry, TxnIndex};
use crate::io::{Access, Disk};

/// The largest timestamp of a segment and the last offset of the batch that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Largest {
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
}

/// The indices of a segment.
#[derive(Debug)]
pub(crate) struct SegmentIndexes {
    pub(crate) offset: SparseIndex<OffsetEntry>,
    pub(crate) time: SparseIndex<TimeEntry>,
    pub(crate) txn: TxnIndex,
    /// `None` when only the time index's file knows.
    pub(crate) largest: Option<Largest>,
}

/// Positions of batches around an offset, by the offset index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PositionsAround {
    /// A batch at or below the offset.
    pub(crate) floor: u64,
    /// A batch that ends above the offset, if one is known: with large batches, which each have an
    /// index entry, it is the one that holds the offset.
    pub(crate) ceiling: Option<u64>,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment<D: Disk> {
    base_offset: i64,
    /// Bytes that are published.
    bytes: AtomicU64,
    /// Bytes of the file that have blocks reserved.
    allocated: AtomicU64,
    /// What lies from here on was written since the sweep before the last.
    recent_from: AtomicU64,
    /// Bytes at the last sweep.
    swept_bytes: AtomicU64,
    /// A job of ours is reserving blocks, which holds up writes to the log file.
    is_reserving: AtomicBool,
    /// What of the log file is zeroed past the end.
    zeroed_ahead: ZeroedAhead<D::Barrier>,
    /// What of the log file is to be handed to the disk.
    unsynced: Unsynced,
    log: ArcSwapOption<D::File>,
    offset_index: ArcSwapOption<D::File>,
    time_index: ArcSwapOption<D::File>,
    /// The open log file was told that it is read in no order.
    is_read_at_random: AtomicBool,
    /// A file was used since [`Segment::close_idle_files`] last looked.
    is_used: AtomicBool,
    indexes: Mutex<SegmentIndexes>,
}

impl<D: Disk> Segment<D> {
    /// A segment of `bytes` bytes whose indices are as given.
    pub(crate) fn new(base_offset: i64, bytes: u64, indexes: SegmentIndexes) -> Self {
        Self {
            base_offset,
            bytes: AtomicU64::new(bytes),
            allocated: AtomicU64::new(bytes),
            recent_from: AtomicU64::new(bytes),
            swept_bytes: AtomicU64::new(bytes),
            is_reserving: AtomicBool::new(false),
            zeroed_ahead: ZeroedAhead::default(),
            unsynced: Unsynced::default(),
            log: ArcSwapOption::empty(),
            offset_index: ArcSwapOption::empty(),
            time_index: ArcSwapOption::empty(),
            is_read_at_random: AtomicBool::new(false),
            is_used: AtomicBool::new(false),
            indexes: Mutex::new(indexes),
        }
    }

    /// A segment without batches.
    pub(crate) fn empty(base_offset: i64) -> Self {
        let indexes = SegmentIndexes {
            offset: SparseIndex::empty(),
            time: SparseIndex::empty(),
            txn: TxnIndex::default(),
            largest: None,
        };
        Self::new(base_offset, 0, indexes)
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Published bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Publishes more bytes.
    pub(crate) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }

    /// What lies from here on was written by this process within the last minutes.
    pub(crate) fn recent_from(&self) -> u64 {
        self.recent_from.load(Ordering::Relaxed)
    }

    /// Raises the reserved size to `to` and returns what it was, or `None` when it is no less.
    pub(crate) fn raise_allocated(&self, to: u64) -> Option<u64> {
        let before = self.allocated.fetch_max(to, Ordering::Relaxed);
        (before < to).then_some(before)
    }

    /// Whether a job is reserving blocks at the moment.
    pub(crate) fn is_reserving(&self) -> bool {
        self.is_reserving.load(Ordering::Acquire)
    }

    /// Notes that a job begins or ends to reserve blocks.
    pub(crate) fn set_reserving(&self, is_reserving: bool) {
        self.is_reserving.store(is_reserving, Ordering::Release);
    }

    /// What of the log file is zeroed past the end.
    pub(crate) fn zeroed_ahead(&self) -> &ZeroedAhead<D::Barrier> {
        &self.zeroed_ahead
    }

    /// What of the log file is to be handed to the disk.
    pub(crate) fn unsynced(&self) -> &Unsynced {
        &self.unsynced
    }

    /// Whether blocks are reserved past the end.
    pub(crate) fn has_reserved_blocks(&self) -> bool {
        self.bytes() < self.allocated.load(Ordering::Relaxed)
    }

    pub(crate) fn indexes(&self) -> MutexGuard<'_, SegmentIndexes> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, kind: FileKind) -> &ArcSwapOption<D::File> {
        match kind {
            FileKind::Log => &self.log,
            FileKind::OffsetIndex => &self.offset_index,
            FileKind::TimeIndex => &self.time_index,
            FileKind::TxnIndex | FileKind::Snapshot => {
                panic!("{kind:?} files are never kept open")
            }
        }
    }

    /// The open file of this kind, if it is open.
    pub(crate) fn opened(&self, kind: FileKind) -> Option<Arc<D::File>> {
        self.slot(kind).load_full()
    }

    /// Keeps a file that was just created or opened.
    pub(crate) fn keep_open(&self, kind: FileKind, file: &Arc<D::File>) {
        self.is_used.store(true, Ordering::Relaxed);
        if kind == FileKind::Log {
            self.is_read_at_random.store(false, Ordering::Relaxed);
        }
        self.slot(kind).store(Some(Arc::clone(file)));
    }

    /// A sweep, from time to time. What was written before the last one counts as recent no more.
    /// Closes the files if nobody used one since the last call; whoever still holds one keeps it.
    /// They are opened again at the next use.
    pub(crate) fn close_idle_files(&self) {
        let before = self.swept_bytes.swap(self.bytes(), Ordering::Relaxed);
        self.recent_from.store(before, Ordering::Relaxed);
        if !self.is_used.swap(false, Ordering::Relaxed) {
            for slot in [&self.log, &self.offset_index, &self.time_index] {
                slot.store(None);
            }
            self.zeroed_ahead.forget_barrier();
            self.indexes().offset.forget_page();
        }
    }

    /// The file of this kind in the partition's directory, opened if need be.
    pub(crate) async fn file(
        &self,
        access: Access,
        disk: &D,
        dir: &Path,
        kind: FileKind,
    ) -> io::Result<Arc<D::File>> {
        if let Some(file) = self.opened(kind) {
            if !self.is_used.load(Ordering::Relaxed) {
                self.is_used.store(true, Ordering::Relaxed);
            }
            return Ok(file);
        }
        let path = dir.join(segment_file_name(self.base_offset, kind));
        let opener = disk.clone();
        let opened = access.run(disk, move || opener.open(&path)).await?;
        // Another file may have taken the name meanwhile: before that, whoever replaced this
        // segment's files opened them all and keeps them open (`log::replace`).
        if let Some(file) = self.opened(kind) {
            return Ok(file);
        }
        let file = opened?;
        self.keep_open(kind, &file);
        Ok(file)
    }

    /// The log's file for a fetch. The kernel is told not to read ahead in it, before anything is
    /// read: what is read ahead, and dropped again, is decided by `log::scans`, and the kernel's
    /// windows, which may be of many MiB, would be nobody's to drop.
    pub(crate) async fn file_to_fetch_from(
        &self,
        access: Access,
        disk: &D,
        dir: &Path,
    ) -> io::Result<Arc<D::File>> {
        let file = self.file(access, disk, dir, FileKind::Log).await?;
        if !self.is_read_at_random.load(Ordering::Relaxed) {
            if let Err(error) = disk.expect_random_reads(&file) {
                tracing::debug!(%error, "the kernel reads ahead");
            }
            self.is_read_at_random.store(true, Ordering::Relaxed);
        }
        Ok(file)
    }

    /// Where to begin the search for the batch with `offset`: the position of a batch at or below.
    pub(crate) async fn floor_position(
        &self,
        access: Access,
        disk: &D,
        dir: &Path,
        offset: i64,
    ) -> io::Result<u64> {
        let around = self.positions_around(access, disk, dir, offset).await?;
        Ok(around.floor)
    }

    /// Where to look for the batch with `offset`.
    pub(crate) async fn positions_around(
        &self,
        access: Access,
        disk: &D,
        dir: &Path,
        offset: i64,
    ) -> io::Result<PositionsAround> {
        let Ok(key) = u32::try_from(offset - self.base_offset) else {
            return Ok(PositionsAround::default());
        };
        let known = self.indexes().offset.around(key);
        let found = match known {
            Ok(found) => found,
            Err(entries) => {
                let file = self.file(access, disk, dir, FileKind::OffsetIndex).await?;
                let page = entries
                    .page::<OffsetEntry, D>(access, disk, &file, key)
                    .await?;
                let mut indexes = self.indexes();
                indexes.offset.remember(entries, page);
                indexes.offset.around(key).unwrap_or(Neighbours {
                    floor: None,
                    ceiling: None,
                })
            }
        };
        // An index that points past the published end is not of this segment's present content.
        let bytes = self.bytes();
        let position = |entry: OffsetEntry| u64::from(entry.position);
        let floor = found.floor.map_or(0, position);
        let floor = if floor < bytes { floor } else { 0 };
        // The floor itself is the batch when its last offset is the one looked for.
        let is_exact = found
            .floor
            .is_some_and(|entry| entry.relative_offset == key);
        let ceiling = found.ceiling.map(position);
        Ok(PositionsAround {
            floor,
            ceiling: ceiling.filter(|&at| !is_exact && floor < at && at < bytes),
        })
    }

    /// An offset above all batches that begin before `position`, from the offset index; `None` when
    /// no entry lies behind it.
    pub(crate) async fn offset_past(
        &self,
        access: Access,
        disk: &D,
        dir: &Path,
        position: u64,
    ) -> io::Result<Option<i64>> {
        let is_past = |entry: &OffsetEntry| position <= u64::from(entry.position);
        let (in_memory, in_file) = self.indexes().offset.first_where(is_past);
        let in_file = match in_file {
            Some(entries) => {
                let file = self.file(access, disk, dir, FileKind::OffsetIndex).await?;
                entries.first_where(access, disk, &file, is_past).await?
            }
            None => None,
        };
        let entry = in_file.or(in_memory);
        Ok(entry.map(|entry| self.base_offset + i64::from(entry.relative_offset)))
    }

    /// The position of a batch at or below `offset`, as far as memory knows.
    pub(crate) fn remembered_floor(&self, offset: i64) -> Option<u64> {
        let key = u32::try_from(offset - self.base_offset).ok()?;
        match self.indexes().offset.find(key) {
            Lookup::Found(entry) => Some(u64::from(entry.position)),
            Lookup::Absent => Some(0),
            Lookup::InFile(_) => None,
        }
    }

    /// The largest timestamp; `None` when no record has one.
    pub(crate) async fn largest(
        &self,
        access: Access,
        disk: &D,
        dir: &Path,
    ) -> io::Result<Option<Largest>> {
        let lookup = {
            let indexes = self.indexes();
            if let Some(largest) = indexes.largest {
                return Ok((0 <= largest.timestamp).then_some(largest));
            }
            indexes.time.last()
        };
        let entry = match lookup {
            Lookup::Found(entry) => Some(entry),
            Lookup::Absent => None,
            Lookup::InFile(entries) => {
                let file = self.file(access, disk, dir, FileKind::TimeIndex).await?;
                entries.last::<TimeEntry, D>(access, disk, &file).await?
            }
        };
        let largest = entry.map(|entry| self.largest_of(entry));
        self.indexes().largest = largest;
        Ok(largest)
    }

    /// The entry with its offset made absolute.
    pub(crate) fn largest_of(&self, entry: TimeEntry) -> Largest {
        let offset = self.base_offset + i64::from(entry.relative_offset);
        Largest {
            timestamp: entry.timestamp,
            offset,
        }
    }

    /// The offset after which to search for records at or after `timestamp`: every earlier record
    /// is older.
    pub(crate) async fn floor_offset_of_timestamp(
        &self,
        access: Access,
        disk: &D,
        dir: &Path,
        timestamp: i64,
    ) -> io::Result<i64> {
        let lookup = self.indexes().time.find(timestamp);
        let entry = match lookup {
            Lookup::Found(entry) => Some(entry),
            Lookup::Absent => None,
            Lookup::InFile(entries) => {
                let file = self.file(access, disk, dir, FileKind::TimeIndex).await?;
                entries
                    .find::<TimeEntry, D>(access, disk, &file, timestamp)
                    .await?
            }
        };
        Ok(entry.map_or(self.base_offset, |entry| self.largest_of(entry).offset))
    }
}
