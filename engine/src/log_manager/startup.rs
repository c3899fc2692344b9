//! Start and end of the log manager: opens every partition directory of every log dir with some
//! threads each, and closes them again.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock, Weak};
use std::time::Duration;

use super::background::Schedule;
use super::checkpoints::Checkpoints;
use super::cleaner::CleanerProgress;
use super::duplicates::place;
use super::moves::FutureDir;
use super::recovery_progress::RecoveryProgress;
use super::{LogManager, LogManagerOptions, Logs, PendingRemoval, lock};
use crate::checkpoint::{CleanShutdownMarker, OffsetCheckpoint, PartitionOffsets};
use crate::clock::Clock;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::Disk;
use crate::log::{LogIdentity, LogOpener, OpenHints, OpenReport, PartitionLog};
use crate::log_dirs::{LogDir, LogDirs};
use crate::segment::{DirKind, FileKind, segment_file_name};

/// What opening the logs took.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenSummary {
    /// Logs that were opened.
    pub logs: usize,
    /// Whether every directory was shut down cleanly.
    pub is_clean: bool,
    /// Segments that were walked batch by batch.
    pub recovered_segments: usize,
    /// Bytes walked in them.
    pub walked_bytes: u64,
    /// Bytes that were cut off because they were damaged or incomplete.
    pub truncated_bytes: u64,
    /// Time it took.
    pub elapsed: Duration,
}

impl OpenSummary {
    fn report(&self) {
        tracing::info!(
            logs = self.logs,
            is_clean = self.is_clean,
            recovered_segments = self.recovered_segments,
            walked_bytes = self.walked_bytes,
            truncated_bytes = self.truncated_bytes,
            elapsed_ms = self.elapsed.as_millis(),
            "logs are open"
        );
    }
}

/// The partitions of one log dir with what its checkpoints say.
#[derive(Default)]
struct DirContent {
    is_clean: bool,
    partitions: Vec<LogIdentity>,
    futures: Vec<FutureDir>,
    recovery_points: PartitionOffsets,
    log_starts: PartitionOffsets,
    high_watermarks: PartitionOffsets,
}

struct Opened<D: Disk> {
    logs: Vec<Arc<PartitionLog<D>>>,
    report: OpenReport,
    /// A log ends below its checkpointed recovery point, which has to go down before batches are
    /// appended there: an open after a crash trusts what is below it.
    has_shorter: bool,
}

/// What opening one log needs besides the log.
struct OpenEnv<'a, D: Disk> {
    disk: &'a D,
    options: &'a LogManagerOptions,
    clock: &'a dyn Clock,
    config_of: &'a (dyn Fn(&str) -> LogConfig + Sync),
}

impl<D: Disk> LogManager<D> {
    /// Opens all logs in `dirs`; `config_of` gives the settings of a topic. A directory in which a
    /// log cannot be opened goes offline as a whole; the others are served.
    ///
    /// # Errors
    /// When no directory is usable.
    pub fn open(
        disk: D,
        dirs: LogDirs<D>,
        options: LogManagerOptions,
        clock: Arc<dyn Clock>,
        config_of: &(dyn Fn(&str) -> LogConfig + Sync),
    ) -> Result<(Arc<Self>, OpenSummary), EngineError> {
        let started = clock.monotonic();
        let mut logs = Logs::<D>::new();
        let mut removals = Vec::new();
        let mut duplicates = Vec::new();
        let mut shorter = Vec::new();
        let mut summary = OpenSummary {
            is_clean: true,
            ..OpenSummary::default()
        };
        let env = OpenEnv {
            disk: &disk,
            options: &options,
            clock: &*clock,
            config_of,
        };
        let contents = dirs
            .dirs
            .iter()
            .map(|dir| read_dir_or_fail(&env, dir, &mut removals))
            .collect::<Vec<_>>();
        let opened = open_dirs(&env, &dirs, &contents);
        let opened = contents.iter().zip(opened);
        for (index, (dir, (content, opened))) in dirs.dirs.iter().zip(opened).enumerate() {
            summary.is_clean &= content.is_clean || content.partitions.is_empty();
            match opened {
                Ok(opened) => {
                    summary.logs += opened.logs.len();
                    summary.recovered_segments += opened.report.recovered_segments;
                    summary.walked_bytes += opened.report.walked_bytes;
                    summary.truncated_bytes += opened.report.truncated_bytes;
                    if opened.has_shorter {
                        shorter.push(index);
                    }
                    let placed = opened.logs.into_iter();
                    duplicates.extend(placed.filter_map(|log| place(&mut logs, log)));
                }
                Err(error) => dir.health.fail("open the logs of", dir.path(), &error),
            }
        }
        if dirs.dirs.iter().all(|dir| dir.health.is_offline()) {
            return Err(EngineError::NoUsableDir);
        }
        summary.elapsed = clock.monotonic().saturating_sub(started);
        summary.report();
        let cleaner = CleanerProgress::load(&disk, &dirs, &logs, options.cleaner)?;
        let schedule = Schedule::new(clock.now_ms(), &options);
        let producer_id_expiration_ms = AtomicI64::new(options.producer_id_expiration_ms);
        let checkpoints = checkpoints_read(&dirs, &contents);
        let manager = Self {
            disk,
            dirs,
            options,
            clock,
            logs: RwLock::new(logs),
            membership: Mutex::new(()),
            removals: Mutex::new(removals),
            background: Mutex::new(schedule),
            producer_id_expiration_ms,
            moves: Mutex::default(),
            moves_changed: Condvar::new(),
            namesakes: Mutex::default(),
            checkpoints,
            cleaner: Arc::new(cleaner),
            scrub: super::scrub::Scrub::default(),
        };
        manager.settle_duplicates(duplicates);
        manager.lower_recovery_points(&shorter);
        let futures = contents.into_iter().flat_map(|content| content.futures);
        manager.resume_moves(futures.collect());
        Ok((manager.shared(), summary))
    }

    /// Writes the recovery points of some directories, by index, in which logs end below them.
    fn lower_recovery_points(&self, dirs: &[usize]) {
        for dir in dirs.iter().map(|&index| &self.dirs.dirs[index]) {
            // After a failure the directory is offline, which was logged.
            if let Err(error) = self.write_checkpoint(dir, OffsetCheckpoint::RecoveryPoint) {
                tracing::debug!(%error, "a recovery point stays above the end of its log");
            }
        }
    }

    /// Lets the logs ask for a checkpoint of their recovery points.
    fn shared(self) -> Arc<Self> {
        let manager = Arc::new(self);
        for dir in &manager.dirs.dirs {
            let writer: Weak<Self> = Arc::downgrade(&manager);
            dir.health.set_recovery_point_writer(writer);
        }
        manager
    }

    /// Closes the logs of one directory and marks it as cleanly shut down.
    pub(super) fn close_dir(&self, dir: &LogDir<D>) -> Result<(), EngineError> {
        if dir.health.is_offline() {
            return Err(EngineError::LogDirOffline {
                path: dir.path().to_owned(),
                reason: dir.health.reason().unwrap_or_default(),
            });
        }
        let logs: Vec<_> = self
            .logs()
            .into_iter()
            .filter(|log| log.log_dir() == dir.path())
            .collect();
        let now_ms = self.clock.now_ms();
        let threads = self.options.recovery_threads_per_data_dir;
        run_parallel(&logs, threads, |log| log.close(now_ms))?;
        self.write_checkpoint(dir, OffsetCheckpoint::RecoveryPoint)?;
        self.write_checkpoint(dir, OffsetCheckpoint::LogStart)?;
        self.write_checkpoint(dir, OffsetCheckpoint::HighWatermark)?;
        CleanShutdownMarker::of(dir.path()).write(&self.disk)
    }
}

/// What the checkpoint files of all directories hold.
fn checkpoints_read<D: Disk>(dirs: &LogDirs<D>, contents: &[DirContent]) -> Checkpoints {
    let checkpoints = Checkpoints::default();
    for (dir, content) in dirs.dirs.iter().zip(contents) {
        for (kind, offsets) in [
            (OffsetCheckpoint::RecoveryPoint, &content.recovery_points),
            (OffsetCheckpoint::LogStart, &content.log_starts),
            (OffsetCheckpoint::HighWatermark, &content.high_watermarks),
        ] {
            checkpoints.note_read(dir.path(), kind, offsets);
        }
    }
    checkpoints
}

/// A directory that cannot be read goes offline; an offline one has nothing.
fn read_dir_or_fail<D: Disk>(
    env: &OpenEnv<'_, D>,
    dir: &LogDir<D>,
    removals: &mut Vec<PendingRemoval>,
) -> DirContent {
    if !dir.health.is_offline() {
        match read_dir(env, dir, removals) {
            Ok(content) => return content,
            Err(error) => dir.health.fail("read", dir.path(), &error),
        }
    }
    DirContent::default()
}

/// Takes the marker, reads the checkpoints and lists the partitions of one log dir.
fn read_dir<D: Disk>(
    env: &OpenEnv<'_, D>,
    dir: &LogDir<D>,
    removals: &mut Vec<PendingRemoval>,
) -> Result<DirContent, EngineError> {
    let path = dir.path();
    let is_clean = CleanShutdownMarker::of(path).take(env.disk)?;
    if !is_clean {
        // The process may have been killed between making a log and making its name durable.
        env.disk
            .sync_dir(path)
            .map_err(|source| EngineError::io("sync", path, source))?;
    }
    let entries = env
        .disk
        .list(path)
        .map_err(|source| EngineError::io("list", path, source))?;
    let mut partitions = Vec::new();
    let mut futures = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.is_dir) {
        let partition_dir = path.join(&entry.name);
        match DirKind::parse(&entry.name) {
            DirKind::Partition { topic, partition } => partitions.push(LogIdentity {
                topic,
                partition,
                topic_id: None,
                dir: partition_dir,
            }),
            DirKind::Future { topic, partition } => futures.push(FutureDir {
                topic,
                partition,
                path: partition_dir,
            }),
            DirKind::Deleted => {
                let due_ms = env.clock.now_ms();
                removals.push(PendingRemoval {
                    due_ms,
                    path: partition_dir,
                    is_dir: true,
                });
            }
            DirKind::NotServed => {
                tracing::info!(dir = %partition_dir.display(), "the directory is not served");
            }
            DirKind::Foreign => {
                tracing::debug!(dir = %partition_dir.display(), "the directory is no partition");
            }
        }
    }
    Ok(DirContent {
        is_clean,
        partitions,
        futures,
        recovery_points: OffsetCheckpoint::RecoveryPoint.read(env.disk, path)?,
        log_starts: OffsetCheckpoint::LogStart.read(env.disk, path)?,
        high_watermarks: OffsetCheckpoint::HighWatermark.read(env.disk, path)?,
    })
}

/// Opens all directories at once; with 0 threads one after the other on this one.
fn open_dirs<D: Disk>(
    env: &OpenEnv<'_, D>,
    dirs: &LogDirs<D>,
    contents: &[DirContent],
) -> Vec<Result<Opened<D>, EngineError>> {
    if env.options.recovery_threads_per_data_dir == 0 {
        let pairs = dirs.dirs.iter().zip(contents);
        return pairs
            .map(|(dir, content)| open_dir(env, dir, content))
            .collect();
    }
    std::thread::scope(|scope| {
        let running: Vec<_> = dirs
            .dirs
            .iter()
            .zip(contents)
            .map(|(dir, content)| scope.spawn(move || open_dir(env, dir, content)))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn open_dir<D: Disk>(
    env: &OpenEnv<'_, D>,
    dir: &LogDir<D>,
    content: &DirContent,
) -> Result<Opened<D>, EngineError> {
    let plan = plan(env, content)?;
    let bytes = plan.iter().map(|(_, bytes)| bytes).sum();
    let progress = RecoveryProgress::start(env.clock, dir.path(), plan.len(), bytes);
    let opened = Mutex::new(Opened {
        logs: Vec::new(),
        report: OpenReport::default(),
        has_shorter: false,
    });
    let threads = env.options.recovery_threads_per_data_dir;
    run_parallel(&plan, threads, |&(identity, _)| {
        let config = (env.config_of)(&identity.topic);
        let key = (identity.topic.clone(), identity.partition);
        let offset_in = |offsets: &PartitionOffsets| offsets.get(&key).copied().unwrap_or(0);
        let hints = OpenHints {
            is_clean: content.is_clean,
            recovery_point: offset_in(&content.recovery_points),
            log_start: offset_in(&content.log_starts),
            high_watermark: offset_in(&content.high_watermarks),
            now_ms: env.clock.now_ms(),
            producer_id_expiration_ms: env.options.producer_id_expiration_ms,
        };
        let opener = LogOpener {
            disk: env.disk,
            identity: identity.clone(),
            health: &dir.health,
            config,
            hints,
        };
        let (log, report) = opener.open_telling(&|bytes| progress.add_bytes(bytes))?;
        progress.add_log();
        let mut opened = lock(&opened);
        opened.has_shorter |= log.offsets().log_end < hints.recovery_point;
        opened.logs.push(log);
        opened.report.recovered_segments += report.recovered_segments;
        opened.report.walked_bytes += report.walked_bytes;
        opened.report.truncated_bytes += report.truncated_bytes;
        if 0 < report.truncated_bytes {
            tracing::info!(
                topic = identity.topic,
                partition = identity.partition,
                segments = report.recovered_segments,
                walked_bytes = report.walked_bytes,
                truncated_bytes = report.truncated_bytes,
                "the end of a log was damaged and is cut off"
            );
        }
        Ok(())
    })?;
    Ok(opened
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// The logs in the order they are opened, with about the bytes each has above its recovery point:
/// the largest first, so that no thread is left alone with a large one at the end.
fn plan<'a, D: Disk>(
    env: &OpenEnv<'_, D>,
    content: &'a DirContent,
) -> Result<Vec<(&'a LogIdentity, u64)>, EngineError> {
    let mut plan = Vec::with_capacity(content.partitions.len());
    for identity in &content.partitions {
        let bytes = if content.is_clean {
            0
        } else {
            let key = (identity.topic.clone(), identity.partition);
            let recovery_point = content.recovery_points.get(&key).copied().unwrap_or(0);
            let config = (env.config_of)(&identity.topic);
            bytes_to_walk(env.disk, &identity.dir, recovery_point, &config)?
        };
        plan.push((identity, bytes));
    }
    plan.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    Ok(plan)
}

/// Bytes of the segments at and above a recovery point; of the one it lies in at most what is left
/// above recovery points. An estimate: only sizes are looked at.
fn bytes_to_walk<D: Disk>(
    disk: &D,
    dir: &Path,
    recovery_point: i64,
    config: &LogConfig,
) -> Result<u64, EngineError> {
    let names = disk
        .list(dir)
        .map_err(|source| EngineError::io("list", dir, source))?;
    let bases: Vec<i64> = names
        .iter()
        .filter_map(|entry| FileKind::parse(&entry.name))
        .filter(|(kind, _)| *kind == FileKind::Log)
        .map(|(_, base_offset)| base_offset)
        .collect();
    let mut bytes = 0;
    for (index, &base_offset) in bases.iter().enumerate() {
        if bases
            .get(index + 1)
            .is_some_and(|&next| next <= recovery_point)
        {
            continue;
        }
        let path = dir.join(segment_file_name(base_offset, FileKind::Log));
        let stat = disk
            .stat(&path)
            .map_err(|source| EngineError::io("stat", &path, source))?;
        bytes += if base_offset < recovery_point {
            stat.bytes.min(config.recovery_unflushed_bytes_max)
        } else {
            stat.bytes
        };
    }
    Ok(bytes)
}

/// Calls `work` for every item on some threads, with 0 on this one; ends early at the first error,
/// which it returns.
fn run_parallel<T: Sync>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<(), EngineError> + Sync,
) -> Result<(), EngineError> {
    if threads == 0 {
        return items.iter().try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        next.store(items.len(), Ordering::Relaxed);
                        lock(&failure).get_or_insert(error);
                    }
                }
            });
        }
    });
    failure
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .map_or(Ok(()), Err)
}
