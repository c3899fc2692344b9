//! Moving replicas between brokers (KIP-455).

use std::collections::{BTreeMap, BTreeSet};

use ringbrook_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use ringbrook_protocol::messages::list_partition_reassignments_request as list_request;
use ringbrook_protocol::messages::{
    AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest,
};

use super::driver::{at_controller, checked};
use super::wire::{broker_ids, by_topic, ids, topic_name};
use super::{Admin, PerItem};
use crate::TopicPartition;
use crate::cluster::Target;
use crate::error::ClientError;

/// A reassignment under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionReassignment {
    /// All replicas, with those that come and those that go.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding_replicas: Vec<i32>,
    /// Those that go.
    pub removing_replicas: Vec<i32>,
}

impl Admin {
    /// Moves partitions to other brokers, the preferred leader first; nothing in place of brokers
    /// stops a move under way.
    pub async fn alter_partition_reassignments(
        &self,
        moves: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    ) -> PerItem<TopicPartition, ()> {
        let call = self.begin("reassigning partitions", at_controller);
        let partitions = moves.keys().cloned();
        self.drive(call, partitions, async |open: Vec<TopicPartition>| {
            let build = |_| {
                let topics = topics(&open, moves);
                Ok(AlterPartitionReassignmentsRequest::default()
                    .with_topics(topics)
                    .with_timeout_ms(call.timeout_ms(self)))
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let message = answer.error_message.as_deref();
                checked(answer.error_code, message, || call.what.to_owned())?;
                let results = answer.responses.into_iter().flat_map(|topic| {
                    topic.partitions.into_iter().map(move |partition| {
                        let index = partition.partition_index;
                        let it = TopicPartition::new(topic.name.as_str(), index);
                        let message = partition.error_message.as_deref();
                        let subject = || format!("partition {it}");
                        let result = checked(partition.error_code, message, subject);
                        (it, result)
                    })
                });
                Ok(results.collect())
            })
            .await
        })
        .await
    }

    /// The reassignments under way, of some partitions or of all.
    ///
    /// # Errors
    /// The controller does not answer in time, or refuses.
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&BTreeSet<TopicPartition>>,
    ) -> Result<BTreeMap<TopicPartition, PartitionReassignment>, ClientError> {
        let call = self.begin("listing reassignments", at_controller);
        let listed = self.drive(call, [()], async |open: Vec<()>| {
            let build = |_| {
                let topics = partitions.map(|partitions| {
                    let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
                        list_request::ListPartitionReassignmentsTopics::default()
                            .with_name(topic_name(&topic))
                            .with_partition_indexes(indexes)
                    });
                    topics.collect()
                });
                Ok(ListPartitionReassignmentsRequest::default()
                    .with_topics(topics)
                    .with_timeout_ms(call.timeout_ms(self)))
            };
            self.ask(call, Target::Controller, &open, build, |answer| {
                let message = answer.error_message.as_deref();
                checked(answer.error_code, message, || call.what.to_owned())?;
                let moves = answer.topics.into_iter().flat_map(|topic| {
                    topic.partitions.into_iter().map(move |partition| {
                        let index = partition.partition_index;
                        let it = TopicPartition::new(topic.name.as_str(), index);
                        let reassignment = PartitionReassignment {
                            replicas: ids(partition.replicas),
                            adding_replicas: ids(partition.adding_replicas),
                            removing_replicas: ids(partition.removing_replicas),
                        };
                        (it, reassignment)
                    })
                });
                Ok(vec![((), Ok(moves.collect()))])
            })
            .await
        });
        listed.await.only(&())
    }
}

fn topics(
    partitions: &[TopicPartition],
    moves: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
) -> Vec<ReassignableTopic> {
    let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
        let partitions = indexes.into_iter().map(|index| {
            let replicas = moves.get(&TopicPartition::new(topic.clone(), index));
            let replicas = replicas.and_then(Option::as_deref).map(broker_ids);
            ReassignablePartition::default()
                .with_partition_index(index)
                .with_replicas(replicas)
        });
        ReassignableTopic::default()
            .with_name(topic_name(&topic))
            .with_partitions(partitions.collect())
    });
    topics.collect()
}
