//! SyncGroup, Heartbeat and LeaveGroup of members that use the classic protocol, served by a
//! consumer group. Events of [`ConsumerGroup`]; mirrors the `classicGroup*ToConsumerGroup` methods
//! of `GroupMetadataManager`. JoinGroup is in `classic_join`.

use std::sync::Arc;

use super::action::Action;
use super::group::ConsumerGroup;
use super::heartbeat::timeout;
use super::member::{Member, MemberState, without_epochs};
use super::settings::Surroundings;
use crate::group::assignor::MemberId;
use crate::group::classic::request::{
    LeavingMember, MemberIdentity, SyncRequest, SyncResult, Synced,
};
use crate::group::classic::state::CONSUMER_PROTOCOL_TYPE;
use crate::group::error::GroupError;
use crate::group::migration::encoded;
use crate::group::schema::ClassicMemberMetadata;
use crate::group::timers::TimerKind;

impl ConsumerGroup {
    /// A member fetches its assignment.
    ///
    /// # Errors
    /// `UnknownMemberId`, also for a member that does not use the classic protocol;
    /// `FencedInstanceId`; `IllegalGeneration`; `InconsistentGroupProtocol`; `RebalanceInProgress`
    /// when there is a newer target, for which the member has to join again.
    pub(crate) fn classic_sync(
        &self,
        request: &SyncRequest,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) -> SyncResult {
        let identity = MemberIdentity {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_deref(),
        };
        let (member, classic) = self.classic_member(identity, request.generation)?;
        let (protocol_name, metadata) = classic
            .supported_protocols
            .first()
            .ok_or(GroupError::UnknownServerError)?;
        let differs = |said: &Option<Arc<str>>, known: &str| {
            said.as_deref().is_some_and(|said| said != known)
        };
        if differs(&request.protocol_type, CONSUMER_PROTOCOL_TYPE)
            || differs(&request.protocol_name, protocol_name)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        // A member that gives up partitions has joined already, and will again when it has.
        let is_revoking = member.current.state == MemberState::UnrevokedPartitions;
        if member.current.epoch < self.target_epoch && !is_revoking {
            actions.push(await_rejoin(member));
            return Err(GroupError::RebalanceInProgress);
        }
        let assigned = without_epochs(&member.current.assigned);
        let assignment = encoded(metadata, Some(&assigned), surroundings.topics);
        let assignment = assignment.map_err(|error| {
            tracing::error!(group = %self.group_id, %error, "cannot encode an assignment");
            GroupError::UnknownServerError
        })?;
        let id = || Arc::clone(&member.member_id);
        actions.push(Action::CancelTimer(TimerKind::ClassicSync(id())));
        actions.push(session(member, classic));
        Ok(Synced {
            protocol_type: request.protocol_type.clone(),
            protocol_name: request.protocol_name.clone(),
            assignment,
        })
    }

    /// A member says that it lives.
    ///
    /// # Errors
    /// `UnknownMemberId`, also for a member that does not use the classic protocol;
    /// `FencedInstanceId`; `IllegalGeneration`; `RebalanceInProgress` when the member has to join
    /// again: to reach a newer target, to say that it gave up partitions, or to get those it waited
    /// for.
    pub(crate) fn classic_heartbeat(
        &self,
        identity: MemberIdentity<'_>,
        generation: i32,
        actions: &mut Vec<Action>,
    ) -> Result<(), GroupError> {
        let (member, classic) = self.classic_member(identity, generation)?;
        actions.push(session(member, classic));
        let must_rejoin = member.current.epoch < self.target_epoch
            || match member.current.state {
                MemberState::UnrevokedPartitions => true,
                MemberState::UnreleasedPartitions => !self.is_waiting(member),
                MemberState::Stable | MemberState::Unknown => false,
            };
        if !must_rejoin {
            return Ok(());
        }
        actions.push(await_rejoin(member));
        Err(GroupError::RebalanceInProgress)
    }

    /// Members leave, or an administrator removes them, of whatever protocol. One answer per
    /// member, in their order.
    pub(crate) fn classic_leave(
        &mut self,
        leaving: &[LeavingMember],
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) -> Vec<Result<(), GroupError>> {
        let found: Vec<Result<MemberId, GroupError>> = leaving
            .iter()
            .map(|member| self.leaving_member(member))
            .collect();
        let mut gone: Vec<MemberId> = found.iter().flatten().cloned().collect();
        gone.sort();
        gone.dedup();
        self.fence(&gone, surroundings, actions);
        found.into_iter().map(|member| member.map(|_| ())).collect()
    }

    fn leaving_member(&self, leaving: &LeavingMember) -> Result<MemberId, GroupError> {
        let member = match &leaving.group_instance_id {
            None => self.members.get(&leaving.member_id),
            Some(instance_id) => {
                let member = self.static_member(instance_id);
                let is_other = |member: &Member| *member.member_id != *leaving.member_id;
                if !leaving.member_id.is_empty() && member.is_some_and(is_other) {
                    return Err(GroupError::FencedInstanceId);
                }
                member
            }
        };
        let member = member.ok_or(GroupError::UnknownMemberId)?;
        let reason = leaving.reason.as_deref().unwrap_or("not provided");
        tracing::info!(group = %self.group_id, member = %member.member_id, reason, "member leaves");
        Ok(Arc::clone(&member.member_id))
    }

    /// The member a request is from, which uses the classic protocol and has this generation.
    fn classic_member(
        &self,
        identity: MemberIdentity<'_>,
        generation: i32,
    ) -> Result<(&Member, &ClassicMemberMetadata), GroupError> {
        let member = match identity.group_instance_id {
            None => self.members.get(identity.member_id),
            Some(instance_id) => self.static_member(instance_id),
        };
        let member = member.ok_or(GroupError::UnknownMemberId)?;
        if *member.member_id != *identity.member_id {
            return Err(GroupError::FencedInstanceId);
        }
        let classic = member.classic().ok_or(GroupError::UnknownMemberId)?;
        if member.current.epoch != generation {
            return Err(GroupError::IllegalGeneration);
        }
        Ok((member, classic))
    }

    /// Whether some partition of the member's target is still owned by another.
    fn is_waiting(&self, member: &Member) -> bool {
        let target = self.target.get(&member.member_id).into_iter().flatten();
        target.into_iter().any(|(id, partitions)| {
            let assigned = member.current.assigned.get(id);
            partitions.iter().any(|index| {
                let is_assigned = assigned.is_some_and(|of_topic| of_topic.contains_key(index));
                !is_assigned && self.is_owned(*id, *index)
            })
        })
    }
}

fn session(member: &Member, classic: &ClassicMemberMetadata) -> Action {
    let kind = TimerKind::Session(Arc::clone(&member.member_id));
    Action::SetTimer(kind, timeout(classic.session_timeout_ms))
}

/// The member has been told to join again and has to, in time; being told again is no more time.
fn await_rejoin(member: &Member) -> Action {
    let kind = TimerKind::ClassicRejoin(Arc::clone(&member.member_id));
    Action::SetTimerIfUnset(kind, timeout(member.metadata.rebalance_timeout_ms))
}
