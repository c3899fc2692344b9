//! AddPartitionsToTxn: partitions join the transaction, or are looked for in it.

use super::{Outcome, Transaction};
use crate::txn::error::TxnError;
use crate::txn::producer::ProducerIdAndEpoch;
use crate::txn::state::TransactionState;
use crate::txn::topic_partition::TopicPartition;

impl Transaction {
    /// Partitions join the producer's transaction; the first ones begin it. `client_version` is the
    /// version of the transaction protocol that the producer speaks.
    pub(crate) fn add_partitions(
        &mut self,
        producer: ProducerIdAndEpoch,
        added: &[TopicPartition],
        client_version: i16,
        now_ms: i64,
    ) -> Outcome {
        // Before all else: the producer may be the next one, whose id is known to it already.
        if self.is_busy() {
            return Outcome::Reply(Err(TxnError::ConcurrentTransactions));
        }
        if let Err(error) = self.check_producer(producer) {
            return Outcome::Reply(Err(error));
        }
        let metadata = &self.metadata;
        if metadata.state.is_prepared() {
            return Outcome::Reply(Err(TxnError::ConcurrentTransactions));
        }
        let is_ongoing = metadata.state == TransactionState::Ongoing;
        if is_ongoing && added.iter().all(|it| metadata.partitions.contains(it)) {
            return Outcome::Reply(Ok(producer));
        }
        self.begin(metadata.with_partitions(added, client_version, now_ms));
        Outcome::Append(Ok(producer))
    }

    /// Checks that the producer may write to partitions: each is part of its transaction (KIP-890
    /// part 1). What is being appended does not count: it may fail.
    ///
    /// # Errors
    /// Who does not own the id is told so, and asked to try again while the transaction is ended.
    /// Of a partition that is not part of the transaction: `TransactionAbortable`.
    pub(crate) fn verify_partitions(
        &self,
        producer: ProducerIdAndEpoch,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TxnError>>, TxnError> {
        self.check_producer(producer)?;
        if self.metadata.state.is_prepared() {
            return Err(TxnError::ConcurrentTransactions);
        }
        let verified = partitions.iter().map(|partition| {
            if self.metadata.partitions.contains(partition) {
                Ok(())
            } else {
                Err(TxnError::TransactionAbortable)
            }
        });
        Ok(verified.collect())
    }
}
