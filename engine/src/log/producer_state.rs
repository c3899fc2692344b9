//! Idempotent and transactional producers of one partition: which batch is a duplicate, which is
//! out of order, where the oldest open transaction begins. Pure; behind the partition log's lock.
//! (Kafka `ProducerStateManager`, `ProducerAppendInfo`; KIP-98, KIP-360.)
//!
//! [`ProducerState::check`] decides without changing anything, [`ProducerState::apply`] follows
//! when the batch has its offset.

use std::collections::{BTreeMap, HashMap};

use ringbrook_record::{BatchHeader, EndTransactionMarker, NO_PRODUCER_EPOCH};

use super::producer_entry::{BatchMetadata, ProducerEntry};
use super::verification::{TransactionStart, VerificationGuard, Verifications};
use crate::error::AppendError;
use crate::index::AbortedTransaction;

/// Who appends; decides which rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer: every rule holds.
    Client,
    /// A coordinator writing to its topic or writing markers: no sequence numbers are enforced.
    Coordinator,
    /// A follower writing what its leader accepted: nothing is refused any more.
    Replica,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already.
    Duplicate(BatchMetadata),
}

/// What holds for a transactional batch or a marker beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TransactionTerms {
    /// The first batch of a transaction needs a guard.
    pub(crate) must_verify: bool,
    /// Proof that the transaction was verified.
    pub(crate) guard: Option<VerificationGuard>,
    /// The protocol of the transaction that a marker ends: from 2 on the epoch of a marker is above
    /// the one of the transaction.
    pub(crate) marker_version: i16,
}

/// From this `transaction.version` on a marker carries the next transaction's epoch (KIP-890).
const BUMPED_EPOCH_VERSION: i16 = 2;

/// The producers of one partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProducerState {
    producers: HashMap<i64, ProducerEntry>,
    /// First offsets of open transactions, with their producers.
    open: BTreeMap<i64, i64>,
    /// First offsets of ended transactions whose marker, the value, is not below the high
    /// watermark.
    unreplicated: BTreeMap<i64, i64>,
    verifications: Verifications,
}

impl ProducerState {
    /// Producers that are known.
    pub(crate) fn len(&self) -> usize {
        self.producers.len()
    }

    /// Producer ids with their states, in no order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (i64, &ProducerEntry)> {
        self.producers.iter().map(|(&id, entry)| (id, entry))
    }

    /// Puts in a producer read from a snapshot. What is known of it is an earlier state, of which
    /// only the batches count.
    pub(crate) fn restore(&mut self, producer_id: i64, mut entry: ProducerEntry) {
        if let Some(older) = self.producers.get(&producer_id) {
            entry.add_older(older);
            if let Some(first_offset) = older.txn_first_offset {
                self.open.remove(&first_offset);
            }
        }
        if let Some(first_offset) = entry.txn_first_offset {
            self.open.insert(first_offset, producer_id);
        }
        self.producers.insert(producer_id, entry);
    }

    /// Whether the batch may be appended, by the order of checks of Kafka's append.
    ///
    /// # Errors
    /// The refusals of an epoch, a sequence number or a transaction's state.
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        marker: Option<&EndTransactionMarker>,
        origin: Origin,
        terms: &TransactionTerms,
    ) -> Result<Verdict, AppendError> {
        if !header.has_producer_id() || origin == Origin::Replica {
            return Ok(Verdict::Append);
        }
        let entry = self.producers.get(&header.producer_id);
        if origin == Origin::Client
            && let Some(batch) = entry.and_then(|entry| entry.find_duplicate(header))
        {
            return Ok(Verdict::Duplicate(batch));
        }
        if let Some(entry) = entry {
            check_epoch(header, marker.is_some(), entry, terms.marker_version)?;
        }
        if let Some(marker) = marker {
            entry.map_or(Ok(()), |entry| check_coordinator(header, marker, entry))?;
        } else if !header.attributes.is_control() {
            if terms.must_verify && header.attributes.is_transactional() {
                self.check_verified(header, entry, terms.guard)?;
            }
            if origin == Origin::Client {
                self.check_order(header, entry)?;
            }
            let is_open = entry.is_some_and(|entry| entry.txn_first_offset.is_some());
            if is_open && !header.attributes.is_transactional() {
                return Err(AppendError::InvalidTxnState {
                    producer_id: header.producer_id,
                });
            }
        }
        Ok(Verdict::Append)
    }

    /// A transactional batch continues an open transaction of its epoch, or it was verified.
    fn check_verified(
        &self,
        header: &BatchHeader,
        entry: Option<&ProducerEntry>,
        guard: Option<VerificationGuard>,
    ) -> Result<(), AppendError> {
        let producer_id = header.producer_id;
        let is_open = entry.is_some_and(|entry| entry.has_open(header.producer_epoch));
        if is_open || self.verifications.is_verified(producer_id, guard) {
            return Ok(());
        }
        Err(AppendError::TransactionNotVerified { producer_id })
    }

    fn check_order(
        &self,
        header: &BatchHeader,
        entry: Option<&ProducerEntry>,
    ) -> Result<(), AppendError> {
        if let Some(verification) = self.verifications.get(header.producer_id) {
            let has_batches = entry.is_some_and(|entry| entry.last_batch().is_some());
            if let Some(expected) = verification.expected_sequence(header, has_batches) {
                return Err(out_of_order(header, expected));
            }
        }
        entry.map_or(Ok(()), |entry| check_sequence(header, entry))
    }

    /// The guard a transaction's first batch here has to be appended with, after the coordinator
    /// has confirmed the transaction; `None` when the producer's transaction is open here, so that
    /// nothing has to be confirmed.
    ///
    /// # Errors
    /// [`AppendError::InvalidProducerEpoch`] when the producer was fenced.
    pub(crate) fn begin_verification(
        &mut self,
        start: &TransactionStart,
        now_ms: i64,
    ) -> Result<Option<VerificationGuard>, AppendError> {
        if let Some(entry) = self.producers.get(&start.producer_id) {
            if start.producer_epoch < entry.epoch {
                return Err(AppendError::InvalidProducerEpoch {
                    producer_id: start.producer_id,
                    found: start.producer_epoch,
                    current: entry.epoch,
                });
            }
            if entry.has_open(start.producer_epoch) {
                return Ok(None);
            }
        }
        Ok(Some(self.verifications.begin(start, now_ms)))
    }

    /// Takes a batch into account that has its offsets. Returns the transaction an abort marker
    /// ended, for the transaction index.
    pub(crate) fn apply(
        &mut self,
        header: &BatchHeader,
        marker: Option<&EndTransactionMarker>,
    ) -> Option<AbortedTransaction> {
        if !header.has_producer_id() {
            return None;
        }
        if header.attributes.is_transactional() {
            self.verifications.on_appended(header);
        }
        let entry = self.producers.entry(header.producer_id).or_default();
        match marker {
            Some(marker) => {
                entry.set_epoch(header.producer_epoch);
                entry.coordinator_epoch = marker.coordinator_epoch;
                entry.last_timestamp = header.max_timestamp;
                let first_offset = entry.txn_first_offset.take()?;
                let ended = self.end_transaction(header, first_offset);
                (!marker.is_commit).then_some(ended)
            }
            None if header.attributes.is_control() => None,
            None => {
                entry.set_epoch(header.producer_epoch);
                entry.add_batch(BatchMetadata::of(header));
                if header.attributes.is_transactional() && entry.txn_first_offset.is_none() {
                    entry.txn_first_offset = Some(header.base_offset);
                    self.open.insert(header.base_offset, header.producer_id);
                }
                None
            }
        }
    }

    fn end_transaction(&mut self, marker: &BatchHeader, first_offset: i64) -> AbortedTransaction {
        let last_offset = marker.last_offset();
        self.open.remove(&first_offset);
        self.unreplicated.insert(first_offset, last_offset);
        let last_stable_offset = self
            .open
            .first_key_value()
            .map_or(last_offset + 1, |(&first, _)| first);
        AbortedTransaction {
            producer_id: marker.producer_id,
            first_offset,
            last_offset,
            last_stable_offset,
        }
    }

    /// The high watermark moved: ended transactions below it are stable.
    pub(crate) fn on_high_watermark(&mut self, high_watermark: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated
                .retain(|_, last_offset| high_watermark <= *last_offset);
        }
    }

    /// First offset of the oldest transaction that is open or whose end is not replicated.
    pub(crate) fn first_unstable(&self) -> Option<i64> {
        let open = self.open.first_key_value().map(|(&first, _)| first);
        let unreplicated = self.unreplicated.first_key_value().map(|(&first, _)| first);
        match (open, unreplicated) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Forgets producers without an open transaction that wrote nothing for `expiration_ms`, and
    /// verifications as old as that.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.verifications.expire(now_ms, expiration_ms);
        self.producers.retain(|_, entry| {
            entry.txn_first_offset.is_some()
                || now_ms.saturating_sub(entry.last_timestamp) < expiration_ms
        });
    }
}

/// A batch must not have an older epoch than its producer. With transactions v2 a marker's epoch is
/// above the transaction's; an equal one is the marker again, unless a transaction is open. The
/// highest epoch has nothing above it.
fn check_epoch(
    header: &BatchHeader,
    is_marker: bool,
    entry: &ProducerEntry,
    marker_version: i16,
) -> Result<(), AppendError> {
    let (found, current) = (header.producer_epoch, entry.epoch);
    let is_repeated = entry.txn_first_offset.is_none() || found == i16::MAX;
    let needs_more = is_marker && BUMPED_EPOCH_VERSION <= marker_version && !is_repeated;
    let is_accepted = if needs_more {
        current < found
    } else {
        current <= found
    };
    if is_accepted {
        return Ok(());
    }
    Err(AppendError::InvalidProducerEpoch {
        producer_id: header.producer_id,
        found,
        current,
    })
}

fn check_sequence(header: &BatchHeader, entry: &ProducerEntry) -> Result<(), AppendError> {
    let found = header.base_sequence;
    let expected = if header.producer_epoch != entry.epoch {
        if entry.epoch == NO_PRODUCER_EPOCH {
            return Ok(());
        }
        0
    } else {
        match entry.last_sequence() {
            i32::MAX => 0,
            last => last + 1,
        }
    };
    if found == expected {
        return Ok(());
    }
    Err(out_of_order(header, expected))
}

fn out_of_order(header: &BatchHeader, expected: i32) -> AppendError {
    AppendError::OutOfOrderSequence {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        found: header.base_sequence,
        expected,
    }
}

fn check_coordinator(
    header: &BatchHeader,
    marker: &EndTransactionMarker,
    entry: &ProducerEntry,
) -> Result<(), AppendError> {
    if entry.coordinator_epoch <= marker.coordinator_epoch {
        return Ok(());
    }
    Err(AppendError::TransactionCoordinatorFenced {
        producer_id: header.producer_id,
        found: marker.coordinator_epoch,
        current: entry.coordinator_epoch,
    })
}
