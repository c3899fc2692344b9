//! Writes the markers that end transactions into the partitions this broker leads. Those of
//! `__consumer_offsets` go through the group coordinator, which commits or forgets the offsets of
//! the transaction as well.

use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use ringbrook_engine::AppendError;
use ringbrook_record::Codec;

use super::coordinator_batch::encode;
use super::{Broker, InternalTopic};
use crate::coordinator::{CoordinatorBatch, TransactionMarker};
use crate::group::GroupError;
use crate::replica::{NotServed, Partition, Reached};
use crate::txn::{MarkerError, MarkerWriter, TopicPartition};

/// See the module's documentation.
pub(super) struct PartitionMarkerWriter {
    broker: Weak<Broker>,
}

impl PartitionMarkerWriter {
    pub(super) fn new(broker: Weak<Broker>) -> Self {
        Self { broker }
    }
}

impl MarkerWriter for PartitionMarkerWriter {
    fn write(
        &self,
        partition: &TopicPartition,
        marker: TransactionMarker,
    ) -> LocalBoxFuture<'static, Result<(), MarkerError>> {
        let Some(broker) = self.broker.upgrade() else {
            return ready(Err(MarkerError::Retriable)).boxed_local();
        };
        let found = match find(&broker, partition) {
            Ok(found) => found,
            Err(error) => return ready(Err(error)).boxed_local(),
        };
        let topic = InternalTopic::named(&partition.topic);
        if topic == Some(InternalTopic::ConsumerOffsets) {
            return complete_offsets(broker, found.index(), marker).boxed_local();
        }
        // Here and not in the future: the order of the calls is the order in the log.
        let appended = append(&broker, &found, marker);
        async move { committed(&found, appended?).await }.boxed_local()
    }
}

/// The partition, if it is served here.
fn find(broker: &Broker, partition: &TopicPartition) -> Result<Arc<Partition>, MarkerError> {
    let served = broker.replicas.served();
    match served.partition(&partition.topic, partition.partition) {
        Ok(found) => Ok(Arc::clone(found)),
        Err(NotServed::StorageFailed) => Err(MarkerError::Retriable),
        Err(NotServed::UnknownTopicOrPartition | NotServed::UnknownTopicId) => {
            // Perhaps it is only about to be served.
            let image = broker.controller.image();
            let known = image.partition(&partition.topic, partition.partition);
            Err(known.map_or(MarkerError::Dropped, |_| MarkerError::Retriable))
        }
    }
}

/// Appends the marker; returns the offset behind it.
fn append(
    broker: &Broker,
    partition: &Partition,
    marker: TransactionMarker,
) -> Result<i64, MarkerError> {
    let now_ms = broker.clock.now_ms();
    let batch = encode(&CoordinatorBatch::Marker(marker), Codec::None, now_ms);
    let batch = batch.map_err(|error| {
        tracing::error!(%error, "cannot encode a marker");
        MarkerError::Retriable
    })?;
    match partition.append_marker(batch, now_ms, marker.transaction_version) {
        Ok(appended) => Ok(appended.last_offset + 1),
        Err(
            AppendError::InvalidProducerEpoch { .. }
            | AppendError::TransactionCoordinatorFenced { .. },
        ) => Err(MarkerError::Fenced),
        Err(error) => {
            let (topic, index) = (partition.topic(), partition.index());
            tracing::warn!(%topic, index, %error, "marker not appended");
            Err(MarkerError::Retriable)
        }
    }
}

/// Waits until the offsets below `end_offset` are committed.
async fn committed(partition: &Partition, end_offset: i64) -> Result<(), MarkerError> {
    let Some(committed) = partition.committed(end_offset) else {
        return Ok(());
    };
    match committed.await {
        Ok(Reached::Yes) => Ok(()),
        Ok(Reached::StorageFailed | Reached::Gone) | Err(_) => Err(MarkerError::Retriable),
    }
}

async fn complete_offsets(
    broker: Arc<Broker>,
    partition: i32,
    marker: TransactionMarker,
) -> Result<(), MarkerError> {
    let completed = broker.groups.complete_transaction(partition, marker);
    completed.await.map_err(|error| match error {
        GroupError::InvalidProducerEpoch | GroupError::TransactionCoordinatorFenced => {
            MarkerError::Fenced
        }
        error => {
            tracing::debug!(partition, %error, "offsets of a transaction not completed yet");
            MarkerError::Retriable
        }
    })
}
