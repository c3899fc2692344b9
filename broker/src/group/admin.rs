//! Looking at groups and removing them: ListGroups, DescribeGroups, DeleteGroups, and the removal
//! of offsets that nobody needs any more.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::classic::state::{ClassicGroup, GroupState};
use super::coordinator::GroupCoordinator;
use super::entry::Group;
use super::error::GroupError;
use super::write::{Done, Removal};

/// Kafka's name of the type of classic groups.
pub const CLASSIC_GROUP_TYPE: &str = "classic";
/// Kafka's name of the type of consumer groups.
pub const CONSUMER_GROUP_TYPE: &str = "consumer";

/// A group as ListGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group id.
    pub group_id: Arc<str>,
    /// The protocol type; empty for simple groups.
    pub protocol_type: Arc<str>,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Kafka's name of the type.
    pub group_type: &'static str,
}

/// A group as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// The group id.
    pub group_id: Arc<str>,
    /// The state.
    pub state: GroupState,
    /// The protocol type; empty for simple groups.
    pub protocol_type: Arc<str>,
    /// The chosen protocol; empty unless the group is Stable.
    pub protocol: Arc<str>,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// A member as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member id.
    pub member_id: Arc<str>,
    /// The group instance id of a static member.
    pub group_instance_id: Option<Arc<str>>,
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's address.
    pub client_host: Arc<str>,
    /// Metadata for the chosen protocol; empty unless the group is Stable.
    pub metadata: Bytes,
    /// The assignment.
    pub assignment: Bytes,
}

impl GroupCoordinator {
    /// ListGroups: groups in any of `states` (all when empty) of any of `types` (all when empty);
    /// the names are compared without regard to case.
    ///
    /// # Errors
    /// `CoordinatorLoadInProgress` while a partition is being loaded: the list would be incomplete.
    pub fn list_groups(
        &self,
        states: &[&str],
        types: &[&str],
    ) -> Result<Vec<ListedGroup>, GroupError> {
        if self.is_loading() {
            return Err(GroupError::CoordinatorLoadInProgress);
        }
        let is_named = |wanted: &[&str], name: &str| {
            let mut names = wanted.iter();
            wanted.is_empty() || names.any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
        };
        let mut listed = Vec::new();
        for shard in self.active_shards() {
            let state = shard.lock();
            listed.extend(
                state
                    .groups
                    .iter()
                    .filter(|(_, entry)| is_named(types, entry.group.type_name()))
                    .filter(|(_, entry)| is_named(states, entry.group.state_name()))
                    .map(|(group_id, entry)| ListedGroup {
                        group_id: Arc::clone(group_id),
                        protocol_type: entry.group.protocol_type(),
                        state: entry.group.state_name(),
                        group_type: entry.group.type_name(),
                    }),
            );
        }
        listed.sort_unstable_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(listed)
    }

    /// DescribeGroups for one group. Consumer groups have a request of their own.
    ///
    /// # Errors
    /// `GroupIdNotFound`, and what concerns the coordinator.
    pub fn describe_group(&self, group_id: &str) -> Result<DescribedGroup, GroupError> {
        let shard = self.shard_of(group_id)?;
        let state = shard.lock_active()?;
        state
            .groups
            .get(group_id)
            .and_then(|entry| match &entry.group {
                Group::Classic(group) => Some(describe(group)),
                Group::Consumer(_) => None,
            })
            .ok_or(GroupError::GroupIdNotFound)
    }

    /// DeleteGroups: groups without members are deleted with their offsets. One outcome per group,
    /// in their order: `GroupIdNotFound`, `NonEmptyGroup`, or a failed write.
    pub async fn delete_groups(&self, group_ids: &[Arc<str>]) -> Vec<Result<(), GroupError>> {
        let mut waiting = Vec::with_capacity(group_ids.len());
        for group_id in group_ids {
            let group_id = Arc::clone(group_id);
            let shard = self.shard_of(&group_id);
            waiting.push(shard.and_then(|shard| {
                let (done, receiver) = oneshot::channel();
                let mut state = shard.lock_active()?;
                state.queue_removal(Removal::Group { group_id, done });
                drop(state);
                self.drain_if_needed(&shard);
                Ok(receiver)
            }));
        }
        let mut outcomes = Vec::with_capacity(waiting.len());
        for receiver in waiting {
            outcomes.push(match receiver {
                Ok(receiver) => receiver.await.unwrap_or(Err(GroupError::NotCoordinator)),
                Err(error) => Err(error),
            });
        }
        outcomes
    }

    /// Removes the offsets of deleted topics from all groups; returns how many there were. What
    /// cannot be removed now stays until it expires.
    pub async fn on_topics_deleted(&self, topics: &[Arc<str>]) -> usize {
        self.remove_everywhere(|done| Removal::Topics {
            topics: topics.to_vec(),
            done,
        })
        .await
    }

    /// Removes offsets past their retention and groups that have nothing left; returns how many.
    /// `run_timers` does so every `offsets.retention.check.interval.ms`.
    pub async fn expire_offsets(&self) -> usize {
        self.remove_everywhere(|done| Removal::Expired { done })
            .await
    }

    async fn remove_everywhere(&self, removal: impl Fn(Done<usize>) -> Removal) -> usize {
        let mut waiting = Vec::new();
        for shard in self.active_shards() {
            let (done, receiver) = oneshot::channel();
            let mut state = shard.lock();
            if state.is_unloaded || state.groups.is_empty() && !state.is_draining {
                continue;
            }
            state.queue_removal(removal(done));
            drop(state);
            self.drain_if_needed(&shard);
            waiting.push((shard.partition, receiver));
        }
        let mut total = 0;
        for (partition, receiver) in waiting {
            match receiver.await.unwrap_or(Err(GroupError::NotCoordinator)) {
                Ok(count) => total += count,
                Err(error) => tracing::warn!(partition, %error, "cannot remove offsets"),
            }
        }
        total
    }
}

fn describe(group: &ClassicGroup) -> DescribedGroup {
    let is_stable = group.state() == GroupState::Stable;
    let protocol = group.protocol_name.as_deref().filter(|_| is_stable);
    DescribedGroup {
        group_id: Arc::clone(&group.group_id),
        state: group.state(),
        protocol_type: name_or_empty(group.protocol_type.as_ref()),
        protocol: Arc::from(protocol.unwrap_or("")),
        members: group
            .members
            .values()
            .map(|member| DescribedMember {
                member_id: Arc::clone(&member.member_id),
                group_instance_id: member.group_instance_id.clone(),
                client_id: Arc::clone(&member.client_id),
                client_host: Arc::clone(&member.client_host),
                metadata: protocol
                    .map(|name| member.metadata(Some(name)))
                    .unwrap_or_default(),
                assignment: member.assignment.clone(),
            })
            .collect(),
    }
}

fn name_or_empty(name: Option<&Arc<str>>) -> Arc<str> {
    name.cloned().unwrap_or_else(|| Arc::from(""))
}
