//! Moving replicas to other directories of their brokers (KIP-113).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use ringbrook_protocol::messages::AlterReplicaLogDirsRequest;
use ringbrook_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};

use super::TopicPartitionReplica;
use crate::TopicPartition;
use crate::admin::driver::{Answers, Call, checked, never};
use crate::admin::wire::{by_topic, text, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;

impl Admin {
    /// Has brokers move replicas to other directories of theirs; the moves go on after the answer.
    /// A replica that is not there yet will be created in that directory, which the broker says
    /// with an error all the same.
    pub async fn alter_replica_log_dirs(
        &self,
        moves: &BTreeMap<TopicPartitionReplica, String>,
    ) -> PerItem<TopicPartitionReplica, ()> {
        let call = self.begin("moving replicas between log directories", never);
        let replicas = moves.keys().cloned();
        self.drive(call, replicas, async |open: Vec<TopicPartitionReplica>| {
            let mut brokers = BTreeMap::<i32, Vec<TopicPartitionReplica>>::new();
            for it in open {
                brokers.entry(it.broker).or_default().push(it.clone());
            }
            let asking = brokers
                .into_iter()
                .map(|(broker, replicas)| self.move_at(call, broker, replicas, moves));
            join_all(asking).await.into_iter().flatten().collect()
        })
        .await
    }

    async fn move_at(
        &self,
        call: Call,
        broker: i32,
        replicas: Vec<TopicPartitionReplica>,
        moves: &BTreeMap<TopicPartitionReplica, String>,
    ) -> Answers<TopicPartitionReplica, ()> {
        let build = |_| Ok(build(&replicas, moves));
        self.ask(call, Target::Node(broker), &replicas, build, |answer| {
            let partitions = answer.results.into_iter().flat_map(|topic| {
                topic.partitions.into_iter().map(move |partition| {
                    let index = partition.partition_index;
                    let it = TopicPartition::new(topic.topic_name.as_str(), index);
                    let it = TopicPartitionReplica::new(it, broker);
                    let result = checked(partition.error_code, None, || format!("replica {it}"));
                    (it, result)
                })
            });
            Ok(partitions.collect())
        })
        .await
    }
}

fn build(
    replicas: &[TopicPartitionReplica],
    moves: &BTreeMap<TopicPartitionReplica, String>,
) -> AlterReplicaLogDirsRequest {
    let mut dirs = BTreeMap::<&str, Vec<&TopicPartition>>::new();
    for it in replicas {
        if let Some(dir) = moves.get(it) {
            dirs.entry(dir).or_default().push(&it.partition);
        }
    }
    let dirs = dirs.into_iter().map(|(dir, partitions)| {
        let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
            AlterReplicaLogDirTopic::default()
                .with_name(topic_name(&topic))
                .with_partitions(indexes)
        });
        AlterReplicaLogDir::default()
            .with_path(text(dir))
            .with_topics(topics.collect())
    });
    AlterReplicaLogDirsRequest::default().with_dirs(dirs.collect())
}
