//! Moves of partitions between log dirs (KIP-113): which are asked for and under way. Beginning,
//! replacing and cancelling one is here; `mover` does the copying and the switch.
//!
//! A move is a directory `<topic>-<partition>.<32 hex>-future` in the other log dir; that it exists
//! is what makes the move survive a restart, which begins it again from the log start offset. Until
//! the switch the current log is all there is; the copy can be thrown away at any time.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::{LogManager, PartitionDescription, PendingRemoval, lock};
use crate::error::EngineError;
use crate::io::Disk;
use crate::log::{PartitionLog, create_future_log};
use crate::log_dirs::LogDir;
use crate::segment::{deleted_dir_name, future_dir_name};

/// Partitions without a log whose wanted log dir is remembered; beyond, it is not.
const PREFERRED_MAX: usize = 100_000;

/// One partition on its way.
#[derive(Debug)]
pub(super) struct Move<D: Disk> {
    pub(super) current: Arc<PartitionLog<D>>,
    /// The copy.
    pub(super) future: Arc<PartitionLog<D>>,
}

impl<D: Disk> Move<D> {
    fn is_of(&self, topic: &str, partition: i32) -> bool {
        self.current.topic() == topic && self.current.partition() == partition
    }
}

/// All moves.
#[derive(Debug)]
pub(super) struct Moves<D: Disk> {
    /// In the order they were asked for.
    pub(super) queue: Vec<Arc<Move<D>>>,
    /// Log dirs wanted for partitions that have no log yet.
    preferred: HashMap<(String, i32), PathBuf>,
    /// A thread works on the queue.
    pub(super) is_running: bool,
    /// The broker stops: nothing is copied any more.
    pub(super) is_stopped: bool,
    /// `replica.alter.log.dirs.io.max.bytes.per.second`.
    pub(super) bytes_per_s: u64,
}

impl<D: Disk> Default for Moves<D> {
    fn default() -> Self {
        Self {
            queue: Vec::new(),
            preferred: HashMap::new(),
            is_running: false,
            is_stopped: false,
            bytes_per_s: u64::MAX,
        }
    }
}

impl<D: Disk> Moves<D> {
    pub(super) fn contains(&self, it: &Arc<Move<D>>) -> bool {
        self.queue.iter().any(|known| Arc::ptr_eq(known, it))
    }

    fn find(&self, topic: &str, partition: i32) -> Option<&Arc<Move<D>>> {
        self.queue.iter().find(|it| it.is_of(topic, partition))
    }

    pub(super) fn remove(&mut self, it: &Arc<Move<D>>) {
        self.queue.retain(|known| !Arc::ptr_eq(known, it));
    }
}

/// A copy found at the start.
#[derive(Debug, Clone)]
pub(super) struct FutureDir {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) path: PathBuf,
}

impl<D: Disk> LogManager<D> {
    /// Moves a partition into another log dir, while it is served. Returns when the copy is begun,
    /// durably; [`LogManager::start_moves`] has a thread do the rest. A move to another dir than
    /// the one under way replaces it, a move to where the partition is cancels it. (Kafka
    /// `ReplicaManager.alterReplicaLogDirs`.)
    ///
    /// # Errors
    /// [`EngineError::InvalidTopicName`] when the name leaves no room for a copy's,
    /// [`EngineError::UnknownLogDir`] when the path is none of the log dirs,
    /// [`EngineError::NoSpace`] when it does not fit there,
    /// [`EngineError::UnknownPartition`] when there is no log, and then the log will be created in
    /// `to`; [`EngineError::LogDirOffline`] when either dir, or a third one that might hold a copy,
    /// is offline; and when a file cannot be written.
    pub fn alter_log_dir(&self, topic: &str, partition: i32, to: &Path) -> Result<(), EngineError> {
        let _membership = lock(&self.membership);
        self.begin_move(topic, partition, to)
    }

    /// The caller holds the membership lock.
    fn begin_move(&self, topic: &str, partition: i32, to: &Path) -> Result<(), EngineError> {
        let invalid = || EngineError::InvalidTopicName {
            topic: topic.to_owned(),
        };
        let name = future_dir_name(topic, partition, Uuid::new_v4()).ok_or_else(invalid)?;
        let dir = self.dirs.dirs.iter().find(|dir| dir.path() == to);
        let dir = dir.ok_or_else(|| EngineError::UnknownLogDir { path: to.into() })?;
        check_online(dir)?;
        let Some(current) = self.log(topic, partition) else {
            self.prefer(topic, partition, to);
            return Err(EngineError::UnknownPartition {
                topic: topic.to_owned(),
                partition,
            });
        };
        if current.is_offline() {
            return Err(current.offline_error());
        }
        let known = lock(&self.moves).find(topic, partition).cloned();
        if let Some(known) = known {
            if known.future.log_dir() == to {
                return Ok(());
            }
            self.cancel_move(&known);
        }
        if current.log_dir() == to {
            return Ok(());
        }
        // One that is offline may hold a copy, and there must not be two.
        self.dirs.dirs.iter().try_for_each(check_online)?;
        self.check_room(dir, current.size_bytes())?;
        self.forget_checkpointed(to, topic, partition)?;
        let future = create_future_log(&current, &dir.health, &name, self.clock.now_ms())?;
        tracing::info!(
            topic, partition, from = %current.log_dir().display(), to = %to.display(),
            bytes = current.size_bytes(), "the partition moves to another log directory"
        );
        lock(&self.moves)
            .queue
            .push(Arc::new(Move { current, future }));
        self.moves_changed.notify_all();
        Ok(())
    }

    /// Whether a partition is on its way to another log dir.
    pub(super) fn is_partition_moving(&self, topic: &str, partition: i32) -> bool {
        lock(&self.moves).find(topic, partition).is_some()
    }

    fn prefer(&self, topic: &str, partition: i32, dir: &Path) {
        let mut moves = lock(&self.moves);
        let key = (topic.to_owned(), partition);
        if moves.preferred.len() < PREFERRED_MAX || moves.preferred.contains_key(&key) {
            moves.preferred.insert(key, dir.to_owned());
        }
    }

    /// The log dir that was asked for before the partition's log exists; asked once.
    pub(super) fn take_preferred(&self, topic: &str, partition: i32) -> Option<PathBuf> {
        let key = (topic.to_owned(), partition);
        lock(&self.moves).preferred.remove(&key)
    }

    /// Ends the move of a partition, if it is on its way. The caller holds the membership lock.
    pub(super) fn cancel_move_of(&self, topic: &str, partition: i32) {
        let known = lock(&self.moves).find(topic, partition).cloned();
        if let Some(known) = known {
            self.cancel_move(&known);
        }
    }

    /// Ends a move: the copy is deleted. The caller holds the membership lock.
    pub(super) fn cancel_move(&self, it: &Arc<Move<D>>) {
        lock(&self.moves).remove(it);
        self.moves_changed.notify_all();
        let future = &it.future;
        let (topic, partition) = (future.topic(), future.partition());
        let name = deleted_dir_name(topic, partition, Uuid::new_v4());
        if future.is_offline() {
            // Its directory stays; the next start finds it.
            return;
        }
        match future.retire(&name) {
            Ok(path) => self.remove_soon(path),
            Err(error) => tracing::error!(
                topic, partition, %error, "an unfinished copy is left behind"
            ),
        }
        tracing::info!(topic, partition, "the partition does not move any more");
    }

    fn remove_soon(&self, path: PathBuf) {
        lock(&self.removals).push(PendingRemoval {
            due_ms: self.clock.now_ms(),
            path,
            is_dir: true,
        });
    }

    /// Begins again the moves whose copies were found at the start, and has the copies removed. A
    /// copy whose log is not here stays untouched: it may be on a log dir that is offline.
    pub(super) fn resume_moves(&self, found: Vec<FutureDir>) {
        let mut wanted = BTreeMap::new();
        for future in found {
            let FutureDir {
                topic,
                partition,
                path,
            } = future;
            if self.log(&topic, partition).is_none() {
                tracing::warn!(
                    topic, partition, dir = %path.display(),
                    "the log of this unfinished copy is not here; the copy is left alone"
                );
                continue;
            }
            if let Some(to) = path.parent() {
                wanted.insert((topic, partition), to.to_owned());
            }
            self.remove_soon(path);
        }
        for ((topic, partition), to) in wanted {
            if let Err(error) = self.alter_log_dir(&topic, partition, &to) {
                tracing::warn!(topic, partition, %error, "a move is not resumed");
            }
        }
    }

    /// The copies in one log dir.
    pub(super) fn futures_in(&self, dir: &Path) -> Vec<Arc<Move<D>>> {
        let moves = lock(&self.moves);
        let here = moves.queue.iter().filter(|it| it.future.log_dir() == dir);
        here.cloned().collect()
    }

    /// What DescribeLogDirs shows of the copies in one log dir.
    pub(super) fn describe_futures(&self, dir: &Path) -> Vec<PartitionDescription> {
        let futures = self.futures_in(dir).into_iter();
        let describe = |it: Arc<Move<D>>| PartitionDescription {
            topic: it.future.topic().to_owned(),
            partition: it.future.partition(),
            size_bytes: it.future.size_bytes(),
            offset_lag: (it.current.offsets().log_end - it.future.offsets().log_end).max(0),
            is_future: true,
        };
        futures.map(describe).collect()
    }

    /// Sets `replica.alter.log.dirs.io.max.bytes.per.second`; it counts at once, and 0 lets nothing
    /// move.
    pub fn limit_moves(&self, bytes_per_s: u64) {
        lock(&self.moves).bytes_per_s = bytes_per_s;
        self.moves_changed.notify_all();
    }
}

pub(super) fn check_online<D: Disk>(dir: &LogDir<D>) -> Result<(), EngineError> {
    match dir.health.reason() {
        None => Ok(()),
        Some(reason) => Err(EngineError::LogDirOffline {
            path: dir.path().to_owned(),
            reason,
        }),
    }
}

#[cfg(test)]
mod tests;
