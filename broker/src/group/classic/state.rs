//! A classic consumer group as a pure state machine: its data, and the changes that keep its
//! counters right. The events live beside it: `join`, `sync`, `rebalance`, `membership`.
//!
//! Events and the time go in, [`Action`]s come out; nothing here locks, sleeps, sends or writes.
//! Mirrors Kafka's `ClassicGroup` and the classic half of `GroupMetadataManager`. The newer
//! consumer group protocol (KIP-848) is not here.
//!
//! Invariants, checked by `assert_consistent` in tests: `awaiting_joins` counts the members with a
//! parked join; `supported_protocols` counts the members that offer each name; static members map
//! to members; a pending member id is no member; whoever is in `pending_syncs` is a member.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::action::Action;
use super::member::Member;
use super::request::{JoinRefused, JoinResult, MemberIdentity, Protocol, SyncResult, Token};
use crate::group::error::GroupError;
use crate::group::schema::subscribed_topics;
use crate::group::timers::TimerKind;

/// The protocol type of consumer groups.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The state of a classic group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members; committed offsets may remain.
    Empty,
    /// Waiting for the members to join.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// Deleted, or moved to another coordinator.
    Dead,
}

impl GroupState {
    /// Kafka's name of the state.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }

    /// Whether a group may go from this state to `next`.
    const fn may_become(self, next: Self) -> bool {
        match next {
            Self::Empty | Self::CompletingRebalance => matches!(self, Self::PreparingRebalance),
            Self::PreparingRebalance => {
                matches!(self, Self::Stable | Self::CompletingRebalance | Self::Empty)
            }
            Self::Stable => matches!(self, Self::CompletingRebalance),
            Self::Dead => true,
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The limits a group checks while members join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupLimits {
    pub(crate) group_max_size: usize,
    pub(crate) pending_members_max: usize,
    pub(crate) initial_rebalance_delay: Duration,
    pub(crate) new_member_join_timeout: Duration,
}

/// Where the delays of an initial rebalance stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitialDelay {
    pub(crate) current: Duration,
    pub(crate) remaining: Duration,
}

/// A classic group.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(crate) group_id: Arc<str>,
    pub(crate) limits: GroupLimits,
    pub(crate) state: GroupState,
    pub(crate) previous_state: GroupState,
    /// When the group entered its state, ms since the epoch; unknown in old records.
    pub(crate) state_since_ms: Option<i64>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol_name: Option<Arc<str>>,
    pub(crate) leader: Option<Arc<str>>,
    /// By member id. Ordered, so that every choice among members is reproducible.
    pub(crate) members: BTreeMap<Arc<str>, Member>,
    /// Member id by group instance id.
    pub(crate) static_members: HashMap<Arc<str>, Arc<str>>,
    /// Member ids handed out with `MemberIdRequired`, not yet joined with.
    pub(crate) pending_joins: HashSet<Arc<str>>,
    /// Members that have not sent the SyncGroup of this generation.
    pub(crate) pending_syncs: HashSet<Arc<str>>,
    awaiting_joins: usize,
    supported_protocols: HashMap<Arc<str>, usize>,
    /// `None` when the group is no consumer group, or its metadata could not be read.
    subscribed_topics: Option<HashSet<Arc<str>>>,
    /// Whether a member came during the current step of the initial rebalance delay.
    pub(crate) new_member_added: bool,
    /// Present while the initial rebalance delay runs.
    pub(crate) initial_delay: Option<InitialDelay>,
    /// The generation whose assignment is being written.
    pub(crate) persisting_generation: Option<i32>,
    next_join_order: u64,
}

impl ClassicGroup {
    /// A group without members, in state Empty since `now_ms`.
    pub(crate) fn new(group_id: Arc<str>, limits: GroupLimits, now_ms: i64) -> Self {
        Self {
            group_id,
            limits,
            state: GroupState::Empty,
            previous_state: GroupState::Dead,
            state_since_ms: Some(now_ms),
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: HashMap::new(),
            pending_joins: HashSet::new(),
            pending_syncs: HashSet::new(),
            awaiting_joins: 0,
            supported_protocols: HashMap::new(),
            subscribed_topics: None,
            new_member_added: false,
            initial_delay: None,
            persisting_generation: None,
            next_join_order: 0,
        }
    }

    /// The state.
    pub(crate) const fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    pub(crate) fn has_member(&self, member_id: &str) -> bool {
        self.members.contains_key(member_id)
    }

    pub(crate) fn is_pending(&self, member_id: &str) -> bool {
        self.pending_joins.contains(member_id)
    }

    pub(crate) const fn awaiting_joins(&self) -> usize {
        self.awaiting_joins
    }

    pub(crate) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_joins && self.pending_joins.is_empty()
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// The longest rebalance timeout of all members.
    pub(crate) fn rebalance_timeout(&self) -> Duration {
        let longest = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max();
        timeout(longest.unwrap_or(0))
    }

    /// Moves to `next`.
    ///
    /// # Panics
    /// When the state machine does not allow it: a bug here, never a matter of input.
    pub(crate) fn transition_to(&mut self, next: GroupState, now_ms: i64) {
        assert!(
            self.state.may_become(next),
            "group {} cannot go from {} to {next}",
            self.group_id,
            self.state
        );
        self.previous_state = self.state;
        self.state = next;
        self.state_since_ms = Some(now_ms);
    }

    /// Whether a member that offers these protocols can be in the group.
    pub(crate) fn supports_protocols(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == GroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|protocol| self.is_supported_by_all(&protocol.name))
    }

    fn is_supported_by_all(&self, protocol_name: &str) -> bool {
        self.supported_protocols
            .get(protocol_name)
            .copied()
            .unwrap_or(0)
            == self.members.len()
    }

    /// The protocol with the most votes among those every member offers; each member votes for the
    /// first in its own order. Of equal votes the alphabetically first wins.
    pub(crate) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes = BTreeMap::<&Arc<str>, usize>::new();
        for member in self.members.values() {
            if let Some(name) = member.vote(|name| self.is_supported_by_all(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes
            .into_iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| Arc::clone(name))
    }

    /// Adds a member and makes it leader if there is none.
    pub(crate) fn add_member(&mut self, mut member: Member, protocol_type: &Arc<str>) {
        let member_id = Arc::clone(&member.member_id);
        assert!(
            !self.has_member(&member_id),
            "{member_id} joins {} twice",
            self.group_id
        );
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::clone(protocol_type));
        }
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members
                .insert(Arc::clone(instance_id), Arc::clone(&member_id));
        }
        if self.leader.is_none() {
            self.leader = Some(Arc::clone(&member_id));
        }
        member.join_order = self.next_join_order;
        self.next_join_order += 1;
        self.count_protocols(&member.protocols);
        self.awaiting_joins += usize::from(member.is_awaiting_join());
        self.pending_joins.remove(&member_id);
        self.members.insert(member_id, member);
    }

    /// Removes a member or a pending member id, its timer included. Requests the member has parked
    /// are answered with `UnknownMemberId`, so that a client that still lives joins again.
    pub(crate) fn remove_member(&mut self, member_id: &str, actions: &mut Vec<Action>) {
        self.pending_joins.remove(member_id);
        self.pending_syncs.remove(member_id);
        if let Some(member) = self.members.remove(member_id) {
            self.uncount_protocols(&member.protocols);
            self.awaiting_joins -= usize::from(member.is_awaiting_join());
            if let Some(instance_id) = &member.group_instance_id {
                self.static_members.remove(instance_id);
            }
            let error = GroupError::UnknownMemberId;
            if let Some(token) = member.awaiting_join {
                let refused = JoinRefused {
                    error,
                    member_id: Arc::from(""),
                };
                actions.push(Action::ReplyJoin(token, Err(refused)));
            }
            if let Some(token) = member.awaiting_sync {
                actions.push(Action::ReplySync(token, Err(error)));
            }
            if self.is_leader(member_id) {
                self.leader = self.earliest_member(|_| true);
            }
        }
        actions.push(Action::CancelTimer(TimerKind::Session(Arc::from(
            member_id,
        ))));
    }

    /// The member that joined first among those that satisfy `is_eligible`.
    pub(crate) fn earliest_member(
        &self,
        is_eligible: impl Fn(&Member) -> bool,
    ) -> Option<Arc<str>> {
        self.members
            .values()
            .filter(|member| is_eligible(member))
            .min_by_key(|member| member.join_order)
            .map(|member| Arc::clone(&member.member_id))
    }

    /// Parks a JoinGroup. A request the member had parked before came over a connection that is
    /// gone by now; it is answered all the same.
    pub(crate) fn park_join(&mut self, member_id: &str, token: Token, actions: &mut Vec<Action>) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        if let Some(replaced) = member.awaiting_join.replace(token) {
            let error = GroupError::RebalanceInProgress;
            let refused = JoinRefused {
                error,
                member_id: Arc::clone(&member.member_id),
            };
            actions.push(Action::ReplyJoin(replaced, Err(refused)));
        } else {
            self.awaiting_joins += 1;
        }
    }

    /// Answers the member's parked JoinGroup; returns whether there was one.
    pub(crate) fn reply_join(
        &mut self,
        member_id: &str,
        result: JoinResult,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(member) = self.members.get_mut(member_id) else {
            return false;
        };
        let Some(token) = member.awaiting_join.take() else {
            return false;
        };
        self.awaiting_joins -= 1;
        actions.push(Action::ReplyJoin(token, result));
        true
    }

    /// Answers the member's parked SyncGroup; returns whether there was one.
    pub(crate) fn reply_sync(
        &mut self,
        member_id: &str,
        result: SyncResult,
        actions: &mut Vec<Action>,
    ) -> bool {
        let token = self
            .members
            .get_mut(member_id)
            .and_then(|member| member.awaiting_sync.take());
        let Some(token) = token else { return false };
        actions.push(Action::ReplySync(token, result));
        true
    }

    /// Replaces what the member offers and its timeouts.
    pub(crate) fn update_member(
        &mut self,
        member_id: &str,
        protocols: Vec<Protocol>,
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
    ) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
        let old = std::mem::replace(&mut member.protocols, protocols.clone());
        self.uncount_protocols(&old);
        self.count_protocols(&protocols);
    }

    /// Starts the member's session anew.
    pub(crate) fn refresh_session(&self, member_id: &str, actions: &mut Vec<Action>) {
        if let Some(member) = self.members.get(member_id) {
            let kind = TimerKind::Session(Arc::clone(&member.member_id));
            actions.push(Action::SetTimer(kind, timeout(member.session_timeout_ms)));
        }
    }

    /// Checks that the sender of a request is the member it says.
    pub(crate) fn validate_member(&self, identity: MemberIdentity<'_>) -> Result<(), GroupError> {
        if let Some(instance_id) = identity.group_instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(member_id) if **member_id != *identity.member_id => {
                    return Err(GroupError::FencedInstanceId);
                }
                Some(_) => {}
            }
        }
        if self.has_member(identity.member_id) {
            Ok(())
        } else {
            Err(GroupError::UnknownMemberId)
        }
    }

    /// Whether offsets of the topic are in use by the members.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(crate) const fn knows_subscribed_topics(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    /// Reads the subscribed topics of a consumer group from the members' metadata.
    pub(crate) fn compute_subscribed_topics(&mut self) {
        self.subscribed_topics = None;
        if !self.uses_consumer_protocol() {
            return;
        }
        let mut all = HashSet::new();
        for member in self.members.values() {
            match subscribed_topics(&member.metadata(self.protocol_name.as_deref())) {
                Ok(topics) => all.extend(topics),
                Err(error) => {
                    tracing::warn!(
                        group = %self.group_id,
                        member = %member.member_id,
                        %error,
                        "cannot read the subscription; offsets of the group do not expire"
                    );
                    return;
                }
            }
        }
        self.subscribed_topics = Some(all);
    }

    fn count_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self
                .supported_protocols
                .entry(Arc::clone(&protocol.name))
                .or_default() += 1;
        }
    }

    fn uncount_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.supported_protocols.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.supported_protocols.remove(&protocol.name);
                }
            }
        }
    }

    /// Checks every invariant of the module's head.
    #[cfg(test)]
    pub(crate) fn assert_consistent(&self) {
        let awaiting = self
            .members
            .values()
            .filter(|member| member.is_awaiting_join())
            .count();
        assert_eq!(self.awaiting_joins, awaiting);
        let mut counts = HashMap::new();
        for protocol in self.members.values().flat_map(|member| &member.protocols) {
            *counts.entry(Arc::clone(&protocol.name)).or_insert(0_usize) += 1;
        }
        assert_eq!(self.supported_protocols, counts);
        let statics = self
            .members
            .values()
            .filter(|member| member.is_static())
            .count();
        assert_eq!(self.static_members.len(), statics);
        for (instance_id, member_id) in &self.static_members {
            let member = self
                .members
                .get(member_id)
                .expect("static member is a member");
            assert_eq!(member.group_instance_id.as_ref(), Some(instance_id));
        }
        assert!(self.pending_joins.iter().all(|id| !self.has_member(id)));
        assert!(self.pending_syncs.iter().all(|id| self.has_member(id)));
        assert_eq!(self.leader.is_some(), !self.members.is_empty());
        if let Some(leader) = &self.leader {
            assert!(self.has_member(leader));
        }
        if self.state == GroupState::Empty {
            assert!(self.members.is_empty());
        }
    }
}

/// A timeout as clients and records carry it; a negative one has passed already.
pub(crate) fn timeout(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}
