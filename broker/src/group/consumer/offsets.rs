//! Who may commit and fetch the offsets of a consumer group. Mirrors
//! `ConsumerGroup.validateOffsetCommit` and `validateOffsetFetch` (KIP-848, KIP-1251).

use uuid::Uuid;

use super::group::{ConsumerGroup, ConsumerGroupState};
use super::member::Member;
use crate::group::error::GroupError;

/// Who commits offsets, as the request says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committer<'a> {
    /// The member id; empty outside a group.
    pub(crate) member_id: &'a str,
    pub(crate) has_instance_id: bool,
    /// The member epoch; negative outside a group.
    pub(crate) member_epoch: i32,
    /// Whether the commit is part of a transaction.
    pub(crate) is_transactional: bool,
    /// Whether the version of OffsetCommit knows member epochs (9 and newer).
    pub(crate) knows_member_epochs: bool,
}

impl ConsumerGroup {
    /// Checks that the offsets of these partitions, by topic id, may be committed. A member may
    /// commit with an older epoch what it has owned since then without interruption.
    ///
    /// # Errors
    /// `UnknownMemberId`, `UnsupportedVersion`, and for the wrong epoch `StaleMemberEpoch`, or
    /// `IllegalGeneration` for a member that uses the classic protocol.
    pub(crate) fn validate_offset_commit(
        &self,
        committer: Committer<'_>,
        mut partitions: impl Iterator<Item = (Uuid, i32)>,
    ) -> Result<(), GroupError> {
        if committer.member_epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let is_anonymous = committer.member_id.is_empty() && !committer.has_instance_id;
        if committer.is_transactional && committer.member_epoch == -1 && is_anonymous {
            return Ok(());
        }
        let member = self.members.get(committer.member_id);
        let member = member.ok_or(GroupError::UnknownMemberId)?;
        let is_old_version = !committer.is_transactional && !committer.knows_member_epochs;
        if is_old_version && member.classic().is_none() {
            return Err(GroupError::UnsupportedVersion);
        }
        let said = committer.member_epoch;
        if said == member.current.epoch {
            return Ok(());
        }
        let may_commit = said < member.current.epoch
            && partitions.all(|(topic_id, partition)| {
                let since = member.current.assignment_epoch(topic_id, partition);
                since.is_some_and(|since| since <= said)
            });
        if may_commit {
            Ok(())
        } else {
            Err(wrong_epoch(member))
        }
    }

    /// Checks that the member may fetch the group's offsets. Without a member id and epoch anybody
    /// may.
    ///
    /// # Errors
    /// `UnknownMemberId`, and for the wrong epoch `StaleMemberEpoch`, or `IllegalGeneration` for a
    /// member that uses the classic protocol.
    pub(crate) fn validate_offset_fetch(
        &self,
        member_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        if member_id.is_none() && member_epoch < 0 {
            return Ok(());
        }
        let member = self.members.get(member_id.unwrap_or_default());
        let member = member.ok_or(GroupError::UnknownMemberId)?;
        if member_epoch == member.current.epoch {
            Ok(())
        } else {
            Err(wrong_epoch(member))
        }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// `NonEmptyGroup`, or `GroupIdNotFound` when it is being deleted already.
    pub(crate) fn validate_delete(&self) -> Result<(), GroupError> {
        match self.state() {
            ConsumerGroupState::Empty => Ok(()),
            ConsumerGroupState::Dead => Err(GroupError::GroupIdNotFound),
            _ => Err(GroupError::NonEmptyGroup),
        }
    }
}

fn wrong_epoch(member: &Member) -> GroupError {
    if member.classic().is_some() {
        GroupError::IllegalGeneration
    } else {
        GroupError::StaleMemberEpoch
    }
}
