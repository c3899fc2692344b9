//! All logs of this process: opened at start, created and deleted with their topics, maintained in
//! the background, closed at the end. The broker holds one and calls it from start-up, the metadata
//! applier and a background thread; every method here may block and is not for a ring's thread,
//! except [`LogManager::log`]. (Kafka `LogManager`.)

mod background;
mod checkpoints;
mod cleaner;
mod duplicates;
mod mover;
mod moves;
mod recovery_progress;
mod scrub;
mod settling;
mod space;
mod startup;
mod throttle;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use uuid::Uuid;

use crate::clock::Clock;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::{DirHealth, Disk, OfflineObserver};
use crate::log::{LogIdentity, PartitionLog, create_log};
use crate::log_dirs::LogDirs;
use crate::segment::{deleted_dir_name, partition_dir_name, stray_dir_name};

pub use background::BackgroundReport;
pub use cleaner::{CleanerOptions, CleanerStatus};
pub use scrub::{ScrubDamage, ScrubOptions, ScrubReport};
pub use startup::OpenSummary;

/// Settings of the manager, Kafka's defaults.
#[derive(Debug, Clone)]
pub struct LogManagerOptions {
    /// `num.recovery.threads.per.data.dir`: threads that open and close logs, per directory. With 0
    /// the calling thread does it all, one directory after the other, so that a run on the
    /// simulated disk can be repeated exactly.
    pub recovery_threads_per_data_dir: usize,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval_ms: i64,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`: recovery points.
    pub flush_offset_checkpoint_interval_ms: i64,
    /// `log.flush.start.offset.checkpoint.interval.ms`: log start offsets.
    pub flush_start_offset_checkpoint_interval_ms: i64,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval_ms: i64,
    /// `log.initial.task.delay.ms`: time before the first retention run.
    pub initial_task_delay_ms: i64,
    /// `log.cleaner.*`.
    pub cleaner: CleanerOptions,
    /// `log.dir.min.free.bytes` (ours): with less room on a log dir's file system, clients' appends
    /// are refused; at most a twentieth of the file system counts. 0 lets them go on until a write
    /// fails.
    pub min_free_bytes: u64,
}

impl Default for LogManagerOptions {
    fn default() -> Self {
        Self {
            recovery_threads_per_data_dir: 2,
            producer_id_expiration_ms: 86_400_000,
            producer_id_expiration_check_interval_ms: 600_000,
            retention_check_interval_ms: 300_000,
            flush_offset_checkpoint_interval_ms: 60_000,
            flush_start_offset_checkpoint_interval_ms: 60_000,
            high_watermark_checkpoint_interval_ms: 5_000,
            initial_task_delay_ms: 30_000,
            cleaner: CleanerOptions::default(),
            min_free_bytes: 256 << 20,
        }
    }
}

/// One log dir as DescribeLogDirs shows it.
#[derive(Debug, Clone)]
pub struct LogDirDescription {
    /// The directory.
    pub path: PathBuf,
    /// Its id.
    pub directory_id: Uuid,
    /// Why it is offline, when it is.
    pub error: Option<String>,
    /// Size of its filesystem, -1 when unknown.
    pub total_bytes: i64,
    /// Free bytes of its filesystem, -1 when unknown.
    pub usable_bytes: i64,
    /// The partitions in it.
    pub partitions: Vec<PartitionDescription>,
}

/// One partition as DescribeLogDirs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Bytes of its segments.
    pub size_bytes: u64,
    /// How far a future replica is behind; 0 for a current one.
    pub offset_lag: i64,
    /// Whether it is a replica on its way here from another log dir.
    pub is_future: bool,
}

/// Something renamed that waits for its removal.
#[derive(Debug)]
struct PendingRemoval {
    due_ms: i64,
    path: PathBuf,
    is_dir: bool,
}

/// A log that is no longer served, and where its directory lies now.
struct TakenAway<D: Disk> {
    log: Arc<PartitionLog<D>>,
    path: PathBuf,
}

/// In order, so that a run on the simulated disk can be repeated exactly.
impl<D: Disk> Drop for LogManager<D> {
    fn drop(&mut self) {
        // Without a shutdown the threads would wait for their next round.
        self.cleaner.stop();
    }
}

type Logs<D> = BTreeMap<String, BTreeMap<i32, Arc<PartitionLog<D>>>>;

/// All logs. See the module's documentation.
#[derive(Debug)]
pub struct LogManager<D: Disk> {
    disk: D,
    dirs: LogDirs<D>,
    options: LogManagerOptions,
    clock: Arc<dyn Clock>,
    logs: RwLock<Logs<D>>,
    /// Held while a log is created or deleted.
    membership: Mutex<()>,
    removals: Mutex<Vec<PendingRemoval>>,
    background: Mutex<background::Schedule<D>>,
    /// The setting that holds now; `options` has the one of the start.
    producer_id_expiration_ms: AtomicI64,
    moves: Mutex<moves::Moves<D>>,
    /// Signalled when a move begins or ends, the pace changes or the mover's thread ends.
    moves_changed: Condvar,
    /// Logs of topics that do not exist while another topic of their name may.
    namesakes: Mutex<Vec<Arc<PartitionLog<D>>>>,
    checkpoints: checkpoints::Checkpoints,
    cleaner: Arc<cleaner::CleanerProgress>,
    scrub: scrub::Scrub,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Disk> LogManager<D> {
    /// The log of a partition. Cheap; may be called on any thread.
    #[must_use]
    pub fn log(&self, topic: &str, partition: i32) -> Option<Arc<PartitionLog<D>>> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        logs.get(topic)?.get(&partition).cloned()
    }

    /// All logs, by topic and partition.
    #[must_use]
    pub fn logs(&self) -> Vec<Arc<PartitionLog<D>>> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        logs.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        self.dirs.cluster_id()
    }

    /// The log dirs with their ids, in the order they were given.
    #[must_use]
    pub fn directories(&self) -> Vec<(PathBuf, Uuid)> {
        self.dirs
            .dirs
            .iter()
            .map(|dir| (dir.path().to_owned(), dir.directory_id))
            .collect()
    }

    /// That every log dir is online: only then a partition whose log is not found has none.
    ///
    /// # Errors
    /// [`EngineError::LogDirOffline`] with the first dir that is not.
    pub fn check_all_online(&self) -> Result<(), EngineError> {
        self.dirs.dirs.iter().try_for_each(moves::check_online)
    }

    /// Why each log dir that is offline is so.
    #[must_use]
    pub fn offline_dirs(&self) -> Vec<(PathBuf, String)> {
        let dirs = self.dirs.dirs.iter();
        dirs.filter_map(|dir| Some((dir.path().to_owned(), dir.health.reason()?)))
            .collect()
    }

    /// Tells `observer` once for each log dir that goes offline from now on.
    pub fn watch_dirs(&self, observer: &Weak<dyn OfflineObserver>) {
        for dir in &self.dirs.dirs {
            dir.health.observe(Weak::clone(observer));
        }
    }

    /// Creates the log of a partition, durably, in the online directory with the fewest partitions;
    /// or returns the one there is.
    ///
    /// # Errors
    /// When the name is illegal, the partition exists under another topic id, no directory is
    /// online or a file cannot be written (which takes the directory offline).
    pub fn create_log(
        &self,
        topic: &str,
        partition: i32,
        topic_id: Uuid,
        config: LogConfig,
    ) -> Result<Arc<PartitionLog<D>>, EngineError> {
        let _membership = lock(&self.membership);
        if let Some(log) = self.log(topic, partition) {
            match log.topic_id() {
                None => log.adopt_topic_id(topic_id)?,
                Some(found) if found == topic_id => {}
                Some(found) => {
                    return Err(EngineError::TopicIdMismatch {
                        path: log.log_dir().to_owned(),
                        found,
                        expected: topic_id,
                    });
                }
            }
            return Ok(log);
        }
        let name =
            partition_dir_name(topic, partition).ok_or_else(|| EngineError::InvalidTopicName {
                topic: topic.to_owned(),
            })?;
        let health = match self.preferred_dir(topic, partition) {
            Some(health) => health,
            None => self.choose_dir()?,
        };
        let identity = LogIdentity {
            topic: topic.to_owned(),
            partition,
            topic_id: Some(topic_id),
            dir: health.path().join(name),
        };
        self.forget_checkpointed(health.path(), topic, partition)?;
        if self.cleaner.forget(topic, partition) {
            self.write_cleaner_checkpoints();
        }
        let now_ms = self.clock.now_ms();
        let log = create_log(&self.disk, identity, &health, config, topic_id, now_ms);
        let log = log.inspect_err(|error| {
            health.fail("create a log in", health.path(), error);
        })?;
        self.add(&log);
        Ok(log)
    }

    fn add(&self, log: &Arc<PartitionLog<D>>) {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        logs.entry(log.topic().to_owned())
            .or_default()
            .insert(log.partition(), Arc::clone(log));
    }

    /// The dir that AlterReplicaLogDirs named for the log before there was one.
    fn preferred_dir(&self, topic: &str, partition: i32) -> Option<Arc<DirHealth>> {
        let wanted = self.take_preferred(topic, partition)?;
        let mut dirs = self.dirs.dirs.iter();
        let dir = dirs.find(|dir| dir.path() == wanted && !dir.health.is_offline())?;
        Some(Arc::clone(&dir.health))
    }

    fn choose_dir(&self) -> Result<Arc<DirHealth>, EngineError> {
        self.dirs
            .dirs
            .iter()
            .filter(|dir| !dir.health.is_offline())
            .min_by_key(|dir| dir.health.logs_count())
            .map(|dir| Arc::clone(&dir.health))
            .ok_or(EngineError::NoUsableDir)
    }

    /// Deletes the log of a partition: its directory is renamed now and removed after
    /// `file.delete.delay.ms` by the background work. Deleting a log that is not there is no error.
    ///
    /// # Errors
    /// When the directory cannot be renamed, which takes its log dir offline.
    pub fn delete_log(&self, topic: &str, partition: i32) -> Result<(), EngineError> {
        let name = deleted_dir_name(topic, partition, Uuid::new_v4());
        let Some(TakenAway { log, path }) = self.take_away(topic, partition, &name)? else {
            return Ok(());
        };
        let due_ms = self
            .clock
            .now_ms()
            .saturating_add(log.config().file_delete_delay_ms);
        lock(&self.removals).push(PendingRemoval {
            due_ms,
            path,
            is_dir: true,
        });
        tracing::info!(topic, partition, "the log is deleted");
        Ok(())
    }

    /// Sets a log aside that no partition of this broker owns: its directory is renamed to a stray
    /// one (Kafka's `-stray`) and kept, so that an operator decides.
    ///
    /// # Errors
    /// When the directory cannot be renamed, which takes its log dir offline.
    pub fn set_aside_log(&self, topic: &str, partition: i32) -> Result<(), EngineError> {
        let name = stray_dir_name(topic, partition, Uuid::new_v4());
        if let Some(TakenAway { path, .. }) = self.take_away(topic, partition, &name)? {
            let dir = path.display();
            tracing::warn!(topic, partition, %dir, "the log belongs to no partition, set aside");
        }
        Ok(())
    }

    /// Closes a log to all and renames its directory; returns it with its new path.
    fn take_away(
        &self,
        topic: &str,
        partition: i32,
        name: &str,
    ) -> Result<Option<TakenAway<D>>, EngineError> {
        let _membership = lock(&self.membership);
        self.cancel_move_of(topic, partition);
        let removed = {
            let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
            let Some(partitions) = logs.get_mut(topic) else {
                return Ok(None);
            };
            let removed = partitions.remove(&partition);
            if partitions.is_empty() {
                logs.remove(topic);
            }
            removed
        };
        let Some(log) = removed else {
            return Ok(None);
        };
        let path = log.delete(name).inspect_err(|error| {
            log.health.fail("rename a log in", log.log_dir(), error);
        })?;
        if self.cleaner.forget(topic, partition) {
            self.write_cleaner_checkpoints();
        }
        self.promote_namesake(topic, partition);
        Ok(Some(TakenAway { log, path }))
    }

    /// Every log dir with its partitions, for DescribeLogDirs.
    #[must_use]
    pub fn describe_log_dirs(&self) -> Vec<LogDirDescription> {
        let logs = self.logs();
        let describe = |path: &Path| {
            logs.iter()
                .filter(|log| log.log_dir() == path)
                .map(|log| PartitionDescription {
                    topic: log.topic().to_owned(),
                    partition: log.partition(),
                    size_bytes: log.size_bytes(),
                    offset_lag: 0,
                    is_future: false,
                })
                .chain(self.describe_futures(path))
                .collect()
        };
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.dirs
            .dirs
            .iter()
            .map(|dir| {
                let error = dir.health.reason();
                let space = match error {
                    None => self.disk.space(dir.path()).ok(),
                    Some(_) => None,
                };
                LogDirDescription {
                    path: dir.path().to_owned(),
                    directory_id: dir.directory_id,
                    error,
                    total_bytes: space.map_or(-1, |space| signed(space.total_bytes)),
                    usable_bytes: space.map_or(-1, |space| signed(space.usable_bytes)),
                    partitions: describe(dir.path()),
                }
            })
            .collect()
    }

    /// Writes what is queued, makes everything durable, writes the checkpoints and, in each
    /// directory whose logs all closed, the marker of a clean shutdown. Call it when nothing is to
    /// be appended any more, but while the rings' threads still run: they finish the writes in
    /// flight, and this waits for them.
    ///
    /// # Errors
    /// The first failure; the other directories are closed all the same.
    pub fn shutdown(&self) -> Result<(), EngineError> {
        self.scrub.stop();
        self.stop_moves();
        let started = self.clock.monotonic();
        self.cleaner.shut_down();
        let mut first_error = None;
        for dir in &self.dirs.dirs {
            if let Err(error) = self.close_dir(dir) {
                tracing::error!(dir = %dir.path().display(), %error, "shutdown is not clean");
                first_error.get_or_insert(error);
            }
        }
        let elapsed: Duration = self.clock.monotonic().saturating_sub(started);
        tracing::info!(elapsed_ms = elapsed.as_millis(), "logs are closed");
        first_error.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
