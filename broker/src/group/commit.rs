//! Committing, fetching and deleting the offsets of a group. Called by the handlers of
//! OffsetCommit, OffsetFetch and OffsetDelete; mirrors Kafka's `OffsetMetadataManager`.

use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::classic::request::MemberIdentity;
use super::classic::state::GroupState;
use super::coordinator::GroupCoordinator;
use super::error::GroupError;
use super::offsets::CommittedOffset;
use super::schema::encode_offset_commit_key;
use super::shard::{Now, ShardState};
use super::write::{Commit, QUEUE_BYTES_MAX, Removal, Write};
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

/// The offsets of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic.
    pub topic: Arc<str>,
    /// Partition and its offset, if it has one.
    pub partitions: Vec<(i32, Option<CommittedOffset>)>,
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
            state.queue_commit(&request, now)?
        };
        self.drain_if_needed(&shard);
        if let Some(receiver) = receiver {
            // The write goes on after the timeout; only the client does not wait for it.
            let timeout = self.config().offsets_commit_timeout;
            match tokio::time::timeout(timeout, receiver).await {
                Ok(Ok(result)) => result?,
                Ok(Err(_)) | Err(_) => return Err(GroupError::CoordinatorNotAvailable),
            }
        }
        Ok(outcomes)
    }

    /// OffsetFetch for one group. With `require_stable` the answer includes every commit accepted
    /// before. An unknown group has no offsets, which is no error.
    ///
    /// # Errors
    /// What concerns the coordinator, and a failed wait for earlier commits.
    pub async fn offset_fetch(
        &self,
        group_id: &str,
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
        Ok(shard.lock_active()?.fetch(group_id, selection))
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
type Queued = (
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
            group.validate_offset_commit(identity, request.generation)?;
            if matches!(
                group.state(),
                GroupState::Stable | GroupState::PreparingRebalance
            ) {
                group.refresh_session(&request.member_id, actions);
            }
            Ok(())
        });
        match validated {
            Some(result) => result,
            // The commit will make a simple group.
            None if request.generation < 0 => Ok(()),
            None if request.reports_unknown_group => Err(GroupError::GroupIdNotFound),
            None => Err(GroupError::IllegalGeneration),
        }
    }

    fn queue_commit(&mut self, request: &OffsetCommit, now: Now) -> Result<Queued, GroupError> {
        let mut outcomes = Vec::with_capacity(request.offsets.len());
        let mut records = Vec::with_capacity(request.offsets.len());
        let mut offsets = Vec::with_capacity(request.offsets.len());
        for offset in &request.offsets {
            if self.is_metadata_too_large(offset.metadata.as_deref()) {
                outcomes.push(Err(GroupError::OffsetMetadataTooLarge));
                continue;
            }
            let committed = committed_offset(offset, request.retention_time_ms, now.ms);
            let record = encode_offset_commit_key(
                &request.group_id,
                &offset.topic,
                offset.partition,
            )
            .and_then(|key| {
                Ok(CoordinatorRecord {
                    key,
                    value: Some(committed.to_value()?),
                })
            })
            .map_err(|error| {
                tracing::warn!(group = %request.group_id, %error, "cannot encode an offset");
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
        let group_id = Arc::clone(&request.group_id);
        self.writes.push_back(Write::Commit(Commit {
            group_id,
            records,
            size_bytes,
            offsets,
            done,
        }));
        Ok((outcomes, Some(receiver)))
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

    fn fetch(&self, group_id: &str, selection: &OffsetSelection) -> Vec<FetchedTopic> {
        let entry = self
            .groups
            .get(group_id)
            .filter(|entry| !entry.group.is_dead());
        let offsets = entry.map(|entry| &entry.offsets);
        match selection {
            OffsetSelection::All => offsets
                .map(|offsets| offsets.by_topic())
                .unwrap_or_default()
                .into_iter()
                .map(|(topic, partitions)| FetchedTopic {
                    topic: Arc::clone(topic),
                    partitions: partitions
                        .iter()
                        .map(|(p, c)| (*p, Some(c.clone())))
                        .collect(),
                })
                .collect(),
            OffsetSelection::Topics(topics) => topics
                .iter()
                .map(
                    |TopicToFetch {
                         topic,
                         topic_id,
                         partitions,
                     }| {
                        let find = |partition: &i32| {
                            let committed = offsets?.committed(topic, *topic_id, *partition);
                            committed.cloned()
                        };
                        FetchedTopic {
                            topic: Arc::clone(topic),
                            partitions: partitions.iter().map(|p| (*p, find(p))).collect(),
                        }
                    },
                )
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
