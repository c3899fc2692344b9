//! When a group's target assignment is computed anew, and what changes then. An event of
//! [`ConsumerGroup`]; mirrors `GroupMetadataManager.maybeUpdateTargetAssignment`.

use std::sync::Arc;

use super::action::Action;
use super::group::ConsumerGroup;
use super::record::ConsumerRecord;
use super::request::Refused;
use super::settings::Surroundings;
use crate::group::assignor::{TargetAssignment, TargetMember, build_target_assignment};
use crate::group::error::GroupError;
use crate::group::schema::{TargetAssignmentMemberValue, TargetAssignmentMetadataValue};

impl ConsumerGroup {
    /// Computes the target assignment if it is older than the group, unless the last one is so
    /// recent that more changes are worth waiting for.
    pub(super) fn refresh_target(
        &mut self,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        if self.epoch <= self.target_epoch || !self.may_compute_target(surroundings) {
            return Ok(());
        }
        let target = self.compute_target(surroundings)?;
        for member_id in &target.changed {
            let partitions = target.members.get(member_id).cloned().unwrap_or_default();
            let value = Some(TargetAssignmentMemberValue { partitions });
            let id = Arc::clone(member_id);
            self.change(ConsumerRecord::TargetAssignmentMember(id, value), actions);
        }
        let value = TargetAssignmentMetadataValue {
            assignment_epoch: self.epoch,
            assignment_timestamp_ms: surroundings.now_ms,
        };
        self.change(ConsumerRecord::TargetAssignment(Some(value)), actions);
        Ok(())
    }

    fn may_compute_target(&self, surroundings: &Surroundings<'_>) -> bool {
        let interval_ms = surroundings.settings.assignment_interval_ms;
        // Unknown, or the way out after the clock was set back.
        self.target_timestamp_ms == 0
            || interval_ms == 0
            || self.target_timestamp_ms.saturating_add(interval_ms) <= surroundings.now_ms
    }

    fn compute_target(&self, surroundings: &Surroundings<'_>) -> Result<TargetAssignment, Refused> {
        let preferred = self.subscriptions.preferred_assignor();
        let assignor = surroundings
            .settings
            .assignor(preferred.map(|name| &**name));
        let members: Vec<TargetMember<'_>> = self
            .members
            .values()
            .map(|member| TargetMember {
                member_id: Arc::clone(&member.member_id),
                instance_id: member.metadata.instance_id.clone(),
                topic_names: &member.metadata.subscribed_topic_names,
                regex_topics: member
                    .regex()
                    .and_then(|regex| self.resolved_regexes.get(regex))
                    .map(|resolved| &resolved.topics),
                target: self.target.get(&member.member_id),
                predecessor_target: None,
            })
            .collect();
        build_target_assignment(assignor, &members, surroundings.topics).map_err(|error| {
            let text = format!(
                "Failed to compute a new target assignment for epoch {}: {error}",
                self.epoch
            );
            tracing::error!(group = %self.group_id, "{text}");
            Refused::new(GroupError::UnknownServerError, text)
        })
    }
}
