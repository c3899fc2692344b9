//! Writes the offset checkpoints of the log dirs: one line a partition, from the logs as they are
//! at that moment. The background work does so at intervals, and a log that moved its recovery
//! point far asks for it at once. (Kafka `LogManager.checkpointRecoveryOffsetsInDir`.)

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{LogManager, lock};
use crate::checkpoint::{OffsetCheckpoint, PartitionOffsets, render_offsets};
use crate::error::EngineError;
use crate::io::{Disk, RecoveryPointWriter};
use crate::log::PartitionLog;
use crate::log_dirs::LogDir;

/// What the checkpoint files hold.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// Held while offsets are gathered and written, so that older ones never follow newer ones.
    written: Mutex<Written>,
    /// Requests for recovery points so far.
    requests: AtomicU64,
}

#[derive(Debug, Default)]
struct Written {
    /// By file: a hash of what was written last, as a checkpoint without news costs no sync.
    hashes: HashMap<(PathBuf, &'static str), u64>,
    /// By file: hashes of the partitions that are in it.
    names: HashMap<(PathBuf, &'static str), HashSet<u64>>,
    /// By log dir: the newest request the file holds the answer to.
    answered: HashMap<PathBuf, u64>,
}

fn name_hash(topic: &str, partition: i32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic, partition).hash(&mut hasher);
    hasher.finish()
}

impl Checkpoints {
    /// Notes what a file of a log dir held at the start.
    pub(super) fn note_read(&self, dir: &Path, kind: OffsetCheckpoint, offsets: &PartitionOffsets) {
        let names = offsets.keys();
        let names = names.map(|(topic, partition)| name_hash(topic, *partition));
        let key = (dir.to_owned(), kind.file_name());
        lock(&self.written).names.insert(key, names.collect());
    }
}

impl<D: Disk> LogManager<D> {
    /// Removes from the checkpoints of a directory what they hold of an earlier log of this name,
    /// before a new one is made there: it would be taken for the new one's after a crash, and cost
    /// it everything below the old log start offset.
    ///
    /// # Errors
    /// When a file cannot be written, which takes the directory offline.
    pub(super) fn forget_checkpointed(
        &self,
        path: &Path,
        topic: &str,
        partition: i32,
    ) -> Result<(), EngineError> {
        let name = name_hash(topic, partition);
        let mut written = lock(&self.checkpoints.written);
        for dir in self.dirs.dirs.iter().filter(|dir| dir.path() == path) {
            for kind in OffsetCheckpoint::ALL {
                let names = written.names.get(&(path.to_owned(), kind.file_name()));
                if names.is_some_and(|names| names.contains(&name)) {
                    self.write_locked(&mut written, dir, kind)?;
                }
            }
        }
        Ok(())
    }

    /// Writes all checkpoints of all online directories now. Blocks.
    ///
    /// # Errors
    /// The first failure, which took its directory offline.
    pub fn write_checkpoints(&self) -> Result<(), EngineError> {
        for dir in &self.dirs.dirs {
            for kind in OffsetCheckpoint::ALL {
                self.write_checkpoint(dir, kind)?;
            }
        }
        Ok(())
    }

    /// Writes one checkpoint of one directory, unless it is offline or the file holds the same.
    pub(super) fn write_checkpoint(
        &self,
        dir: &LogDir<D>,
        kind: OffsetCheckpoint,
    ) -> Result<(), EngineError> {
        let mut written = lock(&self.checkpoints.written);
        self.write_locked(&mut written, dir, kind)
    }

    fn write_locked(
        &self,
        written: &mut Written,
        dir: &LogDir<D>,
        kind: OffsetCheckpoint,
    ) -> Result<(), EngineError> {
        if dir.health.is_offline() {
            return Ok(());
        }
        let mut logs = self.logs_in(dir);
        let futures = self.futures_in(dir.path());
        logs.extend(futures.iter().map(|it| Arc::clone(&it.future)));
        let content = render_offsets(logs.iter().map(|log| {
            let now = log.offsets();
            let offset = match kind {
                OffsetCheckpoint::RecoveryPoint => now.recovery_point,
                OffsetCheckpoint::LogStart => now.log_start,
                OffsetCheckpoint::HighWatermark => now.high_watermark,
                OffsetCheckpoint::Cleaner => panic!("the cleaner alone knows its checkpoints"),
            };
            (log.topic(), log.partition(), offset)
        }));
        let mut hasher = DefaultHasher::new();
        hasher.write(content.as_bytes());
        let hash = hasher.finish();
        let key = (dir.path().to_owned(), kind.file_name());
        if written.hashes.get(&key) == Some(&hash) {
            return Ok(());
        }
        if let Err(error) = kind.replace(&self.disk, dir.path(), content.as_bytes()) {
            dir.health.fail("write a checkpoint of", dir.path(), &error);
            return Err(error);
        }
        let names = logs
            .iter()
            .map(|log| name_hash(log.topic(), log.partition()));
        written.names.insert(key.clone(), names.collect());
        written.hashes.insert(key, hash);
        Ok(())
    }

    /// The logs of one directory by topic and partition.
    pub(super) fn logs_in(&self, dir: &LogDir<D>) -> Vec<Arc<PartitionLog<D>>> {
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        logs.values()
            .flat_map(|partitions| partitions.values())
            .filter(|log| Arc::ptr_eq(&log.health, &dir.health) && !log.is_deleted())
            .cloned()
            .collect()
    }
}

impl<D: Disk> RecoveryPointWriter for LogManager<D> {
    /// Requests that come while the file is written share the next writing of it, so many logs cost
    /// no more than the disk can take.
    fn write_recovery_points(&self, dir: &Path) -> bool {
        let Some(dir) = self.dirs.dirs.iter().find(|known| known.path() == dir) else {
            return false;
        };
        let requests = &self.checkpoints.requests;
        let request = requests.fetch_add(1, Ordering::SeqCst) + 1;
        let mut written = lock(&self.checkpoints.written);
        let answered = written.answered.get(dir.path()).copied().unwrap_or(0);
        if request <= answered {
            return true;
        }
        let newest = requests.load(Ordering::SeqCst);
        let result = self.write_locked(&mut written, dir, OffsetCheckpoint::RecoveryPoint);
        if result.is_err() || dir.health.is_offline() {
            return false;
        }
        written.answered.insert(dir.path().to_owned(), newest);
        true
    }

    fn write_log_starts(&self, dir: &Path) -> bool {
        let found = self.dirs.dirs.iter().find(|known| known.path() == dir);
        found.is_some_and(|dir| {
            let result = self.write_checkpoint(dir, OffsetCheckpoint::LogStart);
            result.is_ok() && !dir.health.is_offline()
        })
    }
}
