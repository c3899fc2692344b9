//! The moment in which a log in another log dir takes a log's place. The copy is kept up to date by
//! `log_manager::moves`; here are the steps on the two logs: writes pause, the copy becomes equal
//! and durable, the queue of appends goes over. Blocks; called by the mover's thread only.
//!
//! Nothing is refused meanwhile: appends get their offsets and wait in the queue, fetches go on.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use ringbrook_record::{Batch, BatchHeader, HEADER_BYTES};

use super::append::AppendContext;
use super::drain::Drain;
use super::leader_epoch::LeaderEpochs;
use super::open::{LogOpener, OpenHints};
use super::partition_log::{LogIdentity, PartitionLog};
use super::producer_snapshot::encode_snapshot;
use super::producer_state::{Origin, ProducerState};
use super::validate::{Prepared, read_marker};
use crate::checkpoint::PartitionMetadata;
use crate::config::LogConfig;
use crate::error::{EngineError, ReadError};
use crate::io::{DirHealth, Disk, Piece};

/// Holds the writes of a log back until dropped; then what was queued is written, if the log is
/// still in place.
#[derive(Debug)]
pub(crate) struct Pause<D: Disk> {
    log: Arc<PartitionLog<D>>,
    /// Taken when it is dropped.
    writer: Option<Drain<D>>,
}

impl<D: Disk> Drop for Pause<D> {
    fn drop(&mut self) {
        {
            let _state = self.log.lock();
            self.log.is_paused.store(false, Ordering::Release);
        }
        // Without it the pause did not come about, and a drain that ended meanwhile left its queue.
        let writer = self.writer.take();
        if let Some(writer) = writer.or_else(|| self.log.take_writer(Duration::ZERO)) {
            writer.run_blocking();
        }
    }
}

/// Creates an empty log, durably, that is to become a copy of `current` in the log dir of `health`,
/// in a directory called `name`. It begins with the batch that holds the log start offset, and is
/// not as durable as `current` until it is sealed: it can be copied again.
///
/// # Errors
/// When `current` cannot be read or a file cannot be written; the latter takes the log dir offline.
pub(crate) fn create_future_log<D: Disk>(
    current: &PartitionLog<D>,
    health: &Arc<DirHealth>,
    name: &str,
    now_ms: i64,
) -> Result<Arc<PartitionLog<D>>, EngineError> {
    let base_offset = current.first_base_offset()?;
    let dir = health.path().join(name);
    let identity = LogIdentity {
        topic: current.topic().to_owned(),
        partition: current.partition(),
        topic_id: current.topic_id(),
        dir: dir.clone(),
    };
    let disk = &current.disk;
    let create = || {
        disk.create_dir_all(&dir)
            .map_err(|source| EngineError::io("create", &dir, source))?;
        if let Some(topic_id) = current.topic_id() {
            PartitionMetadata { topic_id }.write(disk, &dir)?;
        }
        sync_dir(disk, health.path())?;
        let opener = LogOpener {
            disk,
            identity,
            health,
            config: copying(current.config()),
            hints: OpenHints {
                is_clean: true,
                recovery_point: 0,
                log_start: base_offset,
                high_watermark: 0,
                now_ms,
                producer_id_expiration_ms: i64::MAX,
            },
        };
        opener.open().map(|(log, _)| log)
    };
    create().inspect_err(|error| health.fail("begin a move into", health.path(), error))
}

/// The settings while a log is copied: nothing is synced batch by batch.
fn copying(config: LogConfig) -> LogConfig {
    LogConfig {
        flush_before_ack: false,
        flush_messages: i64::MAX,
        flush_ms: i64::MAX,
        ..config
    }
}

/// What a log knows beside its batches, as of its log end.
pub(crate) struct Knowledge {
    log_end: i64,
    log_start: i64,
    high_watermark: i64,
    epochs: LeaderEpochs,
    producers: ProducerState,
    /// Producers whose state is ahead of the log end, by what is queued.
    ahead: HashSet<i64>,
}

impl<D: Disk> PartitionLog<D> {
    /// The base offset of the batch that holds the log start offset; the log start offset itself
    /// when there is none, or when the first batch lies above it.
    fn first_base_offset(&self) -> Result<i64, EngineError> {
        let offsets = self.offsets();
        let unreadable = |error| unreadable(&self.dir.load(), error);
        let first = self
            .read_blocking(offsets.log_start, HEADER_BYTES, offsets.log_end, true)
            .and_then(|slice| self.load_blocking(&slice))
            .map_err(unreadable)?;
        if first.is_empty() {
            return Ok(offsets.log_start);
        }
        match BatchHeader::parse(&first) {
            Ok(header) => Ok(header.base_offset.min(offsets.log_start)),
            Err(source) => Err(EngineError::CorruptRecords {
                path: self.dir.load().to_path_buf(),
                position: 0,
                source,
            }),
        }
    }

    /// Appends some batches of `current` behind this copy's end, about `max_bytes` of them. Returns
    /// the bytes; 0 when nothing is left to copy. What `current` deleted meanwhile makes a gap.
    ///
    /// # Errors
    /// When `current` cannot be read or this copy cannot be written.
    pub(crate) fn copy_from(
        self: &Arc<Self>,
        current: &Self,
        max_bytes: usize,
        now_ms: i64,
    ) -> Result<usize, EngineError> {
        let records = self.read_next(current, max_bytes)?;
        if records.is_empty() {
            return Ok(0);
        }
        let bytes = records.len();
        let ctx = AppendContext {
            leader_epoch: -1,
            origin: Origin::Replica,
            now_ms,
        };
        let appended =
            self.append(Bytes::from(records), ctx)
                .map_err(|error| EngineError::NotCopied {
                    path: self.dir.load().to_path_buf(),
                    source: error,
                })?;
        if let Some(drain) = appended.drain {
            drain.run_blocking();
        }
        if self.offsets().log_end <= appended.last_offset {
            return Err(self.offline_error());
        }
        Ok(bytes)
    }

    /// Whole batches of `current` from this copy's end on.
    fn read_next(&self, current: &Self, max_bytes: usize) -> Result<Vec<u8>, EngineError> {
        loop {
            let offsets = current.offsets();
            // The batch of the log start offset may begin below it, and this copy with that batch.
            let at = self.offsets().log_end.max(offsets.log_start);
            if offsets.log_end <= at {
                return Ok(Vec::new());
            }
            let read = current
                .read_blocking(at, max_bytes, offsets.log_end, true)
                .and_then(|slice| current.load_blocking(&slice));
            match read {
                Ok(records) => return Ok(records),
                // Retention came in between; the log start only rises, so this ends.
                Err(ReadError::OffsetOutOfRange { .. })
                    if offsets.log_start < current.offsets().log_start => {}
                Err(error) => return Err(unreadable(&current.dir.load(), error)),
            }
        }
    }

    /// Whether appends are only queued. Meaningful under the state's lock.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Acquire)
    }

    /// Holds writes back from the end of the one in flight on, for which this waits. `None` when
    /// that takes longer than `timeout`.
    pub(crate) fn pause(self: &Arc<Self>, timeout: Duration) -> Option<Pause<D>> {
        {
            let _state = self.lock();
            self.is_paused.store(true, Ordering::Release);
        }
        let mut pause = Pause {
            log: Arc::clone(self),
            writer: None,
        };
        pause.writer = Some(self.take_writer(timeout)?);
        Some(pause)
    }

    /// What a copy must know to be equal to this paused log.
    pub(crate) fn knowledge(&self) -> Knowledge {
        let state = self.lock();
        let headers = state.queue.buffers.pieces.iter();
        let ahead = headers
            .filter_map(|piece| BatchHeader::parse(piece.head()).ok())
            .map(|header| header.producer_id)
            .collect();
        Knowledge {
            log_end: state.offsets.log_end(),
            log_start: state.offsets.log_start(),
            high_watermark: state.offsets.high_watermark(),
            epochs: state.epochs.clone(),
            producers: state.producers.clone(),
            ahead,
        }
    }

    /// Makes this copy, which holds all batches, equal to the log that `known` is from, and durable
    /// up to its end: leader epochs, producers (also those whose batches are gone), log start and
    /// high watermark. It begins a new segment, so that its recovery point is its end.
    ///
    /// # Errors
    /// When a file cannot be written or synced; the log dir is offline then (L6).
    pub(crate) fn seal_as(
        self: &Arc<Self>,
        known: Knowledge,
        now_ms: i64,
    ) -> Result<(), EngineError> {
        let result = self
            .check_online()
            .and_then(|()| self.try_seal_as(known, now_ms));
        if let Err(error) = &result {
            self.fail("complete the copy in", error);
        }
        result
    }

    fn try_seal_as(self: &Arc<Self>, known: Knowledge, now_ms: i64) -> Result<(), EngineError> {
        let config = self.config();
        let log_end = known.log_end;
        let (roll, snapshot, is_gap) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            assert!(
                state.next_offset <= log_end && state.queue.is_empty(),
                "the copy ends at {} and the log at {log_end}",
                state.next_offset
            );
            let own = std::mem::take(&mut state.producers);
            state.producers = known.producers.without_newer(own, &known.ahead);
            state.epochs = known.epochs;
            state.has_snapshots = true;
            let is_gap = state.next_offset < log_end;
            let must_roll = 0 < state.tail.bytes || is_gap;
            state.next_offset = log_end;
            let roll = must_roll.then(|| state.roll_tail(log_end, now_ms, &config));
            (roll, encode_snapshot(&state.producers), is_gap)
        };
        match roll {
            Some(roll) => self.roll_files(roll)?,
            None => self.write_snapshot(log_end, &snapshot)?,
        }
        if is_gap {
            // Compaction or retention left no batch before the end.
            self.lock().offsets.publish(log_end, false);
        }
        self.write_epochs()?;
        self.sync_rolled()?;
        self.sync_snapshot(Some(log_end))?;
        self.check_online()?;
        let mut guard = self.lock();
        let state = &mut *guard;
        state.offsets.advance_flushed(log_end);
        state.offsets.advance_recovery_point(log_end);
        state.offsets.advance_high_watermark(known.high_watermark);
        state.offsets.advance_log_start(known.log_start);
        Ok(())
    }

    /// Gives the directory its final name, durably.
    ///
    /// # Errors
    /// When it cannot be renamed or that cannot be made durable; the log dir is offline then.
    pub(crate) fn rename_dir(&self, name: &str) -> Result<(), EngineError> {
        let _maintenance = self.lock_maintenance();
        let parent = self.health.path();
        let (old, new) = (self.dir.load_full(), parent.join(name));
        let result = self
            .disk
            .rename(&old, &new)
            .map_err(|source| EngineError::io("rename", &old, source))
            .and_then(|()| {
                self.dir.store(Arc::new(new));
                sync_dir(&self.disk, parent)
            });
        if let Err(error) = &result {
            self.fail("put a moved log in its place in", error);
        }
        result
    }

    /// Puts `future`, which is equal to this paused log, in its place: the queued appends, the
    /// settings and the listener go over, and whoever still calls this log is passed on. Returns
    /// the drain of what was queued.
    ///
    /// # Errors
    /// When a queued batch cannot be understood; nothing has changed then.
    pub(crate) fn hand_over(
        self: &Arc<Self>,
        future: &Arc<Self>,
        now_ms: i64,
    ) -> Result<Drain<D>, EngineError> {
        let Some(drain) = future.take_writer(Duration::ZERO) else {
            return Err(EngineError::WriteInFlight {
                path: future.dir.load().to_path_buf(),
            });
        };
        let config = self.config();
        let mut guard = self.lock();
        let state = &mut *guard;
        let pieces = &state.queue.buffers.pieces;
        let queued: Vec<Prepared> = pieces
            .iter()
            .map(|piece| prepared(piece, &self.dir.load()))
            .collect::<Result<_, _>>()?;
        {
            let mut future_guard = future.lock();
            let new = &mut *future_guard;
            assert_eq!(
                (new.next_offset, new.offsets.log_end()),
                (state.offsets.log_end(), state.offsets.log_end()),
                "the copy must be complete before it takes over"
            );
            for batch in queued {
                new.enqueue(batch, now_ms, &config);
            }
            new.producers = state.producers.clone();
            new.epochs = state.epochs.clone();
            let high_watermark = state.offsets.high_watermark();
            new.offsets.advance_high_watermark(high_watermark);
            new.producers.on_high_watermark(high_watermark);
            new.offsets.advance_log_start(state.offsets.log_start());
        }
        state.queue.batches.clear();
        state.queue.buffers.pieces.clear();
        let is_first = self.successor.set(Arc::clone(future)).is_ok();
        assert!(is_first, "a log is moved once");
        self.is_deleted.store(true, Ordering::Release);
        self.is_closed.store(true, Ordering::Release);
        drop(guard);
        // After the successor is set: a change that comes meanwhile is made here or passed on.
        future.update_config(self.config());
        self.pass_listener_on();
        Ok(drain)
    }

    /// Gives the listener to the log that took this one's place, if there is one.
    pub(crate) fn pass_listener_on(&self) {
        if let Some(successor) = self.successor()
            && let Some(listener) = self.listener.swap(None)
        {
            successor.listener.store(Some(listener));
        }
    }

    /// Renames the directory of a log that another one has replaced. Returns its new path.
    ///
    /// # Errors
    /// When it cannot be renamed; its log dir is offline then.
    pub(crate) fn retire(&self, name: &str) -> Result<PathBuf, EngineError> {
        self.delete(name).inspect_err(|error| {
            self.health
                .fail("rename a moved log in", self.health.path(), error);
        })
    }
}

impl ProducerState {
    /// This state without what the producers in `ahead` did since: theirs is taken from `own`.
    fn without_newer(self, own: Self, ahead: &HashSet<i64>) -> Self {
        let mut state = Self::default();
        for (id, entry) in self.iter().filter(|(id, _)| !ahead.contains(id)) {
            state.restore(id, entry.clone());
        }
        for (id, entry) in own.iter().filter(|(id, _)| ahead.contains(id)) {
            state.restore(id, entry.clone());
        }
        state
    }
}

fn unreadable(path: &Path, error: ReadError) -> EngineError {
    match error {
        ReadError::Io(source) => EngineError::io("read", path, source),
        error => EngineError::corrupt(path, error.to_string()),
    }
}

fn sync_dir<D: Disk>(disk: &D, path: &Path) -> Result<(), EngineError> {
    disk.sync_dir(path)
        .map_err(|source| EngineError::io("sync", path, source))
}

/// A queued batch as it was before it was queued.
fn prepared(piece: &Piece, dir: &Path) -> Result<Prepared, EngineError> {
    let corrupt = |source| EngineError::CorruptRecords {
        path: dir.to_owned(),
        position: 0,
        source,
    };
    let header = BatchHeader::parse(piece.head()).map_err(corrupt)?;
    let marker = if header.attributes.is_control() {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + piece.body().len());
        bytes.extend_from_slice(piece.head());
        bytes.extend_from_slice(piece.body());
        let batch = Batch::parse(&bytes).map_err(corrupt)?;
        read_marker(&batch).map_err(corrupt)?
    } else {
        None
    };
    Ok(Prepared {
        header,
        payload: piece.shared_body(),
        marker,
    })
}
