//! AlterReplicaLogDirs (34): moves partitions into other log dirs of this broker, while they are
//! served.
//!
//! Versions 1-2 (KIP-113). The answer says that the move has begun; DescribeLogDirs shows how far
//! it is. A move to another dir replaces the one under way, one to the partition's own dir cancels
//! it. For a partition that does not exist yet the dir is remembered, and the answer is the error
//! that there is none. Kafka: `ReplicaManager.alterReplicaLogDirs`.

use std::path::PathBuf;
use std::sync::Arc;

use ringbrook_engine::EngineError;
use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use ringbrook_protocol::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, TopicName,
};

use super::RequestContext;
use super::error::{KafkaError, NONE};
use super::log_dir_path::absolute;
use crate::replica::NotServed;
use crate::server::Broker;

/// Begins the moves that the request names, one after the other.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let mut response = AlterReplicaLogDirsResponse::default();
    for dir in request.dirs {
        let wanted = PathBuf::from(dir.path.as_str());
        // The engine knows its dirs by the paths of the configuration.
        let mut known = ctx.broker().logs.directories().into_iter();
        let known = known.find(|(path, _)| absolute(path) == wanted);
        let to = known.map_or(wanted, |(path, _)| path);
        for topic in dir.topics {
            let mut answered =
                AlterReplicaLogDirTopicResult::default().with_topic_name(topic.name.clone());
            for index in topic.partitions {
                let error = alter(ctx.broker(), &topic.name, index, to.clone()).await;
                let error_code = error.map_or(NONE, |error| error.code());
                answered.partitions.push(
                    AlterReplicaLogDirPartitionResult::default()
                        .with_partition_index(index)
                        .with_error_code(error_code),
                );
            }
            response.results.push(answered);
        }
    }
    ctx.broker().logs.start_moves();
    response
}

async fn alter(
    broker: &Arc<Broker>,
    topic: &TopicName,
    index: i32,
    to: PathBuf,
) -> Option<ResponseError> {
    let name = topic.to_string();
    let logs = Arc::clone(&broker.logs);
    let begun = tokio::task::spawn_blocking(move || logs.alter_log_dir(&name, index, &to));
    let error = match begun.await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error,
        Err(error) => {
            tracing::error!(%error, "altering a log dir panicked");
            return Some(ResponseError::UnknownServerError);
        }
    };
    tracing::warn!(topic = %topic.as_str(), partition = index, %error, "log dir not altered");
    let served = broker.replicas.served();
    Some(match (&error, served.partition(topic, index)) {
        (EngineError::UnknownPartition { .. }, Err(NotServed::StorageFailed)) => {
            ResponseError::KafkaStorageError
        }
        // It exists, but its log is not created yet.
        (EngineError::UnknownPartition { .. }, _)
            if broker.controller.image().partition(topic, index).is_some() =>
        {
            ResponseError::ReplicaNotAvailable
        }
        _ => error.kafka_error(),
    })
}
