//! OffsetCommit (8): stores how far a group has come; answered when that is on disk.
//!
//! Versions 2-9. Partitions that do not exist are refused one by one before the group sees the
//! request. Versions 2 to 4 may say how long to keep the offsets; from version 9 on an unknown
//! group has its own error. Kafka: `KafkaApis.handleOffsetCommitRequest`.

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ringbrook_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::RequestContext;
use super::group_names::{owned, owned_option};
use crate::controller::MetadataImage;
use crate::group::{GroupError, OffsetCommit, OffsetToCommit};

/// First version that tells an unknown group from an illegal generation.
const UNKNOWN_GROUP_VERSION: i16 = 9;
/// The broker's retention holds.
const DEFAULT_RETENTION: i64 = -1;

/// Commits what belongs to existing partitions.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let mut response = unknown_everywhere(&request);
    let commit = domain(
        ctx.api_version,
        &request,
        &ctx.broker().image(),
        &mut response,
    );
    if !commit.offsets.is_empty() {
        let outcome = ctx.broker().groups.offset_commit(commit).await;
        fill(&mut response, outcome);
    }
    response
}

/// A response that says of every partition that it does not exist.
fn unknown_everywhere(request: &OffsetCommitRequest) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(ResponseError::UnknownTopicOrPartition.code())
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// The commit of the partitions that exist; in `response` they lose their error.
fn domain(
    version: i16,
    request: &OffsetCommitRequest,
    image: &MetadataImage,
    response: &mut OffsetCommitResponse,
) -> OffsetCommit {
    let mut offsets = Vec::new();
    for (topic, answer) in request.topics.iter().zip(&mut response.topics) {
        let Some(known) = image.topic(&topic.name) else {
            continue;
        };
        for (partition, answer) in topic.partitions.iter().zip(&mut answer.partitions) {
            if known.partition(partition.partition_index).is_none() {
                continue;
            }
            answer.error_code = 0;
            offsets.push(OffsetToCommit {
                topic: known.name.clone(),
                topic_id: known.id,
                partition: partition.partition_index,
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: owned_option(partition.committed_metadata.as_ref()),
            });
        }
    }
    OffsetCommit {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        group_instance_id: owned_option(request.group_instance_id.as_ref()),
        generation: request.generation_id_or_member_epoch,
        retention_time_ms: (request.retention_time_ms != DEFAULT_RETENTION)
            .then_some(request.retention_time_ms),
        reports_unknown_group: UNKNOWN_GROUP_VERSION <= version,
        offsets,
    }
}

/// Puts the outcomes where the partitions that exist are.
fn fill(
    response: &mut OffsetCommitResponse,
    outcome: Result<Vec<Result<(), GroupError>>, GroupError>,
) {
    let partitions = response
        .topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions);
    let committed = partitions.filter(|partition| partition.error_code == 0);
    match outcome {
        Ok(outcomes) => {
            for (partition, outcome) in committed.zip(outcomes) {
                partition.error_code = outcome.err().map_or(0, GroupError::kafka_code);
            }
        }
        Err(error) => {
            for partition in committed {
                partition.error_code = error.kafka_code();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ringbrook_protocol::messages::TopicName;
    use ringbrook_protocol::messages::offset_commit_request::{
        OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    };
    use ringbrook_protocol::{Encodable, StrBytes};

    use super::*;

    fn request() -> OffsetCommitRequest {
        let topic = |name| {
            let partition = |i| OffsetCommitRequestPartition::default().with_partition_index(i);
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partitions(vec![partition(0), partition(1)])
        };
        OffsetCommitRequest::default().with_topics(vec![topic("a"), topic("b")])
    }

    fn codes(response: &OffsetCommitResponse) -> Vec<i16> {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error_code).collect()
    }

    #[test]
    fn outcomes_go_to_the_partitions_that_exist() {
        let mut response = unknown_everywhere(&request());
        response.topics[0].partitions[1].error_code = 0;
        response.topics[1].partitions[0].error_code = 0;
        let mut failed = response.clone();
        fill(
            &mut response,
            Ok(vec![Ok(()), Err(GroupError::OffsetMetadataTooLarge)]),
        );
        assert_eq!(codes(&response), [3, 0, 12, 3]);
        fill(&mut failed, Err(GroupError::IllegalGeneration));
        assert_eq!(codes(&failed), [3, 22, 22, 3]);
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        for version in 2..=9 {
            let response = unknown_everywhere(&request());
            response.encode(&mut BytesMut::new(), version).unwrap();
        }
    }
}
