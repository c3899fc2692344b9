//! A partition's log: segments on disk, offsets, producers, leader epochs. This file holds the
//! state and the small questions; appending, draining, reading and the rest are in the files beside
//! it. The broker holds one `Arc` a partition and calls from any thread.
//!
//! Concurrency: the state is behind one mutex, held for short work only and never across an await.
//! At most one drain at a time writes (`is_writer_busy`); it publishes what it wrote.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use uuid::Uuid;

use super::batch_queue::BatchQueue;
use super::leader_epoch::{EpochEndOffset, LeaderEpochs};
use super::offsets::{LogOffsets, Offsets};
use super::producer_state::ProducerState;
use super::recent_batches::RecentBatches;
use super::recovery_mark::RecoveryMarks;
use super::scans::Scans;
use super::write_sharing::WriteSharing;
use crate::checkpoint::PartitionMetadata;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::{DirHealth, Disk, OfflineObserver};
use crate::segment::{Segment, SegmentTail};

/// Told what happens to a log. Called outside of all locks, from the thread that runs the drain or
/// the background work; it may call the log.
pub trait LogListener: Send + Sync {
    /// Batches were published: the log end offset moved.
    fn on_published(&self, offsets: LogOffsets);
    /// The log dir went offline: nothing will be published any more.
    fn on_failed(&self);
}

/// A producer as DescribeProducers shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// The producer's id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Sequence number of its last record, -1 when unknown.
    pub last_sequence: i32,
    /// Timestamp of its last batch in ms, -1 when unknown.
    pub last_timestamp_ms: i64,
    /// Epoch of the coordinator that wrote its last marker, -1 for none.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub txn_start_offset: Option<i64>,
}

/// Where a log lives and which it is.
#[derive(Debug, Clone)]
pub(crate) struct LogIdentity {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) topic_id: Option<Uuid>,
    pub(crate) dir: PathBuf,
}

/// What changes; behind the log's lock.
pub(crate) struct State<D: Disk> {
    pub(crate) offsets: Offsets,
    /// By base offset; the last one is active (L2).
    pub(crate) segments: Vec<Arc<Segment<D>>>,
    pub(crate) recent: RecentBatches,
    /// Next offset to assign: the log end offset after all that is queued.
    pub(crate) next_offset: i64,
    /// The active segment after all that is queued.
    pub(crate) tail: SegmentTail,
    pub(crate) queue: BatchQueue,
    /// An empty queue whose memory the next drain uses.
    pub(crate) spare: BatchQueue,
    pub(crate) write_sharing: WriteSharing,
    pub(crate) is_writer_busy: bool,
    /// The next append begins a new segment.
    pub(crate) is_roll_due: bool,
    pub(crate) producers: ProducerState,
    /// Snapshots of the producers are in the directory, so a clean close has to write one.
    pub(crate) has_snapshots: bool,
    pub(crate) epochs: LeaderEpochs,
    /// Rolled segments that are not yet on disk with their indices, oldest first.
    pub(crate) unsynced: Vec<Arc<Segment<D>>>,
    /// Where the recovery point is and goes next.
    pub(crate) marks: RecoveryMarks,
    /// Something was appended since the log was opened.
    pub(crate) has_appended: bool,
    /// When everything was last on disk.
    pub(crate) flushed_at_ms: i64,
}

impl<D: Disk> State<D> {
    pub(crate) fn active(&self) -> &Arc<Segment<D>> {
        self.segments
            .last()
            .expect("a log always has an active segment (L2)")
    }

    /// Adds the new active segment.
    ///
    /// # Panics
    /// When its base offset is not above the last one's (L2).
    pub(crate) fn push_segment(&mut self, segment: Arc<Segment<D>>) {
        if let Some(last) = self.segments.last() {
            check_order(last, &segment);
        }
        self.segments.push(segment);
    }

    /// Checks the list after some of its segments were replaced.
    ///
    /// # Panics
    /// When base offsets do not increase (L2).
    pub(crate) fn check_segments(&self) {
        for pair in self.segments.windows(2) {
            check_order(&pair[0], &pair[1]);
        }
    }

    /// The index of the segment that holds `offset`.
    pub(crate) fn segment_index(&self, offset: i64) -> Option<usize> {
        self.segments
            .partition_point(|segment| segment.base_offset() <= offset)
            .checked_sub(1)
    }
}

fn check_order<D: Disk>(segment: &Segment<D>, next: &Segment<D>) {
    let (base_offset, next) = (segment.base_offset(), next.base_offset());
    assert!(
        base_offset < next,
        "segment {next} cannot follow segment {base_offset} (L2)"
    );
}

/// One partition's log.
pub struct PartitionLog<D: Disk> {
    pub(crate) disk: D,
    pub(crate) identity: LogIdentity,
    /// Empty for a directory without one, until the topic's owner gives it.
    topic_id: OnceLock<Uuid>,
    /// Changes when the directory is renamed for deletion.
    pub(crate) dir: ArcSwap<PathBuf>,
    pub(crate) health: Arc<DirHealth>,
    pub(crate) config: ArcSwap<LogConfig>,
    pub(crate) state: Mutex<State<D>>,
    /// Signalled when `is_writer_busy` becomes false.
    pub(crate) writer_free: Condvar,
    /// Threads that wait for it.
    pub(crate) writer_waiters: AtomicUsize,
    pub(crate) is_deleted: AtomicBool,
    /// Appends are only queued; changed under the state's lock. See `handover`.
    pub(crate) is_paused: AtomicBool,
    /// The log in another log dir that took this one's place; set under the state's lock.
    pub(crate) successor: OnceLock<Arc<PartitionLog<D>>>,
    /// Closing or closed: nothing is appended any more.
    pub(crate) is_closed: AtomicBool,
    /// Held while the leader epoch file is written.
    pub(crate) epoch_file: Mutex<()>,
    /// Held while index entries are written out: the drain and the recovery point's job do.
    pub(crate) index_files: Mutex<()>,
    /// Held by flushes, retention and closing, which change the list of segments.
    pub(crate) maintenance: Mutex<()>,
    pub(crate) listener: ArcSwapOption<Box<dyn LogListener>>,
    /// Readers of older parts; `None` without any.
    pub(crate) scans: Mutex<Option<Box<Scans<D::File>>>>,
}

impl<D: Disk> fmt::Debug for PartitionLog<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PartitionLog")
            .field("topic", &self.identity.topic)
            .field("partition", &self.identity.partition)
            .finish_non_exhaustive()
    }
}

impl<D: Disk> Drop for PartitionLog<D> {
    fn drop(&mut self) {
        self.health.remove_log();
    }
}

impl<D: Disk> OfflineObserver for PartitionLog<D> {
    fn on_offline(&self) {
        if let Some(listener) = self.listener.load_full() {
            listener.on_failed();
        }
    }
}

impl<D: Disk> PartitionLog<D> {
    /// A log in the given state, observing its dir's health.
    pub(crate) fn new(
        disk: D,
        identity: LogIdentity,
        health: &Arc<DirHealth>,
        config: LogConfig,
        state: State<D>,
    ) -> Arc<Self> {
        let topic_id = identity.topic_id.map_or_else(OnceLock::new, OnceLock::from);
        let log = Arc::new(Self {
            disk,
            topic_id,
            dir: ArcSwap::from_pointee(identity.dir.clone()),
            identity,
            health: Arc::clone(health),
            config: ArcSwap::from_pointee(config),
            state: Mutex::new(state),
            writer_free: Condvar::new(),
            writer_waiters: AtomicUsize::new(0),
            is_deleted: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            successor: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            epoch_file: Mutex::new(()),
            index_files: Mutex::new(()),
            maintenance: Mutex::new(()),
            scans: Mutex::new(None),
            listener: ArcSwapOption::empty(),
        });
        health.add_log();
        let weak = Arc::downgrade(&log);
        health.observe(weak);
        log
    }

    /// The state. A panic under the lock may have left it half changed, so then the dir goes
    /// offline; what is published can still be read.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing can be written for good: the log dir is offline until restart.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.health.is_offline() || self.state.is_poisoned()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Takes the log dir offline (L6), unless the log was deleted, in which case its files are
    /// expected to be gone.
    pub(crate) fn fail(&self, operation: &str, error: &dyn fmt::Display) {
        if !self.is_deleted() {
            self.health.fail(operation, &self.dir.load(), error);
        }
    }

    /// Whether the log was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    /// The log in another log dir that took this one's place. This one is deleted then: appends and
    /// reads that still come here are passed on, and so is whatever changes the log.
    #[must_use]
    pub fn successor(&self) -> Option<&Arc<Self>> {
        self.successor.get()
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.identity.topic
    }

    /// The partition's number.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.identity.partition
    }

    /// The topic's id; `None` for a directory of a Kafka that knew none.
    #[must_use]
    pub fn topic_id(&self) -> Option<Uuid> {
        self.topic_id.get().copied()
    }

    /// Gives the log its topic's id, durably: its creation was interrupted, or a Kafka that knew
    /// none made its directory.
    ///
    /// # Errors
    /// When the file cannot be written; the log dir is offline then.
    pub(crate) fn adopt_topic_id(&self, topic_id: Uuid) -> Result<(), EngineError> {
        self.check_online()?;
        let written = PartitionMetadata { topic_id }.write(&self.disk, &self.dir.load());
        written.inspect_err(|error| self.fail("write the topic id of", error))?;
        self.topic_id.get_or_init(|| topic_id);
        Ok(())
    }

    /// The log dir the partition lies in.
    #[must_use]
    pub fn log_dir(&self) -> &Path {
        self.health.path()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> LogConfig {
        **self.config.load()
    }

    /// Replaces the settings; they count from the next append, roll and retention run on.
    pub fn update_config(&self, config: LogConfig) {
        self.config.store(Arc::new(config));
        if let Some(successor) = self.successor() {
            successor.update_config(config);
        }
    }

    /// Replaces who is told about published batches and failures.
    pub fn set_listener(&self, listener: Box<dyn LogListener>) {
        self.listener.store(Some(Arc::new(listener)));
        self.pass_listener_on();
    }

    pub(crate) fn notify_published(&self, offsets: LogOffsets) {
        if let Some(listener) = &*self.listener.load() {
            listener.on_published(offsets);
        }
    }

    /// The log end offset now: [`LogOffsets::log_end`] without the others.
    #[must_use]
    pub fn log_end(&self) -> i64 {
        self.lock().offsets.log_end()
    }

    /// The high watermark now: [`LogOffsets::high_watermark`] without the others.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.lock().offsets.high_watermark()
    }

    /// The offsets now.
    #[must_use]
    pub fn offsets(&self) -> LogOffsets {
        let state = self.lock();
        state.offsets.snapshot(state.producers.first_unstable())
    }

    /// Raises the high watermark to `to`, at most to the log end offset, and returns the offsets.
    /// It never goes back.
    pub fn advance_high_watermark(&self, to: i64) -> LogOffsets {
        let mut guard = self.lock();
        if let Some(successor) = self.successor() {
            drop(guard);
            return successor.advance_high_watermark(to);
        }
        let state = &mut *guard;
        if state.offsets.advance_high_watermark(to) {
            state
                .producers
                .on_high_watermark(state.offsets.high_watermark());
        }
        state.offsets.snapshot(state.producers.first_unstable())
    }

    /// Raises the log start offset for DeleteRecords; -1 means the high watermark. The bytes go at
    /// the next retention run, the new start is checkpointed by the background work. Returns the
    /// log start offset.
    ///
    /// # Errors
    /// [`EngineError::OffsetOutOfRange`] below 0 or above the high watermark.
    pub fn advance_log_start_offset(&self, to: i64) -> Result<i64, EngineError> {
        let mut state = self.lock();
        if let Some(successor) = self.successor() {
            drop(state);
            return successor.advance_log_start_offset(to);
        }
        let high_watermark = state.offsets.high_watermark();
        let to = if to == -1 { high_watermark } else { to };
        if to < 0 || high_watermark < to {
            return Err(EngineError::OffsetOutOfRange {
                offset: to,
                lowest: 0,
                highest: high_watermark,
            });
        }
        state.offsets.advance_log_start(to);
        Ok(state.offsets.log_start())
    }

    /// Bytes of all segments that are published.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.lock()
            .segments
            .iter()
            .map(|segment| segment.bytes())
            .sum()
    }

    /// The number of segments.
    #[must_use]
    pub fn segments_count(&self) -> usize {
        self.lock().segments.len()
    }

    /// Bytes between two offsets if both lie in the active segment, else `None`: then there is
    /// enough to read for any fetch, as when `start` is many MiB behind. An estimate that may be
    /// too high by `index.interval.bytes`.
    #[must_use]
    pub fn bytes_available(&self, start: i64, upper: i64) -> Option<u64> {
        let state = self.lock();
        let active = state.active();
        if start < active.base_offset() {
            return None;
        }
        if upper.min(state.offsets.log_end()) <= start {
            return Some(0);
        }
        let from = match state.recent.find(start) {
            Some(batch) => batch.position,
            None => active.remembered_floor(start)?,
        };
        let to = state
            .recent
            .find(upper)
            .map_or(active.bytes(), |batch| batch.position);
        Some(to.saturating_sub(from))
    }

    /// Where the log of a leader epoch ends; `None` when this log cannot tell.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<EpochEndOffset> {
        let state = self.lock();
        state.epochs.end_offset_for(epoch, state.offsets.log_end())
    }

    /// The latest leader epoch the log knows.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<i32> {
        self.lock().epochs.latest()
    }

    /// The leader epoch the batch at `offset` was appended in.
    #[must_use]
    pub fn epoch_of(&self, offset: i64) -> Option<i32> {
        self.lock().epochs.epoch_of(offset)
    }

    /// The producers with state here, for DescribeProducers.
    #[must_use]
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let state = self.lock();
        let producers = state
            .producers
            .iter()
            .map(|(producer_id, entry)| ActiveProducer {
                producer_id,
                producer_epoch: entry.epoch,
                last_sequence: entry.last_sequence(),
                last_timestamp_ms: entry.last_timestamp,
                coordinator_epoch: entry.coordinator_epoch,
                txn_start_offset: entry.txn_first_offset,
            });
        producers.collect()
    }

    /// Closes files that nobody used since the last call, so that idle logs and old segments cost
    /// no descriptors, gives back the memory of empty queues, and forgets readers that came no
    /// more. Does nothing while segments are replaced: their files must stay open then.
    pub(crate) fn close_idle_files(&self) {
        let Ok(_maintenance) = self.maintenance.try_lock() else {
            return;
        };
        let segments = {
            let mut guard = self.lock();
            let state = &mut *guard;
            state.spare = BatchQueue::default();
            if state.queue.is_empty() {
                state.queue = BatchQueue::default();
            }
            state.segments.clone()
        };
        for segment in segments {
            segment.close_idle_files();
        }
        self.sweep_scans();
    }

    /// Notes that a new leader's epoch begins at the end of the log, durably. Blocks; not for a
    /// ring's thread.
    ///
    /// # Errors
    /// When the file cannot be written; the log dir is offline then.
    pub fn assign_epoch_start(&self, epoch: i32) -> Result<(), EngineError> {
        let is_new = {
            let mut guard = self.lock();
            if let Some(successor) = self.successor() {
                drop(guard);
                return successor.assign_epoch_start(epoch);
            }
            let state = &mut *guard;
            state.epochs.assign(epoch, state.next_offset)
        };
        if is_new { self.write_epochs() } else { Ok(()) }
    }
}
