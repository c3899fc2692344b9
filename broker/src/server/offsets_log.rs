//! The group coordinator's storage: the partitions of `__consumer_offsets`, served like any other.

use std::ops::Range;
use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use ringbrook_engine::{AppendError, Origin};
use ringbrook_record::{BatchBuilder, Batches, Codec, RecordBuffer};

use super::Broker;
use crate::config::OffsetsConfig;
use crate::controller::topic_name::CONSUMER_OFFSETS;
use crate::group::{GroupError, LoadedRecord, OffsetsLog, OffsetsRecord};
use crate::replica::{NotServed, Partition, Reached};

/// What one batch of offsets may take decompressed.
const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// See the module's documentation.
pub(super) struct PartitionOffsetsLog {
    broker: Weak<Broker>,
    /// `offsets.topic.num.partitions`: what the topic will have once it is created.
    partitions_default: i32,
    /// `offsets.topic.compression.codec`.
    codec: Codec,
    /// `offsets.load.buffer.size`: bytes read at a time while groups are loaded.
    load_bytes: usize,
}

impl PartitionOffsetsLog {
    pub(super) fn new(broker: Weak<Broker>, config: &OffsetsConfig) -> Self {
        Self {
            broker,
            partitions_default: config.topic_partitions,
            codec: config.topic_compression,
            load_bytes: config.load_buffer_bytes,
        }
    }

    fn partition(&self, index: i32) -> Result<Arc<Partition>, GroupError> {
        let broker = self
            .broker
            .upgrade()
            .ok_or(GroupError::NotLeaderOrFollower)?;
        let served = broker.replicas.served();
        let partition = served.partition(CONSUMER_OFFSETS, index);
        partition.cloned().map_err(|error| match error {
            NotServed::StorageFailed => GroupError::KafkaStorageError,
            NotServed::UnknownTopicOrPartition | NotServed::UnknownTopicId => {
                GroupError::UnknownTopicOrPartition
            }
        })
    }

    fn batch(&self, records: &[OffsetsRecord], now_ms: i64) -> Result<bytes::Bytes, GroupError> {
        let mut batch = BatchBuilder::new();
        for record in records {
            batch
                .append(now_ms, Some(&record.key), record.value.as_deref(), [])
                .map_err(|_| GroupError::RecordListTooLarge)?;
        }
        let batch = batch
            .finish(self.codec, None)
            .map_err(|_| GroupError::RecordListTooLarge)?;
        Ok(batch.freeze())
    }

    fn append_batch(
        &self,
        partition: i32,
        records: &[OffsetsRecord],
        now_ms: i64,
    ) -> Result<(Arc<Partition>, i64, i64), GroupError> {
        let partition = self.partition(partition)?;
        let batch = self.batch(records, now_ms)?;
        let appended = partition.append(batch, Origin::Coordinator, now_ms);
        let appended = appended.map_err(|error| group_error(&error))?;
        Ok((partition, appended.base_offset, appended.last_offset + 1))
    }
}

impl OffsetsLog for PartitionOffsetsLog {
    fn partition_count(&self) -> i32 {
        let broker = self.broker.upgrade();
        let image = broker.as_ref().map(|broker| broker.image());
        let topic = image
            .as_ref()
            .and_then(|image| image.topic(CONSUMER_OFFSETS));
        topic.map_or(self.partitions_default, |topic| topic.partition_count())
    }

    fn append(
        &self,
        partition: i32,
        records: Vec<OffsetsRecord>,
        now_ms: i64,
    ) -> LocalBoxFuture<'static, Result<i64, GroupError>> {
        let appended = self.append_batch(partition, &records, now_ms);
        async move {
            let (partition, base_offset, end_offset) = appended?;
            let Some(committed) = partition.committed(end_offset) else {
                return Ok(base_offset);
            };
            match committed.await {
                Ok(Reached::Yes) => Ok(base_offset),
                Ok(Reached::StorageFailed) => Err(GroupError::KafkaStorageError),
                Ok(Reached::Gone) | Err(_) => Err(GroupError::NotLeaderOrFollower),
            }
        }
        .boxed_local()
    }

    fn read_all<'a>(
        &'a self,
        partition: i32,
        visit: &'a mut (dyn FnMut(LoadedRecord<'_>) + 'a),
    ) -> LocalBoxFuture<'a, Result<(), GroupError>> {
        async move {
            let partition = self.partition(partition)?;
            let end = partition.log().offsets().log_end;
            let mut next = partition.log().offsets().log_start;
            while next < end {
                let load_bytes = self.load_bytes;
                let bytes = read_blocking(Arc::clone(&partition), next..end, load_bytes).await?;
                match visit_batches(&bytes, next, visit)? {
                    advanced if next < advanced => next = advanced,
                    _ => {
                        tracing::error!(offset = next, "offsets topic cannot be read further");
                        return Err(GroupError::KafkaStorageError);
                    }
                }
            }
            Ok(())
        }
        .boxed_local()
    }
}

async fn read_blocking(
    partition: Arc<Partition>,
    offsets: Range<i64>,
    max_bytes: usize,
) -> Result<Vec<u8>, GroupError> {
    let read = move || {
        let log = partition.log();
        let slice = log.read_blocking(offsets.start, max_bytes, offsets.end, true)?;
        log.load_blocking(&slice)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            tracing::error!(%error, "offsets topic not readable");
            Err(GroupError::KafkaStorageError)
        }
        Err(error) => {
            tracing::error!(%error, "reading the offsets topic panicked");
            Err(GroupError::UnknownServerError)
        }
    }
}

/// Visits the records from offset `from` on; returns the offset behind the last whole batch.
fn visit_batches(
    bytes: &[u8],
    from: i64,
    visit: &mut (dyn FnMut(LoadedRecord<'_>) + '_),
) -> Result<i64, GroupError> {
    let damaged = |error: ringbrook_record::RecordError| {
        tracing::error!(%error, "offsets topic holds a damaged batch");
        GroupError::KafkaStorageError
    };
    let mut buffer = RecordBuffer::new();
    let mut next = from;
    for batch in Batches::new(bytes) {
        let batch = batch.map_err(damaged)?;
        next = batch.header.last_offset() + 1;
        if batch.header.attributes.is_control() {
            continue;
        }
        for record in batch
            .records(&mut buffer, BATCH_BYTES_MAX)
            .map_err(damaged)?
        {
            let record = record.map_err(damaged)?;
            let offset = batch.header.record_offset(record.offset_delta);
            if from <= offset {
                visit(LoadedRecord {
                    offset,
                    key: record.key,
                    value: record.value,
                });
            }
        }
    }
    Ok(next)
}

fn group_error(error: &AppendError) -> GroupError {
    match error {
        AppendError::MessageTooLarge { .. } => GroupError::MessageTooLarge,
        AppendError::RecordListTooLarge { .. } => GroupError::RecordListTooLarge,
        AppendError::LogDirOffline => GroupError::KafkaStorageError,
        _ => GroupError::UnknownServerError,
    }
}
