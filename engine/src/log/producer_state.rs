//! Idempotent and transactional producers of one partition: which batch is a duplicate, which is
//! out of order, where the oldest open transaction begins. Pure; behind the partition log's lock.
//! (Kafka `ProducerStateManager`, `ProducerAppendInfo`; KIP-98, KIP-360.)
//!
//! [`ProducerState::check`] decides without changing anything, [`ProducerState::apply`] follows
//! when the batch has its offset. Not implemented: the verification of transactions v2 (KIP-890).

use std::collections::{BTreeMap, HashMap};

use ringbrook_record::{BatchHeader, EndTransactionMarker, NO_PRODUCER_EPOCH};

use super::producer_entry::{BatchMetadata, ProducerEntry};
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

/// The producers of one partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProducerState {
    producers: HashMap<i64, ProducerEntry>,
    /// First offsets of open transactions, with their producers.
    open: BTreeMap<i64, i64>,
    /// First offsets of ended transactions whose marker, the value, is not below the high
    /// watermark.
    unreplicated: BTreeMap<i64, i64>,
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

    /// Puts in a producer read from a snapshot.
    pub(crate) fn restore(&mut self, producer_id: i64, entry: ProducerEntry) {
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
    ) -> Result<Verdict, AppendError> {
        if !header.has_producer_id() || origin == Origin::Replica {
            return Ok(Verdict::Append);
        }
        let Some(entry) = self.producers.get(&header.producer_id) else {
            return Ok(Verdict::Append);
        };
        if origin == Origin::Client
            && let Some(batch) = entry.find_duplicate(header)
        {
            return Ok(Verdict::Duplicate(batch));
        }
        if header.producer_epoch < entry.epoch {
            return Err(AppendError::InvalidProducerEpoch {
                producer_id: header.producer_id,
                found: header.producer_epoch,
                current: entry.epoch,
            });
        }
        if let Some(marker) = marker {
            check_coordinator(header, marker, entry)?;
        } else if !header.attributes.is_control() {
            if origin == Origin::Client {
                check_sequence(header, entry)?;
            }
            if entry.txn_first_offset.is_some() && !header.attributes.is_transactional() {
                return Err(AppendError::InvalidTxnState {
                    producer_id: header.producer_id,
                });
            }
        }
        Ok(Verdict::Append)
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

    /// Forgets producers without an open transaction that wrote nothing for `expiration_ms`.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.retain(|_, entry| {
            entry.txn_first_offset.is_some()
                || now_ms.saturating_sub(entry.last_timestamp) < expiration_ms
        });
    }
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
    Err(AppendError::OutOfOrderSequence {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        found,
        expected,
    })
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
