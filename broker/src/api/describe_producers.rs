//! DescribeProducers (61): the producers that partitions remember, with their open transactions
//! (KIP-664).
//!
//! Version 0. Kafka: `KafkaApis.handleDescribeProducersRequest`.

use ringbrook_engine::ActiveProducer;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use ringbrook_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerId,
};

use super::RequestContext;
use super::error::{Failure, KafkaError};
use crate::controller::topic_name;

/// What stands for no open transaction.
const NO_TRANSACTION: i64 = -1;

/// Describes what is asked for.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let served = ctx.broker().replicas.served();
    let topics = request.topics.into_iter().map(|topic| {
        let refusal = if let Err(error) = topic_name::validate(&topic.name) {
            Some(Failure::from(&error))
        } else if served.image.topic(&topic.name).is_none() {
            let text = "This server does not host this topic-partition.";
            Some(Failure::new(ResponseError::UnknownTopicOrPartition, text))
        } else {
            None
        };
        let partitions = topic.partition_indexes.iter().map(|&index| {
            let response = PartitionResponse::default()
                .with_partition_index(index)
                .with_error_message(None);
            if let Some(refusal) = &refusal {
                return response
                    .with_error_code(refusal.error.code())
                    .with_error_message(refusal.message());
            }
            match served.partition(&topic.name, index) {
                Ok(partition) => {
                    let producers = partition.log().active_producers();
                    response.with_active_producers(producers.iter().map(described).collect())
                }
                Err(error) => response.with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn described(producer: &ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(producer.producer_epoch.into())
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp_ms)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.txn_start_offset.unwrap_or(NO_TRANSACTION))
}
