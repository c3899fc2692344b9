//! Before a batch opens a transaction in a partition, the transaction coordinator has to know of it
//! (KIP-890): it is asked to verify that the partition is part of the transaction, or, with
//! transactions v2, to add it. Called by Produce and TxnOffsetCommit.
//!
//! Each attempt takes guards from the partitions first, so that an answer that comes too late is
//! worth nothing (`engine: log/verification.rs`). Kafka:
//! `ReplicaManager.maybeSendPartitionsToTransactionCoordinator`, `AddPartitionsToTxnManager`.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use ringbrook_engine::VerificationGuard;
use ringbrook_protocol::ResponseError;
use tokio::time::{Instant, sleep};

use crate::config::BrokerConfig;
use crate::txn::{ProducerIdAndEpoch, TopicPartition, TransactionCoordinator, TxnError};

#[cfg(test)]
mod tests;

/// What a client's version of a request lets it be told and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionSupport {
    /// Does not know TRANSACTION_ABORTABLE.
    OldErrors,
    /// Adds its partitions itself.
    Verify,
    /// Its partitions are added for it: transactions v2.
    Add,
}

impl TransactionSupport {
    /// What a client that sends this version of Produce knows.
    pub(super) fn of_produce(api_version: i16) -> Self {
        Self::of(api_version, 11)
    }

    /// What a client that sends this version of TxnOffsetCommit knows.
    pub(super) fn of_txn_offset_commit(api_version: i16) -> Self {
        Self::of(api_version, 4)
    }

    /// `verify` is the first version that knows TRANSACTION_ABORTABLE; the next one adds.
    fn of(api_version: i16, verify: i16) -> Self {
        if api_version < verify {
            Self::OldErrors
        } else if api_version == verify {
            Self::Verify
        } else {
            Self::Add
        }
    }

    /// Whether the producer uses transactions v2.
    pub(super) fn is_v2(self) -> bool {
        self == Self::Add
    }
}

/// Who asks, for which transaction.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// The producer's transactional id.
    pub(super) transactional_id: String,
    /// The producer.
    pub(super) producer: ProducerIdAndEpoch,
    /// What its client knows.
    pub(super) support: TransactionSupport,
}

/// How long and how often a coordinator that is busy with the transaction is asked again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    backoff: Duration,
    limit: Duration,
}

impl Patience {
    /// By `add.partitions.to.txn.retry.backoff.ms` and `...max.ms`.
    pub(super) fn of(config: &BrokerConfig) -> Self {
        let transactions = &config.transactions;
        Self {
            backoff: transactions.add_partitions_retry_backoff,
            limit: transactions.add_partitions_retry_backoff_max,
        }
    }
}

/// The part of the transaction coordinator that is needed here.
pub(super) trait TransactionPartitions {
    /// Adds partitions to the producer's transaction.
    fn add<'a>(
        &'a self,
        claim: &'a Claim,
        partitions: &'a [TopicPartition],
    ) -> LocalBoxFuture<'a, Result<(), TxnError>>;

    /// Whether each of the partitions is part of the producer's transaction.
    fn verify(
        &self,
        claim: &Claim,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TxnError>>, TxnError>;
}

impl TransactionPartitions for TransactionCoordinator {
    fn add<'a>(
        &'a self,
        claim: &'a Claim,
        partitions: &'a [TopicPartition],
    ) -> LocalBoxFuture<'a, Result<(), TxnError>> {
        const V2: i16 = 2;
        self.add_partitions(&claim.transactional_id, claim.producer, partitions, V2)
            .boxed_local()
    }

    fn verify(
        &self,
        claim: &Claim,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TxnError>>, TxnError> {
        self.verify_partitions(&claim.transactional_id, claim.producer, partitions)
    }
}

/// Whether a batch may be appended: with which guard, if it needs one, or why not.
pub(super) type Verdict<G = VerificationGuard> = Result<Option<G>, ResponseError>;

/// Finds out whether the transaction's batches may be appended to `partitions`: one verdict for
/// each. `begin` takes the guard of the partition with that index. The coordinator is not asked
/// about partitions that need none; while it is busy with the transaction before, transactions v2
/// wait for it as long as `patience` says.
pub(super) async fn check<G>(
    coordinator: &impl TransactionPartitions,
    claim: &Claim,
    partitions: &[TopicPartition],
    begin: impl Fn(usize) -> Verdict<G>,
    patience: Patience,
) -> Vec<Verdict<G>> {
    let mut give_up_at = None;
    loop {
        let mut verdicts: Vec<Verdict<G>> = (0..partitions.len()).map(&begin).collect();
        ask(coordinator, claim, partitions, &mut verdicts).await;
        let is_busy = verdicts
            .iter()
            .any(|verdict| matches!(verdict, Err(ResponseError::ConcurrentTransactions)));
        if !is_busy || !claim.support.is_v2() {
            return verdicts;
        }
        let now = Instant::now();
        if *give_up_at.get_or_insert(now + patience.limit) <= now {
            return verdicts;
        }
        sleep(patience.backoff).await;
    }
}

/// Asks about the partitions whose verdict has a guard, and replaces it where the answer is no.
async fn ask<G>(
    coordinator: &impl TransactionPartitions,
    claim: &Claim,
    partitions: &[TopicPartition],
    verdicts: &mut [Verdict<G>],
) {
    let (indexes, asked): (Vec<usize>, Vec<TopicPartition>) = partitions
        .iter()
        .enumerate()
        .filter(|(index, _)| matches!(verdicts[*index], Ok(Some(_))))
        .map(|(index, partition)| (index, partition.clone()))
        .unzip();
    if asked.is_empty() {
        return;
    }
    let answered = if claim.support.is_v2() {
        let added = coordinator.add(claim, &asked).await;
        added.map(|()| vec![Ok(()); asked.len()])
    } else {
        coordinator.verify(claim, &asked)
    };
    let answers = answered.unwrap_or_else(|error| vec![Err(error); asked.len()]);
    assert_eq!(answers.len(), asked.len(), "an answer for each partition");
    for (index, answer) in indexes.into_iter().zip(answers) {
        if let Err(error) = answer {
            verdicts[index] = Err(as_told(error, claim.support));
        }
    }
}

/// The coordinator's error in terms a producer expects from a partition's leader.
fn as_told(error: TxnError, support: TransactionSupport) -> ResponseError {
    match error {
        TxnError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        TxnError::TransactionAbortable if support == TransactionSupport::OldErrors => {
            ResponseError::InvalidTxnState
        }
        error => ResponseError::try_from_code(error.kafka_code())
            .unwrap_or(ResponseError::UnknownServerError),
    }
}
