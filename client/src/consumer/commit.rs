//! Committed offsets: the requests that write and read them, once per call. When to commit, and
//! whether to try again, is decided by `group_coordinator`.

mod queue;

use std::sync::Arc;

use hashbrown::HashMap;
use ringbrook_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ringbrook_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ringbrook_protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    TopicName,
};
use ringbrook_protocol::{ResponseError as Code, StrBytes};

pub(super) use queue::{CommitJob, CommitQueue};

use super::group::Identity;
use super::offset::OffsetAndMetadata;
use crate::cluster::{Cluster, CoordinatorKind, Target};
use crate::error::{BrokerError, ClientError};
use crate::net::PendingResponse;
use crate::topic_partition::TopicPartition;

/// Offsets by partition.
pub type Offsets = HashMap<TopicPartition, OffsetAndMetadata>;

/// The newest versions that name topics; later ones have ids, which this client's messages lack.
const VERSION_MAX: i16 = 9;

/// The group that offsets are committed for.
#[derive(Clone)]
pub(super) struct Committer {
    pub(super) cluster: Cluster,
    pub(super) group_id: Arc<str>,
    pub(super) instance_id: Option<Arc<str>>,
}

impl Committer {
    fn target(&self) -> Target<'_> {
        Target::Coordinator(CoordinatorKind::Group, &self.group_id)
    }

    /// Draws the conclusion from an error.
    pub(super) fn note(&self, error: &ClientError) {
        self.cluster.note_error(self.target(), error);
    }

    /// Sends a commit. The answer is awaited later; commits reach the coordinator in the order of
    /// these calls.
    ///
    /// # Errors
    /// The coordinator cannot be reached now.
    pub(super) async fn send(
        &self,
        identity: &Identity,
        offsets: &Offsets,
    ) -> Result<PendingResponse<OffsetCommitRequest>, ClientError> {
        let connection = self.cluster.connection_to(self.target()).await?;
        let version = connection.version_up_to::<OffsetCommitRequest>(VERSION_MAX)?;
        connection.send(version, &self.request(version, identity, offsets))
    }

    fn request(&self, version: i16, identity: &Identity, offsets: &Offsets) -> OffsetCommitRequest {
        let mut topics: HashMap<&Arc<str>, Vec<OffsetCommitRequestPartition>> = HashMap::new();
        for (partition, offset) in offsets {
            let mut it = OffsetCommitRequestPartition::default()
                .with_partition_index(partition.partition)
                .with_committed_offset(offset.offset)
                .with_committed_metadata(Some(text(&offset.metadata)));
            if 6 <= version {
                it = it.with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1));
            }
            topics.entry(&partition.topic).or_default().push(it);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partitions(partitions)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(&self.group_id)))
            .with_generation_id_or_member_epoch(identity.generation_id)
            .with_member_id(text(&identity.member_id))
            .with_topics(topics.collect());
        let instance_id = self.instance_id.as_deref().map(text);
        let instance_id = instance_id.filter(|_| 7 <= version && !identity.member_id.is_empty());
        request.with_group_instance_id(instance_id)
    }

    /// What the answer to a commit means: the first error that is not retriable, or else the first.
    pub(super) fn outcome(&self, answer: &OffsetCommitResponse) -> Result<(), ClientError> {
        let mut found: Option<BrokerError> = None;
        for topic in &answer.topics {
            for it in topic.partitions.iter().filter(|it| it.error_code != 0) {
                let (name, index) = (topic.name.as_str(), it.partition_index);
                let subject = format!("committing {name}-{index} of group {}", self.group_id);
                let error = BrokerError::new(it.error_code, subject);
                let error = explained(error);
                if found.as_ref().is_none_or(BrokerError::is_retriable) {
                    found = Some(error);
                }
            }
        }
        found.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The committed offsets of those partitions that have one.
    ///
    /// Offsets in open transactions are waited for: the coordinator answers with a retriable error
    /// until they are decided. Only old brokers cannot, which those who read committed data only
    /// must not put up with.
    ///
    /// # Errors
    /// The coordinator cannot be reached or refuses.
    pub(super) async fn fetch(
        &self,
        identity: &Identity,
        partitions: &[TopicPartition],
        must_be_stable: bool,
    ) -> Result<Offsets, ClientError> {
        let connection = self.cluster.connection_to(self.target()).await?;
        let version = connection.version_up_to::<OffsetFetchRequest>(VERSION_MAX)?;
        if must_be_stable && version < 7 {
            return Err(ClientError::Unsupported(
                "this broker cannot leave out offsets of open transactions: \
                 set isolation.level=read_uncommitted"
                    .to_owned(),
            ));
        }
        let request = fetch_request(&self.group_id, version, identity, partitions);
        let request = request.with_require_stable(7 <= version);
        let answer = connection.call(version, &request).await?;
        self.offsets_in(version, answer)
    }

    fn offsets_in(
        &self,
        version: i16,
        answer: OffsetFetchResponse,
    ) -> Result<Offsets, ClientError> {
        let subject = || format!("offsets of group {}", self.group_id);
        let mut found = Vec::new();
        let code = if version < 8 {
            for topic in answer.topics {
                let rows = topic.partitions.into_iter().map(|it| {
                    let place = (it.partition_index, it.error_code);
                    (
                        place,
                        it.committed_offset,
                        it.committed_leader_epoch,
                        it.metadata,
                    )
                });
                found.extend(rows.map(|row| (topic.name.clone(), row)));
            }
            answer.error_code
        } else {
            let Some(group) = answer.groups.into_iter().next() else {
                return Err(ClientError::IllegalState(format!(
                    "{}: none answered",
                    subject()
                )));
            };
            for topic in group.topics {
                let rows = topic.partitions.into_iter().map(|it| {
                    let place = (it.partition_index, it.error_code);
                    (
                        place,
                        it.committed_offset,
                        it.committed_leader_epoch,
                        it.metadata,
                    )
                });
                found.extend(rows.map(|row| (topic.name.clone(), row)));
            }
            group.error_code
        };
        BrokerError::check(code, subject())?;
        let mut offsets = Offsets::new();
        for (topic, ((partition, code), offset, leader_epoch, metadata)) in found {
            BrokerError::check(code, subject())?;
            if 0 <= offset {
                let at = OffsetAndMetadata::new(offset)
                    .with_leader_epoch(Some(leader_epoch).filter(|it| 0 <= *it))
                    .with_metadata(metadata.as_deref().unwrap_or_default());
                offsets.insert(TopicPartition::new(topic.as_str(), partition), at);
            }
        }
        Ok(offsets)
    }
}

fn fetch_request(
    group_id: &str,
    version: i16,
    identity: &Identity,
    partitions: &[TopicPartition],
) -> OffsetFetchRequest {
    let mut topics: HashMap<&Arc<str>, Vec<i32>> = HashMap::new();
    for it in partitions {
        topics.entry(&it.topic).or_default().push(it.partition);
    }
    let group_id = GroupId(text(group_id));
    if version < 8 {
        let topics = topics.into_iter().map(|(topic, indexes)| {
            OffsetFetchRequestTopic::default()
                .with_name(TopicName(text(topic)))
                .with_partition_indexes(indexes)
        });
        return OffsetFetchRequest::default()
            .with_group_id(group_id)
            .with_topics(Some(topics.collect()));
    }
    let topics = topics.into_iter().map(|(topic, indexes)| {
        OffsetFetchRequestTopics::default()
            .with_name(TopicName(text(topic)))
            .with_partition_indexes(indexes)
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id)
        .with_topics(Some(topics.collect()));
    let is_member = 9 <= version && !identity.member_id.is_empty();
    let group = if is_member {
        group
            .with_member_id(Some(text(&identity.member_id)))
            .with_member_epoch(identity.generation_id)
    } else {
        group
    };
    OffsetFetchRequest::default().with_groups(vec![group])
}

fn explained(error: BrokerError) -> BrokerError {
    let words = match error.error() {
        Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::StaleMemberEpoch) => {
            "the group has rebalanced meanwhile and its partitions may be read by others. Poll \
             more often: raise max.poll.interval.ms or lower max.poll.records"
        }
        Some(Code::RebalanceInProgress) => "the group rebalances: commit again after the next poll",
        _ => return error,
    };
    error.with_message(Some(words))
}

/// The commit came too late: the member has lost its place or what it commits for.
pub(super) fn lost_its_place(group_id: &str) -> ClientError {
    let error = BrokerError::new(
        Code::UnknownMemberId.code(),
        format!("committing offsets of group {group_id}"),
    );
    explained(error).into()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
