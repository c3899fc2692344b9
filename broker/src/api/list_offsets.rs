//! ListOffsets (2): the offset at a timestamp, or at an end of the log.
//!
//! Versions 1-10. Timestamp lookups are exact per record, inside compressed batches too; they read
//! and decompress, so they run on a blocking thread. Kafka: `ReplicaManager.fetchOffset`,
//! `UnifiedLog.fetchOffsetByTimestamp`.

use std::sync::Arc;

use ringbrook_engine::{EngineError, TimestampAndOffset};
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::list_offsets_request::ListOffsetsPartition;
use ringbrook_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use ringbrook_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::RequestContext;
use super::error::{KafkaError, NONE, epoch_error};
use crate::replica::Partition;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// Timestamp or offset of an answer without one.
const UNKNOWN: i64 = -1;
const UNKNOWN_EPOCH: i32 = -1;
const READ_COMMITTED: i8 = 1;
/// Replica id of a consumer; -2 is a debugging client, which like a replica sees the whole log.
const CONSUMER_REPLICA_ID: i32 = -1;
/// First version that tells the leader epoch.
const LEADER_EPOCH_VERSION: i16 = 4;
/// First versions of the special timestamps; before, they are looked up like any other.
const MAX_TIMESTAMP_VERSION: i16 = 7;
const EARLIEST_LOCAL_VERSION: i16 = 8;
const LATEST_TIERED_VERSION: i16 = 9;
const EARLIEST_PENDING_UPLOAD_VERSION: i16 = 11;

/// Looks up every partition that the request names.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let served = ctx.broker().replicas.served().clone();
    let mut response = ListOffsetsResponse::default();
    for topic in request.topics {
        let mut answered = ListOffsetsTopicResponse::default();
        for wanted in topic.partitions {
            let index = wanted.partition_index;
            let answer = match served.partition(&topic.name, index) {
                Ok(partition) => {
                    let upper = upper(partition, request.replica_id.0, request.isolation_level);
                    look_up(ctx.api_version, partition, &wanted, upper).await
                }
                Err(error) => Err(error.kafka_error()),
            };
            let mut answer = match answer {
                Ok(answer) => answer.with_partition_index(index),
                Err(error) => unknown()
                    .with_partition_index(index)
                    .with_error_code(error.code()),
            };
            if ctx.api_version < LEADER_EPOCH_VERSION {
                answer.leader_epoch = UNKNOWN_EPOCH;
            }
            answered.partitions.push(answer);
        }
        response.topics.push(answered.with_name(topic.name));
    }
    response
}

fn unknown() -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default()
        .with_error_code(NONE)
        .with_timestamp(UNKNOWN)
        .with_offset(UNKNOWN)
        .with_leader_epoch(UNKNOWN_EPOCH)
}

/// First offset that the client may not see.
fn upper(partition: &Partition, replica_id: i32, isolation_level: i8) -> i64 {
    let offsets = partition.log().offsets();
    if replica_id != CONSUMER_REPLICA_ID {
        offsets.log_end
    } else if isolation_level == READ_COMMITTED {
        offsets.last_stable
    } else {
        offsets.high_watermark
    }
}

async fn look_up(
    api_version: i16,
    partition: &Arc<Partition>,
    wanted: &ListOffsetsPartition,
    upper: i64,
) -> Result<ListOffsetsPartitionResponse, ResponseError> {
    if let Some(error) = epoch_error(partition.check_epoch(wanted.current_leader_epoch)) {
        return Err(error);
    }
    let log = partition.log();
    let at = |offset: i64, leader_epoch: i32| {
        unknown()
            .with_offset(offset)
            .with_leader_epoch(leader_epoch)
    };
    match wanted.timestamp {
        LATEST => Ok(at(upper, partition.leader_epoch())),
        EARLIEST => Ok(earliest(partition)),
        EARLIEST_LOCAL if EARLIEST_LOCAL_VERSION <= api_version => Ok(earliest(partition)),
        // Nothing is tiered, so nothing is there and nothing is pending.
        LATEST_TIERED if LATEST_TIERED_VERSION <= api_version => Ok(unknown()),
        EARLIEST_PENDING_UPLOAD if EARLIEST_PENDING_UPLOAD_VERSION <= api_version => Ok(unknown()),
        MAX_TIMESTAMP if MAX_TIMESTAMP_VERSION <= api_version => {
            let log = Arc::clone(&log);
            found(blocking(move || log.max_timestamp_offset()).await?, upper)
        }
        timestamp if timestamp < 0 => Err(ResponseError::UnsupportedVersion),
        timestamp => {
            let log = Arc::clone(&log);
            found(
                blocking(move || log.offset_for_timestamp(timestamp, upper)).await?,
                upper,
            )
        }
    }
}

fn earliest(partition: &Partition) -> ListOffsetsPartitionResponse {
    let log = partition.log();
    let offset = log.offsets().log_start;
    unknown()
        .with_offset(offset)
        .with_leader_epoch(log.epoch_of(offset).unwrap_or(UNKNOWN_EPOCH))
}

fn found(
    found: Option<TimestampAndOffset>,
    upper: i64,
) -> Result<ListOffsetsPartitionResponse, ResponseError> {
    Ok(match found {
        Some(found) if found.offset < upper => unknown()
            .with_timestamp(found.timestamp)
            .with_offset(found.offset)
            .with_leader_epoch(found.leader_epoch.unwrap_or(UNKNOWN_EPOCH)),
        _ => unknown(),
    })
}

async fn blocking<T: Send + 'static>(
    look_up: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, ResponseError> {
    match tokio::task::spawn_blocking(look_up).await {
        Ok(result) => result.map_err(|error| {
            tracing::error!(%error, "offset lookup failed");
            error.kafka_error()
        }),
        Err(error) => {
            tracing::error!(%error, "offset lookup panicked");
            Err(ResponseError::UnknownServerError)
        }
    }
}
