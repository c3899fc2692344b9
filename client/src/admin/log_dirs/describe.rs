//! What lies in which directory.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use ringbrook_protocol::messages::DescribeLogDirsRequest;
use ringbrook_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use ringbrook_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;

use crate::TopicPartition;
use crate::admin::driver::{Answers, Call, checked, never};
use crate::admin::wire::{by_topic, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;
use crate::error::ClientError;

/// A directory and the logs in it.
#[derive(Debug, Clone)]
pub struct LogDirDescription {
    /// Why it cannot be used, if it cannot: its disk has failed.
    pub error: Option<ClientError>,
    /// The logs in it.
    pub replicas: BTreeMap<TopicPartition, ReplicaInfo>,
    /// The size of its file system in bytes, if the broker says.
    pub total_bytes: Option<i64>,
    /// What is free of it in bytes, if the broker says.
    pub usable_bytes: Option<i64>,
}

/// A log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Its size in bytes.
    pub size: i64,
    /// How many offsets it lacks: behind the high watermark, or for a copy that is being made,
    /// behind the log that it is made from.
    pub offset_lag: i64,
    /// Whether it is a copy that is being made to replace the log in another directory.
    pub is_future: bool,
}

/// A partition's log on one broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartitionReplica {
    /// The partition.
    pub partition: TopicPartition,
    /// The broker's id.
    pub broker: i32,
}

impl TopicPartitionReplica {
    /// The log of `partition` on `broker`.
    #[must_use]
    pub fn new(partition: TopicPartition, broker: i32) -> Self {
        Self { partition, broker }
    }
}

/// As Kafka writes it: `topic-partition-broker`.
impl std::fmt::Display for TopicPartitionReplica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.partition, self.broker)
    }
}

/// Where a replica lies, and where it moves to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaLogDirInfo {
    /// The directory, if the broker has the replica.
    pub current: Option<(String, ReplicaInfo)>,
    /// The directory that it moves to, if it moves.
    pub future: Option<(String, ReplicaInfo)>,
}

impl Admin {
    /// The directories of brokers by path, with all logs in them.
    pub async fn describe_log_dirs(
        &self,
        brokers: impl IntoIterator<Item = i32>,
    ) -> PerItem<i32, BTreeMap<String, LogDirDescription>> {
        let call = self.begin("describing log directories", never);
        self.drive(call, brokers, async |open: Vec<i32>| {
            let asking = open
                .iter()
                .map(|broker| self.log_dirs_of(call, *broker, None));
            join_all(asking).await.into_iter().flatten().collect()
        })
        .await
    }

    /// Where replicas lie.
    pub async fn describe_replica_log_dirs(
        &self,
        replicas: impl IntoIterator<Item = TopicPartitionReplica>,
    ) -> PerItem<TopicPartitionReplica, ReplicaLogDirInfo> {
        let call = self.begin("describing the log directories of replicas", never);
        let mut by_broker = BTreeMap::<i32, BTreeSet<TopicPartition>>::new();
        for it in replicas {
            by_broker.entry(it.broker).or_default().insert(it.partition);
        }
        let brokers = by_broker.keys().copied();
        let described = self.drive(call, brokers, async |open: Vec<i32>| {
            let asking = open.iter().map(|broker| {
                let partitions = by_broker.get(broker);
                self.log_dirs_of(call, *broker, partitions)
            });
            join_all(asking).await.into_iter().flatten().collect()
        });
        let described = described.await.into_map();
        let replicas = by_broker.iter().flat_map(|(broker, partitions)| {
            let described = &described;
            partitions.iter().filter_map(move |partition| {
                let dirs = described.get(broker)?;
                let place = match dirs {
                    Ok(dirs) => Ok(place_of(partition, dirs)),
                    Err(error) => Err(error.clone()),
                };
                Some((
                    TopicPartitionReplica::new(partition.clone(), *broker),
                    place,
                ))
            })
        });
        replicas.collect()
    }

    async fn log_dirs_of(
        &self,
        call: Call,
        broker: i32,
        partitions: Option<&BTreeSet<TopicPartition>>,
    ) -> Answers<i32, BTreeMap<String, LogDirDescription>> {
        let build = |_| {
            let topics = partitions.map(|partitions| {
                let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
                    DescribableLogDirTopic::default()
                        .with_topic(topic_name(&topic))
                        .with_partitions(indexes)
                });
                topics.collect()
            });
            Ok(DescribeLogDirsRequest::default().with_topics(topics))
        };
        self.ask(call, Target::Node(broker), &[broker], build, |answer| {
            checked(answer.error_code, None, || format!("broker {broker}"))?;
            let dirs = answer.results.into_iter();
            let dirs = dirs.map(|dir| (dir.log_dir.to_string(), dir.into()));
            Ok(vec![(broker, Ok(dirs.collect()))])
        })
        .await
    }
}

fn place_of(
    partition: &TopicPartition,
    dirs: &BTreeMap<String, LogDirDescription>,
) -> ReplicaLogDirInfo {
    let mut place = ReplicaLogDirInfo::default();
    for (path, dir) in dirs {
        let Some(replica) = dir.replicas.get(partition) else {
            continue;
        };
        let found = Some((path.clone(), *replica));
        if replica.is_future {
            place.future = found;
        } else {
            place.current = found;
        }
    }
    place
}

impl From<DescribeLogDirsResult> for LogDirDescription {
    fn from(dir: DescribeLogDirsResult) -> Self {
        let error = checked(dir.error_code, None, || {
            format!("directory {}", dir.log_dir)
        });
        let replicas = dir.topics.into_iter().flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.name.as_str().into();
            topic.partitions.into_iter().map(move |partition| {
                let replica = ReplicaInfo {
                    size: partition.partition_size,
                    offset_lag: partition.offset_lag,
                    is_future: partition.is_future_key,
                };
                (
                    TopicPartition::new(name.clone(), partition.partition_index),
                    replica,
                )
            })
        });
        let known = |bytes: i64| Some(bytes).filter(|bytes| 0 <= *bytes);
        Self {
            error: error.err(),
            replicas: replicas.collect(),
            total_bytes: known(dir.total_bytes),
            usable_bytes: known(dir.usable_bytes),
        }
    }
}
