//! The transaction coordinator: what the handlers of the transaction APIs call. Finds the shard of
//! a transactional id, gives it the request, and waits for the answer without holding anything.
//! The rules are in `transaction`, the storage behind `CoordinatorLog`. Timeouts and expiry are in
//! `timers`, what administrators ask in `listing`.

mod listing;
mod timers;

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use uuid::Uuid;

use super::config::{BUSY_WAIT, TxnConfig};
use super::drain;
use super::environment::{Environment, TxnParts};
use super::error::TxnError;
use super::loading::{LoadSummary, Loader};
use super::producer::ProducerIdAndEpoch;
use super::sender;
use super::shard::{Handled, Shard, ShardState};
use super::topic_partition::TopicPartition;
use super::transaction::{InitRequest, Outcome, Reply, Transaction};
use crate::coordinator::{LoadedEntry, partition_for_key};

pub use listing::{ListFilter, TransactionDescription, TransactionListing};

/// Bytes of the longest transactional id that its records can hold.
const TRANSACTIONAL_ID_BYTES_MAX: usize = 32_767;

/// A producer's request for a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitProducerId<'a> {
    /// The transactional id.
    pub transactional_id: &'a str,
    /// After this many milliseconds the producer's transactions are aborted.
    pub timeout_ms: i32,
    /// The producer that asks, if it goes on after an error (KIP-360).
    pub expected: Option<ProducerIdAndEpoch>,
}

/// Coordinates the transactional ids of the `__transaction_state` partitions that are loaded here.
///
/// Cheap to clone; every method may be called from any thread. Methods that may write start a task
/// with `tokio::task::spawn_local`, so they must be called on a runtime that may append to the
/// log: a core's runtime, inside its `LocalSet`.
#[derive(Clone)]
pub struct TransactionCoordinator {
    inner: Arc<Inner>,
}

struct Inner {
    environment: Arc<Environment>,
    shards: RwLock<HashMap<i32, Slot>>,
}

/// A partition this broker coordinates.
#[derive(Clone)]
enum Slot {
    /// Being read back; the id tells one load from the next.
    Loading(Uuid),
    Active(Arc<Shard>),
}

impl std::fmt::Debug for TransactionCoordinator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TransactionCoordinator")
            .finish_non_exhaustive()
    }
}

impl TransactionCoordinator {
    /// A coordinator that coordinates nothing until partitions are loaded.
    pub fn new(config: TxnConfig, parts: TxnParts) -> Self {
        let inner = Inner {
            environment: Arc::new(Environment::new(config, parts)),
            shards: RwLock::new(HashMap::new()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The partition of `__transaction_state` whose leader coordinates the id.
    pub fn partition_for(&self, transactional_id: &str) -> i32 {
        let log = &self.inner.environment.parts.log;
        partition_for_key(transactional_id, log.partition_count())
    }

    /// The counters, as text.
    pub fn counts(&self) -> impl std::fmt::Display + '_ {
        &self.inner.environment.metrics
    }

    /// Reads a partition back and coordinates its ids from then on, as the leader of
    /// `coordinator_epoch`; the markers of transactions that were decided but not completed are
    /// written. Until it returns, requests for these ids get `CoordinatorLoadInProgress`. Loading a
    /// loaded partition changes nothing; an unload meanwhile wins.
    ///
    /// # Errors
    /// What the log ran into, or `NotCoordinator` when the partition was unloaded meanwhile; the
    /// partition is then not coordinated.
    pub async fn load(
        &self,
        partition: i32,
        coordinator_epoch: i32,
    ) -> Result<LoadSummary, TxnError> {
        let load_id = Uuid::new_v4();
        {
            let mut shards = self.write_shards();
            if let Some(Slot::Active(_)) = shards.get(&partition) {
                return Ok(LoadSummary::default());
            }
            shards.insert(partition, Slot::Loading(load_id));
        }
        let environment = &self.inner.environment;
        let mut loader = Loader::default();
        let mut visit = |entry: LoadedEntry<'_>| loader.visit(entry);
        let read = environment.parts.log.read_all(partition, &mut visit).await;
        let mut shards = self.write_shards();
        if !matches!(shards.get(&partition), Some(Slot::Loading(id)) if *id == load_id) {
            return Err(TxnError::NotCoordinator);
        }
        if let Err(error) = read {
            shards.remove(&partition);
            return Err(error.into());
        }
        let (ids, summary) = loader.finish();
        let now_ms = environment.now_ms();
        let state = ShardState::loaded(Arc::clone(environment), coordinator_epoch, ids, now_ms);
        let shard = Arc::new(Shard::new(partition, state));
        shards.insert(partition, Slot::Active(Arc::clone(&shard)));
        drop(shards);
        self.carry_on(&shard);
        Ok(summary)
    }

    /// Coordinates the ids of the partition no longer; what is under way is answered with
    /// `NotCoordinator`.
    pub fn unload(&self, partition: i32) {
        let slot = self.write_shards().remove(&partition);
        if let Some(Slot::Active(shard)) = slot {
            shard.lock().unload();
        }
    }

    /// InitProducerId of a transactional producer. Resolves when the new epoch is on disk.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty id, `InvalidTransactionTimeout`, `ProducerFenced`;
    /// `ConcurrentTransactions` while a transaction of the id is being ended or aborted.
    pub async fn init_producer_id(&self, request: InitProducerId<'_>) -> Reply {
        let id = request.transactional_id;
        let shard = self.shard_of(id)?;
        let environment = &self.inner.environment;
        let max_timeout_ms = environment.config.max_timeout.as_millis();
        let timeout_ms = u128::try_from(request.timeout_ms).unwrap_or(0);
        if timeout_ms == 0 || max_timeout_ms < timeout_ms {
            return Err(TxnError::InvalidTransactionTimeout);
        }
        let version = environment.version();
        let init = InitRequest {
            timeout_ms: request.timeout_ms,
            expected: request.expected,
        };
        self.submit(
            &shard,
            id,
            Some(request.timeout_ms),
            |transaction, fresh| transaction.init(init, fresh, version, environment.now_ms()),
        )
        .await
    }

    /// AddPartitionsToTxn: partitions join the producer's transaction, which begins with the first
    /// ones. Resolves when that is on disk. `transaction_version` is what the producer speaks: 2
    /// when its partitions are added as it produces to them, 0 when it adds them itself.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidProducerIdMapping`, `ProducerFenced`; `ConcurrentTransactions`
    /// while another step of the id is under way that does not end within a moment.
    pub async fn add_partitions(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &[TopicPartition],
        transaction_version: i16,
    ) -> Result<(), TxnError> {
        let shard = self.shard_of(transactional_id)?;
        let environment = &self.inner.environment;
        let add = |transaction: &mut Transaction, _: Option<i64>| {
            let now_ms = environment.now_ms();
            transaction.add_partitions(producer, partitions, transaction_version, now_ms)
        };
        let added = self.submit(&shard, transactional_id, None, add).await;
        if added != Err(TxnError::ConcurrentTransactions) {
            return added.map(|_| ());
        }
        // The transaction before is being completed, as a rule: once more when that is done.
        let until_idle = shard.lock_active()?.until_idle(transactional_id);
        let is_idle = match until_idle {
            Some(idle) => tokio::time::timeout(BUSY_WAIT, idle).await.is_ok(),
            None => true,
        };
        if !is_idle {
            return Err(TxnError::ConcurrentTransactions);
        }
        let added = self.submit(&shard, transactional_id, None, add).await;
        added.map(|_| ())
    }

    /// Checks that the producer may write to partitions: each is part of its open transaction.
    ///
    /// # Errors
    /// As `add_partitions`; of each partition that is not part of it, `TransactionAbortable`.
    pub fn verify_partitions(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TxnError>>, TxnError> {
        let shard = self.shard_of(transactional_id)?;
        let state = shard.lock_active()?;
        let entry = state.entries.get(transactional_id);
        let entry = entry.ok_or(TxnError::InvalidProducerIdMapping)?;
        entry.transaction.verify_partitions(producer, partitions)
    }

    /// EndTxn: commits or aborts. Resolves to the producer as it may go on when the decision is on
    /// disk; the markers are written afterwards.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidProducerIdMapping`, `ProducerFenced`, `InvalidTxnState`;
    /// `ConcurrentTransactions` while another step of the id is under way.
    pub async fn end_txn(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        is_commit: bool,
        transaction_version: i16,
    ) -> Reply {
        let shard = self.shard_of(transactional_id)?;
        let now_ms = self.inner.environment.now_ms();
        self.submit(&shard, transactional_id, None, |transaction, fresh| {
            transaction.end(producer, is_commit, transaction_version, fresh, now_ms)
        })
        .await
    }

    /// Gives an event to an id and waits for the answer; once more with a fresh producer id when
    /// one is needed. With a timeout the id is created when it is missing.
    async fn submit(
        &self,
        shard: &Arc<Shard>,
        transactional_id: &str,
        timeout_of_new_ms: Option<i32>,
        event: impl Fn(&mut Transaction, Option<i64>) -> Outcome,
    ) -> Reply {
        let mut fresh = None;
        loop {
            let handled = {
                let mut state = shard.lock_active()?;
                let is_missing = !state.entries.contains_key(transactional_id);
                match (timeout_of_new_ms, fresh) {
                    (Some(_), None) if is_missing => Handled::ProducerIdNeeded,
                    (Some(timeout_ms), Some(producer_id)) if is_missing => {
                        state.create(transactional_id, producer_id, timeout_ms);
                        state.request(transactional_id, |it| event(it, fresh))?
                    }
                    _ => state.request(transactional_id, |it| event(it, fresh))?,
                }
            };
            match handled {
                Handled::Reply(reply) => return reply,
                Handled::Queued(receiver) => {
                    self.carry_on(shard);
                    // A dropped sender means that the drain has ended early.
                    return receiver.await.unwrap_or(Err(TxnError::NotCoordinator));
                }
                Handled::ProducerIdNeeded => {
                    let producer_ids = &self.inner.environment.parts.producer_ids;
                    fresh = Some(producer_ids.next().await?);
                }
            }
        }
    }

    /// The shard of an id.
    fn shard_of(&self, transactional_id: &str) -> Result<Arc<Shard>, TxnError> {
        if transactional_id.is_empty() || TRANSACTIONAL_ID_BYTES_MAX < transactional_id.len() {
            return Err(TxnError::InvalidRequest);
        }
        let partition = self.partition_for(transactional_id);
        let shards = self.read_shards();
        match shards.get(&partition) {
            Some(Slot::Active(shard)) => Ok(Arc::clone(shard)),
            Some(Slot::Loading(_)) => Err(TxnError::CoordinatorLoadInProgress),
            None => Err(TxnError::NotCoordinator),
        }
    }

    fn active_shards(&self) -> Vec<Arc<Shard>> {
        let shards = self.read_shards();
        let active = shards.values().filter_map(|slot| match slot {
            Slot::Active(shard) => Some(Arc::clone(shard)),
            Slot::Loading(_) => None,
        });
        active.collect()
    }

    fn is_loading(&self) -> bool {
        let shards = self.read_shards();
        shards.values().any(|slot| matches!(slot, Slot::Loading(_)))
    }

    /// Has appended and sent what a shard has queued.
    fn carry_on(&self, shard: &Arc<Shard>) {
        drain::start(shard, &self.inner.environment);
        sender::start(shard, &self.inner.environment);
    }

    fn read_shards(&self) -> std::sync::RwLockReadGuard<'_, HashMap<i32, Slot>> {
        let shards = self.inner.shards.read();
        shards.unwrap_or_else(PoisonError::into_inner)
    }

    fn write_shards(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<i32, Slot>> {
        let shards = self.inner.shards.write();
        shards.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
