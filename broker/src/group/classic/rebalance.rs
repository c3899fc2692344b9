//! The phases of a rebalance: when it begins, how long it waits, how it ends; and the timers that
//! drive it. Mirrors `prepareRebalance`, `completeClassicGroupJoin`, `expirePendingSync` and
//! `tryCompleteInitialRebalanceElseSchedule` of Kafka's `GroupMetadataManager`.

use std::sync::Arc;

use super::action::{Action, Persisted};
use super::member::Member;
use super::state::{ClassicGroup, GroupState, InitialDelay};
use crate::group::error::GroupError;
use crate::group::timers::TimerKind;

impl ClassicGroup {
    /// Begins a rebalance if the state allows one; else sees whether the running one is complete.
    pub(crate) fn rebalance_or_complete_join(
        &mut self,
        reason: &str,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        match self.state {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare_rebalance(reason, now_ms, actions);
            }
            GroupState::PreparingRebalance | GroupState::Dead => {
                self.maybe_complete_join(now_ms, actions);
            }
        }
    }

    /// Begins a rebalance.
    pub(crate) fn prepare_rebalance(
        &mut self,
        reason: &str,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        if self.state == GroupState::CompletingRebalance {
            self.reset_assignment(GroupError::RebalanceInProgress, actions);
        }
        self.pending_syncs.clear();
        actions.push(Action::CancelTimer(TimerKind::Sync));
        let is_initial = self.state == GroupState::Empty;
        self.transition_to(GroupState::PreparingRebalance, now_ms);
        tracing::info!(
            group = %self.group_id, generation = self.generation, reason, "preparing to rebalance"
        );
        if is_initial {
            // The group is new: its other members are probably starting too.
            let current = self.limits.initial_rebalance_delay;
            let remaining = self.rebalance_timeout().saturating_sub(current);
            self.new_member_added = false;
            self.initial_delay = Some(InitialDelay { current, remaining });
            actions.push(Action::SetTimer(TimerKind::Join, current));
        } else if self.has_all_members_joined() {
            self.complete_join(now_ms, actions);
        } else {
            actions.push(Action::SetTimer(TimerKind::Join, self.rebalance_timeout()));
        }
    }

    /// Ends the join phase if nobody is missing. An initial rebalance ends by its timer only.
    pub(crate) fn maybe_complete_join(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        if self.state == GroupState::PreparingRebalance
            && self.previous_state != GroupState::Empty
            && self.has_all_members_joined()
        {
            self.complete_join(now_ms, actions);
        }
    }

    /// Ends the join phase: the next generation begins with whoever is there.
    fn complete_join(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        self.initial_delay = None;
        actions.push(Action::CancelTimer(TimerKind::Join));
        self.remove_absent_dynamic_members(actions);
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members are left and none has rejoined. Their sessions decide.
            tracing::info!(group = %self.group_id, "no member rejoined; waiting once more");
            actions.push(Action::SetTimer(TimerKind::Join, self.rebalance_timeout()));
            return;
        }
        // The largest generation is followed by the first, as there is nothing above it.
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        self.pending_syncs.clear();
        self.persisting_generation = None;
        if self.members.is_empty() {
            self.protocol_name = None;
            self.compute_subscribed_topics();
            self.transition_to(GroupState::Empty, now_ms);
            tracing::info!(
                group = %self.group_id, generation = self.generation, "group is empty"
            );
            actions.push(Action::Persist(self.to_record(), Persisted::Empty));
            return;
        }
        self.protocol_name = self.select_protocol();
        self.compute_subscribed_topics();
        self.transition_to(GroupState::CompletingRebalance, now_ms);
        tracing::info!(
            group = %self.group_id, generation = self.generation, members = self.members.len(),
            "join phase complete"
        );
        self.reply_to_joined_members(actions);
        actions.push(Action::SetTimer(TimerKind::Sync, self.rebalance_timeout()));
    }

    fn remove_absent_dynamic_members(&mut self, actions: &mut Vec<Action>) {
        let absent: Vec<Arc<str>> = self
            .members
            .values()
            .filter(|member| !member.is_awaiting_join() && !member.is_static())
            .map(|member| Arc::clone(&member.member_id))
            .collect();
        for member_id in absent {
            tracing::info!(group = %self.group_id, member = %member_id, "member did not rejoin");
            self.remove_member(&member_id, actions);
        }
    }

    /// Keeps the leader if it rejoined, else takes the earliest member that did. Returns whether
    /// there is a leader that rejoined.
    fn elect_joined_leader(&mut self) -> bool {
        let has_rejoined = self
            .leader
            .as_ref()
            .and_then(|leader| self.members.get(leader))
            .is_some_and(Member::is_awaiting_join);
        if has_rejoined {
            return true;
        }
        match self.earliest_member(Member::is_awaiting_join) {
            Some(member_id) => {
                self.leader = Some(member_id);
                true
            }
            None => false,
        }
    }

    fn reply_to_joined_members(&mut self, actions: &mut Vec<Action>) {
        let all = self.joined_members();
        let member_ids: Vec<Arc<str>> = self.members.keys().map(Arc::clone).collect();
        for member_id in member_ids {
            let mut joined = self.joined(&member_id);
            if self.is_leader(&member_id) {
                joined.members.clone_from(&all);
            }
            self.reply_join(&member_id, Ok(joined), actions);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.refresh_session(&member_id, actions);
            self.pending_syncs.insert(member_id);
        }
    }

    /// A timer of the group fired.
    pub(crate) fn timer_fired(&mut self, kind: &TimerKind, now_ms: i64, actions: &mut Vec<Action>) {
        match kind {
            TimerKind::Join => self.join_timer_fired(now_ms, actions),
            TimerKind::Sync => self.sync_timer_fired(now_ms, actions),
            TimerKind::Session(member_id) => self.session_expired(member_id, now_ms, actions),
            // Never set by groups of this protocol.
            TimerKind::Rebalance(_) | TimerKind::ClassicRejoin(_) | TimerKind::ClassicSync(_) => {}
        }
    }

    fn join_timer_fired(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        match self.initial_delay {
            Some(delay) if self.new_member_added && !delay.remaining.is_zero() => {
                self.new_member_added = false;
                let current = self.limits.initial_rebalance_delay.min(delay.remaining);
                let remaining = delay.remaining.saturating_sub(delay.current);
                self.initial_delay = Some(InitialDelay { current, remaining });
                actions.push(Action::SetTimer(TimerKind::Join, current));
            }
            _ => self.complete_join(now_ms, actions),
        }
    }

    /// The members that have not sent a SyncGroup are taken for dead.
    fn sync_timer_fired(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        if !matches!(
            self.state,
            GroupState::CompletingRebalance | GroupState::Stable
        ) || self.pending_syncs.is_empty()
        {
            return;
        }
        let mut missing: Vec<Arc<str>> = self.pending_syncs.drain().collect();
        missing.sort();
        for member_id in &missing {
            self.remove_member(member_id, actions);
        }
        let reason = format!("{} members did not send a sync in time", missing.len());
        self.prepare_rebalance(&reason, now_ms, actions);
    }

    /// Nothing was heard from the member for its session timeout.
    fn session_expired(&mut self, member_id: &str, now_ms: i64, actions: &mut Vec<Action>) {
        if self.is_pending(member_id) {
            self.remove_member(member_id, actions);
            return self.maybe_complete_join_after_removal(now_ms, actions);
        }
        let Some(member) = self.members.get(member_id) else {
            return;
        };
        if member.has_satisfied_heartbeat() {
            // Its session starts anew when the parked request is answered.
            return;
        }
        tracing::info!(group = %self.group_id, member = member_id, "member's session expired");
        self.remove_member(member_id, actions);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => {
                let reason = format!("session of member {member_id} expired");
                self.prepare_rebalance(&reason, now_ms, actions);
            }
            _ => self.maybe_complete_join_after_removal(now_ms, actions),
        }
    }

    /// As Kafka: the loss of a member may also end an initial rebalance early, unlike a leave.
    fn maybe_complete_join_after_removal(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        if self.state == GroupState::PreparingRebalance && self.has_all_members_joined() {
            self.complete_join(now_ms, actions);
        }
    }

    /// Takes every assignment back and answers the parked syncs with `error`.
    pub(crate) fn reset_assignment(&mut self, error: GroupError, actions: &mut Vec<Action>) {
        let member_ids: Vec<Arc<str>> = self.members.keys().map(Arc::clone).collect();
        for member_id in member_ids {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = bytes::Bytes::new();
            }
            if self.reply_sync(&member_id, Err(error), actions) {
                self.refresh_session(&member_id, actions);
            }
        }
    }

    /// The member has sent its sync, or will not: once nobody is missing the timer goes.
    pub(crate) fn forget_pending_sync(&mut self, member_id: &str, actions: &mut Vec<Action>) {
        if self.pending_syncs.remove(member_id) && self.pending_syncs.is_empty() {
            actions.push(Action::CancelTimer(TimerKind::Sync));
        }
    }

    /// After a load: starts the sessions of all members, and a rebalance when there are more than
    /// the limit, which may have been lowered meanwhile.
    pub(crate) fn loaded(&mut self, now_ms: i64, actions: &mut Vec<Action>) {
        for member_id in self.members.keys() {
            self.refresh_session(member_id, actions);
        }
        if self.limits.group_max_size < self.members.len() {
            self.prepare_rebalance("the loaded group is over its maximum size", now_ms, actions);
        }
    }
}
