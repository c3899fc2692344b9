//! Committing, fetching and deleting the offsets of a group. Called by the handlers of
//! OffsetCommit, OffsetFetch and OffsetDelete; mirrors Kafka's `OffsetMetadataManager`.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::classic::request::MemberIdentity;
use super::classic::state::GroupState;
use super::consumer::offsets::Committer;
use super::coordinator::GroupCoordinator;
use super::entry::Group;
use super::error::GroupError;
use super::offsets::CommittedOffset;
use super::schema::encode_offset_commit_key;
use super::shard::{Now, Shard, ShardState};
use super::write::{Commit, QUEUE_BYTES_MAX, Removal, TransactionProducer, Write};
use crate::coordinator::CoordinatorRecord;

/// OffsetCommit.
#[derive(Clone, Debug)]
pub struct OffsetCommit {
    /// The group; may be empty.
    pub group_id: Arc<str>,
    /// The member id; empty outside a group.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The generation; negative outside a group.
    pub generation: i32,
    /// How long to keep the offsets, in ms, if the client says so itself (OffsetCommit v2 to v4).
    pub retention_time_ms: Option<i64>,
    /// Whether an unknown group is reported as such (OffsetCommit v9 and newer), not as an illegal
    /// generation.
    pub reports_unknown_group: bool,
    /// The offsets.
    pub offsets: Vec<OffsetToCommit>,
}

/// One offset of an OffsetCommit.
#[derive(Clone, Debug)]
pub struct OffsetToCommit {
    /// The topic, known to exist.
    pub topic: Arc<str>,
    /// The topic's id; nil when unknown.
    pub topic_id: Uuid,
    /// The partition, known to exist.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Leader epoch of the last consumed record; -1 when unknown.
    pub leader_epoch: i32,
    /// Opaque text of the client.
    pub metadata: Option<Arc<str>>,
}

/// Who fetches offsets, as OffsetFetch says from version 9 on.
#[derive(Clone, Copy, Debug)]
pub struct FetchingMember<'a> {
    /// The member id; none outside a group.
    pub member_id: Option<&'a str>,
    /// The member epoch; negative outside a group.
    pub member_epoch: i32,
}

impl FetchingMember<'_> {
    /// Somebody who does not say.
    pub const ANYBODY: Self = Self {
        member_id: None,
        member_epoch: -1,
    };
}

/// Which offsets to fetch.
#[derive(Clone, Debug)]
pub enum OffsetSelection {
    /// All the group has.
    All,
    /// Those of the given partitions.
    Topics(Vec<TopicToFetch>),
}

/// A topic of an OffsetFetch.
#[derive(Clone, Debug)]
pub struct TopicToFetch {
    /// The topic.
    pub topic: Arc<str>,
    /// The id the topic has now; nil when unknown.
    pub topic_id: Uuid,
    /// The partitions.
    pub partitions: Vec<i32>,
}

/// The offset of a partition, if it has one, or `UnstableOffsetCommit`.
pub type FetchedOffset = Result<Option<CommittedOffset>, GroupError>;

/// The offsets of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic.
    pub topic: Arc<str>,
    /// Partition and its offset, if it has one.
    pub partitions: Vec<(i32, FetchedOffset)>,
}

impl GroupCoordinator {
    /// OffsetCommit. Resolves when the offsets are on disk: one outcome per offset, in their order.
    ///
    /// # Errors
    /// What concerns the whole request: `GroupIdNotFound` or `IllegalGeneration` for an unknown
    /// group, what `ClassicGroup::validate_offset_commit` refuses, a failed write, or
    /// `CoordinatorNotAvailable` when it is not committed within `offsets.commit.timeout.ms`.
    pub async fn offset_commit(
        &self,
        request: OffsetCommit,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let shard = self.shard_of(&request.group_id)?;
        let now = self.environment().now();
        let (outcomes, receiver) = {
            let mut state = shard.lock_active()?;
            state.validate_commit(&request, now)?;
            let retention = request.retention_time_ms;
            state.queue_commit(&request.group_id, &request.offsets, retention, None, now)?
        };
        self.await_commit(&shard, receiver).await?;
        Ok(outcomes)
    }

    /// Starts the write of a commit and waits until it is on disk.
    ///
    /// # Errors
    /// A failed write, or `CoordinatorNotAvailable` when it is not committed within
    /// `offsets.commit.timeout.ms`.
    pub(crate) async fn await_commit(
        &self,
        shard: &Arc<Shard>,
        receiver: Option<oneshot::Receiver<Result<(), GroupError>>>,
    ) -> Result<(), GroupError> {
        self.drain_if_needed(shard);
        if let Some(receiver) = receiver {
            // The write goes on after the timeout; only the client does not wait for it.
            let timeout = self.config().offsets_commit_timeout;
            match tokio::time::timeout(timeout, receiver).await {
                Ok(Ok(result)) => result?,
                Ok(Err(_)) | Err(_) => return Err(GroupError::CoordinatorNotAvailable),
            }
        }
        Ok(())
    }

    /// OffsetFetch for one group. With `require_stable` the answer includes every commit accepted
    /// before, and partitions for which an open transaction has an offset get
    /// `UnstableOffsetCommit`. An unknown group has no offsets, which is no error.
    ///
    /// # Errors
    /// What concerns the coordinator, a failed wait for earlier commits, and what
    /// `ConsumerGroup::validate_offset_fetch` refuses.
    pub async fn offset_fetch(
        &self,
        group_id: &str,
        member: FetchingMember<'_>,
        selection: &OffsetSelection,
        require_stable: bool,
    ) -> Result<Vec<FetchedTopic>, GroupError> {
        let shard = self.shard_of(group_id)?;
        if require_stable {
            let receiver = {
                let mut state = shard.lock_active()?;
                state.queue_barrier()
            };
            if let Some(receiver) = receiver {
                self.drain_if_needed(&shard);
                receiver.await.map_err(|_| GroupError::NotCoordinator)??;
            }
        }
        let state = shard.lock_active()?;
        state.validate_fetch(group_id, member)?;
        Ok(state.fetch(group_id, selection, require_stable))
    }

    /// OffsetDelete: one outcome per topic, in their order, for all of its partitions.
    ///
    /// # Errors
    /// `InvalidGroupId`, `GroupIdNotFound`, `NonEmptyGroup` when a group that is no consumer group
    /// has members, or a failed write.
    pub async fn offset_delete(
        &self,
        group_id: &Arc<str>,
        topics: Vec<(Arc<str>, Vec<i32>)>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let shard = self.member_shard(group_id)?;
        let (done, receiver) = oneshot::channel();
        {
            let mut state = shard.lock_active()?;
            let group_id = Arc::clone(group_id);
            state.queue_removal(Removal::Offsets {
                group_id,
                topics,
                done,
            });
        }
        self.drain_if_needed(&shard);
        receiver.await.map_err(|_| GroupError::NotCoordinator)?
    }
}

/// What became of each offset, and whom to wait for when any is to be written.
pub(crate) type Queued = (
    Vec<Result<(), GroupError>>,
    Option<oneshot::Receiver<Result<(), GroupError>>>,
);

impl ShardState {
    fn validate_commit(&mut self, request: &OffsetCommit, now: Now) -> Result<(), GroupError> {
        let identity = MemberIdentity {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_deref(),
        };
        let validated = self.with_classic(&request.group_id, now, |group, actions| {
            group.validate_offset_commit(identity, request.generation, false)?;
            if matches!(
                group.state(),
                GroupState::Stable | GroupState::PreparingRebalance
            ) {
                group.refresh_session(&request.member_id, actions);
            }
            Ok(())
        });
        match validated.or_else(|| self.validate_consumer_commit(request)) {
            Some(result) => result,
            // The commit will make a simple group.
            None if request.generation < 0 => Ok(()),
            None if request.reports_unknown_group => Err(GroupError::GroupIdNotFound),
            None => Err(GroupError::IllegalGeneration),
        }
    }

    /// The check of a consumer group, if it is one.
    fn validate_consumer_commit(&self, request: &OffsetCommit) -> Option<Result<(), GroupError>> {
        let committer = Committer {
            member_id: &request.member_id,
            has_instance_id: request.group_instance_id.is_some(),
            member_epoch: request.generation,
            is_transactional: false,
            knows_member_epochs: request.reports_unknown_group,
        };
        self.validate_consumer(&request.group_id, committer, &request.offsets)
    }

    /// Checks a commit to a consumer group; `None` when the group is none.
    pub(crate) fn validate_consumer(
        &self,
        group_id: &str,
        committer: Committer<'_>,
        offsets: &[OffsetToCommit],
    ) -> Option<Result<(), GroupError>> {
        match &self.groups.get(group_id)?.group {
            Group::Classic(_) => None,
            Group::Consumer(group) if group.is_dead() => {
                Some(Err(GroupError::CoordinatorNotAvailable))
            }
            Group::Consumer(group) => {
                let partitions = offsets.iter().map(|it| (it.topic_id, it.partition));
                Some(group.validate_offset_commit(committer, partitions))
            }
        }
    }

    pub(crate) fn queue_commit(
        &mut self,
        group_id: &Arc<str>,
        to_commit: &[OffsetToCommit],
        retention_time_ms: Option<i64>,
        transaction: Option<TransactionProducer>,
        now: Now,
    ) -> Result<Queued, GroupError> {
        let mut outcomes = Vec::with_capacity(to_commit.len());
        let mut records = Vec::with_capacity(to_commit.len());
        let mut offsets = Vec::with_capacity(to_commit.len());
        for offset in to_commit {
            if self.is_metadata_too_large(offset.metadata.as_deref()) {
                outcomes.push(Err(GroupError::OffsetMetadataTooLarge));
                continue;
            }
            let mut committed = committed_offset(offset, retention_time_ms, now.ms);
            if transaction.is_some() {
                // As Kafka 4.3, which asks for the id and stores none.
                committed.topic_id = Uuid::nil();
            }
            let record = encode_offset_commit_key(group_id, &offset.topic, offset.partition)
                .and_then(|key| {
                    Ok(CoordinatorRecord {
                        key,
                        value: Some(committed.to_value()?),
                    })
                })
                .map_err(|error| {
                    tracing::warn!(group = %group_id, %error, "cannot encode an offset");
                    GroupError::UnknownServerError
                })?;
            records.push(record);
            offsets.push((Arc::clone(&offset.topic), offset.partition, committed));
            outcomes.push(Ok(()));
        }
        if records.is_empty() {
            return Ok((outcomes, None));
        }
        let size_bytes = records.iter().map(CoordinatorRecord::size_bytes).sum();
        if QUEUE_BYTES_MAX < self.queued_bytes + size_bytes {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.queued_bytes += size_bytes;
        let (done, receiver) = oneshot::channel();
        self.writes.push_back(Write::Commit(Commit {
            group_id: Arc::clone(group_id),
            records,
            size_bytes,
            offsets,
            transaction,
            done,
        }));
        Ok((outcomes, Some(receiver)))
    }

    /// Only consumer groups care who fetches.
    fn validate_fetch(&self, group_id: &str, member: FetchingMember<'_>) -> Result<(), GroupError> {
        match self.groups.get(group_id).map(|entry| &entry.group) {
            Some(Group::Consumer(group)) => {
                group.validate_offset_fetch(member.member_id, member.member_epoch)
            }
            Some(Group::Classic(_)) | None => Ok(()),
        }
    }

    fn is_metadata_too_large(&self, metadata: Option<&str>) -> bool {
        let max = self.config.offset_metadata_max_bytes;
        metadata.is_some_and(|text| max < text.len() && max < text.encode_utf16().count())
    }

    /// Something to wait for until everything queued or under way is applied.
    fn queue_barrier(&mut self) -> Option<oneshot::Receiver<Result<(), GroupError>>> {
        if self.writes.is_empty() && !self.is_draining {
            return None;
        }
        let (done, receiver) = oneshot::channel();
        self.writes.push_back(Write::Barrier(done));
        Some(receiver)
    }

    fn fetch(
        &self,
        group_id: &str,
        selection: &OffsetSelection,
        require_stable: bool,
    ) -> Vec<FetchedTopic> {
        let entry = self
            .groups
            .get(group_id)
            .filter(|entry| !entry.group.is_dead());
        let offsets = entry.map(|entry| &entry.offsets);
        let stable = |topic: &str, partition: i32, committed: Option<&CommittedOffset>| {
            let is_unstable = offsets.is_some_and(|offsets| offsets.is_unstable(topic, partition));
            if require_stable && is_unstable {
                return Err(GroupError::UnstableOffsetCommit);
            }
            Ok(committed.cloned())
        };
        match selection {
            // As with Kafka, a partition that only an open transaction has an offset of is not
            // listed.
            OffsetSelection::All => offsets
                .map(|offsets| offsets.by_topic())
                .unwrap_or_default()
                .into_iter()
                .map(|(topic, partitions)| FetchedTopic {
                    topic: Arc::clone(topic),
                    partitions: partitions
                        .iter()
                        .map(|(p, committed)| (*p, stable(topic, *p, Some(committed))))
                        .collect(),
                })
                .collect(),
            OffsetSelection::Topics(topics) => topics
                .iter()
                .map(|wanted| {
                    let topic = &wanted.topic;
                    let find = |partition: i32| {
                        let committed = offsets.and_then(|offsets| {
                            offsets.committed(topic, wanted.topic_id, partition)
                        });
                        (partition, stable(topic, partition, committed))
                    };
                    FetchedTopic {
                        topic: Arc::clone(topic),
                        partitions: wanted.partitions.iter().map(|p| find(*p)).collect(),
                    }
                })
                .collect(),
        }
    }
}

fn committed_offset(
    offset: &OffsetToCommit,
    retention_time_ms: Option<i64>,
    now_ms: i64,
) -> CommittedOffset {
    CommittedOffset {
        offset: offset.offset,
        leader_epoch: offset.leader_epoch.max(-1),
        metadata: offset.metadata.clone().unwrap_or_else(|| Arc::from("")),
        commit_timestamp_ms: now_ms,
        expire_timestamp_ms: retention_time_ms.map(|keep_ms| now_ms.saturating_add(keep_ms)),
        topic_id: offset.topic_id,
        log_offset: -1,
    }
}
