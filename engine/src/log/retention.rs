//! Removes old segments by log start offset, size and age, and forgets idle producers. Blocks;
//! called by the log manager's background work. Files are renamed here and removed later.
//! (Kafka `UnifiedLog.deleteOldSegments`.)

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::partition_log::PartitionLog;
use super::rebuild::ensure_snapshot;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::{Access, Disk, block_on_ready};
use crate::segment::{DELETED_SUFFIX, FileKind, Segment, segment_file_name, with_suffix};

/// A segment with what decides about it.
struct Aged<D: Disk> {
    segment: Arc<Segment<D>>,
    /// The next segment's base offset, or the log end offset for the active one.
    end_offset: i64,
    is_active: bool,
}

impl<D: Disk> PartitionLog<D> {
    /// Removes what the log start offset, `retention.bytes` and `retention.ms` allow. Returns the
    /// renamed files, which are to be removed after `file.delete.delay.ms`.
    ///
    /// # Errors
    /// When a file cannot be read or renamed; a failed rename takes the log dir offline.
    pub(crate) fn delete_old_segments(
        self: &Arc<Self>,
        now_ms: i64,
    ) -> Result<Vec<PathBuf>, EngineError> {
        if self.is_deleted() || self.is_offline() {
            return Ok(Vec::new());
        }
        let config = self.config();
        let mut chosen = self.choose_deletable(now_ms, &config)?;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let is_all = chosen.len() == self.segments_count();
        if is_all && !self.roll_when_idle(now_ms)? {
            chosen.pop();
        }
        self.delete_segments(&chosen)
    }

    /// Removes the chosen segments as far as they still are the oldest of the log.
    pub(super) fn delete_segments(
        &self,
        chosen: &[Arc<Segment<D>>],
    ) -> Result<Vec<PathBuf>, EngineError> {
        let _maintenance = self.lock_maintenance();
        let (removed, first_base) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            // Segments may have been replaced meanwhile: only those that were looked at go.
            let is_unchanged =
                |(known, chosen): &(&Arc<Segment<D>>, &Arc<_>)| Arc::ptr_eq(known, chosen);
            let pairs = state.segments.iter().zip(chosen);
            let count = pairs.take_while(is_unchanged).count();
            let count = count.min(state.segments.len() - 1);
            let removed: Vec<_> = state.segments.drain(..count).collect();
            let first_base = state.segments[0].base_offset();
            state.offsets.advance_log_start(first_base);
            state
                .unsynced
                .retain(|known| !removed.iter().any(|gone| Arc::ptr_eq(known, gone)));
            (removed, first_base)
        };
        if removed.is_empty() {
            return Ok(Vec::new());
        }
        tracing::info!(
            topic = self.topic(),
            partition = self.partition(),
            segments = removed.len(),
            log_start = self.offsets().log_start,
            "old segments are removed"
        );
        let result = self.remove_durably(&removed, first_base);
        if let Err(error) = &result {
            self.fail("rename", error);
        }
        result
    }

    /// Renames the files of segments that are no longer in the list. Whenever the power goes off,
    /// the producers' state and the leader epochs reach down to the segments that come back: the
    /// snapshot at the new start is durable before, the epochs are cut after the names are gone for
    /// good, and not above the first segment that is left.
    fn remove_durably(
        &self,
        removed: &[Arc<Segment<D>>],
        first_base: i64,
    ) -> Result<Vec<PathBuf>, EngineError> {
        self.check_online()?;
        ensure_snapshot(&self.disk, &self.dir.load(), removed, first_base)?;
        self.sync_snapshot(Some(first_base))?;
        let renamed = self.rename_segments(removed)?;
        self.sync_snapshot(None)?;
        if self.lock().epochs.truncate_from_start(first_base) {
            self.write_epochs()?;
        }
        Ok(renamed)
    }

    /// The oldest segments, as many as may go.
    fn choose_deletable(
        &self,
        now_ms: i64,
        config: &LogConfig,
    ) -> Result<Vec<Arc<Segment<D>>>, EngineError> {
        let (candidates, log_start, total_bytes) = {
            let state = self.lock();
            let high_watermark = state.offsets.high_watermark();
            let last = state.segments.len() - 1;
            let ends = state.segments.iter().skip(1).map(|next| next.base_offset());
            let candidates: Vec<Aged<D>> = state
                .segments
                .iter()
                .zip(ends.chain([state.offsets.log_end()]))
                .enumerate()
                .map(|(index, (segment, end_offset))| Aged {
                    segment: Arc::clone(segment),
                    end_offset,
                    is_active: index == last,
                })
                // An empty active segment is kept; nothing uncommitted is removed.
                .take_while(|aged| {
                    aged.end_offset <= high_watermark
                        && (!aged.is_active || 0 < aged.segment.bytes())
                })
                .collect();
            let total: u64 = state.segments.iter().map(|segment| segment.bytes()).sum();
            (candidates, state.offsets.log_start(), total)
        };
        let by_start = candidates
            .iter()
            .take_while(|aged| !aged.is_active && aged.end_offset <= log_start)
            .count();
        let mut count = by_start;
        if config.cleanup_policy.delete {
            let by_size = count_by_size(&candidates, total_bytes, config);
            let by_time = self.count_by_time(&candidates, now_ms, config)?;
            count = by_start.max(by_size).max(by_time);
        }
        let chosen = candidates.into_iter().take(count);
        Ok(chosen.map(|aged| aged.segment).collect())
    }

    fn count_by_time(
        &self,
        candidates: &[Aged<D>],
        now_ms: i64,
        config: &LogConfig,
    ) -> Result<usize, EngineError> {
        if config.retention_ms < 0 {
            return Ok(0);
        }
        for (index, aged) in candidates.iter().enumerate() {
            let largest = self.largest_timestamp(&aged.segment)?;
            if now_ms.saturating_sub(largest) <= config.retention_ms {
                return Ok(index);
            }
        }
        Ok(candidates.len())
    }

    /// The largest record timestamp of a segment, or the age of its file when no record has one.
    pub(crate) fn largest_timestamp(&self, segment: &Segment<D>) -> Result<i64, EngineError> {
        let dir = self.dir.load();
        let largest = block_on_ready(segment.largest(Access::Blocking, &self.disk, &dir));
        let path = dir.join(segment_file_name(segment.base_offset(), FileKind::Log));
        match largest.map_err(|source| EngineError::io("read the index of", &path, source))? {
            Some(largest) => Ok(largest.timestamp),
            None => self
                .disk
                .stat(&path)
                .map(|stat| stat.modified_ms)
                .map_err(|source| EngineError::io("stat", &path, source)),
        }
    }

    /// Begins a new segment if nobody writes; else the next append does. Returns whether it did.
    fn roll_when_idle(self: &Arc<Self>, now_ms: i64) -> Result<bool, EngineError> {
        let Some(writer) = self.take_writer(Duration::ZERO) else {
            self.lock().is_roll_due = true;
            return Ok(false);
        };
        let config = self.config();
        let roll = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let is_idle = state.queue.is_empty() && 0 < state.tail.bytes;
            let base_offset = state.next_offset;
            is_idle.then(|| state.roll_tail(base_offset, now_ms, &config))
        };
        let has_rolled = roll.is_some();
        let result = roll.map_or(Ok(()), |roll| self.roll_files(roll));
        if let Err(error) = &result {
            self.fail("roll", error);
        }
        // Appends may have come meanwhile, and found a writer.
        writer.run_blocking();
        result?;
        self.sync_rolled_or_fail();
        Ok(has_rolled)
    }

    fn rename_segments(&self, segments: &[Arc<Segment<D>>]) -> Result<Vec<PathBuf>, EngineError> {
        let mut renamed = Vec::with_capacity(segments.len() * FileKind::ALL.len());
        for segment in segments {
            for kind in FileKind::ALL {
                let path = self.path_of(segment.base_offset(), kind);
                renamed.extend(set_aside(&self.disk, &path)?);
            }
        }
        Ok(renamed)
    }

    /// Forgets producers that wrote nothing for `expiration_ms` and have no open transaction.
    pub(crate) fn expire_producers(&self, now_ms: i64, expiration_ms: i64) {
        self.lock().producers.expire(now_ms, expiration_ms);
    }

    /// Flushes when `flush.ms` has passed since the last flush and something is unsynced.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub(crate) fn flush_if_due(&self, now_ms: i64) -> Result<(), EngineError> {
        let flush_ms = self.config.load().flush_ms;
        // The default; asked about every log each second.
        if flush_ms == i64::MAX {
            return Ok(());
        }
        let is_due = {
            let state = self.lock();
            state.offsets.flushed() < state.offsets.log_end()
                && flush_ms <= now_ms.saturating_sub(state.flushed_at_ms)
        };
        if is_due && !self.is_deleted() && !self.is_offline() {
            self.flush(now_ms)
        } else {
            Ok(())
        }
    }
}

/// Gives a file the name of one that waits for its removal, which is returned; `None` when it does
/// not exist.
pub(super) fn set_aside<D: Disk>(disk: &D, path: &Path) -> Result<Option<PathBuf>, EngineError> {
    let aside = with_suffix(path, DELETED_SUFFIX);
    match disk.rename(path, &aside) {
        Ok(()) => Ok(Some(aside)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EngineError::io("rename", path, source)),
    }
}

/// How many go so that the rest is not below `retention.bytes`.
fn count_by_size<D: Disk>(candidates: &[Aged<D>], total_bytes: u64, config: &LogConfig) -> usize {
    let Ok(limit) = u64::try_from(config.retention_bytes) else {
        return 0;
    };
    let mut left = total_bytes;
    candidates
        .iter()
        .take_while(|aged| {
            let after = left.saturating_sub(aged.segment.bytes());
            let goes = limit <= after && limit < left;
            left = if goes { after } else { left };
            goes
        })
        .count()
}
