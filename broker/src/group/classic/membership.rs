//! Heartbeats, leaves, and the checks before offsets change: all that concerns who is a member
//! outside a rebalance. Mirrors `classicGroupHeartbeat`, `classicGroupLeave` and the `validate*`
//! methods of Kafka's `ClassicGroup`.

use std::sync::Arc;

use super::action::Action;
use super::join::reason_text;
use super::request::{JoinRefused, LeavingMember, MemberIdentity};
use super::state::{ClassicGroup, GroupState};
use crate::group::error::GroupError;
use crate::group::timers::TimerKind;

/// From when on the retention of a group's offsets counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetentionStart {
    /// From this time, ms since the epoch, for all offsets.
    At(i64),
    /// From the commit of each offset.
    Commit,
    /// Offsets of the group do not expire now.
    Never,
}

impl ClassicGroup {
    /// A member says that it lives.
    pub(crate) fn heartbeat(
        &self,
        identity: MemberIdentity<'_>,
        generation: i32,
        actions: &mut Vec<Action>,
    ) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.validate_member(identity)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.refresh_session(identity.member_id, actions);
        match self.state {
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Members leave, or an administrator removes them. One answer per member, in their order.
    ///
    /// # Errors
    /// When the group is dead nobody is removed.
    pub(crate) fn leave(
        &mut self,
        leaving: &[LeavingMember],
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let results: Vec<Result<(), GroupError>> = leaving
            .iter()
            .map(|member| self.leave_one(member, actions))
            .collect();
        if results.iter().any(Result::is_ok) {
            match self.state {
                GroupState::Stable | GroupState::CompletingRebalance => {
                    self.prepare_rebalance("members left", now_ms, actions);
                }
                _ => self.maybe_complete_join(now_ms, actions),
            }
        }
        Ok(results)
    }

    fn leave_one(
        &mut self,
        leaving: &LeavingMember,
        actions: &mut Vec<Action>,
    ) -> Result<(), GroupError> {
        let member_id = if leaving.member_id.is_empty() {
            let instance_id = leaving.group_instance_id.as_ref();
            instance_id
                .and_then(|instance_id| self.static_members.get(instance_id).cloned())
                .ok_or(GroupError::UnknownMemberId)?
        } else {
            if !self.is_pending(&leaving.member_id) {
                self.validate_member(MemberIdentity {
                    member_id: &leaving.member_id,
                    group_instance_id: leaving.group_instance_id.as_deref(),
                })?;
            }
            Arc::clone(&leaving.member_id)
        };
        tracing::info!(
            group = %self.group_id, member = %member_id,
            reason = reason_text(leaving.reason.as_deref()), "member leaves"
        );
        self.remove_member(&member_id, actions);
        Ok(())
    }

    /// Whether the sender may commit offsets now. In a transaction (`is_transactional`) a sender
    /// without member id and generation may do so whatever the group is up to, as old producers
    /// know neither, and the state of a rebalance does not matter.
    pub(crate) fn validate_offset_commit(
        &self,
        identity: MemberIdentity<'_>,
        generation: i32,
        is_transactional: bool,
    ) -> Result<(), GroupError> {
        if self.state == GroupState::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        if generation < 0 && self.state == GroupState::Empty {
            // An administrator, or a consumer that assigns its partitions itself.
            return Ok(());
        }
        let names_member = 0 <= generation
            || !identity.member_id.is_empty()
            || identity.group_instance_id.is_some();
        if names_member {
            self.validate_member(identity)?;
            if generation != self.generation {
                return Err(GroupError::IllegalGeneration);
            }
        } else if !is_transactional && self.state != GroupState::Empty {
            return Err(GroupError::UnknownMemberId);
        }
        if !is_transactional && self.state == GroupState::CompletingRebalance {
            // The sender has joined this generation and so has to sync before it commits.
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether offsets of topics nobody subscribes to may be deleted.
    pub(crate) fn validate_offset_delete(&self) -> Result<(), GroupError> {
        match self.state {
            GroupState::Dead => Err(GroupError::GroupIdNotFound),
            GroupState::Empty => Ok(()),
            _ if self.uses_consumer_protocol() => Ok(()),
            _ => Err(GroupError::NonEmptyGroup),
        }
    }

    /// Whether the group may be deleted.
    pub(crate) const fn validate_delete(&self) -> Result<(), GroupError> {
        match self.state {
            GroupState::Dead => Err(GroupError::GroupIdNotFound),
            GroupState::Empty => Ok(()),
            _ => Err(GroupError::NonEmptyGroup),
        }
    }

    /// The group is about to be deleted: nobody may use it while the tombstones are written.
    pub(crate) fn begin_delete(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        assert!(
            self.state == GroupState::Empty,
            "{} is {}",
            self.group_id,
            self.state
        );
        let since_ms = self.state_since_ms;
        self.transition_to(GroupState::Dead, now_ms);
        // Kept for `abort_delete`, and because expiry counts from it.
        self.state_since_ms = since_ms;
        for member_id in std::mem::take(&mut self.pending_joins) {
            actions.push(Action::CancelTimer(TimerKind::Session(member_id)));
        }
    }

    /// The tombstones could not be written: the group lives on.
    pub(crate) fn abort_delete(&mut self) {
        assert!(
            self.state == GroupState::Dead,
            "{} is {}",
            self.group_id,
            self.state
        );
        self.state = GroupState::Empty;
    }

    /// The group moves to another coordinator: every parked request is sent there.
    pub(crate) fn unload(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        self.transition_to(GroupState::Dead, now_ms);
        self.refuse_parked(GroupError::NotCoordinator, actions);
    }

    /// A group of the consumer protocol takes this one's place, with its members: they are to join
    /// that.
    pub(crate) fn hand_over(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        self.transition_to(GroupState::Dead, now_ms);
        actions.push(Action::CancelTimer(TimerKind::Join));
        actions.push(Action::CancelTimer(TimerKind::Sync));
        for member_id in std::mem::take(&mut self.pending_joins) {
            actions.push(Action::CancelTimer(TimerKind::Session(member_id)));
        }
        let error = GroupError::RebalanceInProgress;
        self.refuse_parked(error, actions);
    }

    /// This group takes the place of one of the consumer protocol: its members' sessions begin, and
    /// a rebalance if there is a reason for one.
    pub(crate) fn take_over(
        &mut self,
        rebalance: Option<&str>,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        for member_id in self.members.keys() {
            self.refresh_session(member_id, actions);
        }
        if let Some(reason) = rebalance {
            self.prepare_rebalance(reason, now_ms, actions);
        }
    }

    /// Answers every parked request with `error`.
    fn refuse_parked(&mut self, error: GroupError, actions: &mut Vec<Action>) {
        let member_ids: Vec<Arc<str>> = self.members.keys().map(Arc::clone).collect();
        for member_id in member_ids {
            let refused = JoinRefused {
                error,
                member_id: Arc::clone(&member_id),
            };
            self.reply_join(&member_id, Err(refused), actions);
            self.reply_sync(&member_id, Err(error), actions);
        }
    }

    /// From when on the offsets of topics the group does not subscribe to are retained.
    pub(crate) fn retention_start(&self) -> RetentionStart {
        if self.protocol_type.is_none() {
            // A simple group: it only stores offsets.
            return RetentionStart::Commit;
        }
        match (self.state, self.state_since_ms) {
            (GroupState::Empty, Some(since_ms)) => RetentionStart::At(since_ms),
            (GroupState::Empty, None) => RetentionStart::Commit,
            (GroupState::Stable, _)
                if self.uses_consumer_protocol() && self.knows_subscribed_topics() =>
            {
                RetentionStart::Commit
            }
            _ => RetentionStart::Never,
        }
    }
}
