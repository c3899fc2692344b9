//! DescribeTopicPartitions (75): topics in pages, for clusters with very many partitions.
//!
//! Version 0 (KIP-966). Topics are answered in order of their names, from the cursor on; no list
//! means all. Kafka: `DescribeTopicPartitionsRequestHandler`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringbrook_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ringbrook_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::error::KafkaError;
use super::metadata::ALL_TOPIC_OPERATIONS;
use super::offline_partitions::OfflinePartitions;
use crate::controller::MetadataImage;
use crate::controller::image::{PartitionImage, TopicImage};
use crate::controller::topic_name::{self, is_internal};

/// Answers with one page.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = ctx.broker().image();
    let names: BTreeSet<String> = if request.topics.is_empty() {
        image.topics().map(|topic| topic.name.to_string()).collect()
    } else {
        request
            .topics
            .iter()
            .map(|topic| topic.name.to_string())
            .collect()
    };
    let (first_topic, mut first_partition) = match &request.cursor {
        Some(cursor) => (
            cursor.topic_name.to_string(),
            usize::try_from(cursor.partition_index).unwrap_or(0),
        ),
        None => (String::new(), 0),
    };
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let limit_max = ctx
        .broker()
        .config()
        .topics
        .max_request_partition_size_limit;
    let mut remaining = limit.clamp(1, limit_max.max(1));
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.range(first_topic.clone()..) {
        if *name != first_topic {
            first_partition = 0;
        }
        if remaining == 0 {
            response.next_cursor = Some(cursor(name, 0));
            break;
        }
        let (topic, described) = page(&ctx, &image, name, first_partition, remaining);
        let end = first_partition + described;
        remaining -= described;
        response.topics.push(topic);
        let partitions = image.topic(name).map_or(0, |topic| topic.partitions.len());
        if end < partitions {
            response.next_cursor = Some(cursor(name, end));
            break;
        }
    }
    response
}

fn cursor(topic: &str, partition: usize) -> Cursor {
    Cursor::default()
        .with_topic_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_index(i32::try_from(partition).unwrap_or(i32::MAX))
}

/// At most `count` partitions of a topic from `first` on, and how many they are.
fn page(
    ctx: &RequestContext,
    image: &MetadataImage,
    name: &str,
    first: usize,
    count: usize,
) -> (DescribeTopicPartitionsResponseTopic, usize) {
    let answer = DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_is_internal(is_internal(name))
        .with_topic_authorized_operations(ALL_TOPIC_OPERATIONS);
    let Some(topic) = image.topic(name) else {
        let error = match topic_name::validate(name) {
            Ok(()) => ResponseError::UnknownTopicOrPartition,
            Err(error) => error.kafka_error(),
        };
        return (answer.with_error_code(error.code()), 0);
    };
    let offline = OfflinePartitions::of(ctx.broker(), topic);
    let partitions = partitions(topic, &offline, first, count);
    let described = partitions.len();
    (
        answer.with_topic_id(topic.id).with_partitions(partitions),
        described,
    )
}

fn partitions(
    topic: &Arc<TopicImage>,
    offline: &OfflinePartitions,
    first: usize,
    count: usize,
) -> Vec<DescribeTopicPartitionsResponsePartition> {
    let numbered = topic.partitions.iter().zip(0i32..).skip(first).take(count);
    numbered
        .map(|(partition, index)| describe(partition, index, offline))
        .collect()
}

fn describe(
    partition: &PartitionImage,
    index: i32,
    offline: &OfflinePartitions,
) -> DescribeTopicPartitionsResponsePartition {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let shown = offline.shown(partition, index);
    DescribeTopicPartitionsResponsePartition::default()
        .with_error_code(shown.error_code)
        .with_partition_index(index)
        .with_leader_id(BrokerId(shown.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(ids(&partition.replicas))
        .with_isr_nodes(ids(&partition.isr))
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
        .with_offline_replicas(ids(&shown.offline_replicas))
}
