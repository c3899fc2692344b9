//! A group of whatever protocol with its committed offsets, and what all kinds of groups have in
//! common. The rules of each kind are its own: `classic`, `consumer`.

use std::sync::Arc;

use super::admin::{CLASSIC_GROUP_TYPE, CONSUMER_GROUP_TYPE};
use super::classic::membership::RetentionStart;
use super::classic::state::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, GroupState};
use super::consumer::group::ConsumerGroup;
use super::error::GroupError;
use super::offsets::GroupOffsets;

/// A group with its offsets.
#[derive(Debug)]
pub(crate) struct GroupEntry {
    pub(crate) group: Group,
    pub(crate) offsets: GroupOffsets,
    /// Writes of a consumer group that are queued or under way: what it is now is not all on disk
    /// yet.
    pub(crate) unwritten: usize,
}

impl GroupEntry {
    pub(crate) const fn new(group: Group, offsets: GroupOffsets) -> Self {
        Self {
            group,
            offsets,
            unwritten: 0,
        }
    }
}

/// A group.
#[derive(Debug)]
pub(crate) enum Group {
    /// A group of the classic protocol, or one that only stores offsets.
    Classic(Box<ClassicGroup>),
    /// A group of the consumer protocol (KIP-848).
    Consumer(Box<ConsumerGroup>),
}

impl Group {
    /// Kafka's name of the type of the group.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Classic(_) => CLASSIC_GROUP_TYPE,
            Self::Consumer(_) => CONSUMER_GROUP_TYPE,
        }
    }

    /// Kafka's name of the state of the group.
    pub(crate) fn state_name(&self) -> &'static str {
        match self {
            Self::Classic(group) => group.state().name(),
            Self::Consumer(group) => group.state().name(),
        }
    }

    /// The protocol type; empty for groups that only store offsets.
    pub(crate) fn protocol_type(&self) -> Arc<str> {
        match self {
            Self::Classic(group) => {
                let name = group.protocol_type.clone();
                name.unwrap_or_else(|| Arc::from(""))
            }
            Self::Consumer(_) => Arc::from(CONSUMER_PROTOCOL_TYPE),
        }
    }

    /// Whether the group is being deleted or moves away.
    pub(crate) fn is_dead(&self) -> bool {
        match self {
            Self::Classic(group) => group.state() == GroupState::Dead,
            Self::Consumer(group) => group.is_dead(),
        }
    }

    /// Whether offsets of the topic are in use by the members.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed(topic),
            Self::Consumer(group) => group.subscriptions.has_topic(topic),
        }
    }

    /// From when on the offsets of topics the group does not subscribe to are retained.
    pub(crate) fn retention_start(&self) -> RetentionStart {
        match self {
            Self::Classic(group) => group.retention_start(),
            Self::Consumer(_) => RetentionStart::Commit,
        }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// `NonEmptyGroup`, or `GroupIdNotFound` when it is being deleted already.
    pub(crate) fn validate_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.validate_delete(),
            Self::Consumer(group) => group.validate_delete(),
        }
    }

    /// Whether the group, which may be deleted, is not about to be used.
    pub(crate) fn is_idle(&self) -> bool {
        match self {
            // A member id that was just handed out will be used: the group waits for it.
            Self::Classic(group) => group.pending_joins.is_empty(),
            Self::Consumer(_) => true,
        }
    }

    /// Whether offsets of topics nobody subscribes to may be deleted.
    ///
    /// # Errors
    /// `NonEmptyGroup`, or `GroupIdNotFound` when the group is being deleted.
    pub(crate) fn validate_offset_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.validate_offset_delete(),
            Self::Consumer(group) if group.is_dead() => Err(GroupError::GroupIdNotFound),
            Self::Consumer(_) => Ok(()),
        }
    }

    /// The tombstones of the group could not be written: it lives on.
    pub(crate) fn abort_delete(&mut self) {
        match self {
            Self::Classic(group) => group.abort_delete(),
            Self::Consumer(group) => group.is_deleting = false,
        }
    }
}
