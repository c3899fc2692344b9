//! Closing a log cleanly, so that the next open need not look at its batches; and marking it
//! deleted. Blocks; called by the log manager.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::partition_log::PartitionLog;
use super::producer_snapshot::encode_snapshot;
use crate::error::EngineError;
use crate::io::Disk;

/// How long a write in flight may take at shutdown.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

impl<D: Disk> PartitionLog<D> {
    /// Writes what is queued, then indices and producers, and makes everything durable. Nothing
    /// can be appended afterwards. A log that nothing was appended to since it was opened costs
    /// nothing.
    ///
    /// # Errors
    /// When a write in flight does not end or a file cannot be written; then the shutdown is not
    /// clean.
    pub(crate) fn close(self: &Arc<Self>, now_ms: i64) -> Result<(), EngineError> {
        self.is_closed.store(true, Ordering::Release);
        let Some(writer) = self.take_writer(WRITE_TIMEOUT) else {
            return Err(EngineError::WriteInFlight {
                path: self.dir.load().to_path_buf(),
            });
        };
        writer.run_blocking();
        self.check_online()?;
        let result = self.write_final_state(now_ms);
        if let Err(error) = &result {
            self.fail("close", error);
        }
        result
    }

    /// Refuses to go on in a log dir that is offline: nothing is written or synced there any more
    /// (L6).
    pub(crate) fn check_online(&self) -> Result<(), EngineError> {
        if self.is_offline() {
            Err(self.offline_error())
        } else {
            Ok(())
        }
    }

    /// That the log dir is offline, with its reason.
    pub(crate) fn offline_error(&self) -> EngineError {
        EngineError::LogDirOffline {
            path: self.health.path().to_owned(),
            reason: self.health.reason().unwrap_or_else(|| "a panic".to_owned()),
        }
    }

    fn write_final_state(&self, now_ms: i64) -> Result<(), EngineError> {
        // A mark of the recovery point that is being made durable ends first.
        let _maintenance = self.lock_maintenance();
        self.sync_rolled_locked()?;
        let (active, is_untouched) = {
            let state = self.lock();
            let log_end = state.offsets.log_end();
            (
                Arc::clone(state.active()),
                state.offsets.recovery_point() == log_end && !state.has_appended,
            )
        };
        if is_untouched {
            return Ok(());
        }
        let (final_entry, log_end, snapshot) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let needs_snapshot = state.has_snapshots || 0 < state.producers.len();
            let snapshot = needs_snapshot.then(|| encode_snapshot(&state.producers));
            (
                state.tail.final_time_entry(),
                state.offsets.log_end(),
                snapshot,
            )
        };
        if let Some(entry) = final_entry {
            active.indexes().time.push(entry);
        }
        if let Some(snapshot) = snapshot {
            self.write_snapshot(log_end, &snapshot)?;
        }
        self.finish_segment(&active)?;
        self.sync_active(log_end)?;
        let mut state = self.lock();
        state.offsets.advance_flushed(log_end);
        state.offsets.advance_recovery_point(log_end);
        state.has_appended = false;
        state.flushed_at_ms = now_ms;
        Ok(())
    }

    fn sync_active(&self, log_end: i64) -> Result<(), EngineError> {
        let active = Arc::clone(self.lock().active());
        self.sync_segment(&active)?;
        self.sync_snapshot(Some(log_end))
    }

    /// Stops everything and renames the directory. Returns its new path.
    ///
    /// # Errors
    /// When it cannot be renamed; the log is deleted all the same.
    pub(crate) fn delete(&self, new_name: &str) -> Result<PathBuf, EngineError> {
        {
            // Under the lock, so that no append is queued after the drain looked.
            let _state = self.lock();
            self.is_deleted.store(true, Ordering::Release);
        }
        let _maintenance = self.lock_maintenance();
        let old = self.dir.load_full();
        let new = self.health.path().join(new_name);
        self.disk
            .rename(&old, &new)
            .map_err(|source| EngineError::io("rename", &old, source))?;
        self.dir.store(Arc::new(new.clone()));
        let parent = self.health.path();
        self.disk
            .sync_dir(parent)
            .map_err(|source| EngineError::io("sync", parent, source))?;
        Ok(new)
    }
}
