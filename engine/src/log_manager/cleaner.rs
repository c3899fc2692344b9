//! The log cleaner: threads that pick the log that asks most for compaction, run a round over it,
//! and note how far it came. How a round works is in `compaction`. The broker starts the threads;
//! [`LogManager::shutdown`] stops and joins them. (Kafka `LogCleaner`, `LogCleanerManager`.)
//!
//! Retention and cleaning of a log exclude each other: each takes the log's name first, and
//! retention that finds it taken is done when the round is over.
//!
//! A log whose round fails in a way that would repeat itself is left alone until restart, as in
//! Kafka; it is still served.

mod budget;
mod pace;
mod progress;

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::{BackgroundReport, LogManager};
use crate::compaction::{CleanError, CleanReport, Cleanability, OffsetMap};
use crate::io::{Disk, lower_thread_priority};
use crate::log::PartitionLog;
use pace::CleanerPace;
pub(super) use progress::CleanerProgress;

/// Least pause when no log asks for cleaning.
const BACKOFF_MIN: Duration = Duration::from_millis(10);

/// Fewer bytes at once would be system calls and little else.
const READ_BYTES_MIN: usize = 16 << 10;
/// More at once would hold up a stop and those the cleaner stands back for.
const READ_BYTES_MAX: usize = 16 << 20;

/// Settings of the cleaner, Kafka's defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanerOptions {
    /// `log.cleaner.threads`; none when `log.cleaner.enable` is false.
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`: memory for the keys of a round, of all threads together.
    pub dedupe_buffer_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`: how full that memory may get.
    pub dedupe_load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`: read and written by all threads together.
    pub io_bytes_per_s_max: f64,
    /// `log.cleaner.io.buffer.size`: bytes of a read or a write, of all threads together.
    pub io_buffer_bytes: usize,
    /// `log.cleaner.backoff.ms`: pause when no log asks for cleaning.
    pub backoff: Duration,
}

impl Default for CleanerOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            dedupe_buffer_bytes: 128 << 20,
            dedupe_load_factor: 0.9,
            io_bytes_per_s_max: f64::MAX,
            io_buffer_bytes: 512 << 10,
            backoff: Duration::from_secs(15),
        }
    }
}

impl CleanerOptions {
    /// One thread's part of the memory for reading and writing.
    fn read_bytes(&self) -> usize {
        (self.io_buffer_bytes / self.threads.max(1)).clamp(READ_BYTES_MIN, READ_BYTES_MAX)
    }
}

/// What the cleaner did since start and where it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CleanerStatus {
    /// Rounds that came to their end.
    pub rounds: u64,
    /// Bytes of the segments those rounds went through.
    pub bytes_before: u64,
    /// Bytes that were left of them.
    pub bytes_after: u64,
    /// Partitions that are not cleaned until restart, because a round over them failed.
    pub uncleanable: Vec<(String, i32)>,
}

/// The log to clean next and what can be cleaned of it.
struct Chosen<D: Disk> {
    log: Arc<PartitionLog<D>>,
    todo: Cleanability,
}

impl<D: Disk> LogManager<D> {
    /// Starts the cleaner's threads; they end with [`LogManager::shutdown`], or soon after the
    /// manager was dropped. Does nothing when they run.
    ///
    /// # Errors
    /// When the operating system gives no thread; those started before run.
    pub fn start_cleaner(self: &Arc<Self>) -> io::Result<()> {
        self.cleaner.start(|number| {
            let (manager, progress) = (Arc::downgrade(self), Arc::clone(&self.cleaner));
            thread::Builder::new()
                .name(format!("log-cleaner-{number}"))
                .spawn(move || run(&manager, &progress))
        })
    }

    /// Changes the cleaner's settings. Threads that run end at their next buffer, and others begin:
    /// blocks for that. Nothing happens when the settings are the same.
    ///
    /// # Errors
    /// As [`LogManager::start_cleaner`].
    pub fn configure_cleaner(self: &Arc<Self>, options: CleanerOptions) -> io::Result<()> {
        if self.cleaner.options() == options {
            return Ok(());
        }
        let had_started = self.cleaner.stop_and_join();
        self.cleaner.set_options(options);
        tracing::info!(?options, "the log cleaner is configured");
        if had_started {
            self.start_cleaner()
        } else {
            Ok(())
        }
    }

    /// What the cleaner did so far.
    #[must_use]
    pub fn cleaner_status(&self) -> CleanerStatus {
        self.cleaner.status()
    }

    /// An offset map for one thread, of its part of the memory.
    fn offset_map(&self) -> OffsetMap {
        let options = self.cleaner.options();
        let bytes = options.dedupe_buffer_bytes / options.threads.max(1);
        OffsetMap::new(bytes, options.dedupe_load_factor)
    }

    /// Cleans the log that asks most for it; returns whether there was one. Blocks.
    pub(crate) fn clean_filthiest_log(&self, map: &mut OffsetMap) -> bool {
        let Some(chosen) = self.choose_log() else {
            return false;
        };
        let log = &chosen.log;
        let pace = CleanerPace {
            log: log.as_ref(),
            progress: &self.cleaner,
            clock: &*self.clock,
            read_bytes: self.cleaner.options().read_bytes(),
        };
        let now_ms = self.clock.now_ms();
        let started = self.clock.monotonic();
        // A panic must not end the thread, and with it all cleaning.
        let attempt = AssertUnwindSafe(|| log.clean(&chosen.todo, map, &pace, now_ms));
        let result = panic::catch_unwind(attempt);
        let elapsed = self.clock.monotonic().saturating_sub(started);
        match result {
            Ok(Ok(report)) => self.finish_round(&chosen, report, elapsed),
            Ok(Err(error)) => self.fail_round(&chosen, error),
            Err(_) if self.cleaner.mark_uncleanable(log) => log_uncleanable(log, &"a panic"),
            Err(_) => {}
        }
        if self.cleaner.release(log) {
            self.retain_log(log, now_ms, &mut BackgroundReport::default());
        }
        true
    }

    /// The filthiest log that is due, which is taken: it must be given back. (Kafka
    /// `LogCleanerManager.grabFilthiestCompactedLog`.)
    fn choose_log(&self) -> Option<Chosen<D>> {
        let now_ms = self.clock.now_ms();
        let mut best: Option<Chosen<D>> = None;
        for log in self.logs() {
            let config = log.config();
            let is_open = !log.is_deleted() && !log.is_closed() && !log.is_offline();
            let is_due = config.cleanup_policy.compact
                && is_open
                && self.cleaner.may_clean(&log, now_ms)
                && !self.is_partition_moving(log.topic(), log.partition());
            if !is_due {
                continue;
            }
            let checkpoint = self.cleaner.checkpoint_of(&log);
            let todo = match log.cleanability(checkpoint, now_ms) {
                Ok(todo) => todo,
                Err(error) => {
                    if !log.is_deleted() && self.cleaner.mark_uncleanable(&log) {
                        log_uncleanable(&log, &error);
                    }
                    continue;
                }
            };
            let is_filthy = config.min_cleanable_dirty_ratio < todo.ratio();
            let asks = 0 < todo.cleanable_bytes && (is_filthy || todo.must_clean);
            let is_best = best
                .as_ref()
                .is_none_or(|best| best.todo.ratio() < todo.ratio());
            if asks && is_best {
                best = Some(Chosen { log, todo });
            }
        }
        best.filter(|best| self.cleaner.take(&best.log))
    }

    fn finish_round(&self, chosen: &Chosen<D>, report: CleanReport, elapsed: Duration) {
        let log = &chosen.log;
        tracing::info!(
            topic = log.topic(),
            partition = log.partition(),
            from = chosen.todo.first_dirty_offset,
            to = report.next_dirty_offset,
            keys = report.keys,
            segments_before = report.segments_before,
            segments_after = report.segments_after,
            bytes_before = report.bytes_before,
            bytes_after = report.bytes_after,
            records_before = report.records_before,
            records_after = report.records_after,
            elapsed_ms = elapsed.as_millis(),
            "the log is cleaned"
        );
        self.cleaner
            .count_round(report.bytes_before, report.bytes_after);
        self.remove_later(log, report.renamed);
        // The copy of a log that is moved may have been made before it was cleaned.
        if !self.is_partition_moving(log.topic(), log.partition()) {
            self.cleaner.set_checkpoint(log, report.next_dirty_offset);
            self.write_cleaner_checkpoints();
        }
    }

    fn fail_round(&self, chosen: &Chosen<D>, error: CleanError) {
        let log = &chosen.log;
        let is_over = log.is_deleted() || log.is_closed() || log.is_offline();
        if error.is_transient() || is_over {
            tracing::info!(
                topic = log.topic(), partition = log.partition(), %error,
                "cleaning ended early"
            );
            let pause = self.cleaner.options().backoff;
            let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            let not_before_ms = self.clock.now_ms().saturating_add(pause_ms);
            self.cleaner.set_not_before(log, not_before_ms);
        } else if self.cleaner.mark_uncleanable(log) {
            log_uncleanable(log, &error);
        }
        self.remove_later(log, error.renamed);
    }

    /// Writes the checkpoint files that are not up to date; a failure takes the dir offline.
    pub(super) fn write_cleaner_checkpoints(&self) {
        let logs = self.logs();
        for dir in &self.dirs.dirs {
            if dir.health.is_offline() {
                continue;
            }
            let in_dir = logs.iter().filter(|log| log.log_dir() == dir.path());
            let written = self.cleaner.write(&self.disk, dir.path(), in_dir);
            if let Err(error) = written {
                dir.health.fail("write a checkpoint of", dir.path(), &error);
            }
        }
    }
}

fn log_uncleanable<D: Disk>(log: &PartitionLog<D>, error: &dyn std::fmt::Display) {
    tracing::error!(
        topic = log.topic(), partition = log.partition(), %error,
        "the log is not cleaned any more until restart"
    );
}

/// The life of one thread. It does not keep the manager alive while it waits.
fn run<D: Disk>(manager: &Weak<LogManager<D>>, progress: &CleanerProgress) {
    if let Err(error) = lower_thread_priority() {
        tracing::warn!(%error, "the log cleaner runs with the priority of all threads");
    }
    let mut map = None;
    while !progress.is_stopping() {
        let Some(manager) = manager.upgrade() else {
            return;
        };
        let map = map.get_or_insert_with(|| manager.offset_map());
        let has_cleaned = manager.clean_filthiest_log(map);
        drop(manager);
        if !has_cleaned {
            // Without a backoff the search for work would be all the work.
            progress.wait(progress.options().backoff.max(BACKOFF_MIN));
        }
    }
}

#[cfg(test)]
mod tests;
