//! DescribeLogDirs (35): the sizes of partitions and the space of log dirs.
//!
//! Versions 1-4. Sizes come from the logs' memory, free space from the file system, which may
//! block: it is asked on a blocking thread. Kafka: `ReplicaManager.describeLogDirs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ringbrook_engine::LogDirDescription;
use ringbrook_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use ringbrook_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use ringbrook_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::error::NONE;
use super::log_dir_path::absolute;

/// Describes the partitions that the request names; without a list, all.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let logs = Arc::clone(&ctx.broker().logs);
    let dirs = match tokio::task::spawn_blocking(move || logs.describe_log_dirs()).await {
        Ok(dirs) => dirs,
        Err(error) => {
            tracing::error!(%error, "describing log dirs panicked");
            return DescribeLogDirsResponse::default()
                .with_error_code(ResponseError::UnknownServerError.code());
        }
    };
    let wanted = request.topics.as_deref().map(wanted);
    let results = dirs
        .into_iter()
        .map(|dir| describe(dir, wanted.as_ref()))
        .collect();
    DescribeLogDirsResponse::default().with_results(results)
}

type Wanted = BTreeSet<(String, i32)>;

fn wanted(topics: &[DescribableLogDirTopic]) -> Wanted {
    topics
        .iter()
        .flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|index| (topic.topic.to_string(), *index))
        })
        .collect()
}

fn describe(dir: LogDirDescription, wanted: Option<&Wanted>) -> DescribeLogDirsResult {
    let path = absolute(&dir.path).display().to_string();
    let answer = DescribeLogDirsResult::default().with_log_dir(StrBytes::from_string(path));
    if dir.error.is_some() {
        // As Kafka: nothing is known of what an offline dir holds.
        return answer.with_error_code(ResponseError::KafkaStorageError.code());
    }
    let mut topics = BTreeMap::<String, Vec<DescribeLogDirsPartition>>::new();
    for partition in dir.partitions {
        let name = (partition.topic.to_string(), partition.partition);
        if wanted.is_some_and(|wanted| !wanted.contains(&name)) {
            continue;
        }
        let answer = DescribeLogDirsPartition::default()
            .with_partition_index(partition.partition)
            .with_partition_size(i64::try_from(partition.size_bytes).unwrap_or(i64::MAX))
            .with_offset_lag(partition.offset_lag)
            .with_is_future_key(partition.is_future);
        topics.entry(name.0).or_default().push(answer);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        DescribeLogDirsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name)))
            .with_partitions(partitions)
    });
    answer
        .with_error_code(NONE)
        .with_topics(topics.collect())
        .with_total_bytes(dir.total_bytes)
        .with_usable_bytes(dir.usable_bytes)
}
