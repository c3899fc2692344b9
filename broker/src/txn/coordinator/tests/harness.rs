//! A coordinator over a log in memory, with partitions that take, hold or refuse markers.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicI16, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use ringbrook_engine::{Clock, ManualClock};
use tokio::sync::Notify;

use crate::coordinator::testing::{MemoryLog, PARTITIONS, shared};
use crate::coordinator::{TransactionMarker, partition_for_key};
use crate::txn::metadata::TransactionMetadata;
use crate::txn::schema::{RecordKey, decode_value, encode_key};
use crate::txn::{
    InitProducerId, MarkerError, MarkerWriter, ProducerIdAndEpoch, ProducerIds, TopicPartition,
    TransactionCoordinator, TransactionState, TransactionVersion, TxnConfig, TxnError, TxnParts,
};

pub(super) const TIMEOUT_MS: i32 = 60_000;
/// The epoch in which partitions are loaded.
pub(super) const COORDINATOR_EPOCH: i32 = 4;

/// Partitions that take markers. Shared by the coordinator and its test.
#[derive(Default)]
pub(super) struct FakePartitions {
    state: Mutex<PartitionsState>,
    released: Notify,
}

#[derive(Default)]
struct PartitionsState {
    written: Vec<(TopicPartition, TransactionMarker)>,
    /// What a partition answers instead of taking the marker, and how often.
    refusals: HashMap<TopicPartition, (MarkerError, usize)>,
    is_held: bool,
    under_way: usize,
    most_under_way: usize,
}

impl FakePartitions {
    fn state(&self) -> MutexGuard<'_, PartitionsState> {
        self.state.lock().expect("no test panics under the lock")
    }

    /// Markers wait from now on.
    pub(super) fn hold(&self) {
        self.state().is_held = true;
    }

    pub(super) fn release(&self) {
        self.state().is_held = false;
        self.released.notify_waiters();
    }

    /// The partition refuses the next markers.
    pub(super) fn refuse(&self, partition: &TopicPartition, error: MarkerError, times: usize) {
        let refusal = (error, times);
        self.state().refusals.insert(partition.clone(), refusal);
    }

    /// The markers taken so far, in their order.
    pub(super) fn written(&self) -> Vec<(TopicPartition, TransactionMarker)> {
        self.state().written.clone()
    }

    pub(super) fn under_way(&self) -> usize {
        self.state().under_way
    }

    pub(super) fn most_under_way(&self) -> usize {
        self.state().most_under_way
    }

    async fn take(
        &self,
        partition: TopicPartition,
        marker: TransactionMarker,
    ) -> Result<(), MarkerError> {
        {
            let mut state = self.state();
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
        }
        loop {
            let released = self.released.notified();
            if !self.state().is_held {
                break;
            }
            released.await;
        }
        let mut state = self.state();
        state.under_way -= 1;
        if let Some((error, times)) = state.refusals.get_mut(&partition)
            && 0 < *times
        {
            *times -= 1;
            return Err(*error);
        }
        state.written.push((partition, marker));
        Ok(())
    }
}

struct SharedPartitions(Arc<FakePartitions>);

impl MarkerWriter for SharedPartitions {
    fn write(
        &self,
        partition: &TopicPartition,
        marker: TransactionMarker,
    ) -> LocalBoxFuture<'static, Result<(), MarkerError>> {
        let partitions = Arc::clone(&self.0);
        let partition = partition.clone();
        async move { partitions.take(partition, marker).await }.boxed_local()
    }
}

/// Producer ids from 1000 on, until they run out.
pub(super) struct FakeIds {
    next: AtomicI64,
    pub(super) left: AtomicI64,
}

impl ProducerIds for FakeIds {
    fn next(&self) -> LocalBoxFuture<'_, Result<i64, TxnError>> {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        let next = if 0 < left {
            Ok(self.next.fetch_add(1, Ordering::Relaxed))
        } else {
            Err(TxnError::CoordinatorNotAvailable)
        };
        ready(next).boxed_local()
    }
}

struct SharedIds(Arc<FakeIds>);

impl ProducerIds for SharedIds {
    fn next(&self) -> LocalBoxFuture<'_, Result<i64, TxnError>> {
        self.0.next()
    }
}

struct SharedVersion(Arc<AtomicI16>);

impl TransactionVersion for SharedVersion {
    fn finalized(&self) -> i16 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A coordinator with all that it needs.
pub(super) struct Harness {
    pub(super) log: Arc<MemoryLog>,
    pub(super) partitions: Arc<FakePartitions>,
    pub(super) ids: Arc<FakeIds>,
    pub(super) version: Arc<AtomicI16>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) coordinator: TransactionCoordinator,
    config: TxnConfig,
}

impl Harness {
    pub(super) fn unloaded(config: TxnConfig, log: Arc<MemoryLog>) -> Self {
        let partitions: Arc<FakePartitions> = Arc::default();
        let ids = Arc::new(FakeIds {
            next: AtomicI64::new(1000),
            left: AtomicI64::new(i64::MAX),
        });
        let version = Arc::new(AtomicI16::new(2));
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let parts = TxnParts {
            log: shared(&log),
            markers: Arc::new(SharedPartitions(Arc::clone(&partitions))),
            producer_ids: Arc::new(SharedIds(Arc::clone(&ids))),
            version: Arc::new(SharedVersion(Arc::clone(&version))),
            clock: Arc::clone(&clock) as _,
        };
        let coordinator = TransactionCoordinator::new(config.clone(), parts);
        Self {
            log,
            partitions,
            ids,
            version,
            clock,
            coordinator,
            config,
        }
    }

    pub(super) async fn with_config(config: TxnConfig) -> Self {
        let harness = Self::unloaded(config, Arc::default());
        harness.load_all().await;
        harness
    }

    pub(super) async fn new() -> Self {
        Self::with_config(TxnConfig::default()).await
    }

    pub(super) async fn load_all(&self) {
        for partition in 0..PARTITIONS {
            let loaded = self.coordinator.load(partition, COORDINATOR_EPOCH).await;
            loaded.expect("the log can be read");
        }
    }

    /// Another coordinator that reads what this one wrote; nothing else is known to it.
    pub(super) fn successor(&self) -> Self {
        let successor = Self::unloaded(self.config.clone(), Arc::clone(&self.log));
        let ahead_ms = self.clock.now_ms() - successor.clock.now_ms();
        let ahead = Duration::from_millis(u64::try_from(ahead_ms).unwrap());
        successor.clock.advance(ahead);
        successor
    }

    pub(super) async fn restarted(&self) -> Self {
        let successor = self.successor();
        successor.load_all().await;
        successor
    }

    pub(super) async fn try_init(
        &self,
        id: &str,
        expected: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TxnError> {
        let request = InitProducerId {
            transactional_id: id,
            timeout_ms: TIMEOUT_MS,
            expected,
        };
        self.coordinator.init_producer_id(request).await
    }

    pub(super) async fn init(&self, id: &str) -> ProducerIdAndEpoch {
        self.try_init(id, None).await.expect("the id is free")
    }

    /// Begins a transaction over these partitions.
    pub(super) async fn begin(
        &self,
        id: &str,
        partitions: &[TopicPartition],
    ) -> ProducerIdAndEpoch {
        let producer = self.init(id).await;
        let added = self.coordinator.add_partitions(id, producer, partitions, 2);
        added.await.expect("the partitions can be added");
        producer
    }

    /// Adds partitions of `topic`.
    pub(super) async fn add(
        &self,
        id: &str,
        producer: ProducerIdAndEpoch,
        indexes: &[i32],
    ) -> Result<(), TxnError> {
        let partitions: Vec<_> = indexes.iter().copied().map(topic_partition).collect();
        let added = self
            .coordinator
            .add_partitions(id, producer, &partitions, 2);
        added.await
    }

    pub(super) async fn end(
        &self,
        id: &str,
        producer: ProducerIdAndEpoch,
        is_commit: bool,
    ) -> Result<ProducerIdAndEpoch, TxnError> {
        self.coordinator.end_txn(id, producer, is_commit, 2).await
    }

    /// Moves the clock and lets what waits for it run.
    pub(super) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        // Virtual time: the runtime's clock is paused and jumps.
        tokio::time::sleep(by).await;
        settle().await;
    }

    pub(super) fn state(&self, id: &str) -> TransactionState {
        self.coordinator
            .describe(id)
            .expect("the id is known")
            .state
    }

    /// What the log says about an id, record by record; a tombstone is `None`.
    pub(super) fn logged(&self, id: &str) -> Vec<Option<TransactionMetadata>> {
        let records = self.log.records(partition_of(id)).into_iter();
        let of_id = records.filter(|record| {
            let key = RecordKey::decode(&record.key).expect("the key can be read");
            key == RecordKey::TransactionalId(Arc::from(id))
        });
        let values = of_id.map(|record| {
            let value = record.value.as_deref();
            value.map(|value| decode_value(value).expect("the value can be read"))
        });
        values.collect()
    }

    /// The bytes of the last record of an id.
    pub(super) fn logged_value(&self, id: &str) -> Vec<u8> {
        let key = encode_key(id).expect("the id is short");
        let mut records = self.log.records(partition_of(id)).into_iter();
        let last = records.rfind(|record| record.key == key);
        last.and_then(|record| record.value)
            .expect("a value")
            .to_vec()
    }

    /// The states the log says an id went through.
    pub(super) fn logged_states(&self, id: &str) -> Vec<TransactionState> {
        let states = self.logged(id).into_iter();
        states
            .map(|record| record.map_or(TransactionState::Dead, |record| record.state))
            .collect()
    }
}

pub(super) fn partition_of(id: &str) -> i32 {
    partition_for_key(id, PARTITIONS)
}

/// Ids that all live in one partition.
pub(super) fn ids_of_one_partition(count: usize) -> Vec<String> {
    let ids = (0..).map(|number| format!("id-{number}"));
    let ids = ids.filter(|id| partition_of(id) == 0);
    ids.take(count).collect()
}

pub(super) fn topic_partition(index: i32) -> TopicPartition {
    TopicPartition::new("topic", index)
}

/// Runs a test the way a core runs, in virtual time: one thread, with a `LocalSet`.
pub(super) fn on_a_core<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    // A test that waits for ever is told so: virtual time jumps when nothing else can run.
    let limit = Duration::from_secs(60 * 24 * 3600);
    let test = async move { tokio::time::timeout(limit, test).await };
    let done = tokio::task::LocalSet::new().block_on(&runtime, test);
    done.expect("the test waits for what never comes")
}

/// Lets every task that can run do so.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Starts a request and leaves it running.
pub(super) fn start<T: 'static>(future: impl Future<Output = T> + 'static) -> Pending<T> {
    let answer = Rc::new(Cell::new(None));
    let slot = Rc::clone(&answer);
    let task = tokio::task::spawn_local(async move { slot.set(Some(future.await)) });
    Pending { answer, task }
}

/// A request under way.
pub(super) struct Pending<T> {
    answer: Rc<Cell<Option<T>>>,
    task: tokio::task::JoinHandle<()>,
}

impl<T> Pending<T> {
    /// The answer, if there is one by now.
    pub(super) async fn answer(&self) -> Option<T> {
        settle().await;
        self.answer.take()
    }

    /// The client goes away.
    pub(super) fn abandon(self) {
        self.task.abort();
    }
}
