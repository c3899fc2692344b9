//! What the cleaner's threads share: which logs are taken, which are left alone, how far each was
//! cleaned, the budget, and the wish to stop. The `cleaner-offset-checkpoint` of each log dir holds
//! how far its logs were cleaned. (Kafka `LogCleanerManager`.)

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::budget::Budget;
use super::{CleanerOptions, CleanerStatus};
use crate::checkpoint::{OffsetCheckpoint, PartitionOffsets, render_offsets};
use crate::error::EngineError;
use crate::io::Disk;
use crate::log::PartitionLog;
use crate::log_dirs::{LogDir, LogDirs};
use crate::log_manager::{Logs, lock};

type Name = (String, i32);

/// Shared by the threads and the manager.
#[derive(Debug)]
pub(in crate::log_manager) struct CleanerProgress {
    is_stopping: AtomicBool,
    state: Mutex<State>,
    /// Signalled when the threads are to stop.
    stopping: Condvar,
    budget: Mutex<Budget>,
    options: Mutex<CleanerOptions>,
    threads: Mutex<Threads>,
    /// What the files hold; held while one is written.
    files: Mutex<HashMap<PathBuf, PartitionOffsets>>,
}

/// The threads; the lock is held while they are started, and while they are stopped and joined.
#[derive(Debug, Default)]
struct Threads {
    running: Vec<JoinHandle<()>>,
    /// They were started and not stopped.
    is_started: bool,
    /// The manager is shut down: nothing is started any more.
    is_over: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Logs that are cleaned or whose old segments are removed right now.
    taken: HashSet<Name>,
    /// Taken logs whose retention came meanwhile.
    retention_due: HashSet<Name>,
    /// Logs that are left alone until restart.
    uncleanable: HashSet<Name>,
    /// Logs that are left alone until a time.
    not_before_ms: HashMap<Name, i64>,
    /// First dirty offsets.
    checkpoints: HashMap<Name, i64>,
    rounds: u64,
    bytes_before: u64,
    bytes_after: u64,
}

fn name<D: Disk>(log: &PartitionLog<D>) -> Name {
    (log.topic().to_owned(), log.partition())
}

impl CleanerProgress {
    /// Reads the checkpoints of the dirs; entries of logs that are not there are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(in crate::log_manager) fn load<D: Disk>(
        disk: &D,
        dirs: &LogDirs<D>,
        logs: &Logs<D>,
        options: CleanerOptions,
    ) -> Result<Self, EngineError> {
        let mut state = State::default();
        let mut files = HashMap::new();
        let online = dirs.dirs.iter().filter(|dir| !dir.health.is_offline());
        for dir in online.map(LogDir::path) {
            let offsets = OffsetCheckpoint::Cleaner.read(disk, dir)?;
            for ((topic, partition), &offset) in &offsets {
                let log = logs.get(topic).and_then(|logs| logs.get(partition));
                if log.is_some_and(|log| log.log_dir() == dir) {
                    let name = (topic.clone(), *partition);
                    state.checkpoints.insert(name, offset);
                }
            }
            files.insert(dir.to_owned(), offsets);
        }
        Ok(Self {
            is_stopping: AtomicBool::new(false),
            state: Mutex::new(state),
            stopping: Condvar::new(),
            budget: Mutex::new(Budget::new(options.io_bytes_per_s_max)),
            options: Mutex::new(options),
            threads: Mutex::default(),
            files: Mutex::new(files),
        })
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// The settings now.
    pub(super) fn options(&self) -> CleanerOptions {
        *lock(&self.options)
    }

    /// Replaces the settings; the threads must have ended.
    pub(super) fn set_options(&self, options: CleanerOptions) {
        *lock(&self.budget) = Budget::new(options.io_bytes_per_s_max);
        *lock(&self.options) = options;
    }

    /// Starts as many threads as the settings say, unless they run or the manager is shut down.
    ///
    /// # Errors
    /// When one cannot be started; those before it run.
    pub(super) fn start(
        &self,
        spawn: impl Fn(usize) -> io::Result<JoinHandle<()>>,
    ) -> io::Result<()> {
        let mut threads = lock(&self.threads);
        if threads.is_started || threads.is_over {
            return Ok(());
        }
        threads.is_started = true;
        self.is_stopping.store(false, Ordering::Release);
        for number in 0..self.options().threads {
            threads.running.push(spawn(number)?);
        }
        Ok(())
    }

    /// Asks the threads to stop, without waiting for them.
    pub(in crate::log_manager) fn stop(&self) {
        let _state = lock(&self.state);
        self.is_stopping.store(true, Ordering::Release);
        self.stopping.notify_all();
    }

    /// Stops the threads and waits until they have ended: a round ends at its next buffer. Returns
    /// whether they had been started.
    pub(super) fn stop_and_join(&self) -> bool {
        let mut threads = lock(&self.threads);
        self.stop();
        for thread in threads.running.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a log cleaner thread had panicked");
            }
        }
        std::mem::take(&mut threads.is_started)
    }

    /// Stops the threads for good.
    pub(in crate::log_manager) fn shut_down(&self) {
        lock(&self.threads).is_over = true;
        self.stop_and_join();
    }

    /// Waits for `pause`, or until the threads are to stop.
    pub(super) fn wait(&self, pause: Duration) {
        let state = lock(&self.state);
        let waited = self
            .stopping
            .wait_timeout_while(state, pause, |_| !self.is_stopping());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// How long to wait after so many bytes.
    pub(super) fn spend(&self, bytes: u64, now: Duration) -> Duration {
        lock(&self.budget).spend(bytes, now)
    }

    /// Whether the log is neither taken nor left alone.
    pub(super) fn may_clean<D: Disk>(&self, log: &PartitionLog<D>, now_ms: i64) -> bool {
        let (name, state) = (name(log), lock(&self.state));
        let is_early = state
            .not_before_ms
            .get(&name)
            .is_some_and(|&not_before_ms| now_ms < not_before_ms);
        !is_early && !state.taken.contains(&name) && !state.uncleanable.contains(&name)
    }

    /// Takes the log for a round; returns whether it was free.
    pub(super) fn take<D: Disk>(&self, log: &PartitionLog<D>) -> bool {
        lock(&self.state).taken.insert(name(log))
    }

    /// Takes the log for retention. When it is cleaned right now, [`Self::release`] says so to
    /// whoever cleans it.
    pub(in crate::log_manager) fn take_for_retention<D: Disk>(
        &self,
        log: &PartitionLog<D>,
    ) -> bool {
        let (name, mut state) = (name(log), lock(&self.state));
        if state.taken.insert(name.clone()) {
            return true;
        }
        state.retention_due.insert(name);
        false
    }

    /// Gives the log back; returns whether retention wanted it meanwhile.
    pub(in crate::log_manager) fn release<D: Disk>(&self, log: &PartitionLog<D>) -> bool {
        let (name, mut state) = (name(log), lock(&self.state));
        state.taken.remove(&name);
        state.retention_due.remove(&name)
    }

    pub(super) fn checkpoint_of<D: Disk>(&self, log: &PartitionLog<D>) -> Option<i64> {
        lock(&self.state).checkpoints.get(&name(log)).copied()
    }

    /// Notes how far the log is clean, unless it was deleted meanwhile.
    pub(super) fn set_checkpoint<D: Disk>(&self, log: &PartitionLog<D>, first_dirty_offset: i64) {
        let mut state = lock(&self.state);
        if !log.is_deleted() {
            state.checkpoints.insert(name(log), first_dirty_offset);
        }
    }

    /// Leaves the log alone until restart; returns whether that is new.
    pub(super) fn mark_uncleanable<D: Disk>(&self, log: &PartitionLog<D>) -> bool {
        lock(&self.state).uncleanable.insert(name(log))
    }

    pub(super) fn set_not_before<D: Disk>(&self, log: &PartitionLog<D>, not_before_ms: i64) {
        let mut state = lock(&self.state);
        state.not_before_ms.insert(name(log), not_before_ms);
    }

    /// Forgets a log that is created or deleted: a later one of its name begins anew. Returns
    /// whether a checkpoint has to be written.
    pub(in crate::log_manager) fn forget(&self, topic: &str, partition: i32) -> bool {
        let (name, mut state) = ((topic.to_owned(), partition), lock(&self.state));
        state.uncleanable.remove(&name);
        state.not_before_ms.remove(&name);
        state.checkpoints.remove(&name).is_some()
    }

    pub(super) fn count_round(&self, bytes_before: u64, bytes_after: u64) {
        let mut state = lock(&self.state);
        state.rounds += 1;
        state.bytes_before += bytes_before;
        state.bytes_after += bytes_after;
    }

    pub(super) fn status(&self) -> CleanerStatus {
        let state = lock(&self.state);
        let mut uncleanable: Vec<Name> = state.uncleanable.iter().cloned().collect();
        uncleanable.sort_unstable();
        CleanerStatus {
            rounds: state.rounds,
            bytes_before: state.bytes_before,
            bytes_after: state.bytes_after,
            uncleanable,
        }
    }

    /// Writes the file of a dir with the logs that are in it, unless it holds the same.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write<'a, D: Disk>(
        &self,
        disk: &D,
        dir: &Path,
        logs: impl Iterator<Item = &'a Arc<PartitionLog<D>>>,
    ) -> Result<(), EngineError> {
        let mut files = lock(&self.files);
        let offsets: PartitionOffsets = {
            let state = lock(&self.state);
            let names = logs.map(|log| name(log));
            let known = names.filter_map(|name| {
                let offset = *state.checkpoints.get(&name)?;
                Some((name, offset))
            });
            known.collect()
        };
        let held = files.get(dir);
        if held == Some(&offsets) || held.is_none() && offsets.is_empty() {
            return Ok(());
        }
        let entries = offsets.iter();
        let lines = entries.map(|((topic, partition), &offset)| (&**topic, *partition, offset));
        let content = render_offsets(lines);
        OffsetCheckpoint::Cleaner.replace(disk, dir, content.as_bytes())?;
        files.insert(dir.to_owned(), offsets);
        Ok(())
    }
}
