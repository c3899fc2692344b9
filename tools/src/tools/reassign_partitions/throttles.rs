//! Limits on the bytes that moves may take: of brokers, and for which replicas of a topic.

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_client::admin::{
    AlterConfigOp, ConfigResource, PartitionReassignment, TopicPartitionReplica,
};
use ringbrook_client::{Admin, TopicPartition};

use super::plan::Assignment;
use super::{ids_text, plural};
use crate::frame::{Context, Failure};

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// From which brokers to which ones a partition moves.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Move {
    sources: BTreeSet<i32>,
    destinations: BTreeSet<i32>,
}

/// What moves when `proposed` is carried out besides what moves already.
fn moves(
    under_way: &BTreeMap<TopicPartition, PartitionReassignment>,
    proposed: &Assignment,
    current: &Assignment,
) -> BTreeMap<TopicPartition, Move> {
    let mut moves = BTreeMap::new();
    for (partition, it) in under_way {
        let destinations: BTreeSet<_> = it.adding_replicas.iter().copied().collect();
        let sources = it.replicas.iter().copied();
        let sources = sources.filter(|id| !destinations.contains(id)).collect();
        moves.insert(
            partition.clone(),
            Move {
                sources,
                destinations,
            },
        );
    }
    for (partition, replicas) in proposed {
        let it = moves.entry(partition.clone()).or_insert_with(|| {
            let sources = current.get(partition).into_iter().flatten().copied();
            Move {
                sources: sources.collect(),
                destinations: BTreeSet::new(),
            }
        });
        let replicas: BTreeSet<_> = replicas.iter().copied().collect();
        it.destinations = replicas.difference(&it.sources).copied().collect();
    }
    moves
}

/// `partition:broker` of some side of the moves of each topic.
fn throttled(
    moves: &BTreeMap<TopicPartition, Move>,
    side: impl Fn(&Move) -> &BTreeSet<i32>,
) -> BTreeMap<String, String> {
    let mut topics = BTreeMap::<String, BTreeSet<String>>::new();
    for (partition, it) in moves {
        let replicas = topics.entry(partition.topic.to_string()).or_default();
        let index = partition.partition;
        replicas.extend(side(it).iter().map(|broker| format!("{index}:{broker}")));
    }
    let topics = topics.into_iter().map(|(topic, replicas)| {
        let replicas: Vec<_> = replicas.into_iter().collect();
        (topic, replicas.join(","))
    });
    topics.collect()
}

type Changes = BTreeMap<ConfigResource, Vec<AlterConfigOp>>;

async fn apply(admin: &Admin, changes: &Changes) -> Result<(), Failure> {
    let altered = admin.incremental_alter_configs(changes, false).await;
    altered.all()?;
    Ok(())
}

/// Limits moves between brokers.
pub(super) async fn limit_moves(
    admin: &Admin,
    under_way: &BTreeMap<TopicPartition, PartitionReassignment>,
    (proposed, current): (&Assignment, &Assignment),
    bytes_per_s: i64,
    context: &mut Context,
) -> Result<(), Failure> {
    let moves = moves(under_way, proposed, current);
    let mut topics = Changes::new();
    for (topic, replicas) in throttled(&moves, |it| &it.sources) {
        let change = AlterConfigOp::set(LEADER_REPLICAS, replicas);
        topics.insert(ConfigResource::topic(topic), vec![change]);
    }
    for (topic, replicas) in throttled(&moves, |it| &it.destinations) {
        let changes = topics.entry(ConfigResource::topic(topic)).or_default();
        changes.push(AlterConfigOp::set(FOLLOWER_REPLICAS, replicas));
    }
    apply(admin, &topics).await?;
    let brokers = moves
        .values()
        .flat_map(|it| it.sources.union(&it.destinations));
    let rates = [LEADER_RATE, FOLLOWER_RATE];
    limit_brokers(admin, brokers.copied().collect(), &rates, bytes_per_s).await?;
    if context.is_json() {
        return Ok(());
    }
    context.line(format_args!(
        "The inter-broker throttle limit was set to {bytes_per_s} B/s"
    ))
}

/// Limits moves between log directories.
pub(super) async fn limit_log_dirs(
    admin: &Admin,
    log_dirs: &BTreeMap<TopicPartitionReplica, String>,
    bytes_per_s: i64,
    context: &mut Context,
) -> Result<(), Failure> {
    let brokers = log_dirs.keys().map(|replica| replica.broker).collect();
    limit_brokers(admin, brokers, &[LOG_DIRS_RATE], bytes_per_s).await?;
    if context.is_json() {
        return Ok(());
    }
    context.line(format_args!(
        "The replica-alter-dir throttle limit was set to {bytes_per_s} B/s"
    ))
}

async fn limit_brokers(
    admin: &Admin,
    brokers: BTreeSet<i32>,
    rates: &[&str],
    bytes_per_s: i64,
) -> Result<(), Failure> {
    let changes = brokers.into_iter().map(|id| {
        let set = |rate: &&str| AlterConfigOp::set(*rate, bytes_per_s.to_string());
        (ConfigResource::broker(id), rates.iter().map(set).collect())
    });
    apply(admin, &changes.collect()).await
}

/// Lifts all limits, of all brokers: nobody remembers which ones a move was limited at.
pub(super) async fn clear(
    admin: &Admin,
    partitions: &[(TopicPartition, Vec<i32>)],
    context: &mut Context,
) -> Result<(), Failure> {
    let nodes = admin.describe_cluster().await?.nodes;
    let mut brokers: BTreeSet<i32> = nodes.iter().map(|node| node.id).collect();
    brokers.extend(partitions.iter().flat_map(|(_, replicas)| replicas));
    let brokers: Vec<_> = brokers.into_iter().collect();
    let topics: BTreeSet<_> = partitions
        .iter()
        .map(|(it, _)| it.topic.to_string())
        .collect();
    let topics: Vec<_> = topics.into_iter().collect();
    if !context.is_json() {
        context.line(format_args!(
            "Clearing broker-level throttles on broker{} {}",
            plural(brokers.len()),
            ids_text(&brokers)
        ))?;
    }
    let removals = |names: &[&str]| names.iter().map(|it| AlterConfigOp::delete(*it)).collect();
    let of_brokers = brokers.iter().map(|id| {
        let rates = removals(&[LEADER_RATE, FOLLOWER_RATE, LOG_DIRS_RATE]);
        (ConfigResource::broker(*id), rates)
    });
    apply(admin, &of_brokers.collect()).await?;
    if !context.is_json() {
        context.line(format_args!(
            "Clearing topic-level throttles on topic{} {}",
            plural(topics.len()),
            topics.join(",")
        ))?;
    }
    let of_topics = topics.iter().map(|topic| {
        let replicas = removals(&[LEADER_REPLICAS, FOLLOWER_REPLICAS]);
        (ConfigResource::topic(topic), replicas)
    });
    apply(admin, &of_topics.collect()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttled_replicas_are_those_that_send_and_those_that_receive() {
        let partition = |index| TopicPartition::new("t", index);
        let under_way = BTreeMap::from([(
            partition(0),
            PartitionReassignment {
                replicas: vec![1, 2, 3],
                adding_replicas: vec![3],
                removing_replicas: vec![1],
            },
        )]);
        let proposed = Assignment::from([(partition(0), vec![2, 4]), (partition(1), vec![1, 5])]);
        let current = Assignment::from([(partition(0), vec![1, 2, 3]), (partition(1), vec![1])]);
        let moves = moves(&under_way, &proposed, &current);
        let of = |text: &str| BTreeMap::from([("t".to_owned(), text.to_owned())]);
        assert_eq!(throttled(&moves, |it| &it.sources), of("0:1,0:2,1:1"));
        assert_eq!(throttled(&moves, |it| &it.destinations), of("0:4,1:5"));
    }
}
