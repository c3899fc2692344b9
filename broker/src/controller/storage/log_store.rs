//! openraft's log storage over the files `log` and `vote`.
//!
//! Entries behind the last purge are also kept in memory, where openraft reads them to apply and
//! to replicate; a snapshot every few megabytes bounds them.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader, StorageIOError};

use super::log_file::LogFile;
use super::{StorageError, vote_file};
use crate::controller::raft_types::{Entry, LogId, RaftStorageError, TypeConfig, Vote};

#[cfg(test)]
mod tests;

/// What opening the log found.
#[derive(Debug)]
pub(in crate::controller) struct RecoveredLog {
    /// The store.
    pub(in crate::controller) store: LogStore,
    /// How many entries it holds.
    pub(in crate::controller) entries: usize,
    /// Bytes of a torn frame that were cut off.
    pub(in crate::controller) torn_bytes: u64,
    /// The last entry that was purged: a snapshot must cover it.
    pub(in crate::controller) purged: Option<LogId>,
}

/// The Raft log of one node. Clones share it; openraft reads through one and writes through
/// another.
#[derive(Debug, Clone)]
pub(in crate::controller) struct LogStore {
    state: Arc<Mutex<State>>,
    len_bytes: Arc<AtomicU64>,
    vote_path: PathBuf,
}

#[derive(Debug)]
struct State {
    file: LogFile,
    /// The entries of the file; the first one's index is the purged one's plus one, if any was.
    entries: VecDeque<Entry>,
    vote: Option<Vote>,
    /// The last entry known committed. Not stored: a single voter's whole log is committed, and a
    /// follower learns it from its leader before it applies.
    committed: Option<LogId>,
}

impl LogStore {
    /// Opens or creates log and vote in `directory`.
    pub(in crate::controller) fn open(directory: &Path) -> Result<RecoveredLog, StorageError> {
        let recovered = LogFile::open(directory)?;
        let vote_path = directory.join("vote");
        let vote = vote_file::read(&vote_path)?;
        let last = recovered
            .entries
            .last()
            .map(|entry| entry.log_id)
            .or(recovered.file.purged());
        let term = vote.map_or(0, |vote| vote.leader_id.term);
        if last.is_some_and(|last| term < last.leader_id.term) {
            let reason = format!("vote of term {term} is older than the log");
            return Err(StorageError::corrupt(&vote_path, 0, reason));
        }
        let len_bytes = Arc::new(AtomicU64::new(recovered.file.len_bytes()));
        let (entries, purged) = (recovered.entries.len(), recovered.file.purged());
        let state = State {
            file: recovered.file,
            entries: recovered.entries.into(),
            vote,
            committed: None,
        };
        let store = Self {
            state: Arc::new(Mutex::new(state)),
            len_bytes,
            vote_path,
        };
        Ok(RecoveredLog {
            store,
            entries,
            torn_bytes: recovered.torn_bytes,
            purged,
        })
    }

    /// Length of the log file in bytes, without waiting for a write under way.
    pub(in crate::controller) fn len_bytes(&self) -> u64 {
        self.len_bytes.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Entries change after the file did; a panic between them would have been in openraft's
        // own task, which then stops.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what follows the last entry. Durable on return.
    fn append_entries(&self, entries: impl Iterator<Item = Entry>) -> Result<(), StorageError> {
        let mut state = self.lock();
        let purged = state.file.purged();
        // What was purged is in a snapshot and need not come again; openraft's suite does that.
        let is_new = |entry: &Entry| purged.is_none_or(|purged| purged.index < entry.log_id.index);
        let entries: Vec<Entry> = entries.filter(is_new).collect();
        let Some(first) = entries.first().map(|entry| entry.log_id) else {
            return Ok(());
        };
        let last = state.entries.back().map(|entry| entry.log_id).or(purged);
        assert!(
            last.is_none_or(|last| last.index + 1 == first.index),
            "append of {first} leaves a gap in the log behind {last:?}"
        );
        state.file.append(&entries)?;
        state.entries.extend(entries);
        self.len_bytes
            .store(state.file.len_bytes(), Ordering::Relaxed);
        Ok(())
    }

    /// Rewrites the log with only the entries `keep` accepts.
    fn rewrite(
        &self,
        purged: Option<LogId>,
        keep: impl Fn(&Entry) -> bool,
    ) -> Result<(), StorageError> {
        let mut state = self.lock();
        let entries: Vec<Entry> = state
            .entries
            .iter()
            .filter(|entry| keep(entry))
            .cloned()
            .collect();
        state.file.rewrite(purged, &entries)?;
        state.entries = entries.into();
        self.len_bytes
            .store(state.file.len_bytes(), Ordering::Relaxed);
        Ok(())
    }
}

fn write_error(error: StorageError) -> RaftStorageError {
    StorageIOError::write_logs(openraft::AnyError::new(&error)).into()
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, RaftStorageError> {
        let state = self.lock();
        let Some(first) = state.entries.front().map(|entry| entry.log_id.index) else {
            return Ok(Vec::new());
        };
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        let place = |index: u64| {
            usize::try_from(index.saturating_sub(first))
                .map_or(state.entries.len(), |place| place.min(state.entries.len()))
        };
        let (start, end) = (place(start), place(end));
        Ok(state
            .entries
            .range(start..end.max(start))
            .cloned()
            .collect())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, RaftStorageError> {
        let state = self.lock();
        let last_purged_log_id = state.file.purged();
        let last_log_id = state
            .entries
            .back()
            .map(|entry| entry.log_id)
            .or(last_purged_log_id);
        Ok(LogState {
            last_purged_log_id,
            last_log_id,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), RaftStorageError> {
        vote_file::write(&self.vote_path, vote)
            .map_err(|error| StorageIOError::write_vote(openraft::AnyError::new(&error)))?;
        self.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, RaftStorageError> {
        Ok(self.lock().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), RaftStorageError> {
        self.lock().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, RaftStorageError> {
        Ok(self.lock().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<TypeConfig>,
    ) -> Result<(), RaftStorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.append_entries(entries.into_iter())
            .map_err(write_error)?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), RaftStorageError> {
        let purged = self.lock().file.purged();
        self.rewrite(purged, |entry| entry.log_id.index < log_id.index)
            .map_err(write_error)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), RaftStorageError> {
        let purged = self.lock().file.purged();
        if Some(log_id) <= purged {
            return Ok(());
        }
        self.rewrite(Some(log_id), |entry| log_id.index < entry.log_id.index)
            .map_err(write_error)
    }
}
