//! DeleteRecords (21): moves the start of partitions' logs forward.
//!
//! Versions 0-2 (KIP-107). Only the log start offset moves; the bytes go with the next retention
//! run. The new log start is on disk before the answer. Kafka: `Partition.deleteRecordsOnLeader`.

use std::sync::Arc;

use ringbrook_engine::io::UringDisk;
use ringbrook_engine::{EngineError, LogManager};
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use ringbrook_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::RequestContext;
use super::error::KafkaError;
use crate::controller::topic_name::is_internal;
use crate::replica::Partition;

/// The low watermark of an answer without one.
const UNKNOWN_OFFSET: i64 = -1;

/// Moves every log start that the request names.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let served = ctx.broker().replicas.served().clone();
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut answered = DeleteRecordsTopicResult::default();
        for wanted in &topic.partitions {
            let result = match served.partition(&topic.name, wanted.partition_index) {
                Ok(_) if is_internal(&topic.name) => Err(ResponseError::InvalidTopicException),
                Ok(partition) => {
                    let logs = Arc::clone(&ctx.broker().logs);
                    delete(logs, Arc::clone(partition), wanted.offset).await
                }
                Err(error) => Err(error.kafka_error()),
            };
            let answer = DeleteRecordsPartitionResult::default()
                .with_partition_index(wanted.partition_index);
            answered.partitions.push(match result {
                Ok(low_watermark) => answer.with_low_watermark(low_watermark),
                Err(error) => answer
                    .with_low_watermark(UNKNOWN_OFFSET)
                    .with_error_code(error.code()),
            });
        }
        response.topics.push(answered.with_name(topic.name));
    }
    response
}

async fn delete(
    logs: Arc<LogManager<UringDisk>>,
    partition: Arc<Partition>,
    offset: i64,
) -> Result<i64, ResponseError> {
    if !partition.log().config().cleanup_policy.delete {
        return Err(ResponseError::PolicyViolation);
    }
    let deletion = tokio::task::spawn_blocking(move || {
        let log_start = partition.log().advance_log_start_offset(offset)?;
        logs.write_checkpoints()?;
        Ok::<i64, EngineError>(log_start)
    });
    match deletion.await {
        Ok(Ok(log_start)) => Ok(log_start),
        Ok(Err(error)) => {
            if !matches!(error, EngineError::OffsetOutOfRange { .. }) {
                tracing::error!(%error, "records not deleted");
            }
            Err(error.kafka_error())
        }
        Err(error) => {
            tracing::error!(%error, "deleting records panicked");
            Err(ResponseError::UnknownServerError)
        }
    }
}
