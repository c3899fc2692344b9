//! Writing what is queued: the asynchronous half of a produce. Whoever finds no write in flight
//! gets the [`Drain`] and writes the whole queue, again and again until it is empty; appends that
//! come meanwhile queue up and share the next write (and its sync). With `flush.before.ack` that
//! write is the group commit.
//!
//! L5 is kept here: batches are published after the write, and after the sync their log asks for.
//! A failure takes the log dir offline (L6) and is never retried.

use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Waker};

use super::batch_queue::{BatchQueue, QueuedBatch};
use super::partition_log::{PartitionLog, State};
use super::recent_batches::RecentBatch;
use super::recovery_mark::RecoveryMark;
use super::write_sharing::WriteSharing;
use crate::config::LogConfig;
use crate::error::EngineError;
use crate::io::{Access, Disk, Durable, WriteMode, block_on_ready};
#[cfg(test)]
use crate::proof::sabotage::{Sabotage, is_on};
use crate::segment::{FileKind, Segment};

/// Pieces in one write: each has two slices, and a vectored write takes 1,024.
const PIECES_MAX: usize = 512;
/// Bytes in one write, so that the first of them are not acknowledged much too late.
const WRITE_BYTES_MAX: u64 = 8 << 20;
/// Segments smaller than this get no blocks reserved.
const RESERVE_FROM_BYTES: u64 = 256 << 10;
/// Most bytes reserved ahead.
const RESERVE_MAX_BYTES: u64 = 64 << 20;
/// More is reserved when less than such a part of it is left.
const RESERVE_LEFT_PART: u64 = 8;
/// Bytes after which unsynced ones are handed to the disk.
const WRITEBACK_BYTES: u64 = 1 << 20;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Holds the right to write and nothing else.
    Waiting,
    /// Holds batches that are in no queue any more.
    Working,
    /// Gave the right to write back.
    Done,
}

/// The right and duty to write a log's queue, also of what others append meanwhile, so its runtime
/// must not end before it. Dropped before it runs, it leaves the queue to the
/// next append's drain; dropped while it writes, it takes the log dir offline, as nobody can tell
/// what was written.
#[must_use = "what is queued is not written until the drain runs"]
#[derive(Debug)]
pub struct Drain<D: Disk> {
    log: Arc<PartitionLog<D>>,
    phase: Phase,
    /// As of the time when the right to write was got.
    sharing: WriteSharing,
}

/// A drain, `R` once it runs.
enum Begun<R, D: Disk> {
    Running(Pin<Box<R>>),
    Waiting(Drain<D>),
}

impl<D: Disk> Drain<D> {
    /// The caller has set `is_writer_busy`.
    pub(crate) fn new(log: Arc<PartitionLog<D>>, sharing: WriteSharing) -> Self {
        Self {
            log,
            phase: Phase::Waiting,
            sharing,
        }
    }

    /// Writes until the queue is empty. Spawn it on a ring's runtime.
    pub async fn run(mut self) {
        self.write_all(Access::Ring).await;
    }

    /// Begins to write, on a ring's runtime, before its other tasks run, where those are unlikely
    /// to append to this log: of many that became ready together each would otherwise have its
    /// write wait for all of them. Returns what is left, to be spawned there like [`Self::run`];
    /// `None` when the queue is written.
    ///
    /// So it does where the last writes had one batch each and are durable: what comes while one is
    /// synced shares the next. Without syncs there is no such time, and nobody would see any more
    /// that writes can be shared.
    pub fn begin(self) -> Option<impl Future<Output = ()> + use<D>> {
        let begins = self.sharing.is_unlikely() && self.log.config.load().flush_before_ack;
        let mut drain = if begins {
            Begun::Running(Box::pin(self.run()))
        } else {
            Begun::Waiting(self)
        };
        if let Begun::Running(run) = &mut drain {
            // Whoever runs what is left asks again, with a waker.
            let mut ctx = Context::from_waker(Waker::noop());
            if run.as_mut().poll(&mut ctx).is_ready() {
                return None;
            }
        }
        Some(async move {
            match drain {
                Begun::Running(run) => run.await,
                Begun::Waiting(drain) => drain.run().await,
            }
        })
    }

    /// The same on a thread that may block and has no ring.
    pub fn run_blocking(mut self) {
        block_on_ready(self.write_all(Access::Blocking));
    }

    async fn write_all(&mut self, access: Access) {
        let mut written = None;
        while let Some((mut queue, mut tip)) = self.log.take_queue(written.take()) {
            self.phase = Phase::Working;
            let result = {
                let _under_way = self.log.health.writes().begin();
                write_queue(&self.log, access, &mut queue, &mut tip).await
            };
            self.phase = Phase::Waiting;
            if let Err(error) = result {
                self.log.fail("write", &error);
                self.log.release_writer();
                break;
            }
            queue.clear();
            written = Some(queue);
            if tip.has_more {
                // Who was woken by what was just published appends first and shares the write.
                access.let_others_run().await;
            }
        }
        self.phase = Phase::Done;
    }
}

impl<D: Disk> Drop for Drain<D> {
    fn drop(&mut self) {
        match self.phase {
            Phase::Done => return,
            Phase::Waiting => {}
            Phase::Working => self
                .log
                .fail("write", &"a drain was dropped while it wrote"),
        }
        self.log.release_writer();
    }
}

impl<D: Disk> PartitionLog<D> {
    /// The queue, and what its writing begins with; or `None` when nothing is left to write, and
    /// then the right to write is given back under the same lock, so that the next append becomes
    /// the next writer. The memory of the queue `written` before is used again.
    fn take_queue(&self, written: Option<BatchQueue>) -> Option<(BatchQueue, Tip<D>)> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(written) = written {
            state.spare = written;
        }
        let may_not = self.is_offline() || self.is_deleted() || self.is_paused();
        if state.queue.is_empty() || may_not {
            self.free_writer(guard);
            return None;
        }
        state.write_sharing.on_take(state.queue.batches.len());
        let spare = std::mem::take(&mut state.spare);
        Some((std::mem::replace(&mut state.queue, spare), Tip::of(state)))
    }

    fn release_writer(&self) {
        self.free_writer(self.lock());
    }

    /// Gives the right to write back. Waking nobody would cost a system call for each drain.
    fn free_writer(&self, mut state: MutexGuard<'_, State<D>>) {
        state.is_writer_busy = false;
        drop(state);
        if 0 < self.writer_waiters.load(Ordering::SeqCst) {
            self.writer_free.notify_all();
        }
    }

    /// Takes the right to write, waiting for a running drain for at most `timeout`.
    pub(crate) fn take_writer(self: &Arc<Self>, timeout: std::time::Duration) -> Option<Drain<D>> {
        let guard = self.lock();
        // Counted before the lock is let go, so whoever frees the writer after that knows.
        self.writer_waiters.fetch_add(1, Ordering::SeqCst);
        let (mut guard, _) = self
            .writer_free
            .wait_timeout_while(guard, timeout, |state| state.is_writer_busy)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.writer_waiters.fetch_sub(1, Ordering::SeqCst);
        if guard.is_writer_busy {
            return None;
        }
        guard.is_writer_busy = true;
        let sharing = guard.write_sharing;
        drop(guard);
        Some(Drain::new(Arc::clone(self), sharing))
    }

    /// Publishes batches at the tip.
    fn publish(
        &self,
        tip: &mut Tip<D>,
        batches: &[QueuedBatch],
        is_durable: bool,
    ) -> AfterPublishing {
        let Some(last) = batches.last() else {
            return AfterPublishing::default();
        };
        let segment = &tip.segment;
        let mut after = AfterPublishing::default();
        let offsets = {
            let mut guard = self.lock();
            let state = &mut *guard;
            {
                let mut indexes = segment.indexes();
                for batch in batches {
                    if let Some(entry) = batch.entries.offset {
                        indexes.offset.push(entry);
                    }
                    if let Some(entry) = batch.entries.time {
                        indexes.time.push(entry);
                    }
                }
                indexes.largest = Some(last.largest);
                after.must_write_indexes =
                    indexes.offset.is_write_due() || indexes.time.is_write_due();
            }
            segment.set_bytes(last.position + last.bytes);
            for batch in batches {
                state.recent.push(RecentBatch {
                    base_offset: batch.base_offset,
                    last_offset: batch.last_offset,
                    position: batch.position,
                    bytes: batch.bytes,
                });
            }
            state.offsets.publish(last.last_offset + 1, is_durable);
            after.mark = state.marks.take_published(last.last_offset + 1);
            tip.flushed = state.offsets.flushed();
            tip.log_end = state.offsets.log_end();
            tip.has_more = !state.queue.is_empty();
            state.offsets.snapshot(state.producers.first_unstable())
        };
        self.notify_published(offsets);
        after
    }
}

/// What the holder of the right to write knows of the log's end without asking under the lock:
/// nobody else moves it.
struct Tip<D: Disk> {
    /// The active segment.
    segment: Arc<Segment<D>>,
    log_end: i64,
    /// May be more by now, which only makes a sync superfluous.
    flushed: i64,
    /// More was queued when the last batches were published.
    has_more: bool,
}

impl<D: Disk> Tip<D> {
    fn of(state: &State<D>) -> Self {
        Self {
            segment: Arc::clone(state.active()),
            log_end: state.offsets.log_end(),
            flushed: state.offsets.flushed(),
            has_more: false,
        }
    }
}

/// What is to be done once batches are published.
#[derive(Default)]
struct AfterPublishing {
    /// The mark of the recovery point that can be made durable now.
    mark: Option<Box<RecoveryMark>>,
    /// Enough index entries are in memory only.
    must_write_indexes: bool,
}

async fn write_queue<D: Disk>(
    log: &Arc<PartitionLog<D>>,
    access: Access,
    queue: &mut BatchQueue,
    tip: &mut Tip<D>,
) -> Result<(), EngineError> {
    let mut first = 0;
    while first < queue.batches.len() {
        prepare_segment(log, access, &mut queue.batches[first], tip).await?;
        let last = queue.run_end(first, PIECES_MAX, WRITE_BYTES_MAX);
        write_run(log, access, queue, first..last, tip).await?;
        first = last;
    }
    Ok(())
}

/// What comes before the batch is written.
async fn prepare_segment<D: Disk>(
    log: &Arc<PartitionLog<D>>,
    access: Access,
    batch: &mut QueuedBatch,
    tip: &mut Tip<D>,
) -> Result<(), EngineError> {
    let Some(steps) = batch.steps.as_deref_mut() else {
        return Ok(());
    };
    if steps.has_new_epoch {
        let writer = Arc::clone(log);
        let job = access.run(&log.disk, move || writer.write_epochs()).await;
        flatten(log, "write epochs of", job)?;
    }
    if let Some(roll) = steps.roll.take() {
        let roller = Arc::clone(log);
        let job = access.run(&log.disk, move || roller.roll_files(roll)).await;
        flatten(log, "roll", job)?;
        *tip = Tip::of(&log.lock());
        let syncer = Arc::clone(log);
        access.start(&log.disk, log.health.id(), move || {
            syncer.sync_rolled_or_fail()
        });
    }
    Ok(())
}

fn flatten<D: Disk, T>(
    log: &PartitionLog<D>,
    operation: &'static str,
    result: std::io::Result<Result<T, EngineError>>,
) -> Result<T, EngineError> {
    result.map_err(|source| EngineError::io(operation, &log.dir.load(), source))?
}

/// Writes a run of batches of the active segment, makes it as durable as its log asks, and
/// publishes it (L5).
async fn write_run<D: Disk>(
    log: &Arc<PartitionLog<D>>,
    access: Access,
    queue: &mut BatchQueue,
    range: Range<usize>,
    tip: &mut Tip<D>,
) -> Result<(), EngineError> {
    let dir = log.dir.load_full();
    let segment = Arc::clone(&tip.segment);
    let file = segment
        .file(access, &log.disk, &dir, FileKind::Log)
        .await
        .map_err(|source| EngineError::io("open a segment of", &dir, source))?;
    let plan = FlushPlan::of(&log.config.load(), tip, &queue.batches[range.end - 1]);
    let is_durable_write = plan.is_durable_write;
    #[cfg(test)]
    let is_durable_write = is_durable_write && !is_on(Sabotage::PublishedBeforeSync);
    let position = queue.batches[range.start].position;
    assert_eq!(
        position,
        segment.bytes(),
        "a batch must go to the end of its segment"
    );
    let last = &queue.batches[range.end - 1];
    let end = last.position + last.bytes;
    write_batches(
        log,
        access,
        (&segment, &file),
        queue,
        range.clone(),
        FlushPlan {
            is_durable_write,
            ..plan
        },
    )
    .await?;
    if plan.needs_sync {
        let syncer = Arc::clone(log);
        let job = access.run(&log.disk, move || syncer.sync_rolled()).await;
        flatten(log, "sync", job)?;
        let result = access.sync(&log.disk, &file).await;
        result.map_err(|source| EngineError::io("sync", &dir, source))?;
    }
    let last = &queue.batches[range.end - 1];
    if let Some(aborted) = last.steps.as_deref().and_then(|steps| steps.aborted) {
        let (writer, segment) = (Arc::clone(log), Arc::clone(&segment));
        let job = access
            .run(&log.disk, move || writer.add_aborted(&segment, aborted))
            .await;
        flatten(log, "write the transaction index of", job)?;
    }
    let is_durable = plan.is_durable();
    let after = log.publish(tip, &queue.batches[range.clone()], is_durable);
    if let Some(mark) = after.mark {
        let log = Arc::clone(log);
        let (disk, dir) = (log.disk.clone(), log.health.id());
        access.start(&disk, dir, move || log.reach_mark_or_fail(&mark));
    }
    if !is_durable {
        write_back(log, access, &segment, &file, position..end);
    }
    reserve(log, access, &segment, &file, end);
    if plan.is_durable_write {
        log.zero_ahead(access, &segment, range.len(), end - position, end);
    }
    if !after.must_write_indexes {
        return Ok(());
    }
    let writer = Arc::clone(log);
    let job = access
        .run(&log.disk, move || writer.write_indexes(&segment))
        .await;
    flatten(log, "write an index of", job)
}

/// Writes a run of batches to the end of the segment and, where asked, makes them durable.
async fn write_batches<D: Disk>(
    log: &Arc<PartitionLog<D>>,
    access: Access,
    (segment, file): (&Arc<Segment<D>>, &Arc<D::File>),
    queue: &mut BatchQueue,
    mut range: Range<usize>,
    plan: FlushPlan,
) -> Result<(), EngineError> {
    let failed = |operation, source| EngineError::io(operation, &log.dir.load(), source);
    let (first, last) = (&queue.batches[range.start], &queue.batches[range.end - 1]);
    let (written, appended_ms) = (first.position..last.position + last.bytes, last.appended_ms);
    let passed = log.pass_zeroing(access, segment, written.end).await;
    passed.map_err(|source| failed("wait to append to", source))?;
    // A job that an earlier run started may have failed (L6).
    log.check_online()?;
    let barrier = plan
        .is_durable_write
        .then(|| segment.zeroed_ahead().barrier_for(&written))
        .flatten();
    let zeros = if range.end < queue.batches.len() {
        // Zeros are no batch: nothing may follow them in the queue.
        None
    } else if plan.is_durable_write {
        log.first_zeros_behind(segment, &written, appended_ms)
    } else if plan.needs_sync {
        None
    } else {
        log.zeros_behind(segment, &written, appended_ms)
    };
    let has_zeros = zeros.is_some();
    if let Some(zeros) = zeros {
        queue.push_zeros(zeros);
        range.end += 1;
    }
    let mode = WriteMode {
        durable: match barrier {
            Some(_) => Durable::AfterSync,
            None if plan.is_durable_write => Durable::OnReturn,
            None if plan.needs_sync => Durable::AfterSync,
            None => Durable::Later,
        },
        is_file_busy: segment.is_reserving(),
    };
    let buffers = std::mem::take(&mut queue.buffers);
    let (result, buffers) = access
        .write(&log.disk, file, buffers, range, written.start, mode)
        .await;
    queue.buffers = buffers;
    result.map_err(|source| failed("append to", source))?;
    let Some(barrier) = barrier else {
        if plan.is_durable_write && has_zeros {
            let barrier = log.disk.barrier(file, &log.dir.load());
            segment.zeroed_ahead().extended_durably(barrier);
        }
        return Ok(());
    };
    let synced = access
        .sync_overwritten(&log.disk, file, written, &barrier)
        .await;
    synced.map_err(|source| failed("sync", source))
}

/// What a write needs before its batches are published.
#[derive(Debug, Clone, Copy)]
struct FlushPlan {
    /// The write itself is durable.
    is_durable_write: bool,
    /// It has to be followed by a sync, of earlier bytes too.
    needs_sync: bool,
}

impl FlushPlan {
    /// What is written is on disk before it is published.
    fn is_durable(self) -> bool {
        self.is_durable_write || self.needs_sync
    }

    /// The plan for a run that ends with `last`, by the settings of this moment.
    fn of<D: Disk>(config: &LogConfig, tip: &Tip<D>, last: &QueuedBatch) -> Self {
        if config.flush_before_ack {
            // Earlier bytes are unsynced when the setting was changed just now.
            return Self {
                is_durable_write: true,
                needs_sync: tip.flushed < tip.log_end,
            };
        }
        let unflushed_messages = last.last_offset + 1 - tip.flushed;
        let needs_sync = config.flush_messages <= unflushed_messages;
        Self {
            is_durable_write: false,
            needs_sync,
        }
    }
}

/// Has unsynced bytes written to the disk in the background each time a write passes a border of
/// a MiB: left to itself the kernel would write much more at once and stall others meanwhile.
fn write_back<D: Disk>(
    log: &PartitionLog<D>,
    access: Access,
    segment: &Arc<Segment<D>>,
    file: &Arc<D::File>,
    written: Range<u64>,
) {
    let (before, after) = (
        written.start / WRITEBACK_BYTES,
        written.end / WRITEBACK_BYTES,
    );
    let range = before * WRITEBACK_BYTES..after * WRITEBACK_BYTES;
    if range.is_empty() || !segment.unsynced().add(range) {
        return;
    }
    let (disk, file, segment) = (log.disk.clone(), Arc::clone(file), Arc::clone(segment));
    access.start(&log.disk, log.health.id(), move || {
        while let Some(range) = segment.unsynced().next() {
            // A failing disk shows in the next sync, which is checked.
            if let Err(error) = disk.start_writeback(&file, range) {
                tracing::debug!(%error, "writeback was not started");
            }
        }
    });
}

/// Reserves blocks ahead of a segment that has some size, twice as much as it has, in the
/// background: an append into reserved blocks costs a third less, and a job that reserves as much
/// as three of 16 KiB. Failing costs only that.
fn reserve<D: Disk>(
    log: &PartitionLog<D>,
    access: Access,
    segment: &Arc<Segment<D>>,
    file: &Arc<D::File>,
    end: u64,
) {
    if end < RESERVE_FROM_BYTES {
        return;
    }
    let ahead = (2 * end).min(RESERVE_MAX_BYTES);
    let limit = u64::from(log.config.load().segment_bytes).max(end);
    if segment
        .raise_allocated((end + ahead / RESERVE_LEFT_PART).min(limit))
        .is_none()
    {
        return;
    }
    let to = (end + ahead).min(limit);
    segment.raise_allocated(to);
    let (disk, file, segment) = (log.disk.clone(), Arc::clone(file), Arc::clone(segment));
    access.start(&log.disk, log.health.id(), move || {
        // Not before the job runs: writes go a longer way meanwhile.
        segment.set_reserving(true);
        let result = disk.allocate(&file, end..to);
        segment.set_reserving(false);
        if let Err(error) = result {
            tracing::debug!(%error, "blocks were not reserved");
        }
    });
}
