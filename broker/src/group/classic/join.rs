//! JoinGroup: who may join, under which member id, and what that does to the group. The phase
//! itself (delays, completion) is in `rebalance`. Mirrors `GroupMetadataManager.classicGroupJoin*`.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::action::{Action, Persisted, StaticMemberReplaced};
use super::member::{Member, distinct_protocols};
use super::request::{
    JoinRefused, JoinRequest, Joined, JoinedMember, MemberIdentity, Protocol, Token,
};
use super::state::{ClassicGroup, GroupState, timeout};
use crate::group::error::GroupError;
use crate::group::timers::TimerKind;

impl ClassicGroup {
    /// A member asks to join. `token` is answered exactly once: now, or when the join phase ends.
    /// `fresh_id` makes the member id of a member that has none.
    pub(crate) fn join(
        &mut self,
        mut request: JoinRequest,
        token: Token,
        fresh_id: Uuid,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        request.protocols = distinct_protocols(request.protocols);
        let refused = if !self.accepts(&request.member_id) {
            if !request.member_id.is_empty() {
                self.remove_member(&request.member_id, actions);
            }
            Some((GroupError::GroupMaxSizeReached, Arc::from("")))
        } else if self.state == GroupState::Dead {
            Some((
                GroupError::CoordinatorNotAvailable,
                Arc::clone(&request.member_id),
            ))
        } else if !self.supports_protocols(&request.protocol_type, &request.protocols) {
            Some((
                GroupError::InconsistentGroupProtocol,
                Arc::clone(&request.member_id),
            ))
        } else {
            None
        };
        match refused {
            Some((error, member_id)) => refuse(token, error, member_id, actions),
            None if request.member_id.is_empty() => {
                self.join_new_member(request, token, fresh_id, now_ms, actions);
            }
            None => self.join_known_member(request, token, now_ms, actions),
        }
    }

    /// Whether the group has room. While members rejoin, those already waiting count, so that a
    /// group above a lowered limit keeps the first to come back.
    fn accepts(&self, member_id: &str) -> bool {
        let max = self.limits.group_max_size;
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                self.members
                    .get(member_id)
                    .is_some_and(Member::is_awaiting_join)
                    || self.awaiting_joins() < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.has_member(member_id) || self.members.len() < max
            }
        }
    }

    fn join_new_member(
        &mut self,
        request: JoinRequest,
        token: Token,
        fresh_id: Uuid,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        let prefix = request
            .group_instance_id
            .as_ref()
            .unwrap_or(&request.client_id);
        let member_id: Arc<str> = format!("{prefix}-{fresh_id}").into();
        if let Some(instance_id) = &request.group_instance_id {
            return match self.static_members.get(instance_id).cloned() {
                Some(old) => {
                    self.replace_and_join(request, token, &old, member_id, now_ms, actions);
                }
                None => self.add_and_rebalance(request, token, member_id, now_ms, actions),
            };
        }
        if !request.requires_known_member_id {
            return self.add_and_rebalance(request, token, member_id, now_ms, actions);
        }
        if self.limits.pending_members_max <= self.pending_joins.len() {
            return refuse(
                token,
                GroupError::GroupMaxSizeReached,
                Arc::from(""),
                actions,
            );
        }
        self.pending_joins.insert(Arc::clone(&member_id));
        let session = TimerKind::Session(Arc::clone(&member_id));
        actions.push(Action::SetTimer(
            session,
            timeout(request.session_timeout_ms),
        ));
        refuse(token, GroupError::MemberIdRequired, member_id, actions);
    }

    fn join_known_member(
        &mut self,
        request: JoinRequest,
        token: Token,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        let member_id = Arc::clone(&request.member_id);
        if self.is_pending(&member_id) {
            if request.group_instance_id.is_some() {
                // Pending ids are only handed to dynamic members.
                return refuse(token, GroupError::UnknownMemberId, member_id, actions);
            }
            return self.add_and_rebalance(request, token, member_id, now_ms, actions);
        }
        let identity = MemberIdentity {
            member_id: &member_id,
            group_instance_id: request.group_instance_id.as_deref(),
        };
        if let Err(error) = self.validate_member(identity) {
            return refuse(token, error, member_id, actions);
        }
        let is_unchanged = self
            .members
            .get(&member_id)
            .is_some_and(|m| m.protocols == request.protocols);
        match self.state {
            GroupState::CompletingRebalance if is_unchanged => {
                // The member did not receive the answer to its join: repeat it.
                self.reply_current_generation(&member_id, token, actions);
            }
            GroupState::Stable if is_unchanged && !self.is_leader(&member_id) => {
                self.reply_current_generation(&member_id, token, actions);
            }
            // A leader of a stable group joins again to have the partitions assigned anew, which
            // its own metadata need not show.
            GroupState::PreparingRebalance
            | GroupState::CompletingRebalance
            | GroupState::Stable => {
                let (rebalance, session) =
                    (request.rebalance_timeout_ms, request.session_timeout_ms);
                self.update_member(&member_id, request.protocols, rebalance, session);
                self.park_join(&member_id, token, actions);
                let reason = format!(
                    "member {member_id} joins again in state {}; client reason: {}",
                    self.state,
                    reason_text(request.reason.as_deref())
                );
                self.rebalance_or_complete_join(&reason, now_ms, actions);
            }
            GroupState::Empty | GroupState::Dead => {
                refuse(token, GroupError::UnknownMemberId, member_id, actions);
            }
        }
    }

    /// Answers a member that missed the answer to the join of the current generation.
    fn reply_current_generation(
        &self,
        member_id: &Arc<str>,
        token: Token,
        actions: &mut Vec<Action>,
    ) {
        let mut joined = self.joined(member_id);
        if self.state == GroupState::CompletingRebalance && self.is_leader(member_id) {
            joined.members = self.joined_members();
        }
        actions.push(Action::ReplyJoin(token, Ok(joined)));
    }

    /// The answer for a follower in the current generation.
    pub(crate) fn joined(&self, member_id: &Arc<str>) -> Joined {
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_else(|| Arc::from("")),
            skip_assignment: false,
            member_id: Arc::clone(member_id),
            members: Vec::new(),
        }
    }

    /// All members, as the leader gets them.
    pub(crate) fn joined_members(&self) -> Vec<JoinedMember> {
        self.members
            .values()
            .map(|member| JoinedMember {
                member_id: Arc::clone(&member.member_id),
                group_instance_id: member.group_instance_id.clone(),
                metadata: member.metadata(self.protocol_name.as_deref()),
            })
            .collect()
    }

    fn add_and_rebalance(
        &mut self,
        request: JoinRequest,
        token: Token,
        member_id: Arc<str>,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        if self.state == GroupState::PreparingRebalance && self.previous_state == GroupState::Empty
        {
            self.new_member_added = true;
        }
        let reason = format!(
            "new member {member_id}; client reason: {}",
            reason_text(request.reason.as_deref())
        );
        let member = Member {
            member_id: Arc::clone(&member_id),
            group_instance_id: request.group_instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(token),
            awaiting_sync: None,
            is_new: true,
            join_order: 0,
        };
        self.add_member(member, &request.protocol_type);
        // The member cannot send heartbeats while its first join is parked, and the connection
        // does not tell whether the client is gone: the join as such has a time limit.
        let session = TimerKind::Session(member_id);
        actions.push(Action::SetTimer(
            session,
            self.limits.new_member_join_timeout,
        ));
        self.rebalance_or_complete_join(&reason, now_ms, actions);
    }

    /// A static member came back without its member id: it takes over from its former self.
    fn replace_and_join(
        &mut self,
        request: JoinRequest,
        token: Token,
        old_member_id: &Arc<str>,
        new_member_id: Arc<str>,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        let leader_before = self.leader.clone();
        let Some((instance_id, old)) =
            self.replace_static_member(old_member_id, &new_member_id, actions)
        else {
            return refuse(token, GroupError::UnknownMemberId, Arc::from(""), actions);
        };
        let (rebalance, session) = (request.rebalance_timeout_ms, request.session_timeout_ms);
        self.update_member(&new_member_id, request.protocols, rebalance, session);
        self.park_join(&new_member_id, token, actions);
        self.refresh_session(&new_member_id, actions);
        let reason = format!(
            "static member {new_member_id} replaces {old_member_id}; client reason: {}",
            reason_text(request.reason.as_deref())
        );
        match self.state {
            GroupState::Stable if self.select_protocol() == self.protocol_name => {
                let replaced = StaticMemberReplaced {
                    generation: self.generation,
                    group_instance_id: instance_id,
                    old_member_id: Arc::clone(old_member_id),
                    new_member_id,
                    old_protocols: old.protocols,
                    old_rebalance_timeout_ms: old.rebalance_timeout_ms,
                    old_session_timeout_ms: old.session_timeout_ms,
                    leader_before,
                    supports_skipping_assignment: request.supports_skipping_assignment,
                };
                let then = Persisted::StaticMember(Box::new(replaced));
                actions.push(Action::Persist(self.to_record(), then));
            }
            // The leader may already be assigning partitions to the old member id.
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(&reason, now_ms, actions);
            }
            GroupState::PreparingRebalance | GroupState::Empty | GroupState::Dead => {
                self.maybe_complete_join(now_ms, actions);
            }
        }
    }

    /// Gives a static member another member id and fences requests parked under the old one.
    /// Returns the instance id and what the member was.
    fn replace_static_member(
        &mut self,
        old_member_id: &Arc<str>,
        new_member_id: &Arc<str>,
        actions: &mut Vec<Action>,
    ) -> Option<(Arc<str>, Replaced)> {
        let instance_id = self.members.get(old_member_id)?.group_instance_id.clone()?;
        let error = GroupError::FencedInstanceId;
        let refused = JoinRefused {
            error,
            member_id: Arc::clone(old_member_id),
        };
        self.reply_join(old_member_id, Err(refused), actions);
        self.reply_sync(old_member_id, Err(error), actions);
        let mut member = self.members.remove(old_member_id)?;
        let replaced = Replaced {
            protocols: member.protocols.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
        };
        member.member_id = Arc::clone(new_member_id);
        member.is_new = false;
        self.members.insert(Arc::clone(new_member_id), member);
        self.static_members
            .insert(Arc::clone(&instance_id), Arc::clone(new_member_id));
        if self.is_leader(old_member_id) {
            self.leader = Some(Arc::clone(new_member_id));
        }
        self.forget_pending_sync(old_member_id, actions);
        actions.push(Action::CancelTimer(TimerKind::Session(Arc::clone(
            old_member_id,
        ))));
        Some((instance_id, replaced))
    }

    /// The write of a static member's new member id is done.
    pub(crate) fn static_member_persisted(
        &mut self,
        replaced: &StaticMemberReplaced,
        result: Result<(), GroupError>,
        actions: &mut Vec<Action>,
    ) {
        let new_member_id = &replaced.new_member_id;
        let is_current = self.state == GroupState::Stable
            && self.generation == replaced.generation
            && self
                .members
                .get(new_member_id)
                .is_some_and(Member::is_awaiting_join);
        if !is_current {
            // A rebalance began or another instance took over meanwhile: either has answered the
            // join, or will.
            return;
        }
        match result {
            Ok(()) => {
                let mut joined = self.joined(new_member_id);
                if !replaced.supports_skipping_assignment {
                    // An old client that learns it is the leader would wait for members to assign
                    // to. It is told its former id and so behaves as a follower.
                    joined.leader = replaced
                        .leader_before
                        .clone()
                        .unwrap_or_else(|| Arc::from(""));
                } else if self.is_leader(new_member_id) {
                    joined.members = self.joined_members();
                    joined.skip_assignment = true;
                }
                self.reply_join(new_member_id, Ok(joined), actions);
                // Its session may have run out unnoticed while the join was parked.
                self.refresh_session(new_member_id, actions);
            }
            Err(error) => {
                tracing::warn!(
                    group = %self.group_id, member = %new_member_id, %error,
                    "cannot persist the static member; back to {}", replaced.old_member_id
                );
                let error = error.as_coordinator_error();
                let refused = JoinRefused {
                    error,
                    member_id: Arc::from(""),
                };
                self.reply_join(new_member_id, Err(refused), actions);
                self.take_back_static_member(replaced, actions);
            }
        }
    }

    fn take_back_static_member(
        &mut self,
        replaced: &StaticMemberReplaced,
        actions: &mut Vec<Action>,
    ) {
        let (old, new) = (&replaced.old_member_id, &replaced.new_member_id);
        debug_assert_eq!(
            self.static_members.get(&replaced.group_instance_id),
            Some(new)
        );
        self.replace_static_member(new, old, actions);
        self.update_member(
            old,
            replaced.old_protocols.clone(),
            replaced.old_rebalance_timeout_ms,
            replaced.old_session_timeout_ms,
        );
        self.refresh_session(old, actions);
    }
}

/// What a static member was before it was replaced.
struct Replaced {
    protocols: Vec<Protocol>,
    rebalance_timeout_ms: i32,
    session_timeout_ms: i32,
}

fn refuse(token: Token, error: GroupError, member_id: Arc<str>, actions: &mut Vec<Action>) {
    actions.push(Action::ReplyJoin(
        token,
        Err(JoinRefused { error, member_id }),
    ));
}

pub(crate) fn reason_text(reason: Option<&str>) -> &str {
    reason.unwrap_or("not provided")
}
