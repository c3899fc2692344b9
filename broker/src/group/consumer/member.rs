//! One member of a consumer group: what it asked for, and how far it has come towards its target.
//! Plain data; `reconcile` moves it on, `group` keeps the members. Kafka's `ConsumerGroupMember`.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::group::assignor::{Assignment, MemberId};
use crate::group::schema::{
    ClassicMemberMetadata, ConsumerMemberMetadataValue, CurrentAssignmentValue, EpochAssignment,
};

/// The epoch in the heartbeat of a member that joins.
pub(crate) const JOIN_EPOCH: i32 = 0;
/// The epoch in the heartbeat of a member that leaves for good.
pub(crate) const LEAVE_EPOCH: i32 = -1;
/// The epoch in the heartbeat of a static member that will come back, and of one that is away.
pub(crate) const LEAVE_STATIC_EPOCH: i32 = -2;

/// Where a member stands between its current and its target assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has all of its target, as of its epoch.
    Stable,
    /// It has to give up partitions before it may have the next epoch.
    UnrevokedPartitions,
    /// It has the epoch of its target, but some of its partitions are still owned by others.
    UnreleasedPartitions,
    /// A state of a newer broker than this. Such a member has to start anew.
    Unknown,
}

impl MemberState {
    /// The number in records.
    const fn code(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    const fn from_code(code: i8) -> Self {
        match code {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

/// What a member owns, and as of which epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    /// The epoch expected in its next heartbeat.
    pub(crate) epoch: i32,
    /// The epoch before, accepted once more should an answer have been lost.
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    /// What it owns, or may take from now on.
    pub(crate) assigned: EpochAssignment,
    /// What it owns and has to give up.
    pub(crate) pending_revocation: EpochAssignment,
}

impl Current {
    /// What a member owns that has not been given anything yet.
    pub(crate) const fn new() -> Self {
        Self {
            epoch: JOIN_EPOCH,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: EpochAssignment::new(),
            pending_revocation: EpochAssignment::new(),
        }
    }

    pub(crate) fn to_value(&self) -> CurrentAssignmentValue {
        CurrentAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned_partitions: self.assigned.clone(),
            partitions_pending_revocation: self.pending_revocation.clone(),
        }
    }

    pub(crate) fn from_value(value: CurrentAssignmentValue) -> Self {
        Self {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::from_code(value.state),
            assigned: value.assigned_partitions,
            pending_revocation: value.partitions_pending_revocation,
        }
    }

    /// Whether the member is done with the target of this epoch.
    pub(crate) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    /// The epoch at which the partition was given to the member, if it still has it.
    pub(crate) fn assignment_epoch(&self, topic_id: Uuid, partition: i32) -> Option<i32> {
        [&self.assigned, &self.pending_revocation]
            .into_iter()
            .find_map(|partitions| partitions.get(&topic_id)?.get(&partition).copied())
    }

    /// Every partition the member owns or has to give up.
    pub(crate) fn owned(&self) -> impl Iterator<Item = (Uuid, i32)> + '_ {
        let both = self.assigned.iter().chain(&self.pending_revocation);
        both.flat_map(|(id, partitions)| partitions.keys().map(move |index| (*id, *index)))
    }
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) member_id: MemberId,
    pub(crate) metadata: ConsumerMemberMetadataValue,
    pub(crate) current: Current,
}

impl Member {
    /// A member nobody has described yet.
    pub(crate) fn new(member_id: MemberId) -> Self {
        Self {
            member_id,
            metadata: ConsumerMemberMetadataValue {
                instance_id: None,
                rack_id: None,
                client_id: Arc::from(""),
                client_host: Arc::from(""),
                subscribed_topic_names: BTreeSet::new(),
                subscribed_topic_regex: Some(Arc::from("")),
                rebalance_timeout_ms: -1,
                server_assignor: None,
                classic: None,
            },
            current: Current::new(),
        }
    }

    /// The regular expression the member subscribes to, if any.
    pub(crate) fn regex(&self) -> Option<&Arc<str>> {
        regex_of(&self.metadata)
    }

    /// What is known of a member that uses the classic protocol.
    pub(crate) const fn classic(&self) -> Option<&ClassicMemberMetadata> {
        self.metadata.classic.as_ref()
    }

    /// Whether a static member is away and may come back under another member id.
    pub(crate) const fn is_away(&self) -> bool {
        self.current.epoch == LEAVE_STATIC_EPOCH
    }
}

/// The regular expression in the metadata of a member, if any.
pub(crate) fn regex_of(metadata: &ConsumerMemberMetadataValue) -> Option<&Arc<str>> {
    let regex = metadata.subscribed_topic_regex.as_ref();
    regex.filter(|regex| !regex.is_empty())
}

/// The partitions of an assignment without their epochs.
pub(crate) fn without_epochs(assignment: &EpochAssignment) -> Assignment {
    let topics = assignment.iter();
    topics
        .map(|(id, partitions)| (*id, partitions.keys().copied().collect()))
        .collect()
}
