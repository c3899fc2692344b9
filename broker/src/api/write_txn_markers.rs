//! WriteTxnMarkers (27): ends transactions in partitions of this broker. Sent by transaction
//! coordinators on other brokers, and by administrators to end a transaction that hangs
//! (`kafka-transactions --abort`).
//!
//! Version 1, whose markers tell no transaction version: the epoch of a marker may equal the
//! transaction's. Answered when the markers are committed. Kafka:
//! `KafkaApis.handleWriteTxnMarkersRequest`.

use std::sync::Arc;

use futures_util::future::join_all;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::write_txn_markers_request::WritableTxnMarker;
use ringbrook_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use ringbrook_protocol::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

use super::RequestContext;
use super::error::{KafkaError, NONE};
use crate::coordinator::TransactionMarker;
use crate::group::GroupError;
use crate::replica::NotServed;
use crate::server::MarkerFailure;
use crate::txn::TopicPartition;

/// Nothing is said of the transaction's protocol.
const UNKNOWN_VERSION: i16 = -1;

/// Writes all markers; those of different partitions do not wait for each other.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let mut writes = Vec::new();
    for marker in &request.markers {
        let of_producer = end_of(marker);
        for topic in &marker.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            for &index in &topic.partition_indexes {
                let partition = TopicPartition::new(Arc::clone(&name), index);
                writes.push(ctx.broker().write_marker(&partition, of_producer));
            }
        }
    }
    let outcomes = join_all(writes).await;
    let codes: Vec<i16> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map_or_else(KafkaError::code, |()| NONE))
        .collect();
    WriteTxnMarkersResponse::default().with_markers(results(&request.markers, &codes))
}

fn end_of(marker: &WritableTxnMarker) -> TransactionMarker {
    TransactionMarker {
        producer_id: marker.producer_id.0,
        producer_epoch: marker.producer_epoch,
        coordinator_epoch: marker.coordinator_epoch,
        is_commit: marker.transaction_result,
        transaction_version: UNKNOWN_VERSION,
    }
}

/// One result per producer, also when it has several markers; `codes` are in the request's order.
fn results(markers: &[WritableTxnMarker], codes: &[i16]) -> Vec<WritableTxnMarkerResult> {
    let mut codes = codes.iter();
    let mut results: Vec<WritableTxnMarkerResult> = Vec::with_capacity(markers.len());
    for marker in markers {
        let topics = marker.topics.iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().zip(codes.by_ref());
            let partitions = partitions.map(|(index, code)| {
                WritableTxnMarkerPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(*code)
            });
            WritableTxnMarkerTopicResult::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        let topics: Vec<_> = topics.collect();
        match results
            .iter_mut()
            .find(|known| known.producer_id == marker.producer_id)
        {
            Some(known) => known.topics.extend(topics),
            None => results.push(
                WritableTxnMarkerResult::default()
                    .with_producer_id(marker.producer_id)
                    .with_topics(topics),
            ),
        }
    }
    results
}

impl KafkaError for MarkerFailure {
    fn kafka_error(&self) -> ResponseError {
        match self {
            // Kafka does not tell a partition in an offline log dir from one it does not have.
            MarkerFailure::NotServed(
                NotServed::UnknownTopicOrPartition
                | NotServed::UnknownTopicId
                | NotServed::StorageFailed,
            ) => ResponseError::UnknownTopicOrPartition,
            MarkerFailure::Refused(error) => error.kafka_error(),
            MarkerFailure::NotCommitted(error) => error.kafka_error(),
            // A transaction coordinator looks for leaders, not for group coordinators.
            MarkerFailure::Group(
                GroupError::CoordinatorNotAvailable
                | GroupError::CoordinatorLoadInProgress
                | GroupError::NotCoordinator,
            ) => ResponseError::NotLeaderOrFollower,
            MarkerFailure::Group(error) => ResponseError::try_from_code(error.kafka_code())
                .unwrap_or(ResponseError::UnknownServerError),
            MarkerFailure::Encoding(_) => ResponseError::UnknownServerError,
        }
    }
}

#[cfg(test)]
mod tests {
    use ringbrook_protocol::StrBytes;
    use ringbrook_protocol::messages::write_txn_markers_request::WritableTxnMarkerTopic;
    use ringbrook_protocol::messages::{ProducerId, TopicName};

    use super::*;

    #[test]
    fn codes_go_to_their_partitions_and_markers_to_their_producers() {
        let marker = |producer_id, partitions| {
            let topic = WritableTxnMarkerTopic::default()
                .with_name(TopicName(StrBytes::from_static_str("t")))
                .with_partition_indexes(partitions);
            WritableTxnMarker::default()
                .with_producer_id(ProducerId(producer_id))
                .with_topics(vec![topic])
        };
        let markers = [
            marker(1, vec![4, 2]),
            marker(2, vec![2]),
            marker(1, vec![0]),
        ];
        let results = results(&markers, &[0, 3, 47, 52]);
        let flat: Vec<_> = results
            .iter()
            .flat_map(|result| {
                let topics = result.topics.iter().flat_map(|topic| &topic.partitions);
                topics.map(|it| (result.producer_id.0, it.partition_index, it.error_code))
            })
            .collect();
        assert_eq!(flat, [(1, 4, 0), (1, 2, 3), (1, 0, 52), (2, 2, 47)]);
    }

    #[test]
    fn a_group_coordinator_that_is_away_is_a_leader_that_is_away() {
        let away = MarkerFailure::Group(GroupError::CoordinatorLoadInProgress);
        assert_eq!(away.kafka_error(), ResponseError::NotLeaderOrFollower);
        let fenced = MarkerFailure::Group(GroupError::InvalidProducerEpoch);
        assert_eq!(fenced.kafka_error(), ResponseError::InvalidProducerEpoch);
    }
}
