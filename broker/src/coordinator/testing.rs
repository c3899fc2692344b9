//! A coordinator's topic in memory, which can be held back and made to fail. For the tests of the
//! coordinators.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::future::{FutureExt, LocalBoxFuture, ready};
use tokio::sync::Notify;

use super::{
    CoordinatorBatch, CoordinatorLog, CoordinatorLogError, CoordinatorRecord, LoadedEntry,
    TransactionMarker,
};

/// The partitions every topic in memory has.
pub(crate) const PARTITIONS: i32 = 4;

/// A coordinator's topic in memory. Shared by the coordinator and its test.
#[derive(Default)]
pub(crate) struct MemoryLog {
    state: Mutex<LogState>,
    released: Notify,
}

#[derive(Default)]
struct LogState {
    partitions: HashMap<i32, Vec<Entry>>,
    /// Sizes of the batches appended so far; a marker counts as one record.
    batches: Vec<usize>,
    is_held: bool,
    error: Option<CoordinatorLogError>,
    /// Batches with more records are refused as too large.
    records_max: Option<usize>,
}

/// What takes one offset.
#[derive(Clone)]
enum Entry {
    Record(CoordinatorRecord, Option<(i64, i16)>),
    Marker(TransactionMarker),
}

impl MemoryLog {
    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().expect("no test panics under the lock")
    }

    /// Appends and reads wait from now on.
    pub(crate) fn hold(&self) {
        self.state().is_held = true;
    }

    /// Appends and reads go on.
    pub(crate) fn release(&self) {
        self.state().is_held = false;
        self.released.notify_waiters();
    }

    async fn until_released(&self) {
        loop {
            let released = self.released.notified();
            if !self.state().is_held {
                return;
            }
            released.await;
        }
    }

    /// Makes every append and read fail; `None` mends the log.
    pub(crate) fn fail_with(&self, error: Option<CoordinatorLogError>) {
        self.state().error = error;
    }

    /// Refuses batches of more records.
    pub(crate) fn limit_batches(&self, records_max: usize) {
        self.state().records_max = Some(records_max);
    }

    /// The sizes of the batches appended so far.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.state().batches.clone()
    }

    /// The records of a partition, those of transactions among them.
    pub(crate) fn records(&self, partition: i32) -> Vec<CoordinatorRecord> {
        let entries = self.entries(partition).into_iter();
        let records = entries.filter_map(|entry| match entry {
            Entry::Record(record, _) => Some(record),
            Entry::Marker(_) => None,
        });
        records.collect()
    }

    fn entries(&self, partition: i32) -> Vec<Entry> {
        let state = self.state();
        state
            .partitions
            .get(&partition)
            .cloned()
            .unwrap_or_default()
    }

    /// Puts a record into a partition as if it had been written long ago.
    pub(crate) fn push(&self, partition: i32, key: &[u8], value: Option<&[u8]>) {
        let record = CoordinatorRecord {
            key: Bytes::copy_from_slice(key),
            value: value.map(Bytes::copy_from_slice),
        };
        let mut state = self.state();
        let log = state.partitions.entry(partition).or_default();
        log.push(Entry::Record(record, None));
    }

    fn write(&self, partition: i32, batch: CoordinatorBatch) -> Result<i64, CoordinatorLogError> {
        let entries: Vec<Entry> = match batch {
            CoordinatorBatch::Records(records) => {
                let entries = records.into_iter();
                entries.map(|record| Entry::Record(record, None)).collect()
            }
            CoordinatorBatch::Transactional {
                records,
                producer_id,
                producer_epoch,
                ..
            } => {
                let producer = Some((producer_id, producer_epoch));
                let entries = records.into_iter();
                entries
                    .map(|record| Entry::Record(record, producer))
                    .collect()
            }
            CoordinatorBatch::Marker(marker) => vec![Entry::Marker(marker)],
        };
        assert!(!entries.is_empty(), "an empty batch is appended");
        let mut state = self.state();
        if let Some(error) = state.error {
            return Err(error);
        }
        if state.records_max.is_some_and(|max| max < entries.len()) {
            return Err(CoordinatorLogError::MessageTooLarge);
        }
        state.batches.push(entries.len());
        let log = state.partitions.entry(partition).or_default();
        let base_offset = i64::try_from(log.len()).unwrap();
        log.extend(entries);
        Ok(base_offset)
    }
}

/// Hands a shared log to a coordinator.
struct SharedLog(Arc<MemoryLog>);

impl CoordinatorLog for SharedLog {
    fn partition_count(&self) -> i32 {
        PARTITIONS
    }

    fn append(
        &self,
        partition: i32,
        batch: CoordinatorBatch,
        _now_ms: i64,
    ) -> LocalBoxFuture<'static, Result<i64, CoordinatorLogError>> {
        let log = Arc::clone(&self.0);
        if !log.state().is_held {
            return ready(log.write(partition, batch)).boxed_local();
        }
        async move {
            log.until_released().await;
            log.write(partition, batch)
        }
        .boxed_local()
    }

    fn read_all<'a>(
        &'a self,
        partition: i32,
        visit: &'a mut (dyn FnMut(LoadedEntry<'_>) + 'a),
    ) -> LocalBoxFuture<'a, Result<(), CoordinatorLogError>> {
        async move {
            self.0.until_released().await;
            let error = self.0.state().error;
            if let Some(error) = error {
                return Err(error);
            }
            for (offset, entry) in (0..).zip(self.0.entries(partition)) {
                match entry {
                    Entry::Record(record, producer) => visit(LoadedEntry::Record {
                        offset,
                        key: Some(&record.key),
                        value: record.value.as_deref(),
                        producer,
                    }),
                    Entry::Marker(marker) => visit(LoadedEntry::Marker {
                        offset,
                        producer_id: marker.producer_id,
                        producer_epoch: marker.producer_epoch,
                        is_commit: marker.is_commit,
                    }),
                }
            }
            Ok(())
        }
        .boxed_local()
    }
}

/// The log for a coordinator.
pub(crate) fn shared(log: &Arc<MemoryLog>) -> Arc<dyn CoordinatorLog> {
    Arc::new(SharedLog(Arc::clone(log)))
}
