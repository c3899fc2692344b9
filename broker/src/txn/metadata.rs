//! What is known about a transactional id: the content of one record of `__transaction_state`.
//! Plain data with the steps from one record to the next; which step is taken when is in
//! `transaction`. Kafka: `TransactionMetadata`, `TxnTransitMetadata`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::producer::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID, ProducerIdAndEpoch, is_epoch_exhausted};
use super::state::TransactionState;
use super::topic_partition::TopicPartition;

/// The start of a transaction that has not begun.
pub(crate) const NO_START_MS: i64 = -1;

/// First version of the transaction protocol in which every end of a transaction begins a new
/// epoch (KIP-890 part 2).
pub(crate) const EPOCH_BUMP_VERSION: i16 = 2;

/// A transactional id as of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransactionMetadata {
    pub(crate) producer_id: i64,
    /// The producer id before the step that led here: that of the record before.
    pub(crate) previous_producer_id: i64,
    /// The producer id that takes over once the markers are written; -1 for the same one.
    pub(crate) next_producer_id: i64,
    /// -1 until the id is written for the first time.
    pub(crate) producer_epoch: i16,
    /// The epoch a retry of the last epoch bump would name; -1 for none. Not stored.
    pub(crate) last_producer_epoch: i16,
    /// After this long a transaction is aborted; positive.
    pub(crate) timeout_ms: i32,
    pub(crate) state: TransactionState,
    /// The partitions of the transaction that is open or being ended.
    pub(crate) partitions: Arc<BTreeSet<TopicPartition>>,
    /// When the transaction began, ms since the epoch; -1 before the first one.
    pub(crate) start_ms: i64,
    /// When the record was made, ms since the epoch.
    pub(crate) last_update_ms: i64,
    /// Version of the transaction protocol that the last step was made with.
    pub(crate) client_version: i16,
}

impl TransactionMetadata {
    /// An id that has never been written.
    pub(crate) fn unwritten(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: Arc::default(),
            start_ms: NO_START_MS,
            last_update_ms: now_ms,
            client_version: 0,
        }
    }

    /// The producer that owns the id.
    pub(crate) const fn producer(&self) -> ProducerIdAndEpoch {
        ProducerIdAndEpoch::new(self.producer_id, self.producer_epoch)
    }

    pub(crate) const fn is_epoch_exhausted(&self) -> bool {
        is_epoch_exhausted(self.producer_epoch)
    }

    /// The same id a step further.
    fn step(&self, state: TransactionState, now_ms: i64) -> Self {
        Self {
            state,
            previous_producer_id: self.producer_id,
            last_update_ms: now_ms,
            ..self.clone()
        }
    }

    /// Given to a producer that starts afresh: no transaction, under `producer`.
    pub(crate) fn initialized(
        &self,
        producer: ProducerIdAndEpoch,
        last_producer_epoch: i16,
        timeout_ms: i32,
        now_ms: i64,
    ) -> Self {
        Self {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            last_producer_epoch,
            timeout_ms,
            partitions: Arc::default(),
            start_ms: NO_START_MS,
            ..self.step(TransactionState::Empty, now_ms)
        }
    }

    /// With more partitions in its transaction, which begins now unless it has begun.
    pub(crate) fn with_partitions(
        &self,
        added: &[TopicPartition],
        client_version: i16,
        now_ms: i64,
    ) -> Self {
        let mut partitions = BTreeSet::clone(&self.partitions);
        partitions.extend(added.iter().cloned());
        let is_begun = self.state == TransactionState::Ongoing;
        Self {
            partitions: Arc::new(partitions),
            start_ms: if is_begun { self.start_ms } else { now_ms },
            client_version,
            ..self.step(TransactionState::Ongoing, now_ms)
        }
    }

    /// Decided, by the rules of transactions v1: the epoch stays.
    pub(crate) fn prepared_v1(&self, is_commit: bool, now_ms: i64) -> Self {
        Self {
            client_version: 0,
            next_producer_id: NO_PRODUCER_ID,
            ..self.step(prepare_state(is_commit), now_ms)
        }
    }

    /// Decided, by the rules of transactions v2: a new epoch begins. `next_producer_id` takes over
    /// when the epochs of this one are used up. A transaction that has not begun begins now.
    pub(crate) fn prepared_v2(
        &self,
        is_commit: bool,
        client_version: i16,
        next_producer_id: i64,
        now_ms: i64,
    ) -> Self {
        let is_begun = self.state == TransactionState::Ongoing;
        Self {
            producer_epoch: next_epoch(self.producer_epoch),
            last_producer_epoch: self.producer_epoch,
            next_producer_id,
            start_ms: if is_begun { self.start_ms } else { now_ms },
            client_version,
            ..self.step(prepare_state(is_commit), now_ms)
        }
    }

    /// Decided: abort, under an epoch that fences the producer, by the rules of v1.
    pub(crate) fn fenced_v1(&self, now_ms: i64) -> Self {
        Self {
            producer_epoch: next_epoch(self.producer_epoch),
            last_producer_epoch: NO_PRODUCER_EPOCH,
            ..self.prepared_v1(false, now_ms)
        }
    }

    /// All markers are written. Where the epochs are used up, the next producer id takes over.
    pub(crate) fn completed(&self, now_ms: i64) -> Self {
        let state = match self.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            _ => TransactionState::CompleteAbort,
        };
        let producer = self.producer_after_markers();
        Self {
            producer_id: producer.producer_id,
            producer_epoch: producer.producer_epoch,
            next_producer_id: NO_PRODUCER_ID,
            partitions: Arc::default(),
            ..self.step(state, now_ms)
        }
    }

    /// The producer that may begin the next transaction.
    pub(crate) const fn producer_after_markers(&self) -> ProducerIdAndEpoch {
        if self.client_version < EPOCH_BUMP_VERSION || self.next_producer_id == NO_PRODUCER_ID {
            self.producer()
        } else {
            ProducerIdAndEpoch::new(self.next_producer_id, 0)
        }
    }

    /// About to be forgotten.
    pub(crate) fn dead(&self) -> Self {
        Self {
            partitions: Arc::default(),
            ..self.step(TransactionState::Dead, self.last_update_ms)
        }
    }
}

const fn prepare_state(is_commit: bool) -> TransactionState {
    if is_commit {
        TransactionState::PrepareCommit
    } else {
        TransactionState::PrepareAbort
    }
}

/// The epoch after this one. Nothing is begun under the reserved epoch, so there is one; a log
/// that claims otherwise must not bring the broker down.
const fn next_epoch(producer_epoch: i16) -> i16 {
    producer_epoch.saturating_add(1)
}
