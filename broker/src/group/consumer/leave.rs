//! Members that leave a consumer group, or are taken for gone. Events of [`ConsumerGroup`]; mirrors
//! `GroupMetadataManager.consumerGroupLeave` and `consumerGroupFenceMembers`.

use std::sync::Arc;

use super::action::Action;
use super::group::ConsumerGroup;
use super::heartbeat::timeout;
use super::member::{LEAVE_STATIC_EPOCH, Member, MemberState};
use super::record::ConsumerRecord;
use super::request::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
use super::settings::Surroundings;
use crate::group::assignor::MemberId;
use crate::group::error::GroupError;
use crate::group::migration::Downgrade;
use crate::group::timers::TimerKind;

impl ConsumerGroup {
    /// A heartbeat of a member that leaves: with epoch -1 for good, a static one with -2 to come
    /// back.
    ///
    /// # Errors
    /// `UnknownMemberId`, and `FencedInstanceId` when another member has the instance id.
    pub(crate) fn leave(
        &mut self,
        request: &ConsumerHeartbeat,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<ConsumerHeartbeatAnswer, Refused> {
        let member = match &request.instance_id {
            None => self
                .members
                .get(&request.member_id)
                .ok_or_else(|| self.unknown_member(&request.member_id))?,
            Some(instance_id) => {
                let member = self.static_member(instance_id).ok_or_else(|| {
                    let text = format!("Instance id {instance_id} is unknown.");
                    Refused::new(GroupError::UnknownMemberId, text)
                })?;
                self.check_instance(member, instance_id, &request.member_id)?;
                member
            }
        };
        let member_id = Arc::clone(&member.member_id);
        let is_coming_back =
            request.instance_id.is_some() && request.member_epoch == LEAVE_STATIC_EPOCH;
        let group = &self.group_id;
        tracing::info!(%group, member = %member_id, is_coming_back, "member leaves");
        if is_coming_back {
            let away = away(member);
            self.change(away, actions);
            let timer = TimerKind::Rebalance(Arc::clone(&member_id));
            actions.push(Action::CancelTimer(timer));
        } else {
            self.fence(&[Arc::clone(&member_id)], surroundings, actions);
        }
        Ok(ConsumerHeartbeatAnswer {
            member_id,
            member_epoch: request.member_epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        })
    }

    /// Removes members, for whatever reason; the others get their partitions with the next target.
    /// Or the others become a classic group, if they are of the classic protocol, all of them.
    pub(crate) fn fence(
        &mut self,
        member_ids: &[MemberId],
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) {
        if member_ids.is_empty() {
            return;
        }
        if let Some(group) = self.downgraded(member_ids, surroundings) {
            let rebalance = Some("downgraded because members left");
            self.hand_over(Downgrade { group, rebalance }, actions);
            return;
        }
        for member_id in member_ids {
            let regex = self
                .members
                .get(member_id)
                .and_then(|member| member.regex().cloned());
            self.remove(member_id, actions);
            self.drop_unused_regex(regex.as_ref(), actions);
        }
        let hash = self.compute_metadata_hash(surroundings.topics);
        self.bump_epoch(hash, actions);
    }

    /// Writes the tombstones of a member and cancels its timers.
    pub(super) fn remove(&mut self, member_id: &MemberId, actions: &mut Vec<Action>) {
        let id = || Arc::clone(member_id);
        for record in [
            ConsumerRecord::CurrentAssignment(id(), None),
            ConsumerRecord::TargetAssignmentMember(id(), None),
            ConsumerRecord::Member(id(), None),
        ] {
            self.change(record, actions);
        }
        cancel_timers(member_id, actions);
    }

    /// Leaves everything to the classic group that takes this one's place.
    pub(super) fn hand_over(&self, downgrade: Downgrade, actions: &mut Vec<Action>) {
        for member_id in self.members.keys() {
            cancel_timers(member_id, actions);
        }
        actions.push(Action::BecomeClassic(downgrade));
    }

    /// The tombstones of the whole group, in Kafka's order; its own is the last.
    pub(crate) fn tombstones(&self) -> Vec<ConsumerRecord> {
        let ids = || self.members.keys().cloned();
        let regexes = self.resolved_regexes.keys().cloned();
        let mut records = Vec::with_capacity(3 * self.members.len() + 3);
        records.extend(ids().map(|id| ConsumerRecord::CurrentAssignment(id, None)));
        records.extend(ids().map(|id| ConsumerRecord::TargetAssignmentMember(id, None)));
        records.push(ConsumerRecord::TargetAssignment(None));
        records.extend(ids().map(|id| ConsumerRecord::Member(id, None)));
        records.extend(regexes.map(|regex| ConsumerRecord::RegularExpression(regex, None)));
        records.push(ConsumerRecord::LegacyPartitionMetadata(false));
        records.push(ConsumerRecord::Metadata(None));
        records
    }

    /// A timer of the group has fired: the session of a member has ended, or the time in which it
    /// had to give up partitions.
    pub(crate) fn timer_fired(
        &mut self,
        kind: &TimerKind,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (member_id, reason) = match kind {
            TimerKind::Session(member_id) => (member_id, "its session expired"),
            // Cancelled with every step that ends the wait, so the member is still in it.
            TimerKind::Rebalance(member_id) => (member_id, "it did not revoke partitions in time"),
            TimerKind::ClassicRejoin(member_id) => (member_id, "it did not join again in time"),
            TimerKind::ClassicSync(member_id) => (member_id, "it did not sync in time"),
            TimerKind::Join | TimerKind::Sync => return,
        };
        if self.members.contains_key(member_id) {
            tracing::info!(group = %self.group_id, member = %member_id, reason, "member fenced");
            self.fence(&[Arc::clone(member_id)], surroundings, actions);
        }
    }

    /// Starts the session of a member; one of the classic protocol says itself how long it is,
    /// where Kafka uses the group's setting after a load.
    pub(crate) fn start_session(
        &self,
        member_id: &MemberId,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) {
        let classic = self.members.get(member_id).and_then(Member::classic);
        let after = match classic {
            Some(classic) => timeout(classic.session_timeout_ms),
            None => surroundings.settings.session_timeout,
        };
        let session = TimerKind::Session(Arc::clone(member_id));
        actions.push(Action::SetTimer(session, after));
    }

    /// Starts the sessions of the members after a load.
    pub(crate) fn loaded(&self, surroundings: &Surroundings<'_>, actions: &mut Vec<Action>) {
        for (member_id, member) in &self.members {
            self.start_session(member_id, surroundings, actions);
            if member.current.state == MemberState::UnrevokedPartitions
                && member.classic().is_none()
            {
                let rebalance = TimerKind::Rebalance(Arc::clone(member_id));
                let after = timeout(member.metadata.rebalance_timeout_ms);
                actions.push(Action::SetTimer(rebalance, after));
            }
        }
    }
}

/// Cancels every timer of the member.
fn cancel_timers(member_id: &MemberId, actions: &mut Vec<Action>) {
    let id = || Arc::clone(member_id);
    for kind in [
        TimerKind::Session(id()),
        TimerKind::Rebalance(id()),
        TimerKind::ClassicRejoin(id()),
        TimerKind::ClassicSync(id()),
    ] {
        actions.push(Action::CancelTimer(kind));
    }
}

/// What becomes of a static member that will come back: it keeps its partitions, given up by none.
/// They count as assigned at epoch 0 to whoever takes its place, whose epochs start anew.
fn away(member: &Member) -> ConsumerRecord {
    let mut current = member.current.clone();
    current.epoch = LEAVE_STATIC_EPOCH;
    current.pending_revocation.clear();
    let partitions = current.assigned.values_mut();
    partitions
        .flat_map(|of_topic| of_topic.values_mut())
        .for_each(|epoch| *epoch = 0);
    ConsumerRecord::CurrentAssignment(Arc::clone(&member.member_id), Some(current.to_value()))
}
