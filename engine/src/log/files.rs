//! The blocking file work of one log: rolling, index files, leader epochs, syncing. Runs on
//! background threads, never on a ring's. The callers serialize: rolling and index files belong to
//! the holder of the right to write, syncing takes the maintenance lock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use super::batch_queue::Roll;
use super::leader_epoch::LEADER_EPOCH_CHECKPOINT;
use super::partition_log::PartitionLog;
use super::recovery_mark::LogPlace;
use crate::error::EngineError;
use crate::index::AbortedTransaction;
use crate::io::{Access, Disk, block_on_ready};
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};
use crate::segment::{FileKind, Segment, segment_file_name};

impl<D: Disk> PartitionLog<D> {
    pub(crate) fn path_of(&self, base_offset: i64, kind: FileKind) -> PathBuf {
        self.dir.load().join(segment_file_name(base_offset, kind))
    }

    pub(crate) fn lock_maintenance(&self) -> MutexGuard<'_, ()> {
        self.maintenance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a segment, opened if need be.
    pub(crate) fn open_blocking(
        &self,
        segment: &Segment<D>,
        kind: FileKind,
    ) -> Result<Arc<D::File>, EngineError> {
        let dir = self.dir.load();
        block_on_ready(segment.file(Access::Blocking, &self.disk, &dir, kind)).map_err(|source| {
            EngineError::io("open", &self.path_of(segment.base_offset(), kind), source)
        })
    }

    /// Replaces the leader epoch file durably by what is known now.
    pub(crate) fn write_epochs(&self) -> Result<(), EngineError> {
        self.check_online()?;
        let _writing = self
            .epoch_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let content = self.lock().epochs.render();
        let path = self.dir.load().join(LEADER_EPOCH_CHECKPOINT);
        self.disk
            .replace_file(&path, content.as_bytes())
            .map_err(|source| {
                let error = EngineError::io("replace", &path, source);
                self.fail("write epochs of", &error);
                error
            })
    }

    /// Ends the active segment and begins the next. Only for the holder of the right to write.
    pub(crate) fn roll_files(&self, roll: Roll) -> Result<(), EngineError> {
        let old = Arc::clone(self.lock().active());
        if let Some(entry) = roll.final_entries.time {
            old.indexes().time.push(entry);
        }
        let has_cut_zeros = self.finish_segment(&old)?;
        // Zeros that came back would be damage, and take the segments after it along. What is not
        // durable before it is acknowledged may be lost until the background sync.
        if has_cut_zeros && self.config.load().flush_before_ack {
            let file = self.open_blocking(&old, FileKind::Log)?;
            self.sync_file(&file, || self.path_of(old.base_offset(), FileKind::Log))?;
        }
        #[cfg(test)]
        let roll = Roll {
            base_offset: roll.base_offset - i64::from(is_on(Sabotage::SegmentsOverlap)),
            ..roll
        };
        let new = self.create_segment(roll.base_offset)?;
        let has_snapshot = self.lock().marks.keep_snapshot(roll.base_offset);
        if !has_snapshot {
            self.write_snapshot(roll.base_offset, &roll.snapshot)?;
        }
        if self.config.load().flush_before_ack {
            let dir = self.dir.load();
            self.disk
                .sync_dir(&dir)
                .map_err(|source| EngineError::io("sync", &dir, source))?;
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        state.unsynced.push(old);
        state.recent.clear();
        state.push_segment(new);
        Ok(())
    }

    /// Writes out a segment's index entries, cuts off the zeros past its end and gives back the
    /// blocks reserved there. Returns whether zeros were cut off, which a crash before the next
    /// sync brings back.
    pub(crate) fn finish_segment(&self, segment: &Segment<D>) -> Result<bool, EngineError> {
        self.write_indexes(segment)?;
        {
            let mut indexes = segment.indexes();
            indexes.offset.close();
            indexes.time.close();
        }
        let has_zeros = segment.zeroed_ahead().seal();
        if !segment.has_reserved_blocks() {
            return Ok(false);
        }
        let file = self.open_blocking(segment, FileKind::Log)?;
        self.disk
            .set_len(&file, segment.bytes())
            .map_err(|source| {
                let path = self.path_of(segment.base_offset(), FileKind::Log);
                EngineError::io("trim", &path, source)
            })?;
        Ok(has_zeros)
    }

    /// Creates the files of an empty segment, removing what may be left with its name.
    fn create_segment(&self, base_offset: i64) -> Result<Arc<Segment<D>>, EngineError> {
        let stale = self.path_of(base_offset, FileKind::TxnIndex);
        self.disk
            .remove_file_if_present(&stale)
            .map_err(|source| EngineError::io("remove", &stale, source))?;
        let segment = Segment::empty(base_offset);
        let file = create_segment_files(&self.disk, &self.dir.load(), base_offset)?;
        let config = self.config.load();
        let bytes = u64::from(config.segment_bytes);
        // Only a hint: without the blocks reserved, appends are slower and nothing else.
        if config.preallocate && self.disk.allocate(&file, 0..bytes).is_ok() {
            segment.raise_allocated(bytes);
        }
        segment.keep_open(FileKind::Log, &file);
        Ok(Arc::new(segment))
    }

    /// Writes a producer snapshot; it is synced with the segment before it.
    pub(crate) fn write_snapshot(&self, offset: i64, content: &[u8]) -> Result<(), EngineError> {
        let path = self.path_of(offset, FileKind::Snapshot);
        let write = || {
            let file = self.disk.create(&path)?;
            self.disk.write_all_at(&file, content, 0)
        };
        write().map_err(|source| EngineError::io("write", &path, source))
    }

    /// Appends the index entries that are only in memory to their files.
    pub(crate) fn write_indexes(&self, segment: &Segment<D>) -> Result<(), EngineError> {
        self.check_online()?;
        let _writing = self
            .index_files
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (offset, time) = {
            let indexes = segment.indexes();
            (
                indexes.offset.encode_unwritten(),
                indexes.time.encode_unwritten(),
            )
        };
        for (kind, entries) in [
            (FileKind::OffsetIndex, &offset),
            (FileKind::TimeIndex, &time),
        ] {
            if entries.count == 0 {
                continue;
            }
            let file = self.open_blocking(segment, kind)?;
            self.disk
                .write_all_at(&file, &entries.bytes, entries.position)
                .map_err(|source| {
                    EngineError::io("write", &self.path_of(segment.base_offset(), kind), source)
                })?;
        }
        let mut indexes = segment.indexes();
        indexes.offset.mark_written(offset.count);
        indexes.time.mark_written(time.count);
        Ok(())
    }

    /// Adds an aborted transaction to a segment's index, which is created at the first one.
    pub(crate) fn add_aborted(
        &self,
        segment: &Segment<D>,
        aborted: AbortedTransaction,
    ) -> Result<(), EngineError> {
        let position = segment.indexes().txn.file_bytes();
        let path = self.path_of(segment.base_offset(), FileKind::TxnIndex);
        let mut bytes = Vec::new();
        aborted.encode(&mut bytes);
        let write = || {
            let file = if position == 0 {
                self.disk.create(&path)?
            } else {
                self.disk.open(&path)?
            };
            self.disk.write_all_at(&file, &bytes, position)
        };
        write().map_err(|source| EngineError::io("write", &path, source))?;
        segment.indexes().txn.push(aborted);
        Ok(())
    }

    /// [`Self::sync_rolled`] for a job nobody waits for: a failure takes the log dir offline.
    pub(crate) fn sync_rolled_or_fail(&self) {
        match self.sync_rolled() {
            Ok(()) => self.checkpoint_if_due(),
            // The log dir is offline, which was logged.
            Err(error) => tracing::debug!(%error, "rolled segments are not synced"),
        }
    }

    /// Makes rolled segments durable with their indices and advances the recovery point to the
    /// segment after them.
    pub(crate) fn sync_rolled(&self) -> Result<(), EngineError> {
        let _maintenance = self.lock_maintenance();
        self.sync_rolled_locked()
    }

    /// The log dir goes offline under the maintenance lock: who waits for it must not sync again
    /// what a failed sync may have lost (L6).
    pub(crate) fn sync_rolled_locked(&self) -> Result<(), EngineError> {
        self.check_online()?;
        self.try_sync_rolled()
            .inspect_err(|error| self.fail("sync", error))
    }

    fn try_sync_rolled(&self) -> Result<(), EngineError> {
        let segments = self.lock().unsynced.clone();
        let Some(newest) = segments.last() else {
            return Ok(());
        };
        for segment in &segments {
            #[cfg(test)]
            if is_on(Sabotage::CopyNotSynced) {
                continue;
            }
            self.sync_segment(segment)?;
        }
        let end = {
            let state = self.lock();
            match state.segment_index(newest.base_offset()) {
                Some(index) => state.segments.get(index + 1).map(|next| next.base_offset()),
                None => None,
            }
        };
        // Also makes the names of the segments durable: nothing is flushed before.
        self.sync_snapshot(end)?;
        let mut guard = self.lock();
        let state = &mut *guard;
        state
            .unsynced
            .retain(|known| !segments.iter().any(|done| Arc::ptr_eq(known, done)));
        if let Some(end) = end {
            // A follower's next segment may begin after a gap, above what is published.
            let end = end.min(state.offsets.log_end());
            state.offsets.advance_flushed(end);
            if state.offsets.recovery_point() < end {
                state.offsets.advance_recovery_point(end);
                state.marks.on_reached(LogPlace {
                    base_offset: end,
                    position: 0,
                });
            }
        }
        Ok(())
    }

    /// Makes a segment durable with its indices.
    pub(crate) fn sync_segment(&self, segment: &Segment<D>) -> Result<(), EngineError> {
        let file = self.open_blocking(segment, FileKind::Log)?;
        self.sync_file(&file, || self.path_of(segment.base_offset(), FileKind::Log))?;
        self.sync_indexes(segment)
    }

    /// Makes what is in a segment's index files durable.
    pub(crate) fn sync_indexes(&self, segment: &Segment<D>) -> Result<(), EngineError> {
        let has_aborted = 0 < segment.indexes().txn.file_bytes();
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
            let file = self.open_blocking(segment, kind)?;
            self.sync_file(&file, || self.path_of(segment.base_offset(), kind))?;
        }
        if has_aborted {
            let path = self.path_of(segment.base_offset(), FileKind::TxnIndex);
            let file = self
                .disk
                .open(&path)
                .map_err(|source| EngineError::io("open", &path, source))?;
            self.sync_file(&file, || path.clone())?;
        }
        Ok(())
    }

    /// Makes the snapshot at `offset` and the names in the directory durable.
    pub(crate) fn sync_snapshot(&self, offset: Option<i64>) -> Result<(), EngineError> {
        if let Some(offset) = offset {
            let path = self.path_of(offset, FileKind::Snapshot);
            if let Ok(file) = self.disk.open(&path) {
                self.sync_file(&file, || path.clone())?;
            }
        }
        #[cfg(test)]
        if is_on(Sabotage::NamesNotSynced) {
            return Ok(());
        }
        let dir = self.dir.load();
        self.disk
            .sync_dir(&dir)
            .map_err(|source| EngineError::io("sync", &dir, source))
    }

    fn sync_file(&self, file: &D::File, path: impl FnOnce() -> PathBuf) -> Result<(), EngineError> {
        self.disk
            .sync(file)
            .map_err(|source| EngineError::io("sync", &path(), source))
    }

    /// Makes everything published durable. Blocks.
    ///
    /// # Errors
    /// When a sync fails; the log dir is offline then (L6).
    pub fn flush(&self, now_ms: i64) -> Result<(), EngineError> {
        let _maintenance = self.lock_maintenance();
        let result = self.try_flush(now_ms);
        if let Err(error) = &result {
            self.fail("sync", error);
        }
        result
    }

    fn try_flush(&self, now_ms: i64) -> Result<(), EngineError> {
        // Taken before anything is synced: if this segment is rolled meanwhile, its bytes below
        // this log end are synced all the same.
        let (active, log_end, is_synced) = {
            let state = self.lock();
            let log_end = state.offsets.log_end();
            (
                Arc::clone(state.active()),
                log_end,
                state.offsets.flushed() == log_end,
            )
        };
        self.sync_rolled_locked()?;
        if !is_synced {
            let file = self.open_blocking(&active, FileKind::Log)?;
            self.sync_file(&file, || self.path_of(active.base_offset(), FileKind::Log))?;
        }
        let mut state = self.lock();
        state.offsets.advance_flushed(log_end);
        state.flushed_at_ms = now_ms;
        Ok(())
    }
}

/// Creates, or empties, the log and the two sparse indices of a segment. Returns the log's file.
pub(crate) fn create_segment_files<D: Disk>(
    disk: &D,
    dir: &Path,
    base_offset: i64,
) -> Result<Arc<D::File>, EngineError> {
    let create = |kind| {
        let path = dir.join(segment_file_name(base_offset, kind));
        disk.create(&path)
            .map_err(|source| EngineError::io("create", &path, source))
    };
    create(FileKind::OffsetIndex)?;
    create(FileKind::TimeIndex)?;
    create(FileKind::Log)
}
