//! Reading committed offsets.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use ringbrook_protocol::messages::OffsetFetchRequest;
use ringbrook_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ringbrook_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};

use crate::admin::driver::{Answers, Call, at_coordinator, checked};
use crate::admin::wire::{by_topic, group_id, topic_name};
use crate::admin::{Admin, PerItem};
use crate::cluster::{CoordinatorKind, Target};
use crate::error::ClientError;
use crate::{OffsetAndMetadata, TopicPartition};

/// The version of OffsetFetch that asks about several groups (KIP-709).
const SEVERAL_GROUPS: i16 = 8;
/// The version of OffsetFetch that can wait for open transactions (KIP-447).
const REQUIRE_STABLE: i16 = 7;

/// What a group has committed, by partition; nothing for a partition asked for that it has not.
pub type CommittedOffsets = PerItem<TopicPartition, Option<OffsetAndMetadata>>;

/// Which partitions of which groups; nothing for all that a group has committed.
type Wanted = BTreeMap<String, Option<Vec<TopicPartition>>>;

impl Admin {
    /// The committed offsets of groups, each of the partitions named or of all that it has
    /// committed. With `require_stable`, a partition whose offset an open transaction may still
    /// change has the error `UnstableOffsetCommit`.
    pub async fn list_consumer_group_offsets(
        &self,
        wanted: &BTreeMap<String, Option<Vec<TopicPartition>>>,
        require_stable: bool,
    ) -> PerItem<String, CommittedOffsets> {
        let call = self.begin("listing committed offsets", at_coordinator);
        let (kind, groups) = (CoordinatorKind::Group, wanted.keys().cloned());
        self.at_coordinators(call, kind, groups, async |node, groups: Vec<String>| {
            let versions = self.cluster.connection_to(Target::Node(node)).await;
            let version = versions.and_then(|it| it.version_of::<OffsetFetchRequest>());
            let is_one_by_one = version.is_ok_and(|version| version < SEVERAL_GROUPS);
            let requests = groups.chunks(if is_one_by_one { 1 } else { groups.len() });
            let asking = requests.map(|groups| {
                let is_stable = require_stable;
                self.fetch_offsets(call, node, groups, wanted, is_one_by_one, is_stable)
            });
            join_all(asking).await.into_iter().flatten().collect()
        })
        .await
    }

    async fn fetch_offsets(
        &self,
        call: Call,
        node: i32,
        groups: &[String],
        wanted: &Wanted,
        is_one_by_one: bool,
        require_stable: bool,
    ) -> Answers<String, CommittedOffsets> {
        let build = |version| {
            if require_stable && version < REQUIRE_STABLE {
                return Err(ClientError::Unsupported(
                    "this broker is too old to tell offsets of open transactions apart".to_owned(),
                ));
            }
            if is_one_by_one != (version < SEVERAL_GROUPS) {
                return Err(ClientError::Disconnected {
                    address: format!("node {node}"),
                    reason: "it came back as another version of the broker".to_owned(),
                });
            }
            let request = match groups {
                [group] if is_one_by_one => one(group, wanted),
                groups => several(groups, wanted),
            };
            Ok(request.with_require_stable(require_stable))
        };
        let read = |answer| {
            Ok(match groups {
                [group] if is_one_by_one => vec![(group.clone(), of_one(group, answer))],
                _ => of_several(answer),
            })
        };
        self.ask(call, Target::Node(node), groups, build, read)
            .await
    }
}

fn several(groups: &[String], wanted: &Wanted) -> OffsetFetchRequest {
    let groups = groups.iter().map(|group| {
        let partitions = wanted.get(group).and_then(Option::as_ref);
        let topics = partitions.map(|partitions| {
            let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic_name(&topic))
                    .with_partition_indexes(indexes)
            });
            topics.collect()
        });
        OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_member_id(None)
            .with_topics(topics)
    });
    OffsetFetchRequest::default().with_groups(groups.collect())
}

fn one(group: &str, wanted: &Wanted) -> OffsetFetchRequest {
    let partitions = wanted.get(group).and_then(Option::as_ref);
    let topics = partitions.map(|partitions| {
        let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
            OffsetFetchRequestTopic::default()
                .with_name(topic_name(&topic))
                .with_partition_indexes(indexes)
        });
        topics.collect()
    });
    OffsetFetchRequest::default()
        .with_group_id(group_id(group))
        .with_topics(topics)
}

fn of_several(answer: OffsetFetchResponse) -> Answers<String, CommittedOffsets> {
    let groups = answer.groups.into_iter().map(|it| {
        let group = it.group_id.to_string();
        let error = checked(it.error_code, None, || format!("group {group}"));
        (group, error.map(|()| committed(it.topics)))
    });
    groups.collect()
}

fn of_one(group: &str, answer: OffsetFetchResponse) -> Result<CommittedOffsets, ClientError> {
    checked(answer.error_code, None, || format!("group {group}"))?;
    let topics = answer.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|it| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(it.partition_index)
                .with_committed_offset(it.committed_offset)
                .with_committed_leader_epoch(it.committed_leader_epoch)
                .with_metadata(it.metadata)
                .with_error_code(it.error_code)
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name)
            .with_partitions(partitions.collect())
    });
    Ok(committed(topics.collect()))
}

fn committed(topics: Vec<OffsetFetchResponseTopics>) -> CommittedOffsets {
    let partitions = topics.into_iter().flat_map(|topic| {
        let name: std::sync::Arc<str> = topic.name.as_str().into();
        topic.partitions.into_iter().map(move |partition| {
            let it = TopicPartition::new(name.clone(), partition.partition_index);
            let error = checked(partition.error_code, None, || format!("partition {it}"));
            (it, error.map(|()| offset_of(partition)))
        })
    });
    partitions.collect()
}

fn offset_of(partition: OffsetFetchResponsePartitions) -> Option<OffsetAndMetadata> {
    if partition.committed_offset < 0 {
        return None;
    }
    let epoch = Some(partition.committed_leader_epoch).filter(|epoch| 0 <= *epoch);
    let metadata = partition.metadata.map(|text| text.to_string());
    let offset = OffsetAndMetadata::new(partition.committed_offset).with_leader_epoch(epoch);
    Some(offset.with_metadata(metadata.unwrap_or_default()))
}
