//! Writes the markers that end transactions into the partitions this broker leads, for its own
//! transaction coordinator and for WriteTxnMarkers. Those of `__consumer_offsets` go through the
//! group coordinator, which commits or forgets the offsets of the transaction as well.

use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use ringbrook_engine::AppendError;
use ringbrook_record::{Codec, RecordError};

use super::coordinator_batch::encode;
use super::{Broker, InternalTopic};
use crate::coordinator::{CoordinatorBatch, TransactionMarker};
use crate::group::GroupError;
use crate::replica::{NotReached, NotServed, Partition};
use crate::txn::{MarkerError, MarkerWriter, TopicPartition};

/// Why a marker was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MarkerFailure {
    /// The partition is not here.
    #[error("the partition is not served: {0:?}")]
    NotServed(NotServed),
    /// The log refused it.
    #[error(transparent)]
    Refused(#[from] AppendError),
    /// It was appended, but not committed.
    #[error("not committed: {0:?}")]
    NotCommitted(NotReached),
    /// The group coordinator could not take it.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// There is no such batch.
    #[error("cannot encode a marker: {0}")]
    Encoding(#[from] RecordError),
}

impl Broker {
    /// Appends the marker to a partition and resolves once it is committed there; in
    /// `__consumer_offsets`, once the offsets of the transaction are committed or forgotten. The
    /// order of calls is the order in the log.
    ///
    /// # Errors
    /// See [`MarkerFailure`].
    pub(crate) fn write_marker(
        self: &Arc<Self>,
        partition: &TopicPartition,
        marker: TransactionMarker,
    ) -> LocalBoxFuture<'static, Result<(), MarkerFailure>> {
        let served = self.replicas.served();
        let found = match served.partition(&partition.topic, partition.partition) {
            Ok(found) => Arc::clone(found),
            Err(error) => return ready(Err(MarkerFailure::NotServed(error))).boxed_local(),
        };
        if InternalTopic::named(&partition.topic) == Some(InternalTopic::ConsumerOffsets) {
            let broker = Arc::clone(self);
            return async move {
                let completed = broker.groups.complete_transaction(found.index(), marker);
                Ok(completed.await?)
            }
            .boxed_local();
        }
        // Here and not in the future, for the order.
        let appended = append(self, &found, marker);
        async move { committed(&found, appended?).await }.boxed_local()
    }
}

/// Appends the marker; returns the offset behind it.
fn append(
    broker: &Broker,
    partition: &Partition,
    marker: TransactionMarker,
) -> Result<i64, MarkerFailure> {
    let now_ms = broker.clock.now_ms();
    let batch = encode(&CoordinatorBatch::Marker(marker), Codec::None, now_ms)?;
    let appended = partition.append_marker(batch, now_ms, marker.transaction_version)?;
    Ok(appended.last_offset + 1)
}

/// Waits until the offsets below `end_offset` are committed.
async fn committed(partition: &Partition, end_offset: i64) -> Result<(), MarkerFailure> {
    let committed = partition.committed(end_offset).await;
    committed.map_err(MarkerFailure::NotCommitted)
}

/// The partitions of this broker, as the transaction coordinator sees them.
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
        let partition = partition.clone();
        let written = broker.write_marker(&partition, marker);
        async move {
            written.await.map_err(|failure| {
                let error = outlook(&failure, &broker, &partition);
                tracing::debug!(%partition, %failure, ?error, "marker not written");
                error
            })
        }
        .boxed_local()
    }
}

/// What is to be done about a marker that was not written.
fn outlook(failure: &MarkerFailure, broker: &Broker, partition: &TopicPartition) -> MarkerError {
    match failure {
        MarkerFailure::NotServed(
            NotServed::UnknownTopicOrPartition | NotServed::UnknownTopicId,
        ) => {
            // Perhaps it is only about to be served.
            let image = broker.controller.image();
            let known = image.partition(&partition.topic, partition.partition);
            known.map_or(MarkerError::Dropped, |_| MarkerError::Retriable)
        }
        MarkerFailure::Refused(
            AppendError::InvalidProducerEpoch { .. }
            | AppendError::TransactionCoordinatorFenced { .. },
        )
        | MarkerFailure::Group(
            GroupError::InvalidProducerEpoch | GroupError::TransactionCoordinatorFenced,
        ) => MarkerError::Fenced,
        _ => MarkerError::Retriable,
    }
}
