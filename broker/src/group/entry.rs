//! A group of whatever protocol with its committed offsets, and what all kinds of groups have in
//! common. The rules of each kind are its own: `classic`.

use super::classic::membership::RetentionStart;
use super::classic::state::{ClassicGroup, GroupState};
use super::error::GroupError;
use super::offsets::GroupOffsets;

/// A group with its offsets.
#[derive(Debug)]
pub(crate) struct GroupEntry {
    pub(crate) group: Group,
    pub(crate) offsets: GroupOffsets,
}

/// A group.
#[derive(Debug)]
pub(crate) enum Group {
    /// A group of the classic protocol, or one that only stores offsets.
    Classic(Box<ClassicGroup>),
}

impl Group {
    /// Whether the group is being deleted or moves away.
    pub(crate) fn is_dead(&self) -> bool {
        match self {
            Self::Classic(group) => group.state() == GroupState::Dead,
        }
    }

    /// Whether offsets of the topic are in use by the members.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed(topic),
        }
    }

    /// From when on the offsets of topics the group does not subscribe to are retained.
    pub(crate) fn retention_start(&self) -> RetentionStart {
        match self {
            Self::Classic(group) => group.retention_start(),
        }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// `NonEmptyGroup`, or `GroupIdNotFound` when it is being deleted already.
    pub(crate) fn validate_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.validate_delete(),
        }
    }

    /// Whether the group, which may be deleted, is not about to be used.
    pub(crate) fn is_idle(&self) -> bool {
        match self {
            // A member id that was just handed out will be used: the group waits for it.
            Self::Classic(group) => group.pending_joins.is_empty(),
        }
    }

    /// Whether offsets of topics nobody subscribes to may be deleted.
    ///
    /// # Errors
    /// `NonEmptyGroup`, or `GroupIdNotFound` when the group is being deleted.
    pub(crate) fn validate_offset_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.validate_offset_delete(),
        }
    }

    /// The tombstones of the group could not be written: it lives on.
    pub(crate) fn abort_delete(&mut self) {
        match self {
            Self::Classic(group) => group.abort_delete(),
        }
    }
}
