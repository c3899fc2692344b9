//! Partition logs in a directory that goes away, driven as the broker drives them.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ringbrook_engine::io::Disk;
use ringbrook_engine::{
    AppendContext, LogConfig, LogDirs, LogManager, LogManagerOptions, Origin, PartitionLog,
    SystemClock,
};
use uuid::Uuid;

use super::batches::NOW_MS;

/// Appends come from clients.
pub const CTX: AppendContext = AppendContext {
    leader_epoch: 0,
    origin: Origin::Client,
    now_ms: NOW_MS,
};

/// Acknowledged without waiting for the disk, as Kafka does it.
#[must_use]
pub fn page_cache() -> LogConfig {
    LogConfig {
        flush_before_ack: false,
        ..LogConfig::default()
    }
}

/// Logs of one topic and what keeps them open.
#[derive(Debug)]
pub struct Logs<D: Disk> {
    /// By partition. Not public: a closure that named the field would capture it alone, and drop
    /// the directory.
    logs: Vec<Arc<PartitionLog<D>>>,
    _manager: Arc<LogManager<D>>,
    dir: Option<tempfile::TempDir>,
}

impl<D: Disk> Logs<D> {
    /// `count` empty logs on `disk`, below `dir`; a directory is made there if the disk is real.
    ///
    /// # Panics
    /// The directory cannot be written.
    pub fn open(disk: &D, dir: &Path, count: i32, config: LogConfig) -> Self {
        // What is simulated has no directory of the machine.
        let is_real = size_of::<D>() == 0;
        let real = is_real.then(|| tempfile::tempdir_in(dir).expect("the directory is writable"));
        let path = real.as_ref().map_or(Path::new("/data"), |it| it.path());
        let dirs = LogDirs::open(disk, &[path.to_owned()], 1, None).expect("a log dir");
        let (manager, _) = LogManager::open(
            disk.clone(),
            dirs,
            LogManagerOptions::default(),
            Arc::new(SystemClock::new()),
            &|_| config,
        )
        .expect("an empty log dir opens");
        let create = |partition| {
            let id = Uuid::from_u128(1);
            let log = manager.create_log("bench", partition, id, config);
            log.expect("a log")
        };
        Self {
            logs: (0..count).map(create).collect(),
            _manager: manager,
            dir: real,
        }
    }

    /// All logs, by partition.
    #[must_use]
    pub fn all(&self) -> &[Arc<PartitionLog<D>>] {
        &self.logs
    }

    /// Where the partitions' directories lie, on a real disk.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_ref().map(tempfile::TempDir::path)
    }

    /// The log of the first partition.
    #[must_use]
    pub fn first(&self) -> &Arc<PartitionLog<D>> {
        &self.logs[0]
    }
}

/// Appends batches and writes them at once, on this thread.
///
/// # Panics
/// A batch is refused.
pub fn append_group<D: Disk>(log: &Arc<PartitionLog<D>>, batches: impl Iterator<Item = Bytes>) {
    let mut drain = None;
    for batch in batches {
        let appended = log.append(batch, CTX).expect("the batch is good");
        drain = drain.or(appended.drain);
    }
    if let Some(drain) = drain {
        drain.run_blocking();
    }
}

/// As [`Logs::open`], with `batches` times this batch in each log.
///
/// # Panics
/// As [`Logs::open`].
pub fn filled<D: Disk>(disk: &D, dir: &Path, count: i32, batch: &Bytes, batches: usize) -> Logs<D> {
    let logs = Logs::open(disk, dir, count, page_cache());
    for log in &logs.logs {
        for _ in 0..batches {
            append_group(log, std::iter::once(batch.clone()));
        }
        log.advance_high_watermark(i64::MAX);
    }
    logs
}
