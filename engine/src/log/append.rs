//! Appending: the synchronous half of a produce. Validation runs outside of the lock; inside it
//! producers are checked, offsets assigned, headers patched and the batches queued. The bytes are
//! written by the [`Drain`] this may return.

use std::sync::Arc;

use bytes::Bytes;
use ringbrook_record::{BatchHeader, NO_TIMESTAMP, TimestampType};

use super::batch_queue::{QueuedBatch, Roll, Steps};
use super::drain::Drain;
use super::partition_log::{PartitionLog, State};
use super::producer_snapshot::encode_snapshot;
use super::producer_state::{Origin, TransactionTerms, Verdict};
use super::validate::{Prepared, validate_produced, validate_replicated};
use super::verification::{TransactionStart, VerificationGuard};
use crate::config::LogConfig;
use crate::error::AppendError;
use crate::io::{Disk, Piece};
use crate::segment::{BatchFacts, Largest, NewEntries, SegmentTail};

/// Who appends, and when.
#[derive(Debug, Clone, Copy)]
pub struct AppendContext {
    /// Epoch of the leader that appends; batches from a replica keep their own.
    pub leader_epoch: i32,
    /// Who appends.
    pub origin: Origin,
    /// The broker's time, for LogAppendTime and the range of timestamps.
    pub now_ms: i64,
}

/// An accepted append. The batches are queued: they are in the log when the published log end
/// offset has passed `last_offset`, also for a duplicate, whose first copy may still be queued.
#[must_use = "the drain must be run or the batches are not written"]
#[derive(Debug)]
pub struct Appended<D: Disk> {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The time of the append with LogAppendTime, else -1.
    pub log_append_time_ms: i64,
    /// The log start offset at this moment.
    pub log_start_offset: i64,
    /// The batch was in the log already; the offsets are those of then.
    pub is_duplicate: bool,
    /// Present when no drain is running: the caller must run it.
    pub drain: Option<Drain<D>>,
}

impl<D: Disk> PartitionLog<D> {
    /// Appends batches. Does not block and does not write: see [`Appended`]. Concurrent appends
    /// keep offsets dense, and the order of batches is the order of offsets. Costs one pass over
    /// the bytes for the CRC, one over the records, and a short lock.
    ///
    /// Clients and coordinators bring exactly one batch, a replica any number.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was appended then.
    pub fn append(
        self: &Arc<Self>,
        records: Bytes,
        ctx: AppendContext,
    ) -> Result<Appended<D>, AppendError> {
        self.append_on(records, ctx, TransactionTerms::default())
    }

    /// [`Self::append`] of a transactional batch, with the guard of its verification if it needed
    /// one.
    ///
    /// # Errors
    /// As [`Self::append`]; [`AppendError::TransactionNotVerified`] when the transaction ended
    /// since the guard was taken.
    pub fn append_verified(
        self: &Arc<Self>,
        records: Bytes,
        ctx: AppendContext,
        guard: Option<VerificationGuard>,
    ) -> Result<Appended<D>, AppendError> {
        let terms = TransactionTerms {
            guard,
            ..TransactionTerms::default()
        };
        self.append_on(records, ctx, terms)
    }

    /// [`Self::append`] of the marker that ends a transaction of protocol `transaction_version`
    /// (0, 1 or 2; -1 is taken for 0). With 2 the marker's epoch is above the transaction's.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_marker(
        self: &Arc<Self>,
        records: Bytes,
        ctx: AppendContext,
        transaction_version: i16,
    ) -> Result<Appended<D>, AppendError> {
        let terms = TransactionTerms {
            marker_version: transaction_version,
            ..TransactionTerms::default()
        };
        self.append_on(records, ctx, terms)
    }

    /// Begins the verification of a transaction whose first batch here is about to be appended,
    /// with [`Self::append_verified`]: the guard for that, or `None` when the transaction is open
    /// here already.
    ///
    /// # Errors
    /// [`AppendError::InvalidProducerEpoch`] when the producer was fenced.
    pub fn begin_verification(
        &self,
        start: &TransactionStart,
        now_ms: i64,
    ) -> Result<Option<VerificationGuard>, AppendError> {
        let mut guard = self.lock();
        if let Some(successor) = self.successor() {
            drop(guard);
            return successor.begin_verification(start, now_ms);
        }
        guard.producers.begin_verification(start, now_ms)
    }

    fn append_on(
        self: &Arc<Self>,
        records: Bytes,
        ctx: AppendContext,
        terms: TransactionTerms,
    ) -> Result<Appended<D>, AppendError> {
        if self.is_offline() && self.successor().is_none() {
            return Err(AppendError::LogDirOffline);
        }
        if ctx.origin == Origin::Client && self.health.is_full() && self.successor().is_none() {
            return Err(AppendError::LogDirFull);
        }
        let config = self.config.load();
        match ctx.origin {
            Origin::Client | Origin::Coordinator => {
                let batch = validate_produced(records, &ctx, &config)?;
                let terms = TransactionTerms {
                    must_verify: config.transaction_verification,
                    ..terms
                };
                self.take(|state| state.take_produced(batch, &ctx, &terms, &config))
            }
            Origin::Replica => {
                let batches = validate_replicated(&records)?;
                self.take(|state| state.take_replicated(batches, &ctx, &config))
            }
        }
    }

    /// Lets the state `take` batches that passed validation, or that of the log's successor.
    fn take(
        self: &Arc<Self>,
        take: impl FnOnce(&mut State<D>) -> Result<Placed, AppendError>,
    ) -> Result<Appended<D>, AppendError> {
        let mut guard = self.lock();
        if let Some(successor) = self.successor() {
            drop(guard);
            return successor.take(take);
        }
        if self.is_deleted() {
            return Err(AppendError::LogDeleted);
        }
        if self.is_closed() {
            return Err(AppendError::LogDirOffline);
        }
        let state = &mut *guard;
        let placed = take(state)?;
        let log_start_offset = state.offsets.log_start();
        let must_drain = !state.queue.is_empty() && !state.is_writer_busy && !self.is_paused();
        state.is_writer_busy |= must_drain;
        let sharing = state.write_sharing;
        drop(guard);
        let Placed {
            base_offset,
            last_offset,
            log_append_time_ms,
            is_duplicate,
        } = placed;
        Ok(Appended {
            base_offset,
            last_offset,
            log_append_time_ms,
            log_start_offset,
            is_duplicate,
            drain: must_drain.then(|| Drain::new(Arc::clone(self), sharing)),
        })
    }
}

/// The place that batches have got; see [`Appended`].
struct Placed {
    base_offset: i64,
    last_offset: i64,
    log_append_time_ms: i64,
    is_duplicate: bool,
}

impl<D: Disk> State<D> {
    fn take_produced(
        &mut self,
        mut batch: Prepared,
        ctx: &AppendContext,
        terms: &TransactionTerms,
        config: &LogConfig,
    ) -> Result<Placed, AppendError> {
        let header = &mut batch.header;
        let verdict = self
            .producers
            .check(header, batch.marker.as_ref(), ctx.origin, terms)?;
        if let Verdict::Duplicate(known) = verdict {
            return Ok(Placed {
                base_offset: known.base_offset(),
                last_offset: known.last_offset,
                log_append_time_ms: append_time(header, known.timestamp),
                is_duplicate: true,
            });
        }
        check_fits(header, config)?;
        header.base_offset = self.next_offset;
        header.partition_leader_epoch = ctx.leader_epoch;
        let placed = Placed {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            log_append_time_ms: append_time(header, header.max_timestamp),
            is_duplicate: false,
        };
        self.enqueue(batch, ctx.now_ms, config);
        Ok(placed)
    }

    fn take_replicated(
        &mut self,
        prepared: Vec<Prepared>,
        ctx: &AppendContext,
        config: &LogConfig,
    ) -> Result<Placed, AppendError> {
        let mut next_offset = self.next_offset;
        for batch in &prepared {
            let found = batch.header.base_offset;
            let last = batch.header.last_offset();
            if found < next_offset || last < found || last == i64::MAX {
                return Err(AppendError::OffsetNotMonotonic {
                    found,
                    log_end: next_offset,
                });
            }
            check_fits(&batch.header, config)?;
            next_offset = batch.header.last_offset() + 1;
        }
        let base_offset = prepared
            .first()
            .map_or(next_offset, |batch| batch.header.base_offset);
        for batch in prepared {
            self.enqueue(batch, ctx.now_ms, config);
        }
        Ok(Placed {
            base_offset,
            last_offset: next_offset - 1,
            log_append_time_ms: NO_TIMESTAMP,
            is_duplicate: false,
        })
    }

    /// Queues a batch that has its offset.
    pub(crate) fn enqueue(&mut self, batch: Prepared, now_ms: i64, config: &LogConfig) {
        let Prepared {
            header,
            payload,
            marker,
        } = batch;
        #[cfg(test)]
        let (header, payload) = crate::proof::sabotage::change_payload(header, payload);
        let facts = BatchFacts {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
            bytes: header.size_bytes() as u64,
        };
        let mut steps = Steps::default();
        let is_due = self.is_roll_due && 0 < self.tail.bytes;
        if is_due || self.tail.must_roll(&facts, now_ms, config) {
            steps.roll = Some(self.roll_tail(facts.base_offset, now_ms, config));
        } else {
            self.note_mark_if_due(config.recovery_unflushed_bytes_max);
        }
        self.has_appended = true;
        steps.has_new_epoch = self
            .epochs
            .assign(header.partition_leader_epoch, facts.base_offset);
        steps.aborted = self.producers.apply(&header, marker.as_ref());
        let has_steps = steps.roll.is_some() || steps.has_new_epoch || steps.aborted.is_some();
        let position = self.tail.bytes;
        let entries = self.tail.add(&facts, config);
        let queued = QueuedBatch {
            base_offset: facts.base_offset,
            last_offset: facts.last_offset,
            position,
            bytes: facts.bytes,
            entries,
            appended_ms: now_ms,
            largest: Largest {
                timestamp: self.tail.max_timestamp,
                offset: self.tail.max_timestamp_offset,
            },
            steps: has_steps.then(|| Box::new(steps)),
        };
        self.next_offset = facts.last_offset + 1;
        self.queue
            .push(queued, Piece::batch(header.encode(), payload));
    }

    /// Ends the tail's segment and begins one at `base_offset`.
    pub(crate) fn roll_tail(&mut self, base_offset: i64, now_ms: i64, config: &LogConfig) -> Roll {
        self.is_roll_due = false;
        self.has_snapshots = true;
        let final_entries = NewEntries {
            offset: None,
            time: self.tail.final_time_entry(),
        };
        self.tail = SegmentTail::new(base_offset, now_ms);
        self.marks.on_roll();
        self.tail.jitter_ms = draw_jitter_ms(config);
        Roll {
            base_offset,
            final_entries,
            snapshot: encode_snapshot(&self.producers),
        }
    }
}

/// A random time below `segment.jitter.ms`, so that many partitions do not roll at once.
pub(crate) fn draw_jitter_ms(config: &LogConfig) -> i64 {
    let limit = config.segment_jitter_ms.min(config.segment_ms);
    if limit <= 0 {
        return 0;
    }
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    (random >> 1).cast_signed() % limit
}

fn append_time(header: &BatchHeader, time_ms: i64) -> i64 {
    match header.attributes.timestamp_type() {
        TimestampType::LogAppendTime => time_ms,
        TimestampType::CreateTime => NO_TIMESTAMP,
    }
}

fn check_fits(header: &BatchHeader, config: &LogConfig) -> Result<(), AppendError> {
    let bytes = header.size_bytes();
    if bytes <= config.segment_bytes_max() as usize {
        return Ok(());
    }
    Err(AppendError::RecordListTooLarge {
        bytes,
        segment_bytes: config.segment_bytes,
    })
}
