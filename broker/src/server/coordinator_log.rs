//! A coordinator's storage: the partitions of its internal topic, served like any other.
//!
//! What a batch looks like is in `coordinator_batch`; here is where it goes and who waits for it.

use std::ops::Range;
use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use ringbrook_engine::{AppendError, Origin};
use ringbrook_record::Codec;

use super::coordinator_batch::{encode, visit_batches};
use super::{Broker, InternalTopic};
use crate::coordinator::{CoordinatorBatch, CoordinatorLog, CoordinatorLogError, LoadedEntry};
use crate::replica::{NotReached, NotServed, Partition};

/// What follows from the configuration of an internal topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct CoordinatorLogOptions {
    /// Partitions the topic will have once it is created.
    pub(super) partitions_default: i32,
    /// Codec of the coordinator's batches; markers have none.
    pub(super) codec: Codec,
    /// Bytes read at a time while the topic is loaded.
    pub(super) load_bytes: usize,
}

/// See the module's documentation.
pub(super) struct PartitionCoordinatorLog {
    broker: Weak<Broker>,
    topic: InternalTopic,
    options: CoordinatorLogOptions,
}

impl PartitionCoordinatorLog {
    /// The partitions of `topic`, which need not exist yet.
    pub(super) fn new(
        broker: Weak<Broker>,
        topic: InternalTopic,
        options: CoordinatorLogOptions,
    ) -> Self {
        Self {
            broker,
            topic,
            options,
        }
    }

    fn partition(&self, index: i32) -> Result<Arc<Partition>, CoordinatorLogError> {
        let broker = self
            .broker
            .upgrade()
            .ok_or(CoordinatorLogError::NotLeaderOrFollower)?;
        let served = broker.replicas.served();
        let partition = served.partition(self.topic.name(), index);
        partition.cloned().map_err(|error| match error {
            NotServed::StorageFailed => CoordinatorLogError::KafkaStorageError,
            NotServed::UnknownTopicOrPartition | NotServed::UnknownTopicId => {
                CoordinatorLogError::UnknownTopicOrPartition
            }
        })
    }

    fn append_batch(
        &self,
        partition: i32,
        batch: &CoordinatorBatch,
        now_ms: i64,
    ) -> Result<(Arc<Partition>, i64, i64), CoordinatorLogError> {
        let partition = self.partition(partition)?;
        let records = encode(batch, self.options.codec, now_ms)
            .map_err(|_| CoordinatorLogError::RecordListTooLarge)?;
        let appended = match batch {
            CoordinatorBatch::Records(_) => partition.append(records, Origin::Coordinator, now_ms),
            CoordinatorBatch::Transactional { guard, .. } => {
                partition.append_verified(records, Origin::Coordinator, now_ms, *guard)
            }
            CoordinatorBatch::Marker(marker) => {
                partition.append_marker(records, now_ms, marker.transaction_version)
            }
        };
        let appended = appended.map_err(|error| log_error(&error))?;
        Ok((partition, appended.base_offset, appended.last_offset + 1))
    }
}

impl CoordinatorLog for PartitionCoordinatorLog {
    fn partition_count(&self) -> i32 {
        let broker = self.broker.upgrade();
        let image = broker.as_ref().map(|broker| broker.image());
        let topic = image
            .as_ref()
            .and_then(|image| image.topic(self.topic.name()));
        topic.map_or(self.options.partitions_default, |topic| {
            topic.partition_count()
        })
    }

    fn append(
        &self,
        partition: i32,
        batch: CoordinatorBatch,
        now_ms: i64,
    ) -> LocalBoxFuture<'static, Result<i64, CoordinatorLogError>> {
        let appended = self.append_batch(partition, &batch, now_ms);
        async move {
            let (partition, base_offset, end_offset) = appended?;
            match partition.committed(end_offset).await {
                Ok(()) => Ok(base_offset),
                Err(NotReached::StorageFailed) => Err(CoordinatorLogError::KafkaStorageError),
                Err(NotReached::Gone) => Err(CoordinatorLogError::NotLeaderOrFollower),
            }
        }
        .boxed_local()
    }

    fn read_all<'a>(
        &'a self,
        partition: i32,
        visit: &'a mut (dyn FnMut(LoadedEntry<'_>) + 'a),
    ) -> LocalBoxFuture<'a, Result<(), CoordinatorLogError>> {
        let topic = self.topic.name();
        async move {
            let partition = self.partition(partition)?;
            let end = partition.log().offsets().log_end;
            let mut next = partition.log().offsets().log_start;
            while next < end {
                let load_bytes = self.options.load_bytes;
                let bytes = read_blocking(topic, Arc::clone(&partition), next..end, load_bytes);
                let advanced = visit_batches(&bytes.await?, next, visit).map_err(|error| {
                    tracing::error!(topic, %error, "internal topic holds a damaged batch");
                    CoordinatorLogError::KafkaStorageError
                })?;
                if advanced <= next {
                    tracing::error!(
                        topic,
                        offset = next,
                        "internal topic cannot be read further"
                    );
                    return Err(CoordinatorLogError::KafkaStorageError);
                }
                next = advanced;
            }
            Ok(())
        }
        .boxed_local()
    }
}

async fn read_blocking(
    topic: &'static str,
    partition: Arc<Partition>,
    offsets: Range<i64>,
    max_bytes: usize,
) -> Result<Vec<u8>, CoordinatorLogError> {
    let read = move || {
        let log = partition.log();
        let slice = log.read_blocking(offsets.start, max_bytes, offsets.end, true)?;
        log.load_blocking(&slice)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            tracing::error!(topic, %error, "internal topic not readable");
            Err(CoordinatorLogError::KafkaStorageError)
        }
        Err(error) => {
            tracing::error!(topic, %error, "reading an internal topic panicked");
            Err(CoordinatorLogError::UnknownServerError)
        }
    }
}

fn log_error(error: &AppendError) -> CoordinatorLogError {
    match error {
        AppendError::MessageTooLarge { .. } => CoordinatorLogError::MessageTooLarge,
        AppendError::RecordListTooLarge { .. } => CoordinatorLogError::RecordListTooLarge,
        AppendError::LogDirOffline => CoordinatorLogError::KafkaStorageError,
        AppendError::InvalidProducerEpoch { .. } => CoordinatorLogError::InvalidProducerEpoch,
        AppendError::InvalidTxnState { .. } | AppendError::TransactionNotVerified { .. } => {
            CoordinatorLogError::InvalidTxnState
        }
        AppendError::TransactionCoordinatorFenced { .. } => {
            CoordinatorLogError::TransactionCoordinatorFenced
        }
        _ => CoordinatorLogError::UnknownServerError,
    }
}
