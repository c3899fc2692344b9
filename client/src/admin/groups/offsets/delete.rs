//! Forgetting committed offsets.

use std::collections::BTreeSet;

use ringbrook_protocol::messages::OffsetDeleteRequest;
use ringbrook_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};

use crate::TopicPartition;
use crate::admin::driver::{at_coordinator, checked};
use crate::admin::wire::{by_topic, group_id, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};

impl Admin {
    /// Deletes what a group has committed for partitions. A topic that its members subscribe to is
    /// refused.
    pub async fn delete_consumer_group_offsets(
        &self,
        group: &str,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> PerItem<TopicPartition, ()> {
        let call = self.begin("deleting committed offsets", at_coordinator);
        let target = Target::Coordinator(CoordinatorKind::Group, group);
        let partitions: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        self.drive(call, partitions, async |open: Vec<TopicPartition>| {
            let build = |_| {
                let topics = by_topic(&open).into_iter().map(|(topic, indexes)| {
                    let partition =
                        |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
                    OffsetDeleteRequestTopic::default()
                        .with_name(topic_name(&topic))
                        .with_partitions(indexes.into_iter().map(partition).collect())
                });
                Ok(OffsetDeleteRequest::default()
                    .with_group_id(group_id(group))
                    .with_topics(topics.collect()))
            };
            self.ask(call, target, &open, build, |answer| {
                checked(answer.error_code, None, || format!("group {group}"))?;
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
