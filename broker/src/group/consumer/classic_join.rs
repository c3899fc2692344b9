//! JoinGroup of a member that uses the classic protocol, served by a consumer group. An event of
//! [`ConsumerGroup`]; mirrors `GroupMetadataManager.classicGroupJoinToConsumerGroup`.
//!
//! Nobody waits for anybody: the join is a heartbeat that says everything, the member's epoch is
//! its generation, and its assignment is what the SyncGroup that follows is answered with
//! (`classic_member`). No member is told that it leads, so none computes an assignment. A member
//! that has to give up partitions, or waits for some, is told by its heartbeat to join again.

use std::sync::Arc;

use uuid::Uuid;

use super::action::Action;
use super::group::ConsumerGroup;
use super::heartbeat::timeout;
use super::member::Member;
use super::settings::Surroundings;
use crate::group::assignor::{Assignment, MemberId, TopicsImage};
use crate::group::classic::member::distinct_protocols;
use crate::group::classic::request::{JoinRefused, JoinRequest, JoinResult, Joined, Protocol};
use crate::group::classic::state::CONSUMER_PROTOCOL_TYPE;
use crate::group::error::GroupError;
use crate::group::migration::Downgrade;
use crate::group::schema::{ClassicMemberMetadata, ConsumerMemberMetadataValue, Subscription};
use crate::group::timers::TimerKind;

/// A member that may join.
struct Joiner {
    member_id: MemberId,
    /// The static member it takes the place of.
    replaced: Option<MemberId>,
    subscription: Subscription,
}

impl ConsumerGroup {
    /// A member of the classic protocol joins or joins again. `fresh_id` makes the id of a member
    /// that has none.
    ///
    /// # Errors
    /// `InconsistentGroupProtocol` when the policy or the members forbid it, or its metadata cannot
    /// be read; `GroupMaxSizeReached`; `MemberIdRequired`; `UnknownMemberId` and `FencedInstanceId`
    /// for a static member. Nothing has changed then. Also `UnknownServerError` when no target can
    /// be computed.
    pub(crate) fn classic_join(
        &mut self,
        request: &JoinRequest,
        fresh_id: Uuid,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) -> JoinResult {
        let member_id = if request.member_id.is_empty() {
            fresh_id.to_string().into()
        } else {
            Arc::clone(&request.member_id)
        };
        let joiner = self.check_classic_join(request, member_id, surroundings)?;
        let id = &joiner.member_id;
        let was_last = self.is_last_consumer(request, surroundings);
        if let Some(replaced) = &joiner.replaced {
            self.replace_static_member(replaced, id, actions);
        }
        let before = self.members.get(id).cloned();
        let before = before.unwrap_or_else(|| Member::new(Arc::clone(id)));
        let metadata = classic_metadata(&before, request, &joiner.subscription);
        let has_changed = self.describe_member(&before, metadata, surroundings, actions);
        let owned = owned_partitions(&joiner.subscription, surroundings.topics);
        if was_last {
            if self.target_epoch == self.epoch {
                self.move_on(id, Some(&owned), has_changed, surroundings, actions);
            }
            if self.become_classic(surroundings, actions) {
                return Ok(self.joined(id, request));
            }
        }
        self.refresh_target(surroundings, actions)
            .map_err(|refused| refuse(refused.error, id))?;
        self.move_on(id, Some(&owned), has_changed, surroundings, actions);
        self.await_sync(id, request, actions);
        Ok(self.joined(id, request))
    }

    /// Whether the member that joins is a static one that used the consumer protocol, as the last,
    /// so that the group may become a classic one with it.
    fn is_last_consumer(&self, request: &JoinRequest, surroundings: &Surroundings<'_>) -> bool {
        let instance_id = request.group_instance_id.as_deref();
        let predecessor = instance_id.and_then(|id| self.static_member(id));
        predecessor.is_some_and(|predecessor| {
            let mut consumers = self.members.values().filter(|it| it.classic().is_none());
            predecessor.classic().is_none()
                && consumers.all(|consumer| consumer.member_id == predecessor.member_id)
                && self.may_downgrade(self.members.len(), surroundings)
        })
    }

    fn check_classic_join(
        &self,
        request: &JoinRequest,
        member_id: MemberId,
        surroundings: &Surroundings<'_>,
    ) -> Result<Joiner, JoinRefused> {
        let refuse = |error| refuse(error, &request.member_id);
        let settings = surroundings.settings;
        if !settings.migration_policy.allows_classic_members() {
            return Err(refuse(GroupError::InconsistentGroupProtocol));
        }
        let instance_id = request.group_instance_id.as_deref();
        self.check_size(&member_id, instance_id, settings.max_size)
            .map_err(|refused| refuse(refused.error))?;
        let subscription = match request.protocols.first() {
            Some(first) if self.supports_protocols(&request.protocol_type, &request.protocols) => {
                Subscription::decode(&first.metadata).map_err(|error| {
                    let group = &self.group_id;
                    tracing::warn!(%group, %member_id, %error, "cannot read a subscription");
                    refuse(GroupError::InconsistentGroupProtocol)
                })?
            }
            _ => return Err(refuse(GroupError::InconsistentGroupProtocol)),
        };
        let is_anonymous = request.member_id.is_empty();
        let mut replaced = None;
        match instance_id {
            None if is_anonymous && request.requires_known_member_id => {
                let error = GroupError::MemberIdRequired;
                return Err(JoinRefused { error, member_id });
            }
            None => {}
            Some(instance_id) => match self.static_member(instance_id) {
                Some(existing) if is_anonymous => {
                    replaced = Some(Arc::clone(&existing.member_id));
                }
                Some(existing) => self
                    .check_instance(existing, instance_id, &member_id)
                    .map_err(|refused| refuse(refused.error))?,
                None if is_anonymous => {}
                None => return Err(refuse(GroupError::UnknownMemberId)),
            },
        }
        Ok(Joiner {
            member_id,
            replaced,
            subscription,
        })
    }

    /// Whether a member that offers these protocols fits the others of the classic protocol: one of
    /// them is offered by all.
    fn supports_protocols(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        let offers = |member: &Member, name: &str| {
            member.classic().is_none_or(|classic| {
                let mut offered = classic.supported_protocols.iter();
                offered.any(|(offered, _)| **offered == *name)
            })
        };
        protocol_type == CONSUMER_PROTOCOL_TYPE
            && protocols.iter().any(|protocol| {
                let mut members = self.members.values();
                members.all(|member| offers(member, &protocol.name))
            })
    }

    fn joined(&self, member_id: &MemberId, request: &JoinRequest) -> Joined {
        let current = self.members.get(member_id).map(|member| &member.current);
        let protocol = request.protocols.first();
        Joined {
            generation: current.map_or(self.epoch, |current| current.epoch),
            protocol_type: Some(Arc::from(CONSUMER_PROTOCOL_TYPE)),
            protocol_name: protocol.map(|protocol| Arc::clone(&protocol.name)),
            leader: Arc::from(""),
            skip_assignment: false,
            member_id: Arc::clone(member_id),
            members: Vec::new(),
        }
    }

    /// The member has its session, and some time to fetch its assignment.
    fn await_sync(&self, member_id: &MemberId, request: &JoinRequest, actions: &mut Vec<Action>) {
        let id = || Arc::clone(member_id);
        let session = timeout(request.session_timeout_ms);
        let sync = timeout(request.rebalance_timeout_ms);
        actions.push(Action::CancelTimer(TimerKind::ClassicRejoin(id())));
        actions.push(Action::SetTimer(TimerKind::Session(id()), session));
        actions.push(Action::SetTimer(TimerKind::ClassicSync(id()), sync));
    }

    /// Becomes a classic group of all its members; whether it can. It rebalances unless everybody
    /// has its target: Kafka looks only at the epoch of the target, but a member that waits for
    /// partitions must not get them from the classic group before their owners gave them up.
    fn become_classic(&self, surroundings: &Surroundings<'_>, actions: &mut Vec<Action>) -> bool {
        let Some(group) = self.downgraded(&[], surroundings) else {
            return false;
        };
        let mut members = self.members.values();
        let all_done = self.target_epoch == self.epoch
            && members.all(|member| member.current.is_reconciled_to(self.target_epoch));
        let rebalance = (!all_done).then_some("downgraded with a stale assignment");
        self.hand_over(Downgrade { group, rebalance }, actions);
        true
    }
}

fn refuse(error: GroupError, member_id: &MemberId) -> JoinRefused {
    JoinRefused {
        error,
        member_id: Arc::clone(member_id),
    }
}

/// What the member is after its join.
fn classic_metadata(
    before: &Member,
    request: &JoinRequest,
    subscription: &Subscription,
) -> ConsumerMemberMetadataValue {
    let before = &before.metadata;
    let newer = |new: &Option<Arc<str>>, old: &Option<Arc<str>>| new.clone().or(old.clone());
    let rebalance_timeout_ms = request.rebalance_timeout_ms;
    ConsumerMemberMetadataValue {
        instance_id: newer(&request.group_instance_id, &before.instance_id),
        rack_id: newer(&subscription.rack_id, &before.rack_id),
        client_id: Arc::clone(&request.client_id),
        client_host: Arc::clone(&request.client_host),
        subscribed_topic_names: subscription.topics.iter().cloned().collect(),
        // Consumers of the classic protocol match patterns themselves.
        subscribed_topic_regex: Some(Arc::from("")),
        rebalance_timeout_ms: if rebalance_timeout_ms == -1 {
            before.rebalance_timeout_ms
        } else {
            rebalance_timeout_ms
        },
        server_assignor: before.server_assignor.clone(),
        classic: Some(ClassicMemberMetadata {
            session_timeout_ms: request.session_timeout_ms,
            supported_protocols: distinct_protocols(request.protocols.clone())
                .into_iter()
                .map(|protocol| (protocol.name, protocol.metadata))
                .collect(),
        }),
    }
}

/// What the member says it owns, of topics that exist.
fn owned_partitions(subscription: &Subscription, topics: &dyn TopicsImage) -> Assignment {
    let mut owned = Assignment::new();
    for (name, partitions) in &subscription.owned_partitions {
        if let Some(topic) = topics.topic(name) {
            let of_topic = owned.entry(topic.id).or_default();
            of_topic.extend(partitions.iter().copied());
        }
    }
    owned
}
