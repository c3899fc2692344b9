//! OffsetDelete (47): forgets how far a group has come in partitions it no longer reads.
//!
//! Version 0. Kafka: `KafkaApis.handleOffsetDeleteRequest`.

use std::sync::Arc;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ringbrook_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::RequestContext;
use super::group_names::owned;
use crate::controller::image::TopicImage;
use crate::group::GroupError;

/// Deletes the offsets of partitions that exist.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let broker = ctx.broker();
    let image = broker.image();
    let known: Vec<Option<&Arc<TopicImage>>> = request
        .topics
        .iter()
        .map(|topic| image.topic(&topic.name))
        .collect();
    let wanted = request.topics.iter().zip(&known).map(|(topic, known)| {
        let partitions = topic
            .partitions
            .iter()
            .map(|partition| partition.partition_index);
        let existing = partitions.filter(|index| exists(*known, *index));
        (owned(&topic.name), existing.collect())
    });
    let deleted = broker
        .groups
        .offset_delete(&owned(&request.group_id), wanted.collect())
        .await;
    let outcomes = match deleted {
        Ok(outcomes) => outcomes,
        Err(error) => return OffsetDeleteResponse::default().with_error_code(error.kafka_code()),
    };
    let topics =
        request
            .topics
            .iter()
            .zip(&known)
            .zip(outcomes)
            .map(|((topic, known), outcome)| {
                let code = outcome.err().map_or(0, GroupError::kafka_code);
                let partitions = topic.partitions.iter().map(|partition| {
                    let index = partition.partition_index;
                    let unknown = ResponseError::UnknownTopicOrPartition.code();
                    OffsetDeleteResponsePartition::default()
                        .with_partition_index(index)
                        .with_error_code(if exists(*known, index) { code } else { unknown })
                });
                OffsetDeleteResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions.collect())
            });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}

fn exists(topic: Option<&Arc<TopicImage>>, partition: i32) -> bool {
    topic.is_some_and(|topic| topic.partition(partition).is_some())
}
