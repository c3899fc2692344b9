//! A partition that this broker serves: its log, its leadership, and who waits for it.
//!
//! Any core may call any method; nothing here blocks but for the log's own short lock.

use std::future::poll_fn;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{
    AppendContext, AppendError, Appended, Drain, EngineError, LogListener, LogOffsets, Origin,
    PartitionLog, TransactionStart, VerificationGuard,
};

use super::fetch_waiters::FetchWaiters;
use super::offset_waiters::{Milestone, NotReached, OffsetWait, OwnOffsetWaiters};

/// A partition's log on the io_uring backend.
pub(super) type Log = PartitionLog<UringDisk>;

/// The epoch of a request that does not name one.
const NO_LEADER_EPOCH: i32 = -1;

/// A replica on this broker.
pub(crate) struct Partition {
    topic: Arc<str>,
    index: i32,
    /// Another one after a move between log dirs.
    log: ArcSwap<Log>,
    leader_epoch: AtomicI32,
    offsets: OwnOffsetWaiters,
    fetches: FetchWaiters,
}

/// What the epoch of a request tells about the client's or the broker's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EpochCheck {
    /// The epochs agree, or the request named none.
    Current,
    /// The client's metadata is older than the broker's.
    Fenced,
    /// The broker's metadata is older than the client's.
    Unknown,
}

impl Partition {
    /// A partition over `log`; it leads from [`Partition::lead`] on.
    pub(crate) fn new(topic: Arc<str>, index: i32, log: Arc<Log>) -> Arc<Self> {
        // With one replica all that the log holds is committed.
        let log_end = log.log_end();
        log.advance_high_watermark(log_end);
        let partition = Arc::new(Self {
            topic,
            index,
            log: ArcSwap::new(Arc::clone(&log)),
            leader_epoch: AtomicI32::new(NO_LEADER_EPOCH),
            offsets: OwnOffsetWaiters::new(log_end, log_end),
            fetches: FetchWaiters::default(),
        });
        log.set_listener(Box::new(Publisher(Arc::downgrade(&partition))));
        partition
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition's number within its topic.
    pub(crate) fn index(&self) -> i32 {
        self.index
    }

    /// The partition's log. Ask again after waiting: it may have moved to another log dir. Who
    /// still holds the old one is passed on by it.
    pub(crate) fn log(&self) -> Guard<Arc<Log>> {
        let log = self.log.load();
        if log.successor().is_none() {
            return log;
        }
        let mut newest = Arc::clone(&log);
        while let Some(successor) = newest.successor() {
            newest = Arc::clone(successor);
        }
        self.log.store(newest);
        self.log.load()
    }

    /// Whether the log dir of the partition is offline: then it is neither read nor written.
    pub(crate) fn is_offline(&self) -> bool {
        self.log().is_offline()
    }

    /// The epoch of the current leader.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    /// Takes over leadership in a newer epoch. Blocks on the file system.
    ///
    /// A log with records notes where the epoch begins, so that clients and followers can find out
    /// what an older leader may have lost.
    ///
    /// # Errors
    /// The epoch cannot be written.
    pub(crate) fn lead(&self, leader_epoch: i32) -> Result<(), EngineError> {
        let log = self.log();
        let is_newer = log
            .latest_epoch()
            .is_some_and(|latest| latest < leader_epoch);
        if is_newer {
            log.assign_epoch_start(leader_epoch)?;
        }
        self.leader_epoch.store(leader_epoch, Ordering::Release);
        Ok(())
    }

    /// Compares the epoch of a request with the leader's (KIP-320).
    pub(crate) fn check_epoch(&self, requested: i32) -> EpochCheck {
        let current = self.leader_epoch();
        if requested == NO_LEADER_EPOCH || requested == current {
            EpochCheck::Current
        } else if requested < current {
            EpochCheck::Fenced
        } else {
            EpochCheck::Unknown
        }
    }

    /// Appends one batch as leader and starts writing it, on the current core's ring.
    ///
    /// When this returns, the batch has its offsets and its place in the order of appends, but it
    /// is neither on disk nor visible: wait with [`Partition::committed`].
    ///
    /// # Errors
    /// Nothing was appended; see [`AppendError`].
    pub(crate) fn append(
        &self,
        records: Bytes,
        origin: Origin,
        now_ms: i64,
    ) -> Result<Appended<UringDisk>, AppendError> {
        let ctx = self.append_context(origin, now_ms);
        let mut appended = self.log().append(records, ctx)?;
        start_write(&mut appended);
        Ok(appended)
    }

    /// [`Partition::append`] of a client's batch, with the guard of its verification if it is
    /// transactional. For whoever `wants_wait` also the wait for the batch to be published and
    /// committed.
    ///
    /// # Errors
    /// Nothing was appended; see [`AppendError`].
    pub(crate) fn produce(
        &self,
        records: Bytes,
        now_ms: i64,
        guard: Option<VerificationGuard>,
        wants_wait: bool,
    ) -> Result<(Appended<UringDisk>, Option<OffsetWait>), AppendError> {
        let wait = wants_wait.then(|| OffsetWait::new(&self.offsets));
        let appended = self.append_verified(records, Origin::Client, now_ms, guard)?;
        Ok((appended, wait))
    }

    /// [`Partition::append`] of a transactional batch, with the guard of its verification.
    ///
    /// # Errors
    /// Nothing was appended; see [`AppendError`].
    pub(crate) fn append_verified(
        &self,
        records: Bytes,
        origin: Origin,
        now_ms: i64,
        guard: Option<VerificationGuard>,
    ) -> Result<Appended<UringDisk>, AppendError> {
        let ctx = self.append_context(origin, now_ms);
        let mut appended = self.log().append_verified(records, ctx, guard)?;
        start_write(&mut appended);
        Ok(appended)
    }

    /// [`Partition::append`] of a transaction's end, by the rules of its protocol (0, 1, 2).
    ///
    /// # Errors
    /// Nothing was appended; see [`AppendError`].
    pub(crate) fn append_marker(
        &self,
        records: Bytes,
        now_ms: i64,
        transaction_version: i16,
    ) -> Result<Appended<UringDisk>, AppendError> {
        let ctx = self.append_context(Origin::Coordinator, now_ms);
        let log = self.log();
        let mut appended = log.append_marker(records, ctx, transaction_version)?;
        start_write(&mut appended);
        Ok(appended)
    }

    /// Begins the verification of a transaction before its first batch here is appended. `None`
    /// when the transaction is open here, so that there is nothing to verify.
    ///
    /// # Errors
    /// [`AppendError::InvalidProducerEpoch`].
    pub(crate) fn begin_verification(
        &self,
        start: &TransactionStart,
        now_ms: i64,
    ) -> Result<Option<VerificationGuard>, AppendError> {
        self.log().begin_verification(start, now_ms)
    }

    fn append_context(&self, origin: Origin, now_ms: i64) -> AppendContext {
        AppendContext {
            leader_epoch: self.leader_epoch(),
            origin,
            now_ms,
        }
    }

    /// Waits until all in-sync replicas have the records below `offset`.
    ///
    /// # Errors
    /// [`NotReached`]: whether they have them is unknown.
    pub(crate) fn committed(
        &self,
        offset: i64,
    ) -> impl Future<Output = Result<(), NotReached>> + 'static {
        let mut wait = OffsetWait::new(&self.offsets);
        // The failure may have come after the append and before the wait began.
        let is_offline = self.is_offline();
        poll_fn(move |ctx| {
            if is_offline {
                return Poll::Ready(Err(NotReached::StorageFailed));
            }
            wait.poll(ctx, Milestone::Committed, offset)
        })
    }

    /// The fetches that wait for this partition.
    pub(crate) fn fetches(&self) -> &FetchWaiters {
        &self.fetches
    }

    /// Wakes everything that waits for this partition: it is no longer served here.
    pub(crate) fn retire(&self) {
        self.offsets.fail(NotReached::Gone);
        self.fetches.wake();
    }
}

/// Writes what was appended on the current core's ring, unless a write under way takes it along.
fn start_write(appended: &mut Appended<UringDisk>) {
    let drain = appended.drain.take();
    if let Some(rest) = drain.and_then(Drain::begin) {
        tokio::task::spawn_local(rest);
    }
}

/// Hears from the log what has been published.
struct Publisher(Weak<Partition>);

impl LogListener for Publisher {
    fn on_published(&self, offsets: LogOffsets) {
        let Some(partition) = self.0.upgrade() else {
            return;
        };
        // First, so that who waits for what is published need not wait again.
        let log_end = offsets.log_end;
        let high_watermark = partition
            .log()
            .advance_high_watermark(log_end)
            .high_watermark;
        partition.offsets.advance(log_end, high_watermark);
        partition.fetches.wake();
    }

    fn on_failed(&self) {
        let Some(partition) = self.0.upgrade() else {
            return;
        };
        partition.offsets.fail(NotReached::StorageFailed);
        partition.fetches.wake();
    }
}
