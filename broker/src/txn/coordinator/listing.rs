//! What administrators ask: DescribeTransactions and ListTransactions.

use std::sync::Arc;

use super::TransactionCoordinator;
use crate::txn::error::TxnError;
use crate::txn::producer::ProducerIdAndEpoch;
use crate::txn::state::TransactionState;
use crate::txn::topic_partition::TopicPartition;

/// A transactional id, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The producer that owns the id.
    pub producer: ProducerIdAndEpoch,
    /// The state.
    pub state: TransactionState,
    /// After this many milliseconds its transactions are aborted.
    pub timeout_ms: i32,
    /// When the last transaction began, ms since the epoch; -1 before the first.
    pub start_ms: i64,
    /// The partitions of the transaction that is open or being ended, in order.
    pub partitions: Vec<TopicPartition>,
}

/// A transactional id in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionListing {
    /// The id.
    pub transactional_id: Arc<str>,
    /// The producer id that owns it.
    pub producer_id: i64,
    /// The state.
    pub state: TransactionState,
}

/// Which ids to list; the default lists all.
#[derive(Clone, Copy, Debug)]
pub struct ListFilter<'a> {
    /// States to list; `None` for all. Empty lists nothing.
    pub states: Option<&'a [TransactionState]>,
    /// Producer ids to list; empty for all.
    pub producer_ids: &'a [i64],
    /// Lists transactions that began longer ago than this many milliseconds; negative for all.
    pub duration_ms: i64,
}

impl Default for ListFilter<'_> {
    fn default() -> Self {
        Self {
            states: None,
            producer_ids: &[],
            duration_ms: -1,
        }
    }
}

impl TransactionCoordinator {
    /// DescribeTransactions of one id.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty id, `TransactionalIdNotFound`.
    pub fn describe(&self, transactional_id: &str) -> Result<TransactionDescription, TxnError> {
        let shard = self.shard_of(transactional_id)?;
        let state = shard.lock_active()?;
        let entry = state.entries.get(transactional_id);
        let entry = entry.filter(|entry| !entry.transaction.is_unwritten());
        let entry = entry.ok_or(TxnError::TransactionalIdNotFound)?;
        let metadata = entry.transaction.metadata();
        Ok(TransactionDescription {
            producer: metadata.producer(),
            state: metadata.state,
            timeout_ms: metadata.timeout_ms,
            start_ms: metadata.start_ms,
            partitions: metadata.partitions.iter().cloned().collect(),
        })
    }

    /// ListTransactions: the ids coordinated here that pass the filter and whose name `is_wanted`.
    ///
    /// # Errors
    /// `CoordinatorLoadInProgress` while a partition is being read back: the list would be
    /// incomplete.
    pub fn list(
        &self,
        filter: ListFilter<'_>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<TransactionListing>, TxnError> {
        if self.is_loading() {
            return Err(TxnError::CoordinatorLoadInProgress);
        }
        let now_ms = self.inner.environment.now_ms();
        let mut listed = Vec::new();
        for shard in self.active_shards() {
            let state = shard.lock();
            for (id, entry) in &state.entries {
                let metadata = entry.transaction.metadata();
                let age_ms = now_ms.saturating_sub(metadata.start_ms);
                let passes = !entry.transaction.is_unwritten()
                    && filter
                        .states
                        .is_none_or(|states| states.contains(&metadata.state))
                    && (filter.producer_ids.is_empty()
                        || filter.producer_ids.contains(&metadata.producer_id))
                    && (filter.duration_ms < 0 || filter.duration_ms < age_ms)
                    && is_wanted(id);
                if passes {
                    listed.push(TransactionListing {
                        transactional_id: Arc::clone(id),
                        producer_id: metadata.producer_id,
                        state: metadata.state,
                    });
                }
            }
        }
        Ok(listed)
    }
}
