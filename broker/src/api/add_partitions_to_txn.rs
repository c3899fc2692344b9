//! AddPartitionsToTxn (24): partitions join a transaction, or are looked for in it.
//!
//! Versions 0-3 come from clients and have one transaction; versions 4 and 5 come from brokers on
//! behalf of clients (KIP-890), have several, and may only verify. A partition that does not exist
//! fails its whole transaction: the others get OPERATION_NOT_ATTEMPTED. Kafka:
//! `KafkaApis.handleAddPartitionsToTxnRequest`.

use std::sync::Arc;

use futures_util::future::join_all;
use ringbrook_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ringbrook_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use ringbrook_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::error::NONE;
use super::txn_error::txn_code;
use crate::controller::MetadataImage;
use crate::txn::{ProducerIdAndEpoch, TopicPartition, TransactionCoordinator};

/// First version with several transactions.
const BATCH_VERSION: i16 = 4;
/// First version that knows PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;
/// The transaction protocol of clients that add their partitions themselves.
const CLIENT_ADDS: i16 = 0;
/// The transaction protocol of clients whose partitions are added for them.
const BROKER_ADDS: i16 = 2;

/// One transaction of a request.
struct Transaction {
    transactional_id: StrBytes,
    producer: ProducerIdAndEpoch,
    is_verify_only: bool,
    topics: Vec<AddPartitionsToTxnTopic>,
}

/// Adds or verifies the partitions of every transaction; transactions do not wait for each other.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let response = AddPartitionsToTxnResponse::default();
    let version = ctx.api_version;
    let image = ctx.broker().image();
    let coordinator = &ctx.broker().transactions;
    if version < BATCH_VERSION {
        let transaction = Transaction {
            transactional_id: request.v3_and_below_transactional_id.0,
            producer: ProducerIdAndEpoch::new(
                request.v3_and_below_producer_id.0,
                request.v3_and_below_producer_epoch,
            ),
            is_verify_only: false,
            topics: request.v3_and_below_topics,
        };
        let codes = codes(coordinator, &image, &transaction, version).await;
        let results = results(&transaction.topics, &codes);
        return response.with_results_by_topic_v3_and_below(results);
    }
    let transactions = request.transactions.into_iter().map(|transaction| {
        let transaction = Transaction {
            transactional_id: transaction.transactional_id.0,
            producer: ProducerIdAndEpoch::new(
                transaction.producer_id.0,
                transaction.producer_epoch,
            ),
            is_verify_only: transaction.verify_only,
            topics: transaction.topics,
        };
        let image = &image;
        async move {
            let codes = codes(coordinator, image, &transaction, version).await;
            let results = results(&transaction.topics, &codes);
            AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id.into())
                .with_topic_results(results)
        }
    });
    response.with_results_by_transaction(join_all(transactions).await)
}

/// The error code of each partition, in the order of the request.
async fn codes(
    coordinator: &TransactionCoordinator,
    image: &MetadataImage,
    transaction: &Transaction,
    version: i16,
) -> Vec<i16> {
    let is_known = |topic: &str, partition| image.partition(topic, partition).is_some();
    if let Some(refused) = unknown_partitions(is_known, &transaction.topics) {
        return refused;
    }
    let partitions = partitions(&transaction.topics);
    let id = transaction.transactional_id.as_str();
    let code = |error| txn_code(error, version, FENCED_FROM);
    if transaction.is_verify_only {
        let verified = coordinator.verify_partitions(id, transaction.producer, &partitions);
        return match verified {
            Ok(verified) => verified
                .into_iter()
                .map(|verified| verified.map_or_else(code, |()| NONE))
                .collect(),
            Err(error) => vec![code(error); partitions.len()],
        };
    }
    let protocol = if version < BATCH_VERSION {
        CLIENT_ADDS
    } else {
        BROKER_ADDS
    };
    let added = coordinator.add_partitions(id, transaction.producer, &partitions, protocol);
    vec![added.await.map_or_else(code, |()| NONE); partitions.len()]
}

/// The codes when a partition does not exist.
fn unknown_partitions(
    is_known: impl Fn(&str, i32) -> bool,
    topics: &[AddPartitionsToTxnTopic],
) -> Option<Vec<i16>> {
    let mut is_any_unknown = false;
    let mut codes = Vec::new();
    for topic in topics {
        for &partition in &topic.partitions {
            let is_known = is_known(&topic.name, partition);
            is_any_unknown |= !is_known;
            codes.push(if is_known {
                ResponseError::OperationNotAttempted.code()
            } else {
                ResponseError::UnknownTopicOrPartition.code()
            });
        }
    }
    is_any_unknown.then_some(codes)
}

/// The partitions, with names of their own: the request's are slices of its frame.
fn partitions(topics: &[AddPartitionsToTxnTopic]) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for topic in topics {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        let of_topic = topic.partitions.iter();
        partitions.extend(of_topic.map(|index| TopicPartition::new(Arc::clone(&name), *index)));
    }
    partitions
}

/// The results by topic; `codes` are in the order of the request's partitions.
fn results(
    topics: &[AddPartitionsToTxnTopic],
    codes: &[i16],
) -> Vec<AddPartitionsToTxnTopicResult> {
    let mut codes = codes.iter();
    let results = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().zip(codes.by_ref());
        let partitions = partitions.map(|(index, code)| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(*code)
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    results.collect()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;
    use ringbrook_protocol::messages::TopicName;

    use super::*;

    fn topics() -> Vec<AddPartitionsToTxnTopic> {
        let topic = |name, partitions| {
            AddPartitionsToTxnTopic::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partitions(partitions)
        };
        vec![
            topic("a", vec![3, 1]),
            topic("b", vec![]),
            topic("c", vec![0]),
        ]
    }

    #[test]
    fn codes_go_to_their_partitions() {
        let results = results(&topics(), &[0, 3, 55]);
        let found: Vec<_> = results
            .iter()
            .flat_map(|topic| {
                let partitions = topic.results_by_partition.iter();
                partitions.map(|it| {
                    (
                        topic.name.as_str(),
                        it.partition_index,
                        it.partition_error_code,
                    )
                })
            })
            .collect();
        assert_eq!(found, [("a", 3, 0), ("a", 1, 3), ("c", 0, 55)]);
        let partitions = partitions(&topics());
        let expected =
            [("a", 3), ("a", 1), ("c", 0)].map(|(name, it)| TopicPartition::new(name, it));
        assert_eq!(partitions, expected);
    }

    #[test]
    fn a_partition_that_does_not_exist_fails_the_others() {
        assert_eq!(unknown_partitions(|_, _| true, &topics()), None);
        let is_known = |topic: &str, partition| topic != "c" && partition == 1;
        assert_eq!(
            unknown_partitions(is_known, &topics()),
            Some(vec![3, 55, 3])
        );
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 0..=5 {
            let results = results(&topics(), &[0, 3, 55]);
            let response = AddPartitionsToTxnResponse::default();
            let response = if version < BATCH_VERSION {
                response.with_results_by_topic_v3_and_below(results)
            } else {
                let result = AddPartitionsToTxnResult::default().with_topic_results(results);
                response.with_results_by_transaction(vec![result])
            };
            response.encode(&mut BytesMut::new(), version).unwrap();
        }
    }
}
