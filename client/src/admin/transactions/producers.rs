//! Which producers a partition remembers.

use std::collections::BTreeSet;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::DescribeProducersRequest;
use ringbrook_protocol::messages::describe_producers_request::TopicRequest;
use ringbrook_protocol::messages::describe_producers_response::ProducerState as Described;

use crate::TopicPartition;
use crate::admin::driver::{Answers, Call, checked, never};
use crate::admin::wire::{by_topic, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::Target;

/// A producer that a partition remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The sequence number of its last record; -1 when only markers are known.
    pub last_sequence: i32,
    /// The timestamp of its last batch, in milliseconds since the epoch; -1 when unknown.
    pub last_timestamp: i64,
    /// The epoch of the coordinator that wrote its last marker, if one did.
    pub coordinator_epoch: Option<i32>,
    /// The first offset of its open transaction, if one is open.
    pub current_transaction_start_offset: Option<i64>,
}

impl From<Described> for ProducerState {
    fn from(it: Described) -> Self {
        Self {
            producer_id: it.producer_id.0,
            producer_epoch: it.producer_epoch,
            last_sequence: it.last_sequence,
            last_timestamp: it.last_timestamp,
            coordinator_epoch: Some(it.coordinator_epoch).filter(|epoch| 0 <= *epoch),
            current_transaction_start_offset: Some(it.current_txn_start_offset)
                .filter(|offset| 0 <= *offset),
        }
    }
}

/// What may come right by itself: the leader moves, or the topic is yet to be known.
fn is_about_leader(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::NotLeaderOrFollower
            | ResponseError::LeaderNotAvailable
            | ResponseError::UnknownTopicOrPartition
    )
}

impl Admin {
    /// The producers that partitions remember: from their leaders, or from `broker` if it is given,
    /// which must have a replica of each.
    pub async fn describe_producers(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        broker: Option<i32>,
    ) -> PerItem<TopicPartition, Vec<ProducerState>> {
        let partitions: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        // A broker of the caller's choice that has no replica will not get one by waiting.
        let is_retried = if broker.is_some() {
            never
        } else {
            is_about_leader
        };
        let call = self.begin("describing producers", is_retried);
        self.drive(call, partitions, async |open: Vec<TopicPartition>| {
            if let Some(broker) = broker {
                return self.producers_at(call, broker, open.to_vec()).await;
            }
            let leaders = self.leaders(call, &open).await;
            leaders
                .ask(async |node, partitions| self.producers_at(call, node, partitions).await)
                .await
        })
        .await
    }

    async fn producers_at(
        &self,
        call: Call,
        node: i32,
        partitions: Vec<TopicPartition>,
    ) -> Answers<TopicPartition, Vec<ProducerState>> {
        let build = |_| {
            let topics = by_topic(&partitions).into_iter().map(|(topic, indexes)| {
                TopicRequest::default()
                    .with_name(topic_name(&topic))
                    .with_partition_indexes(indexes)
            });
            Ok(DescribeProducersRequest::default().with_topics(topics.collect()))
        };
        self.ask(call, Target::Node(node), &partitions, build, |answer| {
            let partitions = answer.topics.into_iter().flat_map(|topic| {
                topic.partitions.into_iter().map(move |partition| {
                    let index = partition.partition_index;
                    let it = TopicPartition::new(topic.name.as_str(), index);
                    let message = partition.error_message.as_deref();
                    let subject = || format!("partition {it}");
                    let error = checked(partition.error_code, message, subject);
                    let producers = partition.active_producers.into_iter();
                    (it, error.map(|()| producers.map(Into::into).collect()))
                })
            });
            Ok(partitions.collect())
        })
        .await
    }
}
