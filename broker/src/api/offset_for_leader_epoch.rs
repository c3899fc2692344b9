//! OffsetForLeaderEpoch (23): where a leader epoch ended, so that a client finds truncation.
//!
//! Versions 2-4 (KIP-320). Kafka: `Partition.lastOffsetForLeaderEpoch`.

use ringbrook_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use ringbrook_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use ringbrook_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::RequestContext;
use super::error::{KafkaError, epoch_error};
use crate::replica::Served;
use ringbrook_protocol::messages::TopicName;

const UNKNOWN_EPOCH: i32 = -1;
const UNKNOWN_OFFSET: i64 = -1;

/// Looks up every partition that the request names.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let served = ctx.broker().replicas.served().clone();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|wanted| end_offset(&served, &topic.topic, wanted));
        OffsetForLeaderTopicResult::default()
            .with_partitions(partitions.collect())
            .with_topic(topic.topic.clone())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn end_offset(
    served: &Served,
    topic: &TopicName,
    wanted: &OffsetForLeaderPartition,
) -> EpochEndOffset {
    let answer = EpochEndOffset::default()
        .with_partition(wanted.partition)
        .with_leader_epoch(UNKNOWN_EPOCH)
        .with_end_offset(UNKNOWN_OFFSET);
    let partition = match served.partition(topic, wanted.partition) {
        Ok(partition) => partition,
        Err(error) => return answer.with_error_code(error.code()),
    };
    if let Some(error) = epoch_error(partition.check_epoch(wanted.current_leader_epoch)) {
        return answer.with_error_code(error.code());
    }
    match partition.log().end_offset_for_epoch(wanted.leader_epoch) {
        Some(end) => answer
            .with_leader_epoch(end.epoch)
            .with_end_offset(end.end_offset),
        None => answer,
    }
}
