//! Ids in any state, and short names for what happens to them.

use crate::txn::metadata::TransactionMetadata;
use crate::txn::producer::ProducerIdAndEpoch;
use crate::txn::state::TransactionState;
use crate::txn::topic_partition::TopicPartition;
use crate::txn::transaction::{InitRequest, Next, Outcome, Transaction};

pub(super) const PRODUCER_ID: i64 = 1000;
pub(super) const FRESH_ID: i64 = 2000;
pub(super) const EPOCH: i16 = 5;
pub(super) const TIMEOUT_MS: i32 = 60_000;
pub(super) const START_MS: i64 = 10_000;
pub(super) const NOW_MS: i64 = 20_000;

/// States an id can be in between two steps.
pub(super) const STORED: [TransactionState; 6] = [
    TransactionState::Empty,
    TransactionState::Ongoing,
    TransactionState::PrepareCommit,
    TransactionState::PrepareAbort,
    TransactionState::CompleteCommit,
    TransactionState::CompleteAbort,
];

pub(super) fn producer(epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch::new(PRODUCER_ID, epoch)
}

pub(super) fn partition(name: &str) -> TopicPartition {
    TopicPartition::new(name, 0)
}

pub(super) fn metadata(state: TransactionState, epoch: i16) -> TransactionMetadata {
    let has_partitions = state == TransactionState::Ongoing || state.is_prepared();
    let partitions = [partition("a"), partition("b")].into_iter();
    TransactionMetadata {
        state,
        previous_producer_id: PRODUCER_ID,
        producer_epoch: epoch,
        partitions: std::sync::Arc::new(partitions.filter(|_| has_partitions).collect()),
        start_ms: START_MS,
        last_update_ms: START_MS,
        ..TransactionMetadata::unwritten(PRODUCER_ID, TIMEOUT_MS, START_MS)
    }
}

/// An id in this state with nothing under way; of a decided transaction the markers were given up.
pub(super) fn idle(metadata: TransactionMetadata) -> Transaction {
    let (mut transaction, next) = Transaction::loaded(metadata, NOW_MS);
    if next == Next::WriteMarkers {
        transaction.markers_given_up();
    }
    assert!(!transaction.is_busy());
    transaction
}

pub(super) fn in_state(state: TransactionState) -> Transaction {
    idle(metadata(state, EPOCH))
}

/// Ids with each kind of step under way, each with the state that it is in meanwhile.
pub(super) fn busy() -> Vec<Transaction> {
    let mut appending = in_state(TransactionState::Empty);
    let outcome = appending.add_partitions(producer(EPOCH), &[partition("a")], 0, NOW_MS);
    assert!(matches!(outcome, Outcome::Append(Ok(_))));
    let prepared = metadata(TransactionState::PrepareCommit, EPOCH);
    let (writing_markers, _) = Transaction::loaded(prepared.clone(), NOW_MS);
    let (mut completing, _) = Transaction::loaded(prepared, NOW_MS);
    write_all_markers(&mut completing);
    let mut completion_failed = completing.clone();
    assert_eq!(completion_failed.append_failed(), Next::RetryCompletion);
    vec![appending, writing_markers, completing, completion_failed]
}

pub(super) fn write_all_markers(transaction: &mut Transaction) {
    while transaction.is_writing_markers() {
        transaction.marker_written(NOW_MS);
    }
}

/// Appends and sends until nothing is under way.
pub(super) fn settle(transaction: &mut Transaction) {
    while transaction.is_busy() {
        if transaction.appending().is_some() {
            transaction.appended(NOW_MS);
        }
        write_all_markers(transaction);
    }
}

pub(super) const fn init(expected: Option<ProducerIdAndEpoch>) -> InitRequest {
    InitRequest {
        timeout_ms: TIMEOUT_MS,
        expected,
    }
}
