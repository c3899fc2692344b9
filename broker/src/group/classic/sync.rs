//! SyncGroup: the leader hands in the assignment, everybody gets its part. Mirrors
//! `GroupMetadataManager.classicGroupSyncToClassicGroup`.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use super::action::{Action, Persisted};
use super::request::{MemberIdentity, SyncRequest, SyncResult, Synced, Token};
use super::state::{ClassicGroup, GroupState};
use crate::group::error::GroupError;

impl ClassicGroup {
    /// A member asks for its assignment; the leader brings all of them. `token` is answered exactly
    /// once: now, or when the leader's assignment is on disk.
    pub(crate) fn sync(&mut self, request: SyncRequest, token: Token, actions: &mut Vec<Action>) {
        if let Err(error) = self.validate_sync(&request) {
            actions.push(Action::ReplySync(token, Err(error)));
            return;
        }
        let member_id = Arc::clone(&request.member_id);
        self.forget_pending_sync(&member_id, actions);
        if self.state == GroupState::Stable {
            let result = self.synced(&member_id);
            actions.push(Action::ReplySync(token, result));
            return;
        }
        if let Some(member) = self.members.get_mut(&member_id)
            && let Some(replaced) = member.awaiting_sync.replace(token)
        {
            // The connection of the earlier request is gone; it is answered all the same.
            actions.push(Action::ReplySync(
                replaced,
                Err(GroupError::RebalanceInProgress),
            ));
        }
        if self.is_leader(&member_id) && self.persisting_generation != Some(self.generation) {
            self.persist_assignment(request.assignments, actions);
        }
    }

    fn validate_sync(&self, request: &SyncRequest) -> Result<(), GroupError> {
        match self.state {
            GroupState::Dead => return Err(GroupError::CoordinatorNotAvailable),
            GroupState::Empty => return Err(GroupError::UnknownMemberId),
            _ => {}
        }
        self.validate_member(MemberIdentity {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_deref(),
        })?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if differs(
            request.protocol_type.as_deref(),
            self.protocol_type.as_deref(),
        ) || differs(
            request.protocol_name.as_deref(),
            self.protocol_name.as_deref(),
        ) {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        if self.state == GroupState::PreparingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// Writes the assignment; members the leader left out get an empty one.
    fn persist_assignment(
        &mut self,
        assignments: Vec<(Arc<str>, Bytes)>,
        actions: &mut Vec<Action>,
    ) {
        let mut given: HashMap<Arc<str>, Bytes> = assignments.into_iter().collect();
        let complete: Vec<(Arc<str>, Bytes)> = self
            .members
            .keys()
            .map(|member_id| {
                (
                    Arc::clone(member_id),
                    given.remove(member_id).unwrap_or_default(),
                )
            })
            .collect();
        let mut record = self.to_record();
        for (member, (_, assignment)) in record.members.iter_mut().zip(&complete) {
            member.assignment = assignment.clone();
        }
        self.persisting_generation = Some(self.generation);
        let then = Persisted::Assignment {
            generation: self.generation,
            assignments: complete,
        };
        actions.push(Action::Persist(record, then));
    }

    /// A write of the group's metadata is done.
    pub(crate) fn persisted(
        &mut self,
        what: Persisted,
        result: Result<(), GroupError>,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        match what {
            Persisted::Empty => {
                if let Err(error) = result {
                    tracing::warn!(
                        group = %self.group_id, %error, "cannot write the metadata of the group"
                    );
                }
            }
            Persisted::Assignment {
                generation,
                assignments,
            } => {
                if self.state == GroupState::CompletingRebalance && self.generation == generation {
                    self.assignment_persisted(assignments, result, now_ms, actions);
                }
            }
            Persisted::StaticMember(replaced) => {
                self.static_member_persisted(&replaced, result, actions);
            }
        }
    }

    fn assignment_persisted(
        &mut self,
        assignments: Vec<(Arc<str>, Bytes)>,
        result: Result<(), GroupError>,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        self.persisting_generation = None;
        if let Err(error) = result {
            tracing::warn!(
                group = %self.group_id, generation = self.generation, %error,
                "cannot write the assignment"
            );
            self.reset_assignment(error.as_coordinator_error(), actions);
            let reason = format!("error when storing the assignment: {error}");
            return self.prepare_rebalance(&reason, now_ms, actions);
        }
        for (member_id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = assignment;
            }
        }
        self.transition_to(GroupState::Stable, now_ms);
        tracing::info!(
            group = %self.group_id, generation = self.generation, members = self.members.len(),
            "group is stable"
        );
        let member_ids: Vec<Arc<str>> = self.members.keys().map(Arc::clone).collect();
        for member_id in member_ids {
            let result = self.synced(&member_id);
            // Sessions may have run out unnoticed while the syncs were parked.
            if self.reply_sync(&member_id, result, actions) {
                self.refresh_session(&member_id, actions);
            }
        }
    }

    fn synced(&self, member_id: &str) -> SyncResult {
        let member = self
            .members
            .get(member_id)
            .ok_or(GroupError::UnknownMemberId)?;
        Ok(Synced {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: member.assignment.clone(),
        })
    }
}

/// Whether both are given and not the same.
fn differs(requested: Option<&str>, actual: Option<&str>) -> bool {
    matches!((requested, actual), (Some(requested), Some(actual)) if requested != actual)
}
