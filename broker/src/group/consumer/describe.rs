//! A consumer group as ConsumerGroupDescribe shows it.

use std::sync::Arc;

use super::group::{ConsumerGroup, ConsumerGroupState};
use super::member::{Member, without_epochs};
use super::settings::ConsumerGroupConfig;
use crate::group::assignor::{Assignment, MemberId};
use crate::group::schema::EpochAssignment;

/// A consumer group as ConsumerGroupDescribe shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// The group id.
    pub group_id: Arc<str>,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// The group epoch.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub assignment_epoch: i32,
    /// The server-side assignor in use.
    pub assignor: Arc<str>,
    /// The members.
    pub members: Vec<DescribedConsumerMember>,
}

/// A member as ConsumerGroupDescribe shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    /// The member id.
    pub member_id: MemberId,
    /// The group instance id of a static member.
    pub instance_id: Option<Arc<str>>,
    /// The rack.
    pub rack_id: Option<Arc<str>>,
    /// The member's epoch.
    pub epoch: i32,
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's address.
    pub client_host: Arc<str>,
    /// The topics subscribed to by name.
    pub subscribed_topic_names: Vec<Arc<str>>,
    /// The regular expression subscribed to.
    pub subscribed_topic_regex: Option<Arc<str>>,
    /// What the member owns, also what it has to give up.
    pub assignment: Assignment,
    /// What it is to own.
    pub target: Assignment,
    /// Whether it uses the classic protocol.
    pub is_classic: bool,
}

impl ConsumerGroup {
    /// The group as ConsumerGroupDescribe shows it.
    pub(crate) fn describe(&self, config: &ConsumerGroupConfig) -> DescribedConsumerGroup {
        let preferred = self.subscriptions.preferred_assignor().cloned();
        DescribedConsumerGroup {
            group_id: Arc::clone(&self.group_id),
            state: self.state().name(),
            epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            assignor: preferred.unwrap_or_else(|| Arc::from(config.assignor(None).name())),
            members: self
                .members
                .values()
                .map(|member| self.describe_one(member))
                .collect(),
        }
    }

    fn describe_one(&self, member: &Member) -> DescribedConsumerMember {
        let metadata = &member.metadata;
        let names = metadata.subscribed_topic_names.iter();
        DescribedConsumerMember {
            member_id: Arc::clone(&member.member_id),
            instance_id: metadata.instance_id.clone(),
            rack_id: metadata.rack_id.clone(),
            epoch: member.current.epoch,
            client_id: Arc::clone(&metadata.client_id),
            client_host: Arc::clone(&metadata.client_host),
            subscribed_topic_names: names.cloned().collect(),
            subscribed_topic_regex: metadata.subscribed_topic_regex.clone(),
            assignment: owned(&member.current.assigned, &member.current.pending_revocation),
            target: self
                .target
                .get(&member.member_id)
                .cloned()
                .unwrap_or_default(),
            is_classic: member.classic().is_some(),
        }
    }

    /// Whether the group is to be shown at all.
    pub(crate) fn is_dead(&self) -> bool {
        self.state() == ConsumerGroupState::Dead
    }
}

/// A member answers for what it has to give up until it has.
fn owned(assigned: &EpochAssignment, pending_revocation: &EpochAssignment) -> Assignment {
    let mut all = without_epochs(assigned);
    for (id, partitions) in without_epochs(pending_revocation) {
        all.entry(id).or_default().extend(partitions);
    }
    all
}
