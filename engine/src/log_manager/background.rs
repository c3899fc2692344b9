//! The work that is due from time to time: retention, checkpoints, flushes by time, idle producers,
//! removal of what was renamed. One background thread of the broker calls
//! [`LogManager::run_background`] about once a second; the parts can also be called alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::settling::Settling;
use super::{LogManager, LogManagerOptions, PendingRemoval, lock};
use crate::checkpoint::OffsetCheckpoint;
use crate::io::Disk;
use crate::log::PartitionLog;

/// When what is due next, and what the checkpoint files hold.
#[derive(Debug)]
pub(super) struct Schedule<D: Disk> {
    retention_ms: i64,
    recovery_points_ms: i64,
    log_starts_ms: i64,
    high_watermarks_ms: i64,
    producers_ms: i64,
    /// Logs whose recovery point is moved to their end, a few at a time.
    settling: Settling<D>,
}

impl<D: Disk> Schedule<D> {
    pub(super) fn new(now_ms: i64, options: &LogManagerOptions) -> Self {
        let first_ms = now_ms.saturating_add(options.initial_task_delay_ms);
        Self {
            retention_ms: first_ms,
            recovery_points_ms: first_ms,
            log_starts_ms: first_ms,
            high_watermarks_ms: now_ms,
            producers_ms: first_ms,
            settling: Settling::default(),
        }
    }
}

/// What a run of the background work did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackgroundReport {
    /// Files renamed by retention.
    pub renamed_files: usize,
    /// Files and directories removed.
    pub removed: usize,
    /// Failures; each was logged, and a failed write took its log dir offline.
    pub failures: usize,
}

fn is_due(due_ms: &mut i64, now_ms: i64, interval_ms: i64) -> bool {
    if now_ms < *due_ms {
        return false;
    }
    *due_ms = now_ms.saturating_add(interval_ms);
    true
}

impl<D: Disk> LogManager<D> {
    /// Changes `producer.id.expiration.ms`; the next search for idle producers goes by it.
    pub fn expire_producers_after(&self, expiration_ms: i64) {
        self.producer_id_expiration_ms
            .store(expiration_ms, Ordering::Relaxed);
    }

    /// Does what is due. Blocks.
    pub fn run_background(&self) -> BackgroundReport {
        let now_ms = self.clock.now_ms();
        let options = &self.options;
        let mut schedule = lock(&self.background);
        let mut report = BackgroundReport::default();
        self.check_space();
        report.failures += self.flush_due(now_ms);
        if is_due(
            &mut schedule.retention_ms,
            now_ms,
            options.retention_check_interval_ms,
        ) {
            self.retain(now_ms, &mut report);
        }
        let interval_ms = options.producer_id_expiration_check_interval_ms;
        if is_due(&mut schedule.producers_ms, now_ms, interval_ms) {
            let expiration_ms = self.producer_id_expiration_ms.load(Ordering::Relaxed);
            for log in self.logs() {
                log.expire_producers(now_ms, expiration_ms);
            }
        }
        let mut due = Vec::new();
        let interval_ms = options.flush_offset_checkpoint_interval_ms;
        if is_due(&mut schedule.recovery_points_ms, now_ms, interval_ms) {
            due.push(OffsetCheckpoint::RecoveryPoint);
            for log in self.logs() {
                log.close_idle_files();
            }
            self.begin_settling(&mut schedule.settling);
        }
        let interval_ms = options.flush_start_offset_checkpoint_interval_ms;
        if is_due(&mut schedule.log_starts_ms, now_ms, interval_ms) {
            due.push(OffsetCheckpoint::LogStart);
        }
        let interval_ms = options.high_watermark_checkpoint_interval_ms;
        if is_due(&mut schedule.high_watermarks_ms, now_ms, interval_ms) {
            due.push(OffsetCheckpoint::HighWatermark);
        }
        for kind in due {
            for dir in &self.dirs.dirs {
                if self.write_checkpoint(dir, kind).is_err() {
                    report.failures += 1;
                }
            }
        }
        self.settle(&mut schedule.settling);
        drop(schedule);
        self.remove_due(now_ms, &mut report);
        report
    }

    /// Runs retention on every log now. Blocks.
    pub fn run_retention(&self) -> BackgroundReport {
        let mut report = BackgroundReport::default();
        self.retain(self.clock.now_ms(), &mut report);
        report
    }

    fn flush_due(&self, now_ms: i64) -> usize {
        // A failed flush took its log dir offline, which was logged.
        self.logs()
            .iter()
            .filter(|log| log.flush_if_due(now_ms).is_err())
            .count()
    }

    fn retain(&self, now_ms: i64, report: &mut BackgroundReport) {
        for log in self.logs() {
            self.retain_log(&log, now_ms, report);
        }
    }

    /// Runs retention on a log that is not cleaned right now; if it is, the cleaner does it after.
    pub(super) fn retain_log(
        &self,
        log: &Arc<PartitionLog<D>>,
        now_ms: i64,
        report: &mut BackgroundReport,
    ) {
        if !self.cleaner.take_for_retention(log) {
            return;
        }
        match log.delete_old_segments(now_ms) {
            Ok(renamed) => {
                report.renamed_files += renamed.len();
                self.remove_later(log, renamed);
            }
            Err(error) => {
                report.failures += 1;
                tracing::error!(
                    topic = log.topic(), partition = log.partition(), %error,
                    "retention failed"
                );
            }
        }
        self.cleaner.release(log);
    }

    /// Has files that were renamed removed after `file.delete.delay.ms`.
    pub(super) fn remove_later(&self, log: &PartitionLog<D>, renamed: Vec<PathBuf>) {
        let delay_ms = log.config().file_delete_delay_ms;
        let due_ms = self.clock.now_ms().saturating_add(delay_ms);
        lock(&self.removals).extend(renamed.into_iter().map(|path| PendingRemoval {
            due_ms,
            path,
            is_dir: false,
        }));
    }

    fn remove_due(&self, now_ms: i64, report: &mut BackgroundReport) {
        let due: Vec<PendingRemoval> = {
            let mut removals = lock(&self.removals);
            let (due, later) = removals
                .drain(..)
                .partition(|removal| removal.due_ms <= now_ms);
            *removals = later;
            due
        };
        for removal in due {
            let result = if removal.is_dir {
                self.disk.remove_dir_all(&removal.path)
            } else {
                self.disk.remove_file(&removal.path)
            };
            match result {
                Ok(()) => report.removed += 1,
                // Its directory was deleted meanwhile, or a crash came in between.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    report.failures += 1;
                    tracing::warn!(file = %removal.path.display(), %error, "it is not removed");
                }
            }
        }
    }
}
