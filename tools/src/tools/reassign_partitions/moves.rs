//! Moves between the log directories of a broker (KIP-113).

use std::collections::BTreeMap;
use std::time::Duration;

use ringbrook_client::Admin;
use ringbrook_client::admin::{ReplicaLogDirInfo, TopicPartitionReplica};
use ringbrook_protocol::ResponseError;

use super::plan::Assignment;
use super::{plural, wrong};
use crate::frame::{Context, Failure};

/// Kafka's pause between attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Which directory each replica goes to.
pub(super) type LogDirs = BTreeMap<TopicPartitionReplica, String>;

/// Where replicas are, and where they go to.
pub(super) async fn states(
    admin: &Admin,
    targets: &LogDirs,
) -> Result<BTreeMap<TopicPartitionReplica, ReplicaLogDirInfo>, Failure> {
    let replicas: Vec<_> = targets.keys().cloned().collect();
    Ok(admin.describe_replica_log_dirs(replicas).await.all()?)
}

/// Where the replicas of an assignment are.
pub(super) async fn current(admin: &Admin, assignment: &Assignment) -> Result<LogDirs, Failure> {
    let replicas = assignment.iter().flat_map(|(partition, brokers)| {
        let brokers = brokers.iter();
        brokers.map(|broker| TopicPartitionReplica::new(partition.clone(), *broker))
    });
    let replicas: Vec<_> = replicas.collect();
    let infos = admin.describe_replica_log_dirs(replicas).await.all()?;
    let infos = infos.into_iter();
    Ok(infos
        .filter_map(|(replica, info)| Some((replica, info.current?.0)))
        .collect())
}

/// What is to be said of a replica that shall be in `target`, and whether it is on its way.
pub(super) fn state_text(
    replica: &TopicPartitionReplica,
    info: &ReplicaLogDirInfo,
    target: &str,
) -> (String, bool) {
    let (partition, broker) = (&replica.partition, replica.broker);
    let directory = |dir: &Option<(String, _)>| dir.as_ref().map(|(path, _)| path.clone());
    match (directory(&info.current), directory(&info.future)) {
        (None, _) => (
            format!(
                "Partition {partition} is not found in any live log dir on broker {broker}. There \
                 is likely an offline log directory on the broker."
            ),
            false,
        ),
        (Some(current), None) if current == target => (
            format!("Reassignment of replica {replica} completed successfully."),
            false,
        ),
        (Some(current), None) => (
            format!(
                "Partition {partition} on broker {broker} is not being moved from log dir \
                 {current} to {target}."
            ),
            false,
        ),
        (Some(_), Some(future)) if future == target => (
            format!("Reassignment of replica {replica} is still in progress."),
            true,
        ),
        (Some(_), Some(future)) => (
            format!(
                "Partition {partition} on broker {broker} is being moved to log dir {future} \
                 instead of {target}."
            ),
            true,
        ),
    }
}

/// Starts moves, again and again as long as brokers do not have the replicas yet.
pub(super) async fn start(
    admin: &Admin,
    targets: &LogDirs,
    timeout_ms: i64,
    context: &mut Context,
) -> Result<(), Failure> {
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or_default());
    let deadline = tokio::time::Instant::now() + timeout;
    let mut pending = targets.clone();
    loop {
        let moved = admin.alter_replica_log_dirs(&pending).await;
        for (replica, result) in moved {
            match result {
                Ok(()) => {}
                Err(error)
                    if error.response_error() == Some(ResponseError::ReplicaNotAvailable) =>
                {
                    continue;
                }
                Err(error) => {
                    let error = Failure::from(error).exception();
                    let text = format!("Failed to alter dir for {replica}\n{error}");
                    return Err(wrong(text));
                }
            }
            if let Some(target) = pending.remove(&replica)
                && !context.is_json()
            {
                let (partition, broker) = (&replica.partition, replica.broker);
                context.line(format_args!(
                    "Successfully started moving log directory to {target} for replica \
                     {partition} with broker {broker} "
                ))?;
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        if deadline <= tokio::time::Instant::now() {
            let replicas: Vec<_> = pending.keys().map(ToString::to_string).collect();
            return Err(Failure::Message(format!(
                "Timed out before log directory move{} could be started for: {}",
                plural(replicas.len()),
                replicas.join(",")
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
