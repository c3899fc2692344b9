//! What the handles of a producer and its sender have in common.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::accumulator::{Accumulator, AccumulatorSettings, Appended, Destination};
use super::batch::RawRecord;
use super::delivery::{Callback, Delivery};
use super::sequences::Sequences;
use super::transaction::{Transactions, lock};
use crate::cluster::Cluster;
use crate::config::ProducerConfig;
use crate::error::ClientError;
use crate::metadata::TopicMetadata;

/// Shared by the handles and the sender. Locks are never held across an await, and the
/// accumulator's is taken before that of the sequences.
pub(super) struct Shared {
    pub(super) config: ProducerConfig,
    pub(super) cluster: Cluster,
    accumulator: Mutex<Accumulator>,
    /// None without idempotence.
    sequences: Option<Mutex<Sequences>>,
    /// None without `transactional.id`.
    pub(super) transactions: Option<Arc<Mutex<Transactions>>>,
    /// The sender has to look again.
    pub(super) wake: Notify,
    /// Those who wait for memory queue up here, and the first of them at `memory_freed`.
    memory_turn: tokio::sync::Mutex<()>,
    memory_freed: Notify,
    is_forced: AtomicBool,
    /// Whether the sender has ended.
    pub(super) ended: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(config: ProducerConfig, cluster: Cluster) -> Self {
        let settings = AccumulatorSettings::of(&config);
        let transactions = config
            .transactional_id
            .as_deref()
            .map(|id| Arc::new(Mutex::new(Transactions::new(id))));
        let is_transactional = transactions.is_some();
        let sequences = || Mutex::new(Sequences::new(is_transactional));
        let mut accumulator = Accumulator::new(settings);
        if let Some(transactions) = &transactions {
            accumulator = accumulator.with_transactions(Arc::clone(transactions));
        }
        Self {
            accumulator: Mutex::new(accumulator),
            transactions,
            sequences: config.is_idempotent().then(sequences),
            config,
            cluster,
            wake: Notify::new(),
            memory_turn: tokio::sync::Mutex::default(),
            memory_freed: Notify::new(),
            is_forced: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        }
    }

    pub(super) fn accumulator(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Producer id and sequence numbers; none without idempotence.
    pub(super) fn sequences(&self) -> Option<MutexGuard<'_, Sequences>> {
        let sequences = self.sequences.as_ref()?;
        Some(sequences.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// None without `transactional.id`. Taken last of all locks.
    pub(super) fn transactions(&self) -> Option<MutexGuard<'_, Transactions>> {
        self.transactions.as_deref().map(lock)
    }

    /// A record was refused. Without it a transaction is not whole, unless the application called
    /// at a wrong moment or has no bytes for it: it knows better then.
    pub(super) fn refused(&self, error: &ClientError) {
        let is_own = matches!(
            error,
            ClientError::IllegalState(_)
                | ClientError::Serialization { .. }
                | ClientError::TransactionAbortable(_)
                | ClientError::TransactionFatal(_)
                | ClientError::Closed(_)
        );
        if !is_own && let Some(mut transactions) = self.transactions() {
            transactions.refuse_record(error);
        }
    }

    /// Adds a record to a batch, waiting for memory until the deadline if need be.
    pub(super) async fn append(
        &self,
        topic: &TopicMetadata,
        destination: Destination,
        record: &RawRecord<'_>,
        callback: Option<Callback>,
        deadline: &mut Option<Instant>,
    ) -> Result<Delivery, ClientError> {
        match self.try_append(topic, destination, record, callback, false) {
            Appended::In { delivery, .. } => Ok(delivery),
            Appended::Refused(error) => Err(error),
            Appended::Exhausted(callback) => {
                let max_block = self.config.max_block;
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + max_block);
                let waiting = self.append_when_free(topic, destination, record, callback);
                tokio::time::timeout_at(deadline, waiting)
                    .await
                    .unwrap_or_else(|_| {
                        Err(ClientError::Timeout {
                            what: "waiting for memory of buffer.memory".to_owned(),
                            after: max_block,
                            last: None,
                        })
                    })
            }
        }
    }

    fn try_append(
        &self,
        topic: &TopicMetadata,
        destination: Destination,
        record: &RawRecord<'_>,
        callback: Option<Callback>,
        has_turn: bool,
    ) -> Appended {
        let now = Instant::now;
        let appended =
            self.accumulator()
                .append(topic, destination, record, callback, has_turn, now);
        if let Appended::In { wakes: true, .. } = appended {
            self.wake.notify_one();
        }
        appended
    }

    async fn append_when_free(
        &self,
        topic: &TopicMetadata,
        destination: Destination,
        record: &RawRecord<'_>,
        mut callback: Option<Callback>,
    ) -> Result<Delivery, ClientError> {
        let _waiting = Waiting::begin(self);
        let _turn = self.memory_turn.lock().await;
        loop {
            let freed = self.memory_freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.try_append(topic, destination, record, callback, true) {
                Appended::In { delivery, .. } => return Ok(delivery),
                Appended::Refused(error) => return Err(error),
                Appended::Exhausted(back) => callback = back,
            }
            freed.await;
        }
    }

    /// Memory was given back, or there will be none any more.
    pub(super) fn wake_memory_waiters(&self) {
        self.memory_freed.notify_waiters();
    }

    /// Takes no more records; what is there is still sent.
    pub(super) fn begin_close(&self) {
        self.accumulator().close();
        self.wake.notify_one();
        self.wake_memory_waiters();
    }

    /// Gives up what is not yet acknowledged.
    pub(super) fn force_close(&self) {
        self.is_forced.store(true, Ordering::Release);
        self.begin_close();
    }

    pub(super) fn is_forced(&self) -> bool {
        self.is_forced.load(Ordering::Acquire)
    }

    /// Waits until everything that was sent before is written or given up.
    pub(super) async fn flush(&self) {
        let _flushing = Flushing::begin(self);
        let incomplete = self.accumulator().incomplete();
        for outcome in incomplete {
            outcome.done().await;
        }
    }
}

/// Somebody waits for memory: batches are sent although they are not full.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.accumulator().wait_for_memory(true);
        shared.wake.notify_one();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.accumulator().wait_for_memory(false);
    }
}

/// Somebody flushes.
struct Flushing<'a>(&'a Shared);

impl<'a> Flushing<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.accumulator().flush(true);
        shared.wake.notify_one();
        Self(shared)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.accumulator().flush(false);
    }
}
