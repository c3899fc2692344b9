//! Deleting the oldest records of partitions.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::DeleteRecordsRequest;
use ringbrook_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};

use super::driver::{checked, retriable};
use super::wire::{by_topic, topic_name};
use super::{Admin, PerItem};
use crate::TopicPartition;
use crate::cluster::Target;

/// Which records are deleted (`RecordsToDelete`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordsToDelete {
    /// Those before this offset.
    BeforeOffset(i64),
    /// All that are committed by replication: up to the high watermark.
    All,
}

impl RecordsToDelete {
    fn to_wire(self) -> i64 {
        match self {
            Self::BeforeOffset(offset) => offset,
            Self::All => -1,
        }
    }
}

/// What a deletion has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedRecords {
    /// The first offset that is left on any replica.
    pub low_watermark: i64,
}

impl Admin {
    /// Deletes the oldest records of partitions, at their leaders, and waits for the replicas.
    pub async fn delete_records(
        &self,
        wanted: &BTreeMap<TopicPartition, RecordsToDelete>,
    ) -> PerItem<TopicPartition, DeletedRecords> {
        let call = self.begin("deleting records", retriable);
        let partitions = wanted.keys().cloned();
        self.drive(call, partitions, async |open: Vec<TopicPartition>| {
            let leaders = self.leaders(call, &open).await;
            leaders
                .ask(async |node, partitions| {
                    let build = |_| {
                        Ok(DeleteRecordsRequest::default()
                            .with_topics(topics(&partitions, wanted))
                            .with_timeout_ms(call.timeout_ms(self)))
                    };
                    self.ask(call, Target::Node(node), &partitions, build, |answer| {
                        let mut answers = Vec::new();
                        for topic in answer.topics {
                            for partition in topic.partitions {
                                let index = partition.partition_index;
                                let it = TopicPartition::new(topic.name.as_str(), index);
                                let subject = || format!("partition {it}");
                                let error = checked(partition.error_code, None, subject);
                                let low_watermark = partition.low_watermark;
                                let deleted = error.map(|()| DeletedRecords { low_watermark });
                                answers.push((it, deleted));
                            }
                        }
                        Ok(answers)
                    })
                    .await
                })
                .await
        })
        .await
    }
}

fn topics(
    partitions: &[TopicPartition],
    wanted: &BTreeMap<TopicPartition, RecordsToDelete>,
) -> Vec<DeleteRecordsTopic> {
    let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
        let partitions = indexes.into_iter().filter_map(|index| {
            let records = wanted.get(&TopicPartition::new(topic.clone(), index))?;
            Some(
                DeleteRecordsPartition::default()
                    .with_partition_index(index)
                    .with_offset(records.to_wire()),
            )
        });
        DeleteRecordsTopic::default()
            .with_name(topic_name(&topic))
            .with_partitions(partitions.collect())
    });
    topics.collect()
}
