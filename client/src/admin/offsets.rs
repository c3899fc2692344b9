//! Offsets of partitions: first, next, by time.

use std::collections::BTreeMap;

use ringbrook_protocol::messages::ListOffsetsRequest;
use ringbrook_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ringbrook_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;

use super::driver::{Answers, Call, checked, retriable};
use super::wire::{by_topic, topic_name};
use super::{Admin, PerItem};
use crate::TopicPartition;
use crate::cluster::Target;
use crate::error::ClientError;

/// Which offset is asked for (`OffsetSpec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffsetSpec {
    /// That of the next record.
    Latest,
    /// That of the first record.
    Earliest,
    /// That of the record with the latest timestamp (KIP-734).
    MaxTimestamp,
    /// That of the first record on the leader's own disk (KIP-405).
    EarliestLocal,
    /// That of the last record in tiered storage (KIP-1005).
    LatestTiered,
    /// That of the first record at or after this time, in milliseconds since the epoch.
    Timestamp(i64),
}

impl OffsetSpec {
    fn to_wire(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::Timestamp(timestamp) => timestamp,
        }
    }

    /// The lowest version of ListOffsets that knows it.
    fn version(self) -> i16 {
        match self {
            Self::Latest | Self::Earliest | Self::Timestamp(_) => 1,
            Self::MaxTimestamp => 7,
            Self::EarliestLocal => 8,
            Self::LatestTiered => 9,
        }
    }
}

/// How offsets are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListOffsetsOptions {
    /// Whether [`OffsetSpec::Latest`] stops at the first open transaction.
    pub is_read_committed: bool,
}

/// An offset that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOffsetsResultInfo {
    /// The offset; -1 when there is no such record.
    pub offset: i64,
    /// The record's timestamp; -1 when the offset is not that of a record looked for by time.
    pub timestamp: i64,
    /// The epoch of the leader that appended it, if known.
    pub leader_epoch: Option<i32>,
}

impl From<&ListOffsetsPartitionResponse> for ListOffsetsResultInfo {
    fn from(partition: &ListOffsetsPartitionResponse) -> Self {
        Self {
            offset: partition.offset,
            timestamp: partition.timestamp,
            leader_epoch: Some(partition.leader_epoch).filter(|epoch| 0 <= *epoch),
        }
    }
}

type Wanted = BTreeMap<TopicPartition, OffsetSpec>;

impl Admin {
    /// Offsets of partitions, from their leaders. A partition that is not there is waited for until
    /// time is up, as Kafka's client does: its topic may just have been created.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        options: ListOffsetsOptions,
    ) -> PerItem<TopicPartition, ListOffsetsResultInfo> {
        let call = self.begin("listing offsets", retriable);
        let partitions = wanted.keys().cloned();
        self.drive(call, partitions, async |open: Vec<TopicPartition>| {
            let leaders = self.leaders(call, &open).await;
            leaders
                .ask(async |node, partitions| {
                    let groups = by_version(&partitions, wanted).into_iter();
                    let asking = groups.map(|(version, partitions)| {
                        self.ask_leader(call, node, version, partitions, wanted, options)
                    });
                    let answers = futures_util::future::join_all(asking).await;
                    answers.into_iter().flatten().collect()
                })
                .await
        })
        .await
    }

    async fn ask_leader(
        &self,
        call: Call,
        node: i32,
        version_min: i16,
        partitions: Vec<TopicPartition>,
        wanted: &Wanted,
        options: ListOffsetsOptions,
    ) -> Answers<TopicPartition, ListOffsetsResultInfo> {
        let build = |version| {
            if version < version_min {
                return Err(ClientError::Unsupported(format!(
                    "broker {node} is too old for this kind of offset: it serves ListOffsets up \
                     to version {version}, and version {version_min} is needed"
                )));
            }
            let request = ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_isolation_level(options.is_read_committed.into())
                .with_topics(topics(&partitions, wanted));
            Ok(if version < 10 {
                request
            } else {
                request.with_timeout_ms(call.timeout_ms(self))
            })
        };
        self.ask(call, Target::Node(node), &partitions, build, |answer| {
            let mut answers = Vec::new();
            for topic in &answer.topics {
                for partition in &topic.partitions {
                    let it = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                    let subject = || format!("partition {it}");
                    let error = checked(partition.error_code, None, subject);
                    answers.push((it, error.map(|()| partition.into())));
                }
            }
            Ok(answers)
        })
        .await
    }
}

/// A partition whose question an old broker does not know must not fail those beside it.
fn by_version(
    partitions: &[TopicPartition],
    wanted: &Wanted,
) -> BTreeMap<i16, Vec<TopicPartition>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for it in partitions {
        let version = wanted.get(it).map_or(0, |spec| spec.version());
        groups.entry(version).or_default().push(it.clone());
    }
    groups
}

fn topics(partitions: &[TopicPartition], wanted: &Wanted) -> Vec<ListOffsetsTopic> {
    let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
        let partitions = indexes.into_iter().map(|index| {
            let it = TopicPartition::new(topic.clone(), index);
            let spec = wanted.get(&it).copied().unwrap_or(OffsetSpec::Latest);
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_timestamp(spec.to_wire())
        });
        ListOffsetsTopic::default()
            .with_name(topic_name(&topic))
            .with_partitions(partitions.collect())
    });
    topics.collect()
}
