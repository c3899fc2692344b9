//! A member's heartbeat: it joins, says what it subscribes to and owns, and learns what it may own.
//! Events of [`ConsumerGroup`]; mirrors `GroupMetadataManager.consumerGroupHeartbeat`.
//!
//! A heartbeat is checked before it changes anything. Then, in this order: the member is what it
//! says now; the group's epoch rises if that or a change of its topics asks for a new target; the
//! target is computed if it is older than the group and the last one is not too recent; and the
//! member moves towards its target.

use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::group::ConsumerGroup;
use super::member::{Current, JOIN_EPOCH, LEAVE_STATIC_EPOCH, Member, MemberState, without_epochs};
use super::reconcile::{Step, Target, reconcile};
use super::record::ConsumerRecord;
use super::regexes::RegexChange;
use super::request::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, Refused};
use super::settings::Surroundings;
use crate::group::assignor::{Assignment, MemberId};
use crate::group::error::GroupError;
use crate::group::schema::{ConsumerMemberMetadataValue, TargetAssignmentMemberValue};
use crate::group::timers::TimerKind;

impl ConsumerGroup {
    /// A heartbeat of a member that joins or stays.
    ///
    /// # Errors
    /// `GroupMaxSizeReached`; `UnknownMemberId`; `FencedMemberEpoch` when the member has another
    /// epoch than the group; `UnreleasedInstanceId` and `FencedInstanceId` when another member has
    /// the instance id; `InvalidRegularExpression`. Nothing has changed then. Also
    /// `UnknownServerError` when no target can be computed; the member is then in the group all
    /// the same, and its next heartbeat tries again.
    pub(crate) fn heartbeat(
        &mut self,
        request: &ConsumerHeartbeat,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<ConsumerHeartbeatAnswer, Refused> {
        let instance_id = request.instance_id.as_deref();
        let max_size = surroundings.settings.max_size;
        self.check_size(&request.member_id, instance_id, max_size)?;
        let replaced = self.check_identity(request)?;
        self.check_state(request)?;
        self.check_regex(request)?;
        if let Some(replaced) = replaced {
            self.replace_static_member(&replaced, &request.member_id, actions);
        }
        let before = self.members.get(&request.member_id).cloned();
        let before = before.unwrap_or_else(|| Member::new(Arc::clone(&request.member_id)));
        let metadata = updated_metadata(&before.metadata, request);
        let has_changed = self.describe_member(&before, metadata, surroundings, actions);
        self.refresh_target(surroundings, actions)?;
        let owned = request.owned.as_ref();
        self.move_on(
            &request.member_id,
            owned,
            has_changed,
            surroundings,
            actions,
        );
        actions.push(Action::SetTimer(
            TimerKind::Session(Arc::clone(&request.member_id)),
            surroundings.settings.session_timeout,
        ));
        Ok(self.answer(&before.current, request, surroundings))
    }

    pub(super) fn check_size(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        max_size: usize,
    ) -> Result<(), Refused> {
        let is_known = self.members.contains_key(member_id)
            || instance_id.is_some_and(|id| self.static_member(id).is_some());
        if is_known || self.members.len() < max_size {
            return Ok(());
        }
        let text =
            format!("The consumer group has reached its maximum capacity of {max_size} members.");
        Err(Refused::new(GroupError::GroupMaxSizeReached, text))
    }

    /// Checks who the member says it is. The id of the static member it takes the place of, if any.
    fn check_identity(&self, request: &ConsumerHeartbeat) -> Result<Option<MemberId>, Refused> {
        let is_joining = request.member_epoch == JOIN_EPOCH;
        let Some(instance_id) = &request.instance_id else {
            return match self.members.get(&request.member_id) {
                Some(member) => check_epoch(member, request).map(|()| None),
                None if is_joining => Ok(None),
                None => Err(self.unknown_member(&request.member_id)),
            };
        };
        let Some(existing) = self.static_member(instance_id) else {
            return if is_joining {
                Ok(None)
            } else {
                let text = format!("Instance id {instance_id} is unknown.");
                Err(Refused::new(GroupError::UnknownMemberId, text))
            };
        };
        if !is_joining {
            self.check_instance(existing, instance_id, &request.member_id)?;
            check_epoch(existing, request)?;
            return Ok(None);
        }
        if existing.classic().is_none() && !existing.is_away() {
            let text = format!(
                "Static member {} with instance id {instance_id} cannot join the group because the \
                 instance id is owned by {} member.",
                request.member_id, existing.member_id
            );
            return Err(Refused::new(GroupError::UnreleasedInstanceId, text));
        }
        Ok(Some(Arc::clone(&existing.member_id)))
    }

    /// Checks that the static member is the one a request says it is from.
    pub(super) fn check_instance(
        &self,
        existing: &Member,
        instance_id: &str,
        member_id: &str,
    ) -> Result<(), Refused> {
        if *existing.member_id == *member_id {
            return Ok(());
        }
        let text = format!(
            "Static member {member_id} with instance id {instance_id} was fenced by member {}.",
            existing.member_id
        );
        Err(Refused::new(GroupError::FencedInstanceId, text))
    }

    pub(super) fn unknown_member(&self, member_id: &str) -> Refused {
        let text = format!(
            "Member {member_id} is not a member of group {}.",
            self.group_id
        );
        Refused::new(GroupError::UnknownMemberId, text)
    }

    /// A member in a state of a newer broker has to start anew, without partitions.
    fn check_state(&self, request: &ConsumerHeartbeat) -> Result<(), Refused> {
        let is_unknown = self
            .members
            .get(&request.member_id)
            .is_some_and(|member| member.current.state == MemberState::Unknown);
        let owns_nothing = request.owned.as_ref().is_some_and(Assignment::is_empty);
        if is_unknown && !owns_nothing {
            let text = "The consumer group member is in a unknown state. The member must abandon \
                        all its partitions and rejoin.";
            return Err(Refused::new(GroupError::FencedMemberEpoch, text));
        }
        Ok(())
    }

    /// Gives what a static member had to the member that has come back in its place.
    pub(super) fn replace_static_member(
        &mut self,
        old_id: &MemberId,
        new_id: &MemberId,
        actions: &mut Vec<Action>,
    ) {
        let Some(old) = self.members.get(old_id).cloned() else {
            return;
        };
        let target = self.target.get(old_id).cloned().unwrap_or_default();
        self.remove(old_id, actions);
        let current = Current {
            epoch: JOIN_EPOCH,
            previous_epoch: JOIN_EPOCH,
            ..old.current
        };
        let target = TargetAssignmentMemberValue { partitions: target };
        let id = || Arc::clone(new_id);
        for record in [
            ConsumerRecord::Member(id(), Some(old.metadata)),
            ConsumerRecord::TargetAssignmentMember(id(), Some(target)),
            ConsumerRecord::CurrentAssignment(id(), Some(current.to_value())),
        ] {
            self.change(record, actions);
        }
        let group = &self.group_id;
        tracing::info!(%group, from = %old_id, to = %new_id, "static member is back");
    }

    /// Takes over what the member says of itself and raises the group's epoch if that, or what has
    /// become of its topics, asks for it. Whether the member's subscription has changed.
    pub(super) fn describe_member(
        &mut self,
        before: &Member,
        metadata: ConsumerMemberMetadataValue,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let names_changed =
            metadata.subscribed_topic_names != before.metadata.subscribed_topic_names;
        let is_new = !self.members.contains_key(&before.member_id);
        let regex_change = self.change_of_regex(&before.metadata, &metadata);
        if is_new || metadata != before.metadata {
            let id = Arc::clone(&before.member_id);
            self.change(ConsumerRecord::Member(id, Some(metadata)), actions);
        }
        self.drop_unused_regex(before.regex(), actions);
        self.refresh_regexes_if_due(regex_change, surroundings, actions);
        let must_bump = names_changed || regex_change == RegexChange::ToResolved;
        self.refresh_metadata(must_bump, surroundings, actions);
        names_changed || regex_change != RegexChange::None
    }

    /// Raises the epoch if `must_bump`, or if the subscribed topics are not what they were.
    pub(super) fn refresh_metadata(
        &mut self,
        must_bump: bool,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) {
        let version = surroundings.topics.version();
        if !must_bump && self.checked_version == Some(version) {
            return;
        }
        let hash = self.compute_metadata_hash(surroundings.topics);
        if must_bump || hash != self.metadata_hash {
            self.bump_epoch(hash, actions);
        }
        self.checked_version = Some(version);
        if self.has_legacy_metadata {
            self.change(ConsumerRecord::LegacyPartitionMetadata(false), actions);
        }
    }

    /// Lets the member take a step towards its target; `reported` is what it says it owns.
    pub(super) fn move_on(
        &mut self,
        member_id: &MemberId,
        reported: Option<&Assignment>,
        has_subscription_changed: bool,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(member) = self.members.get(member_id) else {
            return;
        };
        let is_reconciled = member.current.is_reconciled_to(self.target_epoch);
        if is_reconciled && !has_subscription_changed {
            return;
        }
        let nothing = Assignment::new();
        let step = Step {
            target: Target {
                epoch: self.target_epoch,
                partitions: self.target.get(member_id).unwrap_or(&nothing),
            },
            subscribed: &self.subscribed_ids(&member.metadata, surroundings.topics),
            has_subscription_changed,
            reported,
            is_owned: &|topic_id, partition| self.is_owned(topic_id, partition),
        };
        let next = reconcile(&member.current, &step);
        if next == member.current {
            return;
        }
        let id = Arc::clone(member_id);
        let timer = TimerKind::Rebalance(Arc::clone(&id));
        // A member of the classic protocol is told to join again, and has its own time for that.
        let is_classic = member.classic().is_some();
        if next.state == MemberState::UnrevokedPartitions && !is_classic {
            let after = timeout(member.metadata.rebalance_timeout_ms);
            actions.push(Action::SetTimer(timer, after));
        } else {
            actions.push(Action::CancelTimer(timer));
        }
        let value = Some(next.to_value());
        self.change(ConsumerRecord::CurrentAssignment(id, value), actions);
    }

    fn answer(
        &self,
        before: &Current,
        request: &ConsumerHeartbeat,
        surroundings: &Surroundings<'_>,
    ) -> ConsumerHeartbeatAnswer {
        let current = self.members.get(&request.member_id);
        let current = current.map_or(before, |member| &member.current);
        let must_tell = request.member_epoch == JOIN_EPOCH
            || request.is_full()
            || before.assigned != current.assigned;
        ConsumerHeartbeatAnswer {
            member_id: Arc::clone(&request.member_id),
            member_epoch: current.epoch,
            heartbeat_interval_ms: surroundings.settings.heartbeat_interval_ms,
            assignment: must_tell.then(|| without_epochs(&current.assigned)),
        }
    }
}

/// What the member is after the heartbeat: what it says anew, and what it has said before.
fn updated_metadata(
    before: &ConsumerMemberMetadataValue,
    request: &ConsumerHeartbeat,
) -> ConsumerMemberMetadataValue {
    let newer = |new: &Option<Arc<str>>, old: &Option<Arc<str>>| new.clone().or(old.clone());
    let names = request.subscribed_topic_names.as_ref();
    ConsumerMemberMetadataValue {
        instance_id: newer(&request.instance_id, &before.instance_id),
        rack_id: newer(&request.rack_id, &before.rack_id),
        client_id: Arc::clone(&request.client_id),
        client_host: Arc::clone(&request.client_host),
        subscribed_topic_names: names.unwrap_or(&before.subscribed_topic_names).clone(),
        subscribed_topic_regex: newer(
            &request.subscribed_topic_regex,
            &before.subscribed_topic_regex,
        ),
        rebalance_timeout_ms: request
            .rebalance_timeout_ms
            .unwrap_or(before.rebalance_timeout_ms),
        server_assignor: newer(&request.server_assignor, &before.server_assignor),
        classic: None,
    }
}

/// Checks the epoch a member says. The previous one is accepted from a member that owns nothing it
/// should not: the answer with its new epoch may have been lost.
fn check_epoch(member: &Member, request: &ConsumerHeartbeat) -> Result<(), Refused> {
    let (said, current) = (request.member_epoch, &member.current);
    if said == JOIN_EPOCH || said == current.epoch {
        return Ok(());
    }
    let owns_no_more = || {
        request.owned.as_ref().is_some_and(|owned| {
            owned.iter().all(|(id, partitions)| {
                let assigned = current.assigned.get(id);
                assigned.is_some_and(|of| partitions.iter().all(|index| of.contains_key(index)))
            })
        })
    };
    if said < current.epoch && said == current.previous_epoch && owns_no_more() {
        return Ok(());
    }
    let relation = if current.epoch < said {
        "greater"
    } else {
        "smaller"
    };
    let text = format!(
        "The consumer group member has a {relation} member epoch ({said}) than the one known by \
         the group coordinator ({}). The member must abandon all its partitions and rejoin.",
        current.epoch
    );
    Err(Refused::new(GroupError::FencedMemberEpoch, text))
}

/// A timeout as clients and records carry it; a negative one has passed already.
pub(super) fn timeout(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

const _: () = assert!(LEAVE_STATIC_EPOCH < JOIN_EPOCH);
