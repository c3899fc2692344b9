//! Committing offsets in place of a group's members.

use std::collections::BTreeMap;

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::OffsetCommitRequest;
use ringbrook_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};

use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::{by_topic, group_id, text, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};
use crate::{OffsetAndMetadata, TopicPartition};

impl Admin {
    /// Commits offsets for a group without members; a group that has some refuses.
    pub async fn alter_consumer_group_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> PerItem<TopicPartition, ()> {
        let call = self.begin("altering committed offsets", |error| {
            at_coordinator(error) || error == ResponseError::RebalanceInProgress
        });
        let target = Target::Coordinator(CoordinatorKind::Group, group);
        let partitions = offsets.keys().cloned();
        self.drive(call, partitions, async |open: Vec<TopicPartition>| {
            let build = |_| Ok(build(group, &open, offsets));
            self.ask(call, target, &open, build, |answer| {
                let partitions = answer.topics.into_iter().flat_map(|topic| {
                    topic.partitions.into_iter().map(move |partition| {
                        let index = partition.partition_index;
                        let it = TopicPartition::new(topic.name.as_str(), index);
                        let subject = || format!("partition {it} of group {group}");
                        let result = checked(partition.error_code, None, subject);
                        (it, result)
                    })
                });
                Ok(partitions.collect())
            })
            .await
        })
        .await
    }
}

/// A commit of nobody in particular: no member, no generation.
fn build(
    group: &str,
    partitions: &[TopicPartition],
    offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
) -> OffsetCommitRequest {
    let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
        let partitions = indexes.into_iter().filter_map(|index| {
            let offset = offsets.get(&TopicPartition::new(topic.clone(), index))?;
            Some(
                OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(offset.offset)
                    .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                    .with_committed_metadata(Some(text(&offset.metadata))),
            )
        });
        OffsetCommitRequestTopic::default()
            .with_name(topic_name(&topic))
            .with_partitions(partitions.collect())
    });
    OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_topics(topics.collect())
}
